"""The outcome of a resource whose last job has ended."""

from mljobs.api.outputs import Outcome, State
from mljobs.domain.job.resource import Resource
from mljobs.domain.policies.deadlines import exceeded

_OUTCOMES = {
    State.SUCCEEDED: Outcome.SUCCEEDED,
    State.FAILED: Outcome.FAILED,
    State.CANCELLED: Outcome.CANCELLED,
}


def outcome_of(resource: Resource, state: str) -> Outcome | None:
    """How a resource has ended whose last job has reached a state; None if it has not ended.

    Args:
        resource: whose deadline may have ended the job.
        state: of the job.
    """
    outcome = _OUTCOMES.get(State(state)) if state in State.__members__ else None
    return Outcome.FAILED if outcome is Outcome.CANCELLED and exceeded(resource) else outcome
