"""The outcome that a status shows: one flat word for scripts, field selectors and workflow engines."""

from mljobs.api.base import JsonObject
from mljobs.api.outputs import Outcome
from mljobs.domain.decide.decisions import Finish, Refuse, Settled, Stall
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.policies.outcome import outcome_of
from mljobs.domain.reasons import Reason


def outcome(
    resource: Resource, observation: Observation, decision: Settled, status: JsonObject
) -> Outcome | None:
    """How the resource has ended; None while it may go on by itself.

    Args:
        resource: with the status that it has now.
        observation: of the newest attempt's job.
        decision: what was decided from these two.
        status: the new one, as far as it is about the job.
    """
    accepted = resource.accepted(observation.job)
    if isinstance(decision, Finish) and accepted:
        return outcome_of(resource, str(status.get("state")))
    if isinstance(decision, Stall) and decision.reason is Reason.LOST:
        return Outcome.LOST
    refused = isinstance(decision, Refuse | Stall) and not resource.deleting
    return Outcome.REFUSED if refused and (resource.ended or not accepted) else None
