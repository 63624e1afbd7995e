"""What to do next about one resource: a pure function of the resource and of what is known of its job.

It is asked again after every effect and every change, so that each answer is one step, and a crash between
two steps is the same as asking anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mljobs.api.resources import RECORDED_BINDINGS
from mljobs.domain import errors, naming
from mljobs.domain.conditions import MEANING, Reason
from mljobs.domain.decisions import (
    Adopt,
    Announce,
    BindIam,
    Cancel,
    Decision,
    Finish,
    Hold,
    Keep,
    Look,
    Refuse,
    Release,
    Stall,
    Submit,
    Suspend,
    UpdateLabels,
    Wait,
    Watch,
)
from mljobs.domain.iam import recorded_bindings
from mljobs.domain.observation import Method, Observation, Trouble
from mljobs.domain.port import Job
from mljobs.domain.problems import Problem
from mljobs.domain.resource import ADOPT, Intent, Resource, Target
from mljobs.domain.translate import to_job
from mljobs.domain.validate import JobSpec, validate

LOST_AFTER = 2
"""Answers of NotFound in a row before a recorded job counts as lost: one may be a stale replica's."""

SECOND_LOOK = timedelta(seconds=2)
"""Between the first answer of NotFound and the question that makes sure, before a finalizer goes."""


@dataclass(frozen=True)
class Policy:
    """What the administrator decides for all resources.

    Attributes:
        default_project: the project of resources that name none.
        grace: how long after a create call without an answer it may still take effect.
    """

    default_project: str | None = None
    grace: timedelta = timedelta(seconds=60)


def decide(resource: Resource, observation: Observation, policy: Policy, now: datetime) -> Decision:
    """Choose the next step.

    Args:
        resource: the object as last read.
        observation: of the job of `resource.target`; one about another attempt counts as knowing nothing.
        policy: the administrator's settings.
        now: the time, with a zone.
    """
    target = resource.target or (_plan(resource, policy, 1) if resource.held else None)
    observation = observation.about(target)
    if resource.deleting:
        return _delete(resource, target, observation, policy, now)
    if target and (resource.submitted or _ours(resource, observation.job)):
        if resource.target is None or not (resource.held or resource.ended):
            # `kubectl replace`, say, has taken off our finalizer or intent: a deletion would leak the job
            return Adopt(_intent(resource, target, now), resource.labels)
        return _run(resource, target, observation, policy, now)
    return _start(resource, observation, policy, now)


# --- before the service has accepted the job -------------------------------------------------------------


def _start(resource: Resource, observation: Observation, policy: Policy, now: datetime) -> Decision:
    """Submit, or say why not."""
    intent, created = resource.intent, observation.troubles.get(Method.CREATE)
    refused = _refused(resource, observation, policy, now)
    if refused:
        return refused
    waiting = observation.waiting(now, Method.GET)
    exists = created is not None and isinstance(created.error, errors.AlreadyExists)
    if waiting is None and exists and observation.absent_at is None and intent:
        return Look(intent.target)
    if waiting and _still_applies(waiting, resource):
        return _wait(waiting)
    validated = validate(resource.kind, resource.spec, default_project=policy.default_project)
    planned = _plan(resource, policy, intent.target.attempt if intent else 1)
    same = intent is None or intent.target == planned
    again = same and validated.spec is not None and not resource.suspend
    if not again and _in_doubt(resource, observation, policy):
        return _settle_doubt(intent.target if intent else planned, observation, policy, now)
    if validated.spec is None:
        return Refuse(validated.problems)
    if resource.suspend:
        return Hold()
    waiting = observation.waiting(now, Method.CREATE)
    if waiting and _still_applies(waiting, resource):
        return _wait(waiting)
    if _adopts(resource, planned):
        return _adopt(resource, planned, observation, now)
    return _submit(resource, planned, validated.spec, validated.warnings, now)


def _adopt(resource: Resource, target: Target, observation: Observation, now: datetime) -> Decision:
    """Take over the job that the user has named; a new one is never made instead."""
    if observation.about(target).absent_at:
        return Stall(
            Reason.NOTHING_TO_ADOPT,
            f"{target.job_name} is to be adopted, but there is no such job. "
            f"Correct spec.projectId and spec.jobId, or take the annotation {ADOPT} off to submit a new one.",
        )
    rejection = _rejection(resource, observation, Method.PATCH)
    if rejection:
        return _labels_refused(rejection)
    trouble = observation.waiting(now, Method.PATCH)
    return _wait(trouble) if trouble else Adopt(_intent(resource, target, now), resource.labels)


def _adopts(resource: Resource, target: Target) -> bool:
    """Whether that job is to be taken over; attempts after the first are always new jobs."""
    return resource.adopt and target.attempt == 1


def _refused(resource: Resource, observation: Observation, policy: Policy, now: datetime) -> Decision | None:
    """A refusal by the service that this generation of the spec has already met."""
    intent = resource.intent
    if intent is None or resource.generation > intent.generation:
        return None
    if intent.adopting != _adopts(resource, intent.target):
        return None
    if observation.job and not _ours(resource, observation.job) and not intent.adopting:
        return Stall(
            Reason.JOB_ID_TAKEN,
            f"Project {intent.target.project} already has a job {intent.target.job_id} of somebody else's. "
            f"Choose another spec.jobId.",
        )
    rejection = _rejection(resource, observation, Method.CREATE)
    if rejection:
        if _in_doubt(resource, observation, policy):
            return _settle_doubt(intent.target, observation, policy, now)
        return Stall(Reason.REJECTED, f"The service refused the job: {rejection.message} Correct the spec.")
    return Keep() if _refusal_recorded(resource) else None


def _rejection(resource: Resource, observation: Observation, method: Method) -> errors.Rejected | None:
    """The service's refusal of a call of this kind; it holds for as long as the spec does."""
    trouble = observation.troubles.get(method)
    if trouble is None or trouble.generation != resource.generation:
        return None
    return trouble.error if isinstance(trouble.error, errors.Rejected) else None


def _refusal_recorded(resource: Resource) -> bool:
    """Whether the status says, of the newest intent, that the service has certainly not made its job."""
    intent = resource.intent
    return (
        intent is not None
        and resource.status.get("observedGeneration", -1) >= intent.generation
        and not resource.submitted
        and resource.stalled_by(
            # the other of the two was met by an earlier intent
            Reason.REJECTED,
            Reason.NOTHING_TO_ADOPT if intent.adopting else Reason.JOB_ID_TAKEN,
        )
    )


def _submit(
    resource: Resource, target: Target, spec: JobSpec, warnings: Sequence[Problem], now: datetime
) -> Decision:
    job = to_job(resource.kind, spec, job_id=target.job_id, labels=resource.labels)
    return Submit(_intent(resource, target, now), job, warnings)


def _intent(resource: Resource, target: Target, now: datetime) -> Intent:
    """The intent that is written down already, if it is the same, else a new one."""
    intent = Intent(target, resource.generation, now, _adopts(resource, target))
    written = resource.intent
    return written if written and replace(written, time=now) == intent else intent


def _plan(resource: Resource, policy: Policy, attempt: int) -> Target:
    spec = resource.spec
    project = str(spec.get("projectId") or policy.default_project or "")
    chosen = spec.get("jobId")
    return Target(
        project,
        naming.job_id(
            resource.namespace,
            resource.name,
            resource.uid,
            attempt,
            chosen if isinstance(chosen, str) else None,
        ),
        attempt,
    )


# --- an unknown outcome ----------------------------------------------------------------------------------


def _doubt_until(observation: Observation, policy: Policy) -> datetime | None:
    """Until when a call without an answer may still make the job ours; None where there is no such call."""
    moments = [observation.doubtful_at] if observation.doubtful_at else []
    if not observation.alone:
        moments.append(observation.since)
    return max(moments) + policy.grace if moments else None


def _in_doubt(resource: Resource, observation: Observation, policy: Policy) -> bool:
    """Whether the newest intent's job may be ours, or become so, although nobody has seen it."""
    intent = resource.intent
    intended = (intent is not None or resource.held) and not _impossible(observation)
    if not intended or resource.submitted or _refusal_recorded(resource):
        return False
    if observation.job and (_ours(resource, observation.job) or not (intent and intent.adopting)):
        return False
    until, looked = _doubt_until(observation, policy), _looked_at(observation)
    return until is not None and (looked is None or looked < until)


def _looked_at(observation: Observation) -> datetime | None:
    """When the service last said that there is no such job, or what it is like."""
    return observation.seen_at if observation.job else observation.absent_at


def _impossible(observation: Observation) -> bool:
    """Whether the job's name is such that the client sends no request: no job can have it."""
    trouble = observation.troubles.get(Method.GET)
    return trouble is not None and isinstance(trouble.error, errors.Rejected) and not trouble.error.status


def _settle_doubt(target: Target, observation: Observation, policy: Policy, now: datetime) -> Decision:
    """Look at the job, and once more when no call that makes it ours can be under way any longer."""
    until, looked = _doubt_until(observation, policy), _looked_at(observation)
    if looked and until and looked < until and now < until:
        call = "A call that adopts" if observation.job else "A create call for"
        return Wait(
            Reason.OUTCOME_UNKNOWN,
            f"{call} {target.job_name} got no answer, and may still take effect. "
            f"The operator looks again when that is over.",
            until,
        )
    return Look(target)


# --- while the service owns the job ----------------------------------------------------------------------


def _run(
    resource: Resource, target: Target, observation: Observation, policy: Policy, now: datetime
) -> Decision:
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
    if suspended or resource.suspend:
        return _suspend(resource, target, observation, now) if suspended else Suspend(target)
    return _tend(resource, target, observation, job, now)


def _resume(resource: Resource, ended: Target, policy: Policy, now: datetime) -> Decision:
    """Begin the attempt after one that a suspension has ended."""
    validated = validate(resource.kind, resource.spec, default_project=policy.default_project)
    if validated.spec is None:
        return Refuse(validated.problems)
    planned = _plan(resource, policy, ended.attempt + 1)
    return _submit(resource, planned, validated.spec, validated.warnings, now)


def _unseen(target: Target, observation: Observation) -> Decision:
    if observation.absences >= LOST_AFTER:
        return Stall(
            Reason.LOST,
            f"The service no longer knows {target.job_name}. It is not submitted again: "
            f"delete this resource and make a new one if the job is still wanted.",
        )
    return Watch(target)


def _suspend(resource: Resource, target: Target, observation: Observation, now: datetime) -> Decision:
    job = observation.job
    if job is None or job.ending or observation.cancelled or not _ours(resource, job):
        return Watch(target)
    trouble = observation.waiting(now, Method.CANCEL)
    return _wait(trouble) if trouble else Cancel(target)


def _tend(resource: Resource, target: Target, observation: Observation, job: Job, now: datetime) -> Decision:
    """Keep what may change on a running job as the spec has it: labels and IAM bindings."""
    if job.ending or not _ours(resource, job):
        return Watch(target)
    if dict(job.labels) != resource.labels:
        return _relabel(resource, target, observation, job, now)
    return _bind(resource, target, observation, now)


def _bind(resource: Resource, target: Target, observation: Observation, now: datetime) -> Decision:
    """Bring the bindings into the policy; who has not done so himself makes sure of what is recorded.

    What is recorded may have been announced only, by a process that died before it made the call.
    """
    wanted = resource.iam_bindings
    recorded = recorded_bindings(resource, target, observation)
    made_sure = observation.bound is not None or not recorded
    if made_sure and list(recorded) == list(wanted):
        return Watch(target)
    rejection = _rejection(resource, observation, Method.IAM)
    if rejection:
        return Stall(
            Reason.REJECTED,
            f"The service refused the bindings: {rejection.message} Correct spec.iamBindings.",
        )
    trouble = observation.waiting(now, Method.IAM)
    if trouble:
        return _wait(trouble)
    announced = [*recorded, *(binding for binding in wanted if binding not in recorded)]
    if len(announced) > RECORDED_BINDINGS:  # make room first
        return BindIam(target, [binding for binding in recorded if binding in wanted], recorded)
    return (
        BindIam(target, wanted, recorded) if len(announced) == len(recorded) else Announce(target, announced)
    )


def _relabel(
    resource: Resource, target: Target, observation: Observation, job: Job, now: datetime
) -> Decision:
    problems = _label_problems(resource)
    if problems:
        return Refuse(problems)
    rejection = _rejection(resource, observation, Method.PATCH)
    if rejection:
        return _labels_refused(rejection)
    trouble = observation.waiting(now, Method.PATCH)
    return _wait(trouble) if trouble else UpdateLabels(target, resource.labels, job.etag)


def _labels_refused(rejection: errors.Rejected) -> Stall:
    return Stall(Reason.REJECTED, f"The service refused the labels: {rejection.message} Correct spec.labels.")


def _label_problems(resource: Resource) -> tuple[Problem, ...]:
    problems = validate(resource.kind, resource.spec, default_project="-").problems
    return tuple(problem for problem in problems if problem.path.startswith("spec.labels"))


def polled(resource: Resource, observation: Observation) -> Target | None:
    """The job that the poller should watch for this resource; None where nothing of it changes by itself."""
    target = resource.target
    job = observation.about(target).job
    if target is None or resource.deleting or resource.ended or (job and job.ended):
        return None
    return target if resource.submitted or _ours(resource, job) else None


# --- deletion: status and metadata are enough -------------------------------------------------------------


def _delete(
    resource: Resource, target: Target | None, observation: Observation, policy: Policy, now: datetime
) -> Decision:
    if target is None or not resource.held:
        return Keep()
    if resource.force_release:
        return Release(left_behind="" if resource.ended else target.job_name)
    if resource.orphan or resource.ended or _refusal_recorded(resource) or _impossible(observation):
        return Release()
    in_doubt = _in_doubt(resource, observation, policy)
    known = None if in_doubt else observation.job
    trouble = observation.waiting(now, Method.CANCEL if known else Method.GET)
    if trouble:
        return _wait(trouble)
    if known:
        return _end(resource, target, known, observation)
    if in_doubt:
        return _settle_doubt(target, observation, policy, now)
    if observation.absent_at is None:
        return Look(target)
    if resource.submitted and observation.absences < LOST_AFTER:
        return _look_again(target, observation.absent_at, now)
    return Release()


def _look_again(target: Target, absent_at: datetime, now: datetime) -> Decision:
    until = absent_at + SECOND_LOOK
    message = f"The service says that there is no {target.job_name}; the operator makes sure, then lets go."
    return Look(target) if now >= until else Wait(Reason.DELETING, message, until)


def _end(resource: Resource, target: Target, job: Job, observation: Observation) -> Decision:
    if job.ending or observation.cancelled:
        return Release()
    if not _ours(resource, job):
        return Release(left_behind=target.job_name if resource.submitted else "")
    return Cancel(target)


# --- words ------------------------------------------------------------------------------------------------


def _ours(resource: Resource, job: Job | None) -> bool:
    return job is not None and naming.is_owned(job.labels, resource.uid)


def _still_applies(trouble: Trouble, resource: Resource) -> bool:
    """A spec that has changed is tried at once, unless it is the service that cannot answer."""
    return trouble.generation == resource.generation or isinstance(
        trouble.error, (errors.Throttled, errors.Unavailable)
    )


def _wait(trouble: Trouble) -> Wait:
    reason = reason_of(trouble)
    return Wait(
        reason,
        f"The {trouble.method} call failed: {trouble.error.message} {MEANING[reason]}",
        trouble.retry_at,
    )


def reason_of(trouble: Trouble) -> Reason:
    """The condition's reason for a call that failed and is tried again."""
    match trouble.error:
        case errors.Denied():
            return Reason.DENIED
        case errors.Throttled():
            return Reason.THROTTLED
        case errors.Unavailable() | errors.AlreadyExists() if trouble.method is Method.CREATE:
            return Reason.OUTCOME_UNKNOWN
        case _:
            return Reason.SERVICE_UNAVAILABLE
