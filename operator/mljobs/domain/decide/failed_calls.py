"""Failed calls: what they hold back, and what the resource reports until they succeed."""

from mljobs.domain import errors
from mljobs.domain.decide.decisions import Wait
from mljobs.domain.job import naming
from mljobs.domain.job.observation import Call, FailedCall, Observation, ReportedFailure
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Job
from mljobs.domain.reasons import MEANING, Reason


def rejection_of(resource: Resource, observation: Observation, call: Call) -> errors.Rejected | None:
    """The service's refusal of this call.

    It holds until the spec changes or the user requests a retry.
    """
    failed = observation.failed_calls.get(call)
    if failed is None or failed.generation != resource.generation or failed.retry != resource.retry:
        return None
    return failed.error if isinstance(failed.error, errors.Rejected) else None


def refusal_recorded(resource: Resource) -> bool:
    """Whether the status says, of the newest intent, that the service has certainly not made its job."""
    adopting = resource.intent is not None and resource.intent.adopting
    # the other of the two was met by an earlier intent
    return resource.refused(Reason.REJECTED, Reason.NOTHING_TO_ADOPT if adopting else Reason.JOB_ID_TAKEN)


def is_ours(resource: Resource, job: Job | None) -> bool:
    """Whether a job carries this resource's uid."""
    return job is not None and naming.is_owned(job.labels, resource.uid)


def still_applies(failed: FailedCall, resource: Resource) -> bool:
    """Whether a failure still holds: a changed spec is tried at once, unless the service cannot answer."""
    return failed.generation == resource.generation or isinstance(
        failed.error, (errors.Throttled, errors.Unavailable)
    )


def wait_for(failed: FailedCall) -> Wait:
    """Wait until a failed call may be tried again."""
    reason = reason_of(failed.shown)
    return Wait(reason, f"{_described(failed)} {what_next(failed.shown.error, reason)}", failed.retry_at)


def wait_to_create(failed: FailedCall, resource: Resource, target: Target) -> Wait:
    """Wait until a create call may be tried again; where the project is missing, say which field names it."""
    if not isinstance(failed.shown.error, errors.ProjectNotFound):
        return wait_for(failed)
    chosen = bool(resource.spec.get("projectId"))
    way_out = (
        f"spec.projectId: {target.project!r} is no project that the service knows. Correct it"
        if chosen
        else f"The administrator's default project, {target.project!r}, is none that the service knows. "
        f"Set spec.projectId, or have the default corrected"
    )
    message = f"{_described(failed)} {way_out}; the operator tries again slowly."
    return Wait(Reason.PROJECT_NOT_FOUND, message, failed.retry_at)


def _described(failed: FailedCall) -> str:
    return f"The {failed.shown.call} call failed: {failed.shown.error.message}"


def what_next(error: errors.JobServiceError, reason: Reason) -> str:
    """Say what the operator does about a failed call, and what somebody has to do."""
    if isinstance(error, errors.Denied):
        return f"{error.remedy} The operator tries again slowly."
    return MEANING[reason]


def reason_of(failure: FailedCall | ReportedFailure) -> Reason:
    """The condition's reason for a call that failed and is tried again."""
    match failure.error:
        case errors.Denied():
            return Reason.DENIED
        case errors.ProjectNotFound():
            return Reason.PROJECT_NOT_FOUND
        case errors.Throttled():
            return Reason.THROTTLED
        case errors.Unavailable() | errors.AlreadyExists() if failure.call is Call.CREATE:
            return Reason.OUTCOME_UNKNOWN
        case _:
            return Reason.SERVICE_UNAVAILABLE
