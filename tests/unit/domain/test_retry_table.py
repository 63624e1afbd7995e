"""The table of `docs/retries.md`: each of its cells is what happens."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mljobs.api.outputs import Cause
from mljobs.api.policies import FailureAction
from mljobs.domain.decide import decide
from mljobs.domain.decide.decisions import Backoff, Finish
from mljobs.domain.port import Failure
from tests.unit.domain.cases.reading import Case, case

PAGE = Path(__file__).parents[3] / "docs" / "retries.md"
HEADING = (
    "| cause | no rule, or `Retry` | `RetryIgnoringLimit` | `NextPlacement` | `Fail` "
    "| `Retry`, limit used up | no rule, with `placements` |"
)
LIMIT = 2


def cells() -> list[tuple[str, str, str]]:
    """The cells of the table: cause, column, and what happens."""
    _, _, table = PAGE.read_text("utf-8").partition(HEADING + "\n")
    columns = [column.strip() for column in HEADING.strip("|").split("|")][1:]
    found = []
    for line in table.splitlines()[1:]:
        if not line.startswith("|"):
            break
        cause, *happens = (cell.strip() for cell in line.strip("|").split("|"))
        found += [(cause.strip("`"), *pair) for pair in zip(columns, happens, strict=True)]
    return found


def policies(column: str, cause: str) -> list[dict[str, Any]]:
    """The specs that a column is about."""
    actions = [word for word in re.findall(r"`(\w+)`", column) if word in set(FailureAction)]
    made = [{"failurePolicy": {"rules": [{"onCauses": [cause], "action": action}]}} for action in actions]
    ladder: dict[str, Any] = (
        {"placements": [{}, {}]} if {"`placements`", "`NextPlacement`"} & set(column.split()) else {}
    )
    return [{**one, **ladder} for one in ([*made, {}] if "no rule" in column else made)]


def failed(cause: str, spec: dict[str, Any], *, used_up: bool) -> Case:
    """A resource whose attempt has failed so."""
    late = cause == Cause.START_DEADLINE
    one = case("retries/not-started" if late else "retries/failed")
    counted = {"failures": LIMIT, "countedFailures": LIMIT} if used_up else {}
    there = {"placement": {"attempt": 1, "number": 1, "round": 1}}
    status = {**one.resource.status, "record": {**one.resource.record, **counted, **there}}
    resource = replace(one.resource, spec={**one.resource.spec, **spec, "backoffLimit": LIMIT}, status=status)
    job = one.known.job
    assert job is not None
    known = one.known if late else replace(one.known, job=replace(job, failure=Failure(Cause(cause))))
    return replace(one, resource=resource, known=known)


def happens(one: Case) -> str:
    decision = decide(one.resource, one.known, one.policy, one.now)
    if isinstance(decision, Backoff):
        if decision.following.moves_to:
            return "the next placement"
        return "another attempt, counted" if decision.following.counted else "another attempt"
    assert isinstance(decision, Finish)
    return "failed"


@pytest.mark.parametrize(("cause", "column", "expected"), cells())
def test_a_cell_is_what_happens(cause: str, column: str, expected: str) -> None:
    specs = policies(column, cause)
    assert specs
    for spec in specs:
        assert happens(failed(cause, spec, used_up="used up" in column)) == expected


def test_every_cause_has_a_row() -> None:
    assert {cause for cause, _, _ in cells()} == {cause.value for cause in Cause}
