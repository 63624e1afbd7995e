"""From an HTTP answer to the port's errors. Pure: the mapping is total over every status and every body.

Facts (`NotFound`, `ProjectNotFound`, `AlreadyExists`, `StaleEtag`) and `Rejected` are only taken from the
API's own error body: a proxy's 404 page says nothing about a job, and must never look like a lost one.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self

from mljobs.api.outputs import Cause
from mljobs.domain.errors import (
    AlreadyExists,
    Denial,
    Denied,
    JobServiceError,
    NoCapacity,
    NotFound,
    ProjectNotFound,
    Rejected,
    StaleEtag,
    Throttled,
    Unavailable,
    Violation,
)
from mljobs.domain.job.timestamps import parse_timestamp
from mljobs.domain.port import JobDocument

MESSAGE_LIMIT = 4096
"""Characters of a message that are kept; the service's are far shorter."""

RETRY_AFTER_LIMIT = 86_400.0
"""Seconds that `retry_after` is capped to: a daily quota is the longest that the service names."""

_EXCERPT_LIMIT = 200
_TRANSIENT = frozenset({408, 425, 499})
"""4xx about the exchange and not the request: time-out, too early, closed by the client."""

_QUOTA_WORDS = frozenset(
    {
        "RESOURCE_EXHAUSTED",
        "RATE_LIMIT_EXCEEDED",
        "dailyLimitExceeded",
        "quotaExceeded",
        "rateLimitExceeded",
        "userRateLimitExceeded",
    }
)
"""`status`, `errors[].reason` and `ErrorInfo.reason` of a 403 that is a quota (Google API error model)."""

_DENIALS: Mapping[str, Denial] = {
    "IAM_PERMISSION_DENIED": Denial.PERMISSION,
    "USER_PROJECT_DENIED": Denial.PERMISSION,
    "CONSUMER_INVALID": Denial.PROJECT,
    "CONSUMER_SUSPENDED": Denial.PROJECT,
    "GCP_SUSPENDED": Denial.PROJECT,
    "RESOURCE_PROJECT_INVALID": Denial.PROJECT,
    "SERVICE_DISABLED": Denial.API,
    "accessNotConfigured": Denial.API,
    "BILLING_DISABLED": Denial.BILLING,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": Denial.CREDENTIALS,
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": Denial.CREDENTIALS,
    "ACCOUNT_STATE_INVALID": Denial.CREDENTIALS,
    "LOCATION_POLICY_VIOLATED": Denial.POLICY,
    "ORG_RESTRICTION_VIOLATION": Denial.POLICY,
    "RESOURCE_USAGE_RESTRICTION_VIOLATED": Denial.POLICY,
    "SECURITY_POLICY_VIOLATED": Denial.POLICY,
}
"""`ErrorInfo.reason` and `errors[].reason` of a 403 (`google.api.ErrorReason`; google.iam for the first)."""

_PROJECT_GONE = re.compile(r"Project \S+ has been (deleted|suspended)")
"""The message of a 403 without `ErrorInfo` (public issue threads)."""

_QUOTA = "The following quota metrics exceed quota limits"
_NO_CAPACITY = re.compile(f"{_QUOTA}|Resources are insufficient")
"""How a 429 begins that speaks of machines and not of calls; it has no details (public issue threads)."""

_BILLING_OFF = re.compile("This API method requires billing to be enabled")
"""How a 403 words it where it carries no `ErrorInfo` (reports of users)."""

_FIELD_ERROR = re.compile(r"Field: (?P<field>[\w.\[\]]+) Error: (?P<text>.+)", re.DOTALL)
"""The message of `ml` v1 about a refused field: `Field: region Error: …` (recorded answers)."""

_FIELD_ERRORS = re.compile(r"\d+\.Field: (?P<field>[\w.\[\]]+); Message: (?P<text>[^\t]+)")
"""The message of `aiplatform` v1 about refused fields, tab-separated: `1.Field: parent; Message: …` (issue
threads)."""

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


@dataclass(frozen=True)
class Method:
    """A method of the API, and what a conflict means for it.

    Attributes:
        id: the discovery document's id, such as `ml.projects.jobs.create`.
        creates: it makes a job, and counts against the quota of such calls.
        named: the caller chooses the id, and 409 means that it is in use.
        of_parent: 404 means that there is no such project or location: the call names nothing else.
        guarded: 409 and 412 mean that the etag is stale.
        once: 412 means that the object exists already (`ifGenerationMatch=0`).
    """

    id: str
    creates: bool = False
    named: bool = False
    of_parent: bool = False
    guarded: bool = False
    once: bool = False


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer.

    Attributes:
        status: the HTTP status.
        headers: by lower-case name.
        body: as received, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class ErrorBody:
    """`{"error": {…}}` of Google's APIs, in either format (`$.xgafv` 1 and 2 of the discovery document).

    Attributes:
        message: the service's message.
        status: the canonical code, such as `RESOURCE_EXHAUSTED`; empty if absent.
        details: `google.rpc` messages (format 2, and most answers of format 1).
        errors: `{message, domain, reason, location}` (format 1).
    """

    message: str
    status: str = ""
    details: tuple[Mapping[str, Any], ...] = ()
    errors: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def parse(cls, body: bytes) -> Self | None:
        """Read an error body; None if it is anything else (HTML, cut, empty)."""
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return None
        if isinstance(document, list) and document:  # streaming methods wrap their error in a list
            document = document[0]
        error = document.get("error") if isinstance(document, dict) else None
        if not isinstance(error, dict) or not isinstance(error.get("message"), str):
            return None
        return cls(
            message=error["message"][:MESSAGE_LIMIT],
            status=_text(error.get("status")),
            details=_objects(error.get("details")),
            errors=_objects(error.get("errors")),
        )

    @property
    def is_quota(self) -> bool:
        """Whether a quota refused the request, whatever the HTTP status."""
        return not _QUOTA_WORDS.isdisjoint((self.status, *self._reasons))

    @property
    def denial(self) -> Denial:
        """What is missing, where this is the body of a 403."""
        if _PROJECT_GONE.search(self.message):
            return Denial.PROJECT
        if _BILLING_OFF.match(self.message):
            return Denial.BILLING
        known = (_DENIALS[reason] for reason in self._reasons if reason in _DENIALS)
        return next(known, Denial.UNKNOWN)

    @property
    def _reasons(self) -> list[str]:
        """The words of `ErrorInfo` and of format 1, the narrower ones first."""
        return [_text(item.get("reason")) for item in (*self.details, *self.errors)]

    @property
    def retry_delay(self) -> float | None:
        """Seconds of `google.rpc.RetryInfo`, or None."""
        for detail in self._details("RetryInfo"):
            match = _DURATION.fullmatch(_text(detail.get("retryDelay")))
            if match:
                return min(float(match[1]), RETRY_AFTER_LIMIT)
        return None

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The refused fields: from `google.rpc.BadRequest`, else from the message's own form."""
        found = tuple(
            Violation(_text(item.get("field")), _text(item.get("description"))[:MESSAGE_LIMIT])
            for detail in self._details("BadRequest")
            for item in _objects(detail.get("fieldViolations"))
        )
        if found:
            return found
        matches = [_FIELD_ERROR.fullmatch(self.message), *_FIELD_ERRORS.finditer(self.message)]
        return tuple(Violation(match["field"], match["text"].strip()) for match in matches if match)

    def _details(self, name: str) -> list[Mapping[str, Any]]:
        kind = f"type.googleapis.com/google.rpc.{name}"
        return [detail for detail in self.details if detail.get("@type") == kind]


def error_of(method: Method, answer: Answer, now: datetime) -> JobServiceError:
    """Turn an answer that is no success into an error of the tree.

    Args:
        method: the method that was called.
        answer: any status but a readable 2xx.
        now: for a `Retry-After` that is a date.
    """
    body, status = ErrorBody.parse(answer.body), answer.status
    message = body.message if body else _without_body(method, answer)
    if status == 429 and _NO_CAPACITY.match(message):
        quota = message.startswith(_QUOTA)
        return NoCapacity(message, status=status, cause=Cause.QUOTA_EXCEEDED if quota else Cause.NO_CAPACITY)
    if status == 429 or (status == 403 and body and body.is_quota):
        return Throttled(message, status=status, retry_after=_retry_after(answer, body, now))
    if status in (401, 403, 407):
        return Denied(message, status=status, cause=_denial(status, body))
    if body is None or not 400 <= status < 500 or status in _TRANSIENT:
        return Unavailable(message, status=status)
    if status == 404:
        return (ProjectNotFound if method.of_parent else NotFound)(message, status=status)
    if status in (409, 412):
        return _conflict(method, status, body)
    return Rejected(message, status=status, violations=body.violations)


def _denial(status: int, body: ErrorBody | None) -> Denial:
    if status == 401:
        return Denial.CREDENTIALS
    if status == 407:
        return Denial.PROXY
    return body.denial if body else Denial.UNKNOWN


def unreadable(method: Method, answer: Answer) -> Unavailable:
    """The error for a 2xx whose body is not the JSON that the method promises."""
    return Unavailable(
        f"{method.id} answered HTTP {answer.status} with a body that is not the API's JSON "
        f"({_excerpt(answer)}); whether it was applied is not known",
        status=answer.status,
    )


def misshapen(method: Method, what: str) -> Unavailable:
    """The error for a 2xx whose JSON is not what the method promises."""
    return Unavailable(
        f"{method.id} was answered with JSON in which {what} is missing or misshapen: check the endpoint; "
        "whether it was applied is not known",
        status=200,
    )


def created_at(method: Method, job: Mapping[str, Any]) -> datetime:
    """When the service created a job that it has listed.

    Raises:
        Unavailable: it does not say so: whatever answered, it was not the API.
    """
    try:
        return parse_timestamp(str(job.get("createTime")))
    except ValueError as error:
        raise misshapen(method, "createTime of a job") from error


@dataclass(frozen=True)
class Page:
    """One page of jobs as the service shows them, and the token of the next one; empty: it is the last."""

    jobs: Sequence[JobDocument]
    next_page_token: str = ""


def page_of(method: Method, answer: Mapping[str, Any], collection: str, texts: Sequence[str]) -> Page:
    """Check one page of an answer to `list`; see `job_of`.

    Raises:
        Unavailable: it is none.
    """
    jobs, token = answer.get(collection, []), answer.get("nextPageToken", "")
    if not isinstance(jobs, list) or not isinstance(token, str):
        raise misshapen(method, f"{collection} or nextPageToken")
    return Page([job_of(method, job, texts) for job in jobs], token)


def job_of(method: Method, document: object, texts: Sequence[str]) -> JobDocument:
    """Check a job of an answer, as far as it is named and owned.

    Args:
        method: that was called.
        document: the job.
        texts: the fields that are texts where they are there; without the first one it is no job.

    Raises:
        Unavailable: it is no job: whatever answered, it was not the API.
    """
    if not isinstance(document, dict):
        raise misshapen(method, "a job")
    values = [document.get(name, "") for name in texts]
    labels = document.get("labels") or {}
    if not values[0] or not isinstance(labels, dict) or not are_texts([*values, *labels.values()]):
        raise misshapen(method, f"{', '.join(texts)} or labels")
    return document


def are_texts(values: Iterable[object]) -> bool:
    """Whether all values of an answer are texts."""
    return all(isinstance(value, str) for value in values)


def _conflict(method: Method, status: int, body: ErrorBody) -> JobServiceError:
    if method.guarded:
        return StaleEtag(body.message, status=status)
    if status == 412 and method.once:
        return AlreadyExists(body.message, status=status)
    if status == 412:
        return Rejected(body.message, status=status, violations=body.violations)
    if method.named and body.status != "ABORTED":
        return AlreadyExists(body.message, status=status)
    return Unavailable(body.message, status=status)


def _retry_after(answer: Answer, body: ErrorBody | None, now: datetime) -> float | None:
    header = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", header, re.ASCII):
        return min(float(header), RETRY_AFTER_LIMIT)
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, IndexError, OverflowError):
        return body.retry_delay if body else None
    seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT)


def _without_body(method: Method, answer: Answer) -> str:
    return (
        f"{method.id} answered HTTP {answer.status} without the API's error body ({_excerpt(answer)}): "
        "check the endpoint, and any proxy on the way to it"
    )


def _excerpt(answer: Answer) -> str:
    if not answer.body:
        return "empty body"
    text = " ".join(answer.body[: 4 * _EXCERPT_LIMIT].decode("utf-8", "replace").split())
    return f"{answer.headers.get('content-type', 'no content type')}: {text[:_EXCERPT_LIMIT]!r}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _objects(value: object) -> tuple[Mapping[str, Any], ...]:
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()
