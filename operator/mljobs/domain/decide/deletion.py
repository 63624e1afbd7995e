"""Deletion: status and metadata are enough to decide."""

from datetime import datetime

from mljobs.domain.decide.decisions import Cancel, Decision, Finish, Leave, Look, Release, Watch
from mljobs.domain.decide.doubt import impossible, in_doubt, settle_doubt
from mljobs.domain.decide.missing import await_it, give_up
from mljobs.domain.decide.ownership import look_first
from mljobs.domain.decide.plan import Policy
from mljobs.domain.decide.surplus import end_surplus
from mljobs.domain.decide.trouble import is_ours, refusal_recorded, wait_for
from mljobs.domain.job.observation import Method, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Job


def delete(
    resource: Resource, target: Target | None, observation: Observation, policy: Policy, now: datetime
) -> Decision:
    """End the job, then take the finalizer off.

    A cancel needs no finalizer: where ours is off and another one holds the resource, the job is ended all
    the same, and shown for as long as the resource is there.
    """
    step = _end(resource, target, observation, policy, now) if target else Release()
    if isinstance(step, Release) and not resource.held:
        return _stay(resource, target, observation, policy)
    return step


def _end(
    resource: Resource, target: Target, observation: Observation, policy: Policy, now: datetime
) -> Decision:
    if resource.force_release:
        return Release(left_behind="" if resource.ended else target.job_name)
    surplus = end_surplus(resource, target, observation, policy, now)
    if surplus:
        return surplus
    if resource.orphan or _settled(resource, observation):
        return Release()
    doubtful = in_doubt(resource, observation, policy)
    known = None if doubtful else observation.job
    if not doubtful and (observation.cancelled or (known and known.ending)):
        return Release()
    trouble = observation.waiting(now, Method.CANCEL if known else Method.GET)
    if trouble:
        return wait_for(trouble)
    if known:
        return _cancel(resource, target, known, observation, now)
    if doubtful:
        return settle_doubt(resource, target, observation, policy, now)
    if resource.submitted:
        return give_up(resource, target, observation, policy)
    return Release() if observation.absent_at else Look(target)


def _settled(resource: Resource, observation: Observation) -> bool:
    """Whether no job of ours can be running, by what is written down alone."""
    if resource.ended or refusal_recorded(resource) or impossible(resource, observation):
        return True
    return not (resource.held or resource.intent or resource.submitted)


def _cancel(
    resource: Resource, target: Target, job: Job, observation: Observation, now: datetime
) -> Decision:
    look = look_first(target, observation, now)
    if look:
        return look
    if not is_ours(resource, job):
        return Release(left_behind=target.job_name if resource.submitted else "")
    return Cancel(target)


def _stay(resource: Resource, target: Target | None, observation: Observation, policy: Policy) -> Decision:
    """Show how it is, for others hold the resource."""
    job = observation.job
    if target is None or not (resource.submitted or is_ours(resource, job)):
        return Leave()
    if resource.ended or (job and job.ended):
        return Finish()
    return Watch(target) if job else await_it(resource, target, observation, policy)
