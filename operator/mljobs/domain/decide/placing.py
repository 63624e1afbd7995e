"""Placements that refuse a job: the next one is tried, once it is certain that there is no job here."""

from datetime import datetime

from mljobs.api.policies import FailureAction
from mljobs.domain import errors
from mljobs.domain.decide.decisions import Decision, Move, Read, Stall, Wait
from mljobs.domain.decide.plan import AdminPolicy
from mljobs.domain.decide.unknown_outcome import outcome_unknown, resolve_outcome
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import RETRY, Resource, Target
from mljobs.domain.job.timestamps import timestamp
from mljobs.domain.policies.placements import Position, after, described, position_of, tried
from mljobs.domain.policies.retry import action_for, wait_before
from mljobs.domain.port import Failure
from mljobs.domain.reasons import Reason

_REMEDY = f"Add placements or rounds, or set the annotation {RETRY} to try the last one again."


def next_placement(
    resource: Resource, planned: Target, observation: Observation, policy: AdminPolicy, now: datetime
) -> Decision | None:
    """Go on to the next placement after a refusal, or wait for it; None: create the job where it is planned.

    A refusal makes no attempt. Another call for the same attempt may have got no answer before: nothing is
    tried elsewhere until none of its jobs can appear any more.
    """
    here = position_of(resource, planned.attempt)
    if here is None:
        return None
    refused = _refusal(resource, observation)
    if refused is None:
        return _wait_for_round(resource, here, now)
    target = resource.intent.target if resource.intent else planned  # which knows where it is
    if outcome_unknown(resource, observation, policy):
        return resolve_outcome(resource, target, observation, policy, now)
    search = _search(target, observation, policy, now)
    if search:
        return search
    said = f"{refused.message.rstrip('.')}."
    message = f"{_sentence(described(here, resource.spec))} has refused the job: {said}"
    to = after(here, resource.spec)
    if to is None:
        return Stall(Reason.PLACEMENTS_EXHAUSTED, f"{tried(resource.spec)}. {message} {_REMEDY}")
    following = f"{message} {_sentence(described(to, resource.spec))} follows"
    pause = wait_before(to, resource.spec)
    following += f" after {int(pause.total_seconds())} s." if pause else "."
    return Move(planned, Position(to.number, to.round, now), following)


def _refusal(resource: Resource, observation: Observation) -> errors.NoCapacity | None:
    """The refusal of this generation that leads to the next placement."""
    failed = observation.failed_calls.get(Call.CREATE)
    if failed is None or not isinstance(failed.error, errors.NoCapacity):
        return None
    if (failed.generation, failed.retry) != (resource.generation, resource.retry):
        return None
    action = action_for(resource, Failure(failed.error.cause))
    return failed.error if action is FailureAction.NEXT_PLACEMENT else None


def _search(
    target: Target, observation: Observation, policy: AdminPolicy, now: datetime
) -> Read | Wait | None:
    """Read once more, after the time in which a call without an answer may still make a job."""
    unknown_at, read_at = observation.outcome_unknown_at, observation.absent_at
    due = unknown_at + 2 * policy.grace if unknown_at else None
    if due is None or (read_at and read_at >= due):
        return None
    if now >= due:
        return Read(target)
    message = "An earlier create call got no answer. The next placement is tried once it can make no job."
    return Wait(Reason.NO_CAPACITY, message, again=due)


def _wait_for_round(resource: Resource, here: Position, now: datetime) -> Wait | None:
    """The first placement of a further round waits."""
    if here.refused_at is None:
        return None
    due = here.refused_at + wait_before(here, resource.spec)
    if now >= due:
        return None
    message = (
        f"The last placement has refused the job. {_sentence(described(here, resource.spec))} is tried at "
        f"{timestamp(due)}."
    )
    return Wait(Reason.NEXT_PLACEMENT, message, again=due)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
