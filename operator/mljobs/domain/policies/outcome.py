"""The outcome of a resource whose last job has ended."""

from collections.abc import Mapping
from typing import Any

from mljobs.api.outputs import TERMINAL_STATES, Outcome, State
from mljobs.domain.job.resource import Resource
from mljobs.domain.policies.deadlines import exceeded
from mljobs.domain.reasons import Reason

_OUTCOMES = {
    State.SUCCEEDED: Outcome.SUCCEEDED,
    State.FAILED: Outcome.FAILED,
    State.CANCELLED: Outcome.CANCELLED,
}


def is_over(status: Mapping[str, Any]) -> bool:
    """Whether the job that a status shows has ended, and no other one follows it by itself."""
    rows = status.get("conditions") or ()
    follows = any(row.get("type") == "Succeeded" and row.get("reason") == Reason.RETRYING for row in rows)
    return status.get("state") in TERMINAL_STATES and not follows


def outcome_of(resource: Resource, state: str) -> Outcome | None:
    """How a resource has ended whose last job has reached a state; None if it has not ended.

    Args:
        resource: whose deadline may have ended the job.
        state: of the job.
    """
    outcome = _OUTCOMES.get(State(state)) if state in State.__members__ else None
    return Outcome.FAILED if outcome is Outcome.CANCELLED and exceeded(resource) else outcome
