"""Deletion: status and metadata are enough to decide."""

from datetime import datetime

from mljobs.domain.decide.decisions import Cancel, Decision, Keep, Look, Release
from mljobs.domain.decide.doubt import impossible, in_doubt, settle_doubt
from mljobs.domain.decide.missing import give_up
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
    """End the job, then take the finalizer off."""
    if target is None or not resource.held:
        return Keep()
    if resource.force_release:
        return Release(left_behind="" if resource.ended else target.job_name)
    if resource.orphan or resource.ended or refusal_recorded(resource) or impossible(observation):
        return Release()
    surplus = end_surplus(resource, target, observation, policy, now)
    if surplus:
        return surplus
    doubtful = in_doubt(resource, observation, policy)
    known = None if doubtful else observation.job
    if observation.cancelled and not doubtful:
        return Release()
    trouble = observation.waiting(now, Method.CANCEL if known else Method.GET)
    if trouble:
        return wait_for(trouble)
    if known:
        return _end(resource, target, known, observation, now)
    if doubtful:
        return settle_doubt(resource, target, observation, policy, now)
    if resource.submitted:
        return give_up(resource, target, observation, policy)
    return Release() if observation.absent_at else Look(target)


def _end(resource: Resource, target: Target, job: Job, observation: Observation, now: datetime) -> Decision:
    if job.ending:
        return Release()
    look = look_first(target, observation, now)
    if look:
        return look
    if not is_ours(resource, job):
        return Release(left_behind=target.job_name if resource.submitted else "")
    return Cancel(target)
