"""The client of the `ml` v1 API (AI Platform Training and Prediction)."""

from collections.abc import Mapping, Sequence
from typing import Any

from mljobs.backends.google.answers import Method, Page, are_texts, job_of, misshapen, page_of
from mljobs.backends.google.calls import ApiResource, checked_name
from mljobs.backends.google.opened import Client
from mljobs.backends.google.sender import Sender
from mljobs.backends.mlv1.facts import COLLECTION
from mljobs.backends.mlv1.iam_policy import IamPolicy
from mljobs.domain.port import JobDocument

CREATE = Method("ml.projects.jobs.create", creates=True, named=True, of_parent=True)
GET = Method("ml.projects.jobs.get")
LIST = Method("ml.projects.jobs.list")
PATCH = Method("ml.projects.jobs.patch", guarded=True)
CANCEL = Method("ml.projects.jobs.cancel")
GET_IAM_POLICY = Method("ml.projects.jobs.getIamPolicy")
SET_IAM_POLICY = Method("ml.projects.jobs.setIamPolicy", guarded=True)
TEST_IAM_PERMISSIONS = Method("ml.projects.jobs.testIamPermissions")

TEXTS = ("jobId", "state", "etag")
"""The fields by which an answer is a job."""

POLICY_VERSION = 3
"""Shows conditional bindings, which a read-modify-write would lose otherwise (discovery document)."""


class MlV1Client(Client):
    """The calls of `ml` v1 over google-api-python-client, one method each.

    Made by `mljobs.backends.open_job_service`, for one event loop. Every method raises the errors of
    `mljobs.domain.errors` and no others.

    Args:
        jobs: `projects().jobs()` of the service.
        sender: sends the calls.
    """

    def __init__(self, jobs: ApiResource, sender: Sender) -> None:
        self._jobs = jobs
        super().__init__(sender)

    async def create(self, project: str, job: JobDocument) -> JobDocument:
        """Submit a job; `projects.jobs.create`.

        Raises:
            AlreadyExists: the id is in use, perhaps by an earlier call of ours.
        """
        answer = await self._sender.call(
            CREATE, project, self._jobs.create, parent=_project(project), body=dict(job)
        )
        return job_of(CREATE, answer, TEXTS)

    async def get(self, project: str, job_id: str, *, background: bool = False) -> JobDocument:
        """Read one job; `projects.jobs.get`.

        Args:
            project: the project's id or number.
            job_id: the job's id.
            background: whether other calls go first; see `ProjectLimits` and `RequestThreads`.

        Raises:
            NotFound: there is no such job.
        """
        name = _name(project, job_id)
        answer = await self._sender.call(GET, project, self._jobs.get, background=background, name=name)
        return job_of(GET, answer, TEXTS)

    async def list_page(
        self, project: str, *, query: str = "", page_size: int = 100, page_token: str = ""
    ) -> Page:
        """Read one page of jobs, newest first; `projects.jobs.list`.

        Args:
            project: the project's id or number.
            query: the API's filter expression; empty for all jobs.
            page_size: 1 to 100.
            page_token: of the page before; empty for the first.
        """
        answer = await self._sender.call(
            LIST,
            project,
            self._jobs.list,
            background=True,
            parent=_project(project),
            filter=query or None,
            pageSize=page_size,
            pageToken=page_token or None,
        )
        return page_of(LIST, answer, COLLECTION, TEXTS)

    async def patch_labels(
        self, project: str, job_id: str, labels: Mapping[str, str], etag: str
    ) -> JobDocument:
        """Replace all labels; `projects.jobs.patch` with the mask `labels,etag`.

        Without an etag there is nothing to guard with, and the mask is `labels` alone.

        Raises:
            StaleEtag: the job has changed since it had this etag.
        """
        body: dict[str, Any] = {"labels": dict(labels)} | ({"etag": etag} if etag else {})
        answer = await self._sender.call(
            PATCH,
            project,
            self._jobs.patch,
            name=_name(project, job_id),
            body=body,
            updateMask=",".join(body),
        )
        return job_of(PATCH, answer, TEXTS)

    async def cancel(self, project: str, job_id: str) -> None:
        """Cancel a job; `projects.jobs.cancel`.

        Raises:
            Rejected: the job has already ended.
        """
        await self._sender.call(CANCEL, project, self._jobs.cancel, name=_name(project, job_id), body={})

    async def get_iam_policy(self, project: str, job_id: str) -> IamPolicy:
        """Read a job's IAM policy, conditional bindings included; `projects.jobs.getIamPolicy`."""
        return await self._sender.call(
            GET_IAM_POLICY,
            project,
            self._jobs.getIamPolicy,
            resource=_name(project, job_id),
            options_requestedPolicyVersion=POLICY_VERSION,
        )

    async def set_iam_policy(self, project: str, job_id: str, policy: IamPolicy) -> IamPolicy:
        """Replace a job's IAM policy; `projects.jobs.setIamPolicy`.

        Raises:
            StaleEtag: the policy has changed since it was read.
        """
        return await self._sender.call(
            SET_IAM_POLICY,
            project,
            self._jobs.setIamPolicy,
            resource=_name(project, job_id),
            body={"policy": dict(policy)},
        )

    async def test_iam_permissions(
        self, project: str, job_id: str, permissions: Sequence[str]
    ) -> frozenset[str]:
        """Find which permissions the caller has on a job; `projects.jobs.testIamPermissions`."""
        answer = await self._sender.call(
            TEST_IAM_PERMISSIONS,
            project,
            self._jobs.testIamPermissions,
            resource=_name(project, job_id),
            body={"permissions": list(permissions)},
        )
        granted = answer.get("permissions", [])
        if not isinstance(granted, list) or not are_texts(granted):
            raise misshapen(TEST_IAM_PERMISSIONS, "permissions")
        return frozenset(granted)


def _project(project: str) -> str:
    return f"projects/{checked_name('project_id', project)}"


def _name(project: str, job_id: str) -> str:
    return f"{_project(project)}/jobs/{checked_name('job_id', job_id)}"
