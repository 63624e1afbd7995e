"""The milestones of a job that a status change shows, for metrics: each is counted once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mljobs.api.outputs import TERMINAL_STATES
from mljobs.domain.reasons import ConditionType, Reason

Status = Mapping[str, Any]


@dataclass(frozen=True)
class Milestones:
    """The milestones that were just reached.

    Attributes:
        accepted: whether the service has accepted the resource's first job, unless it was adopted.
        ended: the terminal state of a job that has ended; empty if none has.
        cause: why that job has failed; empty if it has not.
        ran: seconds from the start to the end of that job, by the service's clock; None if it never ran.
    """

    accepted: bool = False
    ended: str = ""
    cause: str = ""
    ran: float | None = None


def milestones(before: Status, after: Status) -> Milestones:
    """The milestones of one status change.

    Args:
        before: the old status.
        after: the new status.
    """
    first = after.get("attempt", 1) == 1 and not before.get("createTime")  # which is set once it is accepted
    accepted = first and _accepted(after)
    if not _ended(after) or (_ended(before) and _same_job(before, after)):
        return Milestones(accepted)
    return Milestones(accepted, str(after["state"]), str(after.get("cause") or ""), _seconds(after))


def _accepted(status: Status) -> bool:
    rows = {row["type"]: row for row in status.get("conditions") or ()}
    row = rows.get(ConditionType.SUBMITTED, {})
    return (row.get("status"), row.get("reason")) == ("True", Reason.ACCEPTED)


def _ended(status: Status) -> bool:
    return status.get("state") in TERMINAL_STATES


def _same_job(before: Status, after: Status) -> bool:
    return all(before.get(name) == after.get(name) for name in ("projectId", "jobId", "attempt"))


def _seconds(status: Status) -> float | None:
    try:
        start, end = (datetime.fromisoformat(status[name]) for name in ("startTime", "endTime"))
    except (KeyError, TypeError, ValueError):
        return None
    return max((end - start).total_seconds(), 0.0)
