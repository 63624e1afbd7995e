"""An unknown outcome: a create call without a usable answer may still have made a job."""

from datetime import datetime, timedelta

from mljobs.domain import errors
from mljobs.domain.decide.decisions import Decision, Look, Wait
from mljobs.domain.decide.plan import Policy, facts_of
from mljobs.domain.decide.trouble import is_ours, refusal_recorded
from mljobs.domain.job.observation import Method, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.reasons import Reason

SECOND_LOOK = timedelta(seconds=10)
"""After an unanswered call, where only a list can tell whether it made a job."""


def _doubt_until(observation: Observation, policy: Policy) -> datetime | None:
    """Until when a call without an answer may still make the job ours; None where there is no such call."""
    moments = [observation.doubtful_at] if observation.doubtful_at else []
    if not observation.alone:
        moments.append(observation.since)
    return max(moments) + policy.grace if moments else None


def in_doubt(resource: Resource, observation: Observation, policy: Policy) -> bool:
    """Whether the newest intent's job may be ours, or become so, although nobody has seen it."""
    intent = resource.intent
    intended = (intent is not None or resource.held) and not impossible(resource, observation)
    if not intended or resource.submitted or refusal_recorded(resource):
        return False
    if observation.job and (is_ours(resource, observation.job) or not (intent and intent.adopting)):
        return False
    until, looked = _doubt_until(observation, policy), _looked_at(observation)
    return until is not None and (looked is None or looked < until)


def _looked_at(observation: Observation) -> datetime | None:
    """When the service last said that there is no such job, or what it is like."""
    return observation.seen_at if observation.job else observation.absent_at


def _between(observation: Observation, policy: Policy) -> datetime | None:
    until = _doubt_until(observation, policy)
    return until - policy.grace + min(SECOND_LOOK, policy.grace) if until else None


def impossible(resource: Resource, observation: Observation) -> bool:
    """Whether the job's name is such that the client sends no request: no job can have it.

    One that a service has accepted exists, and its name is then another service's.
    """
    if resource.submitted:
        return False
    trouble = observation.troubles.get(Method.GET)
    return trouble is not None and isinstance(trouble.error, errors.Rejected) and not trouble.error.status


def settle_doubt(
    resource: Resource, target: Target, observation: Observation, policy: Policy, now: datetime
) -> Decision:
    """Look at the job, and once more when no call that makes it ours can be under way any longer.

    Where the service names jobs itself nobody but a list can tell, and lists lag behind: there is one look
    more between the two.
    """
    until, looked = _doubt_until(observation, policy), _looked_at(observation)
    between = None if facts_of(resource).capabilities.client_names_jobs else _between(observation, policy)
    if looked and between and looked < between:
        until = between
    if looked and until and looked < until and now < until:
        call = "A call that adopts" if observation.job else "A create call for"
        return Wait(
            Reason.OUTCOME_UNKNOWN,
            f"{call} {target.job_name} got no answer, and may still take effect. "
            f"The operator looks again when that is over.",
            until,
        )
    return Look(target)
