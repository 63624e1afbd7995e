"""Errors as the service words them, in the two formats that `$.xgafv` chooses between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BAD_REQUEST_TYPE = "type.googleapis.com/google.rpc.BadRequest"
ERROR_INFO_TYPE = "type.googleapis.com/google.rpc.ErrorInfo"
HELP_TYPE = "type.googleapis.com/google.rpc.Help"

CANONICAL = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""The word that goes with an HTTP status where nothing narrower is known (google.rpc.Code)."""

GENERIC_TEXT = {
    400: "Request contains an invalid argument.",
    401: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
    "other valid authentication credential. See https://developers.google.com/identity/sign-in/web/"
    "devconsole-project.",
    403: "The caller does not have permission",
    404: "Requested entity was not found.",
    409: "The operation was aborted.",
    412: "Precondition check failed.",
    429: "Resource has been exhausted (e.g. check quota).",
    500: "Internal error encountered.",
    501: "Operation is not implemented, or supported, or enabled.",
    503: "The service is currently unavailable.",
    504: "Deadline expired before operation could complete.",
}

_REASONS = {
    "ALREADY_EXISTS": "alreadyExists",
    "FAILED_PRECONDITION": "failedPrecondition",
    "RESOURCE_EXHAUSTED": "rateLimitExceeded",
}
_REASONS_BY_CODE = {
    400: "badRequest",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    409: "conflict",
    412: "conditionNotMet",
    501: "notImplemented",
}


@dataclass(frozen=True)
class Violation:
    """One entry of `BadRequest.fieldViolations`.

    Attributes:
        field: the service's path in snake_case, without the input's name; empty for the request itself.
        description: why it is refused.
    """

    field: str
    description: str

    def as_json(self) -> dict[str, str]:
        """The entry as JSON; an empty field is left out."""
        if not self.field:
            return {"description": self.description}
        return {"field": self.field, "description": self.description}


class ApiError(Exception):
    """An answer other than 200.

    Args:
        code: the HTTP status.
        message: the text for a person.
        status: the canonical word; by default the usual one for the code.
        details: typed objects, each with `@type`.
        headers: more response headers, `Retry-After` say.
    """

    def __init__(
        self,
        code: int,
        message: str = "",
        *,
        status: str = "",
        details: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code
        self.message = message or GENERIC_TEXT.get(code, "Unknown error.")
        self.status = status or CANONICAL.get(code, "UNKNOWN")
        self.details = list(details)
        self.headers = dict(headers or {})
        super().__init__(f"{code} {self.status}: {self.message}")

    def as_json(self, error_format: int = 2) -> dict[str, Any]:
        """The body of the answer.

        Args:
            error_format: 2 is today's; 1 has the older `errors` list as well.
        """
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if error_format == 1:
            error["errors"] = [{"message": self.message, "domain": "global", "reason": self._reason()}]
        error["status"] = self.status
        if self.details:
            error["details"] = self.details
        return {"error": error}

    def _reason(self) -> str:
        return _REASONS.get(self.status) or _REASONS_BY_CODE.get(self.code, "backendError")


def bad_request(message: str, violations: Sequence[Violation]) -> ApiError:
    """A 400 whose details name the fields."""
    return ApiError(400, message, details=[_details(violations)])


def refused(violations: Sequence[Violation]) -> ApiError:
    """A 400 of the service's validation: `Field: <path> Error: <text>`, a line for each violation."""
    lines = (f"Field: {violation.field} Error: {violation.description}" for violation in violations)
    return bad_request("\n".join(lines), violations)


def refused_field(field: str, text: str) -> ApiError:
    """A 400 of the service's validation for a single field."""
    return refused([Violation(field, text)])


def invalid_payload(violations: Sequence[Violation]) -> ApiError:
    """A 400 of the JSON layer: the descriptions, a line each."""
    return bad_request("\n".join(violation.description for violation in violations), violations)


def already_exists() -> ApiError:
    """The 409 of a create whose id is taken."""
    violation = Violation("job.job_id", "A job with this id already exists.")
    message = f"Field: {violation.field} Error: {violation.description}"
    return ApiError(409, message, status="ALREADY_EXISTS", details=[_details([violation])])


def job_not_found() -> ApiError:
    """The 404 of a job that was never made."""
    violation = Violation("name", "The specified job was not found.")
    message = f"Field: {violation.field} Error: {violation.description}"
    return ApiError(404, message, details=[_details([violation])])


def permission_denied(project: str) -> ApiError:
    """The 403 of a caller who lacks a permission."""
    link = {
        "description": "Google developers console",
        "url": "https://console.developers.google.com",
    }
    return ApiError(
        403,
        f"Permission denied on resource project {project}.",
        details=[{"@type": HELP_TYPE, "links": [link]}],
    )


def rate_limited(project: str, metric: str, limit: int) -> ApiError:
    """The 429 of a request quota, counted per minute and project."""
    message = (
        f"Quota exceeded for quota metric '{metric}' and limit '{metric} per minute' of service "
        f"'ml.googleapis.com' for consumer 'project:{project}'."
    )
    info = {
        "@type": ERROR_INFO_TYPE,
        "reason": "RATE_LIMIT_EXCEEDED",
        "domain": "googleapis.com",
        "metadata": {
            "consumer": f"projects/{project}",
            "quota_metric": metric,
            "quota_limit_value": str(limit),
            "service": "ml.googleapis.com",
        },
    }
    return ApiError(429, message, details=[info])


def _details(violations: Sequence[Violation]) -> dict[str, Any]:
    return {
        "@type": BAD_REQUEST_TYPE,
        "fieldViolations": [violation.as_json() for violation in violations],
    }
