"""Which Kubernetes Events a change of status is worth: one for each condition that changed, and no others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mljobs.domain.reasons import ConditionType, Reason

WARNINGS = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.REJECTED,
        Reason.JOB_ID_TAKEN,
        Reason.DENIED,
        Reason.PROJECT_NOT_FOUND,
        Reason.LOST,
        Reason.JOB_FAILED,
        Reason.PARTIALLY_SUCCEEDED,
        Reason.OUTCOME_UNKNOWN,
        Reason.THROTTLED,
        Reason.NO_CAPACITY,
        Reason.SERVICE_UNAVAILABLE,
        Reason.LEFT_BEHIND,
        Reason.EXTRA_JOB,
        Reason.SPEC_WARNING,
        Reason.LOSSY,
        Reason.NOT_STORED,
        Reason.NOTHING_TO_ADOPT,
        Reason.NOT_ALLOWED,
        Reason.TAKEN,
        Reason.LABELS_CONTESTED,
    }
)
"""The reasons that are news for whoever is on call."""

_QUIET: Mapping[str, str] = {
    ConditionType.SUBMITTED: "False",
    ConditionType.SUCCEEDED: "Unknown",
    ConditionType.RECONCILING: "False",
    ConditionType.SUSPENDED: "False",
    ConditionType.STALLED: "False",
    ConditionType.TRANSLATED: "True",
}
"""What a condition says before anything has happened."""


@dataclass(frozen=True)
class Event:
    """A Kubernetes Event, before it has an object and a time."""

    reason: Reason
    message: str

    @property
    def type(self) -> Literal["Normal", "Warning"]:
        """The Event's type."""
        return "Warning" if self.reason in WARNINGS else "Normal"


def transitions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Event]:
    """The events of one change from a status to the next, one for each reason."""
    old = {row["type"]: row for row in before.get("conditions") or ()}
    events: dict[str, Event] = {}
    for row in after.get("conditions") or ():
        quiet = _QUIET[row["type"]]
        was = old.get(row["type"], {"status": quiet, "reason": ""})
        changed = row["status"] != was["status"]
        louder = row["status"] != quiet and row["reason"] != was["reason"]
        if changed or louder:
            events.setdefault(row["reason"], Event(Reason(row["reason"]), row["message"]))
    return list(events.values())
