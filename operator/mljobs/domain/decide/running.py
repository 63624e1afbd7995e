"""A job that the service has accepted: watched, tended, suspended, finished."""

from dataclasses import dataclass, replace
from datetime import datetime

from mljobs.domain.decide.decisions import Cancel, Decision, Finish, Hold, Refuse, Suspend, Watch
from mljobs.domain.decide.iam import bind
from mljobs.domain.decide.labels import is_contested, relabel
from mljobs.domain.decide.missing import await_it
from mljobs.domain.decide.ownership import look_first, taken
from mljobs.domain.decide.plan import Policy, facts_of, plan_target
from mljobs.domain.decide.room import check
from mljobs.domain.decide.submission import not_allowed, submit
from mljobs.domain.decide.surplus import end_surplus
from mljobs.domain.decide.trouble import is_ours, wait_for
from mljobs.domain.job.observation import Method, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Job, Reference


@dataclass(frozen=True)
class Polled:
    """A job that the poller should watch.

    Attributes:
        target: the job, whose reference is known.
        seldom: whether a look now and then is enough, since the service has long denied it.
    """

    target: Target
    seldom: bool = False

    @property
    def reference(self) -> Reference:
        """The job's name at the service."""
        return self.target.reference or Reference("")


def run(
    resource: Resource, target: Target, observation: Observation, policy: Policy, now: datetime
) -> Decision:
    """Choose the next step for a job that the service has accepted."""
    surplus = end_surplus(resource, target, observation, policy, now)
    if surplus:
        return surplus
    suspended = resource.suspending
    if resource.ended:
        if not (suspended and resource.state == "CANCELLED"):
            return Finish()
        return Hold() if resource.suspend else _resume(resource, target, policy, now)
    job = observation.job
    if job is None:
        return await_it(resource, target, observation, policy)
    if job.ended:
        return Hold() if suspended and job.state == "CANCELLED" else Finish()
    if not is_ours(resource, job):
        return taken(resource, target, job)
    if suspended or resource.suspend:
        return _suspend(target, observation, now) if suspended else Suspend(target)
    return _tend(resource, target, observation, job, now)


def _resume(resource: Resource, ended: Target, policy: Policy, now: datetime) -> Decision:
    """Begin the attempt after one that a suspension has ended."""
    validated = check(resource, policy)
    if validated.spec is None:
        return Refuse(validated.problems)
    planned = plan_target(resource, policy, ended.attempt + 1)
    excluded = not_allowed(resource, planned)
    return excluded or submit(resource, planned, validated.spec, validated.warnings, now)


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
    can = facts_of(resource).capabilities
    labels = relabel(resource, target, observation, job, now) if can.labels else None
    if labels and not is_contested(labels):
        return labels
    bindings = bind(resource, target, observation, now) if can.iam else Watch(target)
    return labels if labels and isinstance(bindings, Watch) else bindings


def polled(resource: Resource, observation: Observation) -> Polled | None:
    """What the poller should watch for this resource; None where nothing of it changes by itself.

    A resource that is being deleted is no exception: its job may end by itself, or be missing.
    """
    target = resource.target
    job = observation.about(target).job
    if target is None or resource.managed_elsewhere or resource.ended or (job and job.ended):
        return None
    if not (resource.submitted or is_ours(resource, job)):
        return None
    reference = job.reference if job else target.reference
    if reference is None:
        return None  # it is looked for by whose it is
    awaited = resource.deleting and resource.held
    seldom = resource.lost and job is None and not awaited
    return Polled(replace(target, reference=reference), seldom=seldom)
