"""Failed calls: what they hold back, and what the resource reports until they succeed."""

from mljobs.domain import errors
from mljobs.domain.decide.decisions import Wait
from mljobs.domain.job.observation import Call, FailedCall, Observation, ReportedFailure
from mljobs.domain.job.resource import Resource, Target
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
    """Whether the status records that the service has certainly not created the newest intent's job."""
    adopting = resource.intent is not None and resource.intent.adopting
    # the other reason belongs to an earlier intent
    return resource.refused(
        Reason.REJECTED,
        Reason.PLACEMENTS_EXHAUSTED,
        Reason.NOTHING_TO_ADOPT if adopting else Reason.JOB_ID_TAKEN,
    )


def still_applies(failed: FailedCall, resource: Resource) -> bool:
    """Whether a failure still holds: a changed spec is tried at once, unless the service cannot answer."""
    return failed.generation == resource.generation or isinstance(
        failed.error, (errors.Throttled, errors.Unavailable)
    )


def wait_for(failed: FailedCall) -> Wait:
    """Wait until a failed call may be retried."""
    reason = reason_of(failed.shown)
    return Wait(
        reason, f"{_described(failed)} {what_next(failed.shown.error, reason)}", again=failed.retry_at
    )


def wait_to_create(failed: FailedCall, resource: Resource, target: Target) -> Wait:
    """Wait until a create call may be retried; if the project is missing, name the field to correct."""
    if not isinstance(failed.shown.error, errors.ProjectNotFound):
        return wait_for(failed)
    chosen = bool(resource.spec.get("projectId"))
    remedy = (
        f"spec.projectId: {target.project!r} does not exist at the service. Correct it"
        if chosen
        else f"The administrator's default project, {target.project!r}, does not exist at the service. "
        f"Set spec.projectId, or have the default corrected"
    )
    message = f"{_described(failed)} {remedy}; the operator keeps retrying slowly."
    return Wait(Reason.PROJECT_NOT_FOUND, message, again=failed.retry_at)


def _described(failed: FailedCall) -> str:
    return f"The {failed.shown.call} call failed: {failed.shown.error.message}"


def what_next(error: errors.JobServiceError, reason: Reason) -> str:
    """What the operator does about a failed call, and what somebody has to do."""
    if isinstance(error, errors.Denied):
        return f"{error.remedy} The operator keeps retrying slowly."
    return MEANING[reason]


def reason_of(failure: FailedCall | ReportedFailure) -> Reason:
    """The condition's reason for a failed call that is retried."""
    match failure.error:
        case errors.Denied():
            return Reason.DENIED
        case errors.ProjectNotFound():
            return Reason.PROJECT_NOT_FOUND
        case errors.Throttled():
            return Reason.THROTTLED
        case errors.NoCapacity():
            return Reason.NO_CAPACITY
        case errors.Unavailable() | errors.AlreadyExists() if failure.call is Call.CREATE:
            return Reason.OUTCOME_UNKNOWN
        case _:
            return Reason.SERVICE_UNAVAILABLE
