"""The Kubernetes Events of a status change: one for each condition that changed, and no others."""

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
        Reason.BACKOFF_LIMIT_EXCEEDED,
        Reason.RETRYING,
        Reason.NEXT_PLACEMENT,
        Reason.PLACEMENTS_EXHAUSTED,
        Reason.DEADLINE_EXCEEDED,
        Reason.START_DEADLINE_EXCEEDED,
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
        Reason.NO_JOB_CLASS,
        Reason.TAKEN,
        Reason.LABELS_CONTESTED,
        Reason.NOT_CREATED,
        Reason.NAME_TAKEN,
        Reason.RUN_MISSED,
    }
)
"""The reasons whose Events are warnings."""

_EACH_TIME = frozenset({Reason.NEXT_PLACEMENT})
"""The reasons that are told again whenever their message has changed: one refusal may follow another."""

_INITIAL: Mapping[str, str] = {
    ConditionType.SUBMITTED: "False",
    ConditionType.SUCCEEDED: "Unknown",
    ConditionType.RECONCILING: "False",
    ConditionType.SUSPENDED: "False",
    ConditionType.STALLED: "False",
    ConditionType.TRANSLATED: "True",
    ConditionType.DUE: "False",
}
"""The status of a condition that is absent."""


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes Event, before it has an object and a time."""

    reason: Reason
    message: str

    @property
    def type(self) -> Literal["Normal", "Warning"]:
        """The Event's type."""
        return "Warning" if self.reason in WARNINGS else "Normal"


def transitions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Event]:
    """The Events of the change from one status to the next, one for each reason."""
    old = {row["type"]: row for row in before.get("conditions") or ()}
    events: dict[str, Event] = {}
    for row in after.get("conditions") or ():
        initial = _INITIAL[row["type"]]
        was = old.get(row["type"], {"status": initial, "reason": ""})
        changed = row["status"] != was["status"]
        new_reason = row["status"] != initial and row["reason"] != was["reason"]
        told_again = row["reason"] in _EACH_TIME and row["message"] != was.get("message")
        if changed or new_reason or told_again:
            events.setdefault(row["reason"], Event(Reason(row["reason"]), row["message"]))
    return list(events.values())
