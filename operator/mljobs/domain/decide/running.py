"""A job that the service has accepted: watched, updated, suspended, finished."""

from dataclasses import dataclass, replace
from datetime import datetime

from mljobs.domain.decide.admission import claim_refused, place_refused
from mljobs.domain.decide.check import check
from mljobs.domain.decide.decisions import Cancel, Decision, Expire, Refuse, Suspend, Watch
from mljobs.domain.decide.extra_jobs import cancel_extra_jobs
from mljobs.domain.decide.failed_calls import wait_for
from mljobs.domain.decide.following import after_end, after_recorded_end
from mljobs.domain.decide.iam import bind
from mljobs.domain.decide.labels import is_contested, relabel
from mljobs.domain.decide.missing import wait_for_job
from mljobs.domain.decide.ownership import read_first, taken
from mljobs.domain.decide.plan import AdminPolicy, facts_of, plan_target
from mljobs.domain.decide.submission import submit
from mljobs.domain.decide.turns import wait_for_turn
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.policies.deadlines import START, Deadline, Exceeded, exceeded, next_deadline
from mljobs.domain.port import Job, Reference


@dataclass(frozen=True, slots=True)
class Polled:
    """A job that the poller should watch.

    Attributes:
        target: the job, whose reference is known.
        lost: whether it counts as lost, so that an occasional read is enough.
    """

    target: Target
    lost: bool = False

    @property
    def reference(self) -> Reference:
        """The job's name at the service."""
        return self.target.reference or Reference("")


def run(
    resource: Resource, target: Target, observation: Observation, policy: AdminPolicy, now: datetime
) -> Decision:
    """Choose the next step for a job that the service has accepted."""
    extra = cancel_extra_jobs(resource, target, observation, policy, now)
    if extra:
        return extra
    suspended, overdue = resource.suspending, exceeded(resource)
    if resource.ended:
        following = after_recorded_end(resource, target, observation, now)
        return following or _next_attempt(resource, target, policy, now)
    job = observation.job
    if job is None:
        return wait_for_job(resource, target, observation, policy)
    if job.ended:
        return after_end(resource, target, observation, now)
    if not resource.owns(job):
        return taken(resource, target, job)
    if suspended or overdue:
        return _end(target, observation, now)
    if resource.suspend:
        return Suspend(target)
    deadline = None if job.ending else next_deadline(resource, observation)
    if deadline and deadline.due <= now:
        return _expire(target, observation, deadline, now)
    decision = _update(resource, target, observation, job, now)
    return decision.by(deadline.due) if deadline else decision


def _next_attempt(resource: Resource, ended: Target, policy: AdminPolicy, now: datetime) -> Decision:
    """Start the attempt after one that has failed or that a suspension has ended, with its class as it is."""
    resource = resource.laid_again()
    planned = plan_target(resource, policy, ended.attempt + 1)
    excluded = place_refused(resource, planned)
    if excluded:
        return excluded
    validated = check(resource, policy, planned.attempt)
    if validated.spec is None:
        return Refuse(validated.problems)
    beyond = claim_refused(resource, validated.spec, policy)
    return (
        beyond
        or wait_for_turn(resource)
        or submit(resource, planned, validated.spec, validated.warnings, now)
    )


def _end(target: Target, observation: Observation, now: datetime) -> Decision:
    """Cancel a job whose end is recorded."""
    job = observation.job
    if job is None or job.ending or observation.cancelled:
        return Watch(target)
    failed = observation.waiting(now, Call.CANCEL)
    if failed:
        return wait_for(failed)
    return read_first(target, observation, now) or Cancel(target)


def _expire(target: Target, observation: Observation, deadline: Deadline, now: datetime) -> Decision:
    """End an attempt whose deadline has passed; a job that may have started meanwhile is read first."""
    read = read_first(target, observation, now) if deadline.field == START else None
    return read or Expire(target, Exceeded(deadline.field, deadline.seconds))


def _update(
    resource: Resource, target: Target, observation: Observation, job: Job, now: datetime
) -> Decision:
    """Keep the mutable parts of a running job in sync with the spec: labels and IAM bindings."""
    if job.ending:
        return Watch(target)
    can = facts_of(resource).capabilities
    labels = relabel(resource, target, observation, job, now) if can.labels else None
    contested = labels if is_contested(labels) else None
    if labels and not contested:
        return labels
    bindings = bind(resource, target, observation, now) if can.iam else Watch(target)
    if contested is None:
        return bindings
    return contested if isinstance(bindings, Watch) else bindings.by(contested.again)


def polled(resource: Resource, observation: Observation) -> Polled | None:
    """What the poller should watch for this resource; None if its job cannot change by itself.

    That includes a resource that is being deleted: its job may end by itself, or be missing.
    """
    target = resource.target
    job = observation.about(target).job
    if target is None or resource.managed_elsewhere or resource.ended or (job and job.ended):
        return None
    if not resource.accepted(job):
        return None
    reference = job.reference if job else target.reference
    if reference is None:
        return None  # it is searched by its labels
    deletion_waits = resource.deleting and resource.held
    lost = resource.lost and job is None and not deletion_waits
    return Polled(replace(target, reference=reference), lost=lost)
