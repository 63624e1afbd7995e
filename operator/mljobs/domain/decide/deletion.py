"""Deletion: status and metadata are enough to decide."""

from datetime import datetime, timedelta

from mljobs.domain.decide.decisions import Cancel, Decision, Keep, Look, Release, Wait
from mljobs.domain.decide.doubt import impossible, in_doubt, settle_doubt
from mljobs.domain.decide.ownership import look_first
from mljobs.domain.decide.plan import Policy
from mljobs.domain.decide.running import LOST_AFTER
from mljobs.domain.decide.trouble import is_ours, refusal_recorded, wait_for
from mljobs.domain.job.observation import Method, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Job
from mljobs.domain.reasons import Reason

SECOND_LOOK = timedelta(seconds=2)
"""Between the first answer of NotFound and the question that makes sure, before a finalizer goes."""


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
    doubtful = in_doubt(resource, observation, policy)
    known = None if doubtful else observation.job
    trouble = observation.waiting(now, Method.CANCEL if known else Method.GET)
    if trouble:
        return wait_for(trouble)
    if known:
        return _end(resource, target, known, observation, now)
    if doubtful:
        return settle_doubt(target, observation, policy, now)
    if observation.absent_at is None:
        return Look(target)
    if resource.submitted and observation.absences < LOST_AFTER:
        return _look_again(target, observation.absent_at, now)
    return Release()


def _look_again(target: Target, absent_at: datetime, now: datetime) -> Decision:
    until = absent_at + SECOND_LOOK
    message = f"The service says that there is no {target.job_name}; the operator makes sure, then lets go."
    return Look(target) if now >= until else Wait(Reason.DELETING, message, until)


def _end(resource: Resource, target: Target, job: Job, observation: Observation, now: datetime) -> Decision:
    if job.ending or observation.cancelled:
        return Release()
    look = look_first(target, observation, now)
    if look:
        return look
    if not is_ours(resource, job):
        return Release(left_behind=target.job_name if resource.submitted else "")
    return Cancel(target)
