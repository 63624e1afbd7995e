"""What a job service can answer instead of a result.

    JobServiceError
    ├── NotFound         a fact: there is no such job
    ├── ProjectNotFound  a fact: there is no such project to create a job in
    ├── AlreadyExists    a fact: the job id is in use, by us or by somebody else
    ├── StaleEtag        a fact: the job has changed since it was read
    ├── Throttled        refused for now, and certainly not applied
    ├── NoCapacity       refused for lack of machines, and certainly not applied: minutes, not seconds
    ├── Unavailable      no usable answer: it may or may not have been applied
    ├── Denied           credentials or permissions: somebody has to change something
    └── Rejected         the request itself is wrong: the same request will never pass

Backends map their library's errors to these and to nothing else; `decide` and the retry delays depend on the
class, or a cause that it has, never on a text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mljobs.api.outputs import Cause


class JobServiceError(Exception):
    """The base of the tree.

    Args:
        message: one sentence or more for people, in the service's words if it sent any.
        status: the HTTP status, or 0 if there was no answer.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class NotFound(JobServiceError):
    """There is no such job (404)."""


class ProjectNotFound(JobServiceError):
    """There is no such project (404 on create: what is missing is the parent); nothing was applied."""


class AlreadyExists(JobServiceError):
    """A job with this id exists (409 on create). Ids are never freed, and the job may be our own."""


class StaleEtag(JobServiceError):
    """The etag of a patch is not the job's newest (409 or 412 on patch). Read the job and try again."""


class Throttled(JobServiceError):
    """A quota refused the request (429); nothing was applied.

    Args:
        retry_after: seconds that the service asked for, or None.
    """

    def __init__(self, message: str, *, status: int = 429, retry_after: float | None = None) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after


class NoCapacity(JobServiceError):
    """The project's quota of machines is used up, or the region has none left; nothing was applied.

    No rate of calls is to blame, so that other jobs may well be accepted meanwhile.

    Args:
        cause: `NoCapacity` or `QuotaExceeded`, as for a job that fails so.
    """

    def __init__(self, message: str, *, status: int = 0, cause: Cause = Cause.NO_CAPACITY) -> None:
        super().__init__(message, status=status)
        self.cause = cause


class Unavailable(JobServiceError):
    """5xx, a broken connection, a time-out or an unreadable answer: the outcome may be unknown."""


class Denial(StrEnum):
    """What is missing, as far as the service says."""

    PERMISSION = "permission"
    CREDENTIALS = "credentials"
    NO_CREDENTIALS = "no credentials"
    SERVICE_ACCOUNT = "ServiceAccount"
    FEDERATION = "federation"
    IMPERSONATION = "impersonation"
    PROJECT = "project"
    API = "API"
    BILLING = "billing"
    POLICY = "policy"
    PROXY = "proxy"
    UNKNOWN = "unknown"


REMEDIES: Mapping[Denial, str] = {
    Denial.PERMISSION: "Grant the permission.",
    Denial.CREDENTIALS: (
        "`mljobs check` shows which credentials the operator uses and where they come from: "
        "replace them, or have them accepted."
    ),
    Denial.NO_CREDENTIALS: (
        "Bind the operator's ServiceAccount with Workload Identity, or point GOOGLE_APPLICATION_CREDENTIALS "
        "to a key file."
    ),
    Denial.SERVICE_ACCOUNT: (
        "Create the ServiceAccount in this namespace, or have the administrator allow the operator to "
        "request tokens for accounts of this name."
    ),
    Denial.FEDERATION: (
        "Have the provider of the workload identity pool accept the ServiceAccount's tokens: their issuer, "
        "audience and keys, and its attribute condition."
    ),
    Denial.IMPERSONATION: (
        "Grant on the account to impersonate roles/iam.serviceAccountTokenCreator, or to a principal of a "
        "workload identity pool roles/iam.workloadIdentityUser, and enable the IAM Service Account "
        "Credentials API."
    ),
    Denial.PROJECT: (
        "No permission helps here: the project does not exist, or it was deleted or suspended. "
        "Restore it, or name another project."
    ),
    Denial.API: "Enable the API in the project.",
    Denial.BILLING: "Enable billing for the project.",
    Denial.POLICY: "Ask the organization's administrators for an exception from their policy.",
    Denial.PROXY: "Give the operator a proxy URL with credentials that the proxy accepts.",
    Denial.UNKNOWN: "Grant the permission, or name another project if this one does not exist.",
}
"""What somebody has to do before the call can succeed."""


class Denied(JobServiceError):
    """401 after the credentials were refreshed, 403, 407, or no token at all.

    Args:
        cause: what is missing.
    """

    def __init__(self, message: str, *, status: int = 0, cause: Denial = Denial.UNKNOWN) -> None:
        super().__init__(message, status=status)
        self.cause = cause

    @property
    def remedy(self) -> str:
        """What somebody has to do, in one sentence or two."""
        return REMEDIES[self.cause]

    @property
    def hint(self) -> str:
        """The remedy as the end of another sentence."""
        return self.remedy[:1].lower() + self.remedy[1:].removesuffix(".")


@dataclass(frozen=True)
class Violation:
    """One field that the service refused.

    Attributes:
        field: the service's path of the field, in snake_case and without the input's name.
        description: the service's own words.
    """

    field: str
    description: str


class Rejected(JobServiceError):
    """The request is wrong (400 and other 4xx). It is never sent again for the same generation.

    Args:
        violations: the fields that the service named, possibly none.
    """

    def __init__(self, message: str, *, status: int = 400, violations: tuple[Violation, ...] = ()) -> None:
        super().__init__(message, status=status)
        self.violations = violations
