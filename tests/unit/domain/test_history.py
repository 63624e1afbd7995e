"""The record of a finished resource says what it was, and nothing is recorded that may go on."""

import json
from dataclasses import replace

import pytest

from mljobs.api.attempts import Attempt
from mljobs.domain.show.history import MARK, finished, spec_digest
from tests.unit.domain.cases.following import decided, status
from tests.unit.domain.cases.reading import Case, case, names

ENDED = [name for name in names() if name.startswith("project/")]


def shown(name: str) -> tuple[Case, dict[str, object]]:
    return case(name), status(case(name))


@pytest.mark.parametrize("name", ENDED)
def test_what_has_an_outcome_of_a_job_has_a_record(name: str) -> None:
    one, made = shown(name)
    resource = replace(one.resource, status=made)
    record = finished(resource, one.now)
    over = made.get("outcome") in ("Succeeded", "Failed", "Cancelled")
    assert (record is not None) is over, type(decided(one)).__name__
    if record:
        assert next(iter(record)) == MARK
        assert "\n" not in json.dumps(record)
        assert record["outcome"] == made["outcome"]
        last = record["attempts"][-1]
        assert (last["attempt"], last["jobId"], last["state"]) == (
            made["attempt"],
            made["jobId"],
            made["state"],
        )
        assert all(Attempt.model_validate(row).document() == row for row in record["attempts"])


def test_a_digest_is_that_of_the_content_whatever_the_order() -> None:
    assert spec_digest({"a": 1, "b": {"c": 2, "d": 3}}) == spec_digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert spec_digest({"a": 1}) != spec_digest({"a": 2})
    assert spec_digest({"a": 1}) == (
        "sha256:015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    )
