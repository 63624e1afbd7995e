"""Deletion: status and metadata suffice to decide."""

from datetime import datetime

from mljobs.domain.decide.decisions import Cancel, Decision, Finish, Leave, Read, Release, Watch
from mljobs.domain.decide.extra_jobs import cancel_extra_jobs
from mljobs.domain.decide.failed_calls import refusal_recorded, wait_for
from mljobs.domain.decide.missing import release_if_lost, wait_for_job
from mljobs.domain.decide.ownership import read_first
from mljobs.domain.decide.plan import AdminPolicy
from mljobs.domain.decide.unknown_outcome import impossible, outcome_unknown, resolve_outcome
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Job


def delete(
    resource: Resource, target: Target | None, observation: Observation, policy: AdminPolicy, now: datetime
) -> Decision:
    """Cancel the job, then remove the finalizer.

    A cancel needs no finalizer: if ours is gone and another one holds the resource, the job is cancelled all
    the same, and shown for as long as the resource exists.
    """
    step = _end(resource, target, observation, policy, now) if target else Release()
    if isinstance(step, Release) and not resource.held:
        return _stay(resource, target, observation, policy)
    return step


def _end(
    resource: Resource, target: Target, observation: Observation, policy: AdminPolicy, now: datetime
) -> Decision:
    if resource.force_release:
        return Release(left_behind="" if resource.ended else target.job_name)
    extra = cancel_extra_jobs(resource, target, observation, policy, now)
    if extra:
        return extra
    if resource.orphan or _settled(resource, observation):
        return Release()
    unknown = outcome_unknown(resource, observation, policy)
    known = None if unknown else observation.job
    if not unknown and (observation.cancelled or (known and known.ending)):
        return Release()
    failed = observation.waiting(now, Call.CANCEL if known else Call.GET)
    if failed:
        return wait_for(failed)
    if known:
        return _cancel(resource, target, known, observation, now)
    if unknown:
        return resolve_outcome(resource, target, observation, policy, now)
    if resource.submitted:
        return release_if_lost(resource, target, observation, policy)
    return Release() if observation.absent_at else Read(target)


def _settled(resource: Resource, observation: Observation) -> bool:
    """Whether no job of ours can be running, by what is recorded alone."""
    refused = refusal_recorded(resource) and resource.refusal_is_newest
    if resource.ended or refused or impossible(resource, observation):
        return True
    return not (resource.held or resource.intent or resource.submitted)


def _cancel(
    resource: Resource, target: Target, job: Job, observation: Observation, now: datetime
) -> Decision:
    read = read_first(target, observation, now)
    if read:
        return read
    if not resource.owns(job):
        return Release(left_behind=target.job_name if resource.submitted else "")
    return Cancel(target)


def _stay(
    resource: Resource, target: Target | None, observation: Observation, policy: AdminPolicy
) -> Decision:
    """Keep the status up to date while other finalizers hold the resource."""
    job = observation.job
    if target is None or not resource.accepted(job):
        return Leave()
    if resource.ended or (job and job.ended):
        return Finish()
    return Watch(target) if job else wait_for_job(resource, target, observation, policy)
