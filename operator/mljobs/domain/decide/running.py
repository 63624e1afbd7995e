"""A job that the service has accepted: watched, tended, suspended, finished."""

from datetime import datetime

from mljobs.domain.decide.decisions import Cancel, Decision, Finish, Hold, Refuse, Stall, Suspend, Watch
from mljobs.domain.decide.iam import bind
from mljobs.domain.decide.labels import relabel
from mljobs.domain.decide.ownership import look_first, taken
from mljobs.domain.decide.plan import Policy, plan_target
from mljobs.domain.decide.submission import submit
from mljobs.domain.decide.trouble import is_ours, wait_for
from mljobs.domain.job.observation import Method, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Job
from mljobs.domain.reasons import Reason
from mljobs.domain.spec.validate import validate

LOST_AFTER = 2
"""Answers of NotFound in a row before a recorded job counts as lost: one may be a stale replica's."""


def run(
    resource: Resource, target: Target, observation: Observation, policy: Policy, now: datetime
) -> Decision:
    """Choose the next step for a job that the service has accepted."""
    suspended = resource.suspending
    if resource.ended:
        if not (suspended and resource.state == "CANCELLED"):
            return Finish()
        return Hold() if resource.suspend else _resume(resource, target, policy, now)
    job = observation.job
    if job is None:
        return _unseen(target, observation)
    if job.ended:
        return Hold() if suspended and job.state == "CANCELLED" else Finish()
    if not is_ours(resource, job):
        return taken(resource, target, job)
    if suspended or resource.suspend:
        return _suspend(target, observation, now) if suspended else Suspend(target)
    return _tend(resource, target, observation, job, now)


def _resume(resource: Resource, ended: Target, policy: Policy, now: datetime) -> Decision:
    """Begin the attempt after one that a suspension has ended."""
    validated = validate(resource.kind, resource.spec, default_project=policy.default_project)
    if validated.spec is None:
        return Refuse(validated.problems)
    planned = plan_target(resource, policy, ended.attempt + 1)
    return submit(resource, planned, validated.spec, validated.warnings, now)


def _unseen(target: Target, observation: Observation) -> Decision:
    if observation.absences >= LOST_AFTER:
        return Stall(
            Reason.LOST,
            f"The service no longer knows {target.job_name}. It is not submitted again: "
            f"delete this resource and make a new one if the job is still wanted.",
        )
    return Watch(target)


def _suspend(target: Target, observation: Observation, now: datetime) -> Decision:
    job = observation.job
    if job is None or job.ending or observation.cancelled:
        return Watch(target)
    trouble = observation.waiting(now, Method.CANCEL)
    if trouble:
        return wait_for(trouble)
    return look_first(target, observation, now) or Cancel(target)


def _tend(resource: Resource, target: Target, observation: Observation, job: Job, now: datetime) -> Decision:
    """Keep what may change on a running job as the spec has it: labels and IAM bindings."""
    if job.ending:
        return Watch(target)
    if dict(job.labels) != resource.labels:
        return relabel(resource, target, observation, job, now)
    return bind(resource, target, observation, now)


def polled(resource: Resource, observation: Observation) -> Target | None:
    """The job that the poller should watch for this resource; None where nothing of it changes by itself."""
    target = resource.target
    job = observation.about(target).job
    if target is None or resource.deleting or resource.ended or (job and job.ended):
        return None
    return target if resource.submitted or is_ours(resource, job) else None
