"""Calls that failed: what they keep a resource from, and what the resource says meanwhile."""

from mljobs.domain import errors
from mljobs.domain.decide.decisions import Wait
from mljobs.domain.job import naming
from mljobs.domain.job.observation import Method, Observation, Told, Trouble
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Job
from mljobs.domain.reasons import MEANING, Reason


def rejection_of(resource: Resource, observation: Observation, method: Method) -> errors.Rejected | None:
    """The service's refusal of a call of this kind.

    It holds for as long as the spec does, and nobody asks to have it tried anew.
    """
    trouble = observation.troubles.get(method)
    if trouble is None or trouble.generation != resource.generation or trouble.retry != resource.retry:
        return None
    return trouble.error if isinstance(trouble.error, errors.Rejected) else None


def refusal_recorded(resource: Resource) -> bool:
    """Whether the status says, of the newest intent, that the service has certainly not made its job."""
    adopting = resource.intent is not None and resource.intent.adopting
    # the other of the two was met by an earlier intent
    return resource.refused(Reason.REJECTED, Reason.NOTHING_TO_ADOPT if adopting else Reason.JOB_ID_TAKEN)


def is_ours(resource: Resource, job: Job | None) -> bool:
    """Whether a job carries this resource's uid."""
    return job is not None and naming.is_owned(job.labels, resource.uid)


def still_applies(trouble: Trouble, resource: Resource) -> bool:
    """A spec that has changed is tried at once, unless it is the service that cannot answer."""
    return trouble.generation == resource.generation or isinstance(
        trouble.error, (errors.Throttled, errors.Unavailable)
    )


def wait_for(trouble: Trouble) -> Wait:
    """Wait until a failed call may be tried again."""
    reason = reason_of(trouble.shown)
    return Wait(reason, f"{_failed(trouble)} {what_next(trouble.shown.error, reason)}", trouble.retry_at)


def wait_to_create(trouble: Trouble, resource: Resource, target: Target) -> Wait:
    """Wait until a create call may be tried again; where the project is missing, say which field names it."""
    if not isinstance(trouble.shown.error, errors.ProjectNotFound):
        return wait_for(trouble)
    chosen = bool(resource.spec.get("projectId"))
    way_out = (
        f"spec.projectId: {target.project!r} is no project that the service knows. Correct it"
        if chosen
        else f"The administrator's default project, {target.project!r}, is none that the service knows. "
        f"Set spec.projectId, or have the default corrected"
    )
    message = f"{_failed(trouble)} {way_out}; the operator tries again slowly."
    return Wait(Reason.PROJECT_NOT_FOUND, message, trouble.retry_at)


def _failed(trouble: Trouble) -> str:
    return f"The {trouble.shown.method} call failed: {trouble.shown.error.message}"


def what_next(error: errors.JobServiceError, reason: Reason) -> str:
    """Say what the operator does about a failed call, and what somebody has to do."""
    if isinstance(error, errors.Denied):
        return f"{error.remedy} The operator tries again slowly."
    return MEANING[reason]


def reason_of(failure: Trouble | Told) -> Reason:
    """The condition's reason for a call that failed and is tried again."""
    match failure.error:
        case errors.Denied():
            return Reason.DENIED
        case errors.ProjectNotFound():
            return Reason.PROJECT_NOT_FOUND
        case errors.Throttled():
            return Reason.THROTTLED
        case errors.NoCapacity():
            return Reason.NO_CAPACITY
        case errors.Unavailable() | errors.AlreadyExists() if failure.method is Method.CREATE:
            return Reason.OUTCOME_UNKNOWN
        case _:
            return Reason.SERVICE_UNAVAILABLE
