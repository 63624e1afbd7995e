"""The port's implementation for `ml` v1: attempts and references over the calls of `client`."""

from collections.abc import Sequence

from mljobs.backends.google.answers import created_at
from mljobs.backends.google.opened import ClientBackend
from mljobs.backends.mlv1.client import LIST, MlV1Client
from mljobs.backends.mlv1.facts import PAGE_SIZE, MlV1Facts, parts
from mljobs.backends.mlv1.iam_policy import merged
from mljobs.backends.mlv1.read import read
from mljobs.backends.mlv1.translate import request
from mljobs.domain import errors
from mljobs.domain.port import AttemptSelector, Binding, Job, JobPage, Order, Reference, Scope

CANCEL_PERMISSION = "ml.jobs.cancel"
"""Not part of `roles/ml.developer` (documentation of access control)."""

BINDING_TRIES = 3
"""How often a policy that others change concurrently is read again at once."""


class MlV1(ClientBackend[MlV1Client]):
    """`domain.port.Backend`, `Relabels` and `BindsIam` of `ml` v1.

    Args:
        facts: with the administrator's locations.
        client: sends the calls; it is closed with this.
    """

    def __init__(self, facts: MlV1Facts, client: MlV1Client) -> None:
        super().__init__(client)
        self.facts = facts

    async def submit(self, order: Order) -> Job:
        """Create a job; `projects.jobs.create`. The id makes it idempotent.

        Raises:
            AlreadyExists: the id is in use, perhaps by an earlier call of ours.
        """
        _, job = request(order)
        return read(await self.client.create(_project(order.scope), job), order.scope)

    async def find(self, selector: AttemptSelector) -> Sequence[Job]:
        """Read the project's jobs, the newest first, down to those that are older than the attempt."""
        found: list[Job] = []
        token = ""
        while True:
            page = await self.active(selector.scope, page_token=token)
            found += [job for job in page.jobs if selector.matches(job)]
            token = page.next_page_token
            older = any(created_at(LIST, job.document) < selector.since for job in page.jobs[-1:])
            if older or not token:
                return sorted(found, key=lambda job: created_at(LIST, job.document))

    async def get(self, reference: Reference, *, background: bool = False) -> Job:
        """Read one job; `projects.jobs.get`.

        Raises:
            NotFound: there is no such job.
        """
        job = await self.client.get(*parts(reference), background=background)
        return read(job, self.facts.scope_of(reference))

    async def active(self, scope: Scope, *, page_token: str = "") -> JobPage:
        """Read one page of the project's jobs, newest first, ended ones too; `projects.jobs.list`."""
        page = await self.client.list_page(_project(scope), page_size=PAGE_SIZE, page_token=page_token)
        return JobPage([read(job, scope) for job in page.jobs], page.next_page_token)

    async def cancel(self, reference: Reference) -> None:
        """Cancel a job; `projects.jobs.cancel`.

        Raises:
            Rejected: the job has already ended.
            Denied: with the name of the permission, if the service confirms that it is missing.
        """
        try:
            await self.client.cancel(*parts(reference))
        except errors.Denied as error:
            raise await self._named(reference, error) from error

    async def relabel(self, reference: Reference, labels: dict[str, str], etag: str) -> Job:
        """Replace all labels of a job; `projects.jobs.patch`.

        Raises:
            StaleEtag: the job has changed since it had this etag.
        """
        changed = await self.client.patch_labels(*parts(reference), labels, etag)
        return read(changed, self.facts.scope_of(reference))

    async def bind_iam(
        self, reference: Reference, wanted: Sequence[Binding], applied: Sequence[Binding]
    ) -> None:
        """Read, modify, write the job's IAM policy; after a concurrent change it is read again.

        Raises:
            StaleEtag: others have changed it each time.
        """
        for tries_left in reversed(range(BINDING_TRIES)):
            policy = await self.client.get_iam_policy(*parts(reference))
            changed = merged(policy, wanted, applied)
            if changed is None:
                return
            try:
                await self.client.set_iam_policy(*parts(reference), changed)
            except errors.StaleEtag:
                if not tries_left:
                    raise
            else:
                return

    async def _named(self, reference: Reference, error: errors.Denied) -> errors.Denied:
        try:
            granted = await self.client.test_iam_permissions(*parts(reference), [CANCEL_PERMISSION])
        except errors.JobServiceError:
            return error
        if CANCEL_PERMISSION in granted:
            return error
        message = f"{error.message} The permission {CANCEL_PERMISSION} is missing on {reference}."
        return errors.Denied(message, status=error.status, cause=errors.Denial.PERMISSION)


def _project(scope: Scope) -> str:
    return scope.removeprefix("projects/")
