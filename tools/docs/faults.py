"""The page of the documentation that says what each fault of the job service leads to."""

from collections.abc import Iterable, Sequence

from mljobs.domain import errors
from tools.docs.fault_table import SURPRISES, TABLE, Again, Condition, FaultedCall, Row, delays

_TITLES = ("Fault", "The resource shows", "The call is made again", "Event", "Remarks")

_INTRODUCTION = """\
# When the job service fails

What happens to a resource when a call of the job service fails. Tests produce every line of
these tables over HTTP, so that they are as true as the tests are green.

- **Nothing is submitted twice.** The client sends a request once, except that after a 401 it fetches a new
  token and sends it a second time. Whether to call again is decided for each resource, and a create call that
  is made again has the same job id.
- **Conditions that a table does not name keep what they say.** A `Submitted` that is `True` stays so.
- **An Event is posted once**, when the condition appears, and not for each try.
- **A job that is running is not disturbed** by anything that the operator cannot do.
"""


def page() -> str:
    """The whole page, in Markdown."""
    parts = [_INTRODUCTION, _pace()]
    for call in FaultedCall:
        rows = [row for row in TABLE if row.call is call]
        parts.append(f"## {call}\n\n{_table(_TITLES, map(_cells, rows))}")
    surprises = _table(("What the service does", "What the operator does"), SURPRISES.items())
    parts.append(f"## Well-formed answers that are wrong\n\n{surprises}")
    return "\n".join(parts)


def _pace() -> str:
    kinds = {
        "no usable answer (5xx, network, time-out, not JSON)": errors.Unavailable,
        "a quota (429)": errors.Throttled,
        "credentials or permissions (401, 403)": errors.Denied,
        "no such project (404 on `create`)": errors.ProjectNotFound,
        "anything else": errors.NotFound,
    }
    rows = [(name, *(f"{seconds:g} s" for seconds in delays(error))) for name, error in kinds.items()]
    table = _table(("After", "First delay", "Longest delay"), rows)
    return f"""\
## How fast calls are made again

A delay doubles with each failure in a row. Up to half of it is removed at random, so that many resources do
not call at the same moment; a `Retry-After` of the service is always kept. Besides, all calls of a project
share its quota.

{table}"""


def _cells(row: Row) -> Sequence[str]:
    faults = _any(row) or ", ".join(row.faults)
    shown = ", ".join(map(_condition, row.shown)) or "nothing of it"
    return faults, shown, _again(row), f"`{row.event}`" if row.event else "none", row.note


def _any(row: Row) -> str:
    if row.call is FaultedCall.TEST_PERMISSIONS:
        return "any"
    return "any other" if row.call is FaultedCall.LIST and row.error is errors.JobServiceError else ""


def _condition(condition: Condition) -> str:
    kind, status, reason = condition
    return f"`{kind}={status}` (`{reason}`)"


def _again(row: Row) -> str:
    if row.again is not Again.BACKING_OFF:
        return row.again.value
    first, longest = delays(row.error)
    return f"after {first:g} s, …, {longest:g} s"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
