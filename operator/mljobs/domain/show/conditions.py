"""The conditions of a status: each with the time at which its status last changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.domain.job.resource import Resource
from mljobs.domain.job.timestamps import timestamp
from mljobs.domain.reasons import MEANING, ConditionType, Reason
from mljobs.domain.show.outputs import bounded_text
from mljobs.domain.spec.problems import printable_lines


@dataclass(frozen=True)
class Shown:
    """One condition without its transition time. `status` is None for one that is left out."""

    status: str | None
    reason: Reason
    message: str = ""


def conditions(resource: Resource, shown: Mapping[ConditionType, Shown], now: datetime) -> list[JsonObject]:
    """Make the conditions.

    Args:
        resource: with the conditions that it has now.
        shown: the new ones; without a message, that is what the reason means.
        now: the transition time of those whose status changes.
    """
    found = []
    for kind, condition in shown.items():
        before = _before(resource, kind)
        same = before.get("status") == condition.status and "lastTransitionTime" in before
        found.append(
            {
                "type": kind.value,
                "status": condition.status,
                "reason": condition.reason.value,
                "message": bounded_text(printable_lines(condition.message or MEANING[condition.reason])),
                "observedGeneration": resource.generation,
                "lastTransitionTime": before["lastTransitionTime"] if same else timestamp(now),
            }
        )
    return found


def _before(resource: Resource, kind: ConditionType) -> Mapping[str, Any]:
    """The previous condition, for its transition time only."""
    rows = resource.status.get("conditions")
    for row in rows if isinstance(rows, list | tuple) else ():
        if isinstance(row, Mapping) and row.get("type") == kind:
            return row
    return {}
