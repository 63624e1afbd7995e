"""An unknown outcome: a create call without a usable answer may still have created a job."""

from datetime import datetime, timedelta

from mljobs.domain import errors
from mljobs.domain.decide.decisions import Decision, Read, Wait
from mljobs.domain.decide.failed_calls import refusal_recorded
from mljobs.domain.decide.plan import AdminPolicy, facts_of
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.reasons import Reason

SECOND_READ = timedelta(seconds=10)
"""After an unanswered call, if only a list can show whether it created a job."""


def _unknown_until(observation: Observation, policy: AdminPolicy) -> datetime | None:
    """Until when an unanswered call may still make the job ours; None if there is no such call."""
    moments = [observation.outcome_unknown_at] if observation.outcome_unknown_at else []
    if not observation.alone:
        moments.append(observation.since)
    return max(moments) + policy.grace if moments else None


def outcome_unknown(resource: Resource, observation: Observation, policy: AdminPolicy) -> bool:
    """Whether the newest intent's job may be ours, or become ours, although it has not been observed."""
    intent = resource.intent
    intended = (intent is not None or resource.held) and not impossible(resource, observation)
    if not intended or resource.submitted or refusal_recorded(resource):
        return False
    if observation.job and (resource.owns(observation.job) or not (intent and intent.adopting)):
        return False
    until, read_at = _unknown_until(observation, policy), _read_at(observation)
    return until is not None and (read_at is None or read_at < until)


def _read_at(observation: Observation) -> datetime | None:
    """When the service last reported the job, or that there is none."""
    return observation.seen_at if observation.job else observation.absent_at


def _between(observation: Observation, policy: AdminPolicy) -> datetime | None:
    until = _unknown_until(observation, policy)
    return until - policy.grace + min(SECOND_READ, policy.grace) if until else None


def impossible(resource: Resource, observation: Observation) -> bool:
    """Whether the job's name is invalid, so that the client sends no request and no job can have it.

    A job that a service has accepted exists: its name is then that of another service.
    """
    if resource.submitted:
        return False
    failed = observation.failed_calls.get(Call.GET)
    return failed is not None and isinstance(failed.error, errors.Rejected) and not failed.error.status


def resolve_outcome(
    resource: Resource, target: Target, observation: Observation, policy: AdminPolicy, now: datetime
) -> Decision:
    """Read the job, and once more when no call that makes it ours can be in flight any longer.

    If the service names jobs itself, only a list can show whether there is one, and lists lag: there is one
    more read in between.
    """
    until, read_at = _unknown_until(observation, policy), _read_at(observation)
    between = None if facts_of(resource).capabilities.client_names_jobs else _between(observation, policy)
    if read_at and between and read_at < between:
        until = between
    if read_at and until and read_at < until and now < until:
        call = "A call that adopts" if observation.job else "A create call for"
        return Wait(
            Reason.OUTCOME_UNKNOWN,
            f"{call} {target.job_name} got no answer, and may still take effect. "
            f"The operator reads the job again after that time.",
            again=until,
        )
    return Read(target)
