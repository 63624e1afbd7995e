"""What a JobClass shows: whether jobs can use it, and how many do."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.api.jobclass import DEFAULT_CLASS
from mljobs.api.outputs import TERMINAL_STATES
from mljobs.domain.classes.turns import Used
from mljobs.domain.job.timestamps import timestamp

READY = "Ready"


def used_by_class(bodies: Iterable[Mapping[str, Any]]) -> Mapping[str, Used]:
    """What the active jobs of each class use, by the records of their resources.

    Args:
        bodies: all resources.
    """
    found: dict[str, Used] = {}
    for body in bodies:
        status = body.get("status") or {}
        record = status.get("record") or {}
        recorded = record.get("jobClass") or {}
        name = recorded.get("name")
        if name and record.get("accepted") and status.get("state") not in TERMINAL_STATES:
            found[name] = found.get(name, Used()).plus(int(recorded.get("accelerators") or 0))
    return found


def class_status(
    body: Mapping[str, Any], *, problem: str, ignored_default: bool, used: Used, waiting: int, now: datetime
) -> JsonObject:
    """Make the status of a class.

    Args:
        body: the class.
        problem: why jobs cannot use it; empty if they can.
        ignored_default: whether it is a default that does not count.
        used: what its jobs that have not ended use.
        waiting: resources that wait for room.
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
    return {
        "conditions": [condition],
        "observedGeneration": generation,
        "activeJobs": used.jobs,
        "waitingJobs": waiting,
        "accelerators": used.accelerators,
    }


def _condition(body: Mapping[str, Any]) -> Mapping[str, Any]:
    rows = (body.get("status") or {}).get("conditions") or ()
    return next((row for row in rows if row.get("type") == READY), {})
