"""Errors in the words of Vertex AI."""

from collections.abc import Mapping, Sequence

from mljobs_dev.emulator.errors import (
    BAD_REQUEST_TYPE,
    ERROR_INFO_TYPE,
    ApiError,
    Violation,
)

SERVICE = "aiplatform.googleapis.com"
CANCELLED, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, INTERNAL = 1, 3, 8, 9, 13
"""google.rpc.Code."""

SERVER_ENDED = (
    "Model server terminated: model server container terminated: go/debugstr  \nexit_code: 1\n"
    'reason: "Error"\nstarted_at {{\n  seconds: {}\n}}\nfinished_at {{\n  seconds: {}\n}}\n. '
)
QUOTA_EXCEEDED = "The following quota metrics exceed quota limits: {}"

_CODES = (
    ("The input GCS object doesn't exist", INVALID_ARGUMENT),
    ("Model server terminated", FAILED_PRECONDITION),
    ("The following quota metrics exceed", RESOURCE_EXHAUSTED),
    ("Resources are insufficient", RESOURCE_EXHAUSTED),
    ("Internal error occurred", INTERNAL),
    ("The replica ", INVALID_ARGUMENT),
)
"""google.rpc.Code of a failed job by the start of its message: recorded for the first two, seen in public
threads for the third and the last, ours for the others."""


def code_of(message: str) -> int:
    """The `error.code` that goes with a failed job's `error.message`; that of a failed replica by default."""
    return next((code for start, code in _CODES if message.startswith(start)), INVALID_ARGUMENT)


def found_errors(violations: Sequence[Violation]) -> ApiError:
    """The 400 of the validation: a numbered list, each followed by a tab."""
    listed = "".join(
        f"\t{number}.Field: {violation.field}; Message: {violation.description}"
        for number, violation in enumerate(violations, 1)
    )
    details = {
        "@type": BAD_REQUEST_TYPE,
        "fieldViolations": [violation.as_json() for violation in violations],
    }
    return ApiError(400, f"List of found errors:{listed}\t", details=[details])


def found_error(field: str, text: str) -> ApiError:
    """The same for a single field."""
    return found_errors([Violation(field, text)])


def not_found(noun: str) -> ApiError:
    """The 404 of a job; it has no details (recorded)."""
    return ApiError(404, f"The {noun} does not exist.")


def permission_denied(permission: str, resource: str) -> ApiError:
    """The 403 of a caller who lacks a permission on `projects/P/locations/R` or on what is below it."""
    name = f"//{SERVICE}/{resource}"
    info = _info(
        "IAM_PERMISSION_DENIED",
        {"resource": name.removeprefix("//" + SERVICE + "/"), "permission": permission},
    )
    return ApiError(
        403,
        f"Permission '{permission}' denied on resource '{name}' (or it may not exist).",
        details=[info],
    )


def no_capacity(metric: str) -> ApiError:
    """The 429 of a project whose machines or accelerators are used up; it has no details."""
    return ApiError(429, QUOTA_EXCEEDED.format(f"{SERVICE}/{metric}"))


def rate_limited(number: str, metric: str, limit: int, location: str) -> ApiError:
    """The 429 of a request quota, counted per minute, project and region."""
    name = f"{SERVICE}/{metric}"
    message = (
        f"Quota exceeded for quota metric '{name}' and limit '{name} per minute per region' of service "
        f"'{SERVICE}' for consumer 'project_number:{number}'."
    )
    metadata = {
        "consumer": f"projects/{number}",
        "quota_limit_value": str(limit),
        "quota_location": location,
        "quota_metric": name,
        "service": SERVICE,
    }
    return ApiError(429, message, details=[_info("RATE_LIMIT_EXCEEDED", metadata)])


def wrong_bucket_region(uri: str, bucket_location: str, location: str) -> ApiError:
    """The 400 of a bucket that is elsewhere."""
    return ApiError(
        400,
        f"The Cloud Storage bucket of `{uri}` is in location `{bucket_location}`. It must be in the same "
        f"regional location as the service location `{location}`.",
        status="FAILED_PRECONDITION",
    )


def still_active(noun: str) -> ApiError:
    """The 400 of a delete before the job's end."""
    return ApiError(400, f"The {noun} has not ended, and can not be deleted.", status="FAILED_PRECONDITION")


def _info(reason: str, metadata: Mapping[str, str]) -> dict[str, object]:
    return {
        "@type": ERROR_INFO_TYPE,
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": dict(metadata),
    }
