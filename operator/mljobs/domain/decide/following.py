"""What follows an attempt that has ended: another one, or the end of the resource."""

from datetime import datetime

from mljobs.api.outputs import State
from mljobs.domain.decide.decisions import AT_ONCE, Backoff, Decision, Expire, Finish, Hold, Suspend
from mljobs.domain.decide.retention import keep_for_its_ttl
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.job.times import finished_at
from mljobs.domain.policies.deadlines import ACTIVE, Exceeded, next_deadline
from mljobs.domain.policies.retry import Retry, retry


def after_recorded_end(
    resource: Resource, target: Target, observation: Observation, now: datetime
) -> Decision | None:
    """What follows an attempt whose end is recorded; None: another attempt, at once."""
    following = retry(resource, None, None)
    if resource.suspending and (following or resource.state == State.CANCELLED):
        return Hold() if resource.suspend else None
    if following is None:
        return keep_for_its_ttl(resource, now)
    if resource.suspend:
        return Suspend(target)
    deadline = next_deadline(resource, observation)
    if deadline and deadline.field == ACTIVE and deadline.due <= now:
        return Expire(target, Exceeded(deadline.field, deadline.seconds))
    if following.due <= now and _is_recorded(resource, following):
        return None
    waiting = _wait(target, following, now)
    return waiting.by(deadline.due) if deadline and deadline.field == ACTIVE else waiting


def after_end(resource: Resource, target: Target, observation: Observation, now: datetime) -> Decision:
    """What follows an attempt whose end was just read: it is recorded before anything else."""
    job = observation.job
    if resource.suspending and job and job.state == State.CANCELLED:
        return Hold()
    following = retry(resource, job, finished_at(observation))
    return _wait(target, following, now) if following else Finish()


def may_be_followed(resource: Resource) -> bool:
    """Whether the record leaves room for an attempt after the newest one, which has ended."""
    suspended = resource.suspending and resource.state == State.CANCELLED
    return suspended or (resource.ended and retry(resource, None, None) is not None)


def _wait(target: Target, following: Retry, now: datetime) -> Backoff:
    """Record what follows, and wait until it is due."""
    return Backoff(target, following, again=following.due if following.due > now else AT_ONCE)


def _is_recorded(resource: Resource, following: Retry) -> bool:
    """Whether the record says of the failed attempt whether it counts, as it is decided now."""
    return bool(resource.record.get("failure", {}).get("action") == following.action)
