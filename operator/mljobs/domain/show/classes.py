"""What a JobClass shows: whether jobs can use it, and how many do."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.api.jobclass import DEFAULT_CLASS
from mljobs.api.outputs import TERMINAL_STATES
from mljobs.domain.job.resource import timestamp

READY = "Ready"


def uses(body: Mapping[str, Any]) -> str:
    """The class that an active job uses; empty for one that has ended, or has none."""
    status = body.get("status") or {}
    if not status.get("jobClassName") or status.get("state") in TERMINAL_STATES:
        return ""
    return str(status["jobClassName"]) if status.get("jobId") else ""


def class_status(
    body: Mapping[str, Any], *, problem: str, ignored_default: bool, active: int, now: datetime
) -> JsonObject:
    """Make the status of a class.

    Args:
        body: the class.
        problem: why jobs cannot use it; empty if they can.
        ignored_default: whether it is a default that does not count.
        active: its jobs that have not ended.
        now: for a condition whose status changes.
    """
    generation = body["metadata"].get("generation", 1)
    if problem:
        status, reason, message = "False", "InvalidSpec", f"Jobs cannot use the class: {problem}."
    elif ignored_default:
        status, reason = "True", "AnotherDefault"
        message = (
            f"Jobs can use the class by its name. It is not the default: a newer class has the annotation "
            f"{DEFAULT_CLASS} as well; take it off one of them."
        )
    else:
        status, reason, message = "True", "Valid", "Jobs can use the class."
    before = _condition(body)
    same = before.get("status") == status and "lastTransitionTime" in before
    condition = {
        "type": READY,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if same else timestamp(now),
    }
    return {"conditions": [condition], "observedGeneration": generation, "activeJobs": active}


def _condition(body: Mapping[str, Any]) -> Mapping[str, Any]:
    rows = (body.get("status") or {}).get("conditions") or ()
    return next((row for row in rows if row.get("type") == READY), {})
