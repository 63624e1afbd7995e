"""The port between the core and a job service, and the job as the core sees it.

A backend implements `JobService` in the vocabulary of `ml` v1: its jobs, states and words. What a backend
names differently (Vertex AI, say), its client translates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

JobDocument = Mapping[str, Any]
"""A `Job` as JSON, with the field names of the discovery document. int64 values are decimal strings."""

Policy = Mapping[str, Any]
"""An IAM `Policy` as JSON: `bindings` (list of `{role, members}`), `etag`, `version`."""

TERMINAL_STATES = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
"""The states that a job never leaves."""


@dataclass(frozen=True)
class Job:
    """A job as the service showed it.

    Attributes:
        job_id: unique in its project.
        state: a word of the API's `State`; `STATE_UNSPECIFIED` where the service left it out.
        labels: all labels of the job, ours included.
        etag: base64 text that changes with every change of the job; empty where absent.
        document: the whole answer, for the fields that only the status needs.
    """

    job_id: str
    state: str = "STATE_UNSPECIFIED"
    labels: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""
    document: JobDocument = field(default_factory=dict)

    @classmethod
    def parse(cls, document: JobDocument) -> "Job":
        """Read a job's JSON. Absent fields take the proto defaults."""
        return cls(
            job_id=document.get("jobId", ""),
            state=document.get("state", "STATE_UNSPECIFIED"),
            labels=document.get("labels") or {},
            etag=document.get("etag", ""),
            document=document,
        )

    @property
    def ended(self) -> bool:
        """Whether the job has reached a state that it never leaves."""
        return self.state in TERMINAL_STATES

    @property
    def ending(self) -> bool:
        """Whether the job has ended, or is being cancelled and ends without us."""
        return self.ended or self.state == "CANCELLING"


@dataclass(frozen=True)
class JobPage:
    """One page of `list`: jobs by createTime descending, and the token of the next page (empty: the last)."""

    jobs: Sequence[Job]
    next_page_token: str = ""


class JobService(Protocol):
    """What the operator needs of a managed job service.

    Every method raises the errors of `domain.errors` and no others. A method sends at most one request that
    changes anything: whoever calls decides about a second try.
    """

    async def create(self, project: str, job: JobDocument) -> Job:
        """Submit a job whose `jobId` the caller has chosen.

        Raises:
            AlreadyExists: the id is in use, perhaps by an earlier try of ours.
            ProjectNotFound: there is no such project.
        """

    async def get(self, project: str, job_id: str, *, patient: bool = False) -> Job:
        """Read one job.

        Args:
            project: the project's id or number.
            job_id: the job's id.
            patient: whether it waits behind other calls for as long as the project's quota takes; else it is
                refused soon, so that who waits for it can do something else.

        Raises:
            NotFound: there is no such job.
        """

    async def list_page(
        self, project: str, *, query: str = "", page_size: int = 100, page_token: str = ""
    ) -> JobPage:
        """Read one page of a project's jobs, newest first and patiently; `query` is a filter expression."""

    async def patch_labels(self, project: str, job_id: str, labels: Mapping[str, str], etag: str) -> Job:
        """Replace all labels of a job whose etag is still `etag`.

        Raises:
            StaleEtag: the job has changed since.
        """

    async def cancel(self, project: str, job_id: str) -> None:
        """Ask for a running job's end.

        Raises:
            Rejected: the job has already ended.
        """

    async def get_iam_policy(self, project: str, job_id: str) -> Policy:
        """Read a job's IAM policy."""

    async def set_iam_policy(self, project: str, job_id: str, policy: Policy) -> Policy:
        """Replace a job's IAM policy; its `etag` guards against a concurrent change.

        Raises:
            StaleEtag: the policy has changed since it was read.
        """

    async def test_iam_permissions(
        self, project: str, job_id: str, permissions: Sequence[str]
    ) -> frozenset[str]:
        """Say which of the permissions (`ml.jobs.cancel`, …) the caller has on the job."""
