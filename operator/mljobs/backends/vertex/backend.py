"""Vertex AI as the port wants it: attempts and references over the calls of `client`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mljobs.backends.google.opened import ClientBackend
from mljobs.backends.vertex.client import VertexClient
from mljobs.backends.vertex.facts import PAGE_SIZE, VertexFacts
from mljobs.backends.vertex.names import COLLECTIONS, TUNING_JOBS, Name, split
from mljobs.backends.vertex.read import read
from mljobs.backends.vertex.search import Searches
from mljobs.backends.vertex.spec_fields import refused
from mljobs.backends.vertex.translate import request
from mljobs.domain import errors
from mljobs.domain.job.timestamps import parse_timestamp
from mljobs.domain.port import AttemptSelector, Extent, Job, JobDocument, JobPage, Order, Reference, Scope

SKEW = timedelta(minutes=5)
"""By so much the service's clock may be behind that of who wrote down when a job was intended."""

BEGINNING = datetime(2021, 1, 1, tzinfo=UTC)
"""Before the service's first job: it came out in May 2021."""

PASSES = 5
"""So often the pages of a list are read in which more and more jobs turn up, at the most."""

_OUTPUTS = frozenset({"trainingOutput", "predictionOutput"})
"""What no list shows."""


class VertexAI(ClientBackend[VertexClient]):
    """`domain.port.Backend` of Vertex AI; it is neither a `Relabels` nor a `BindsIam`.

    Args:
        facts: with the administrator's tables and locations.
        client: sends the calls; it is closed with this.
    """

    def __init__(self, facts: VertexFacts, client: VertexClient) -> None:
        super().__init__(client)
        self.facts = facts
        self._searches = Searches(self._since)

    async def submit(self, order: Order) -> Job:
        """Make a job; `create` of its collection. A second call makes a second job.

        Raises:
            NoCapacity: the project's quota of machines is used up.
            Rejected: with the fields in the spec's own words, as far as they are known.
        """
        collection, body = request(order, self.facts.tables)
        try:
            made = await self.client.create(*split(order.scope), collection, body)
        except errors.Rejected as error:
            raise refused(error, order) from error
        return read(made, order.scope)

    async def find(self, selector: AttemptSelector) -> Sequence[Job]:
        """List all jobs of the location since then, and compare the labels here.

        The service filters by labels too, but nothing public says that a new job is in such a list as soon as
        it is in one of all jobs. All collections are listed: which one a job went to depends on a spec that
        may have changed since.
        """
        jobs = await self._searches.jobs(selector.scope, max(selector.since, BEGINNING) - SKEW)
        found = [job for job in jobs if selector.matches(job)]
        return sorted(found, key=lambda job: parse_timestamp(str(job.document["createTime"])))

    async def get(self, reference: Reference, *, background: bool = False) -> Job:
        """Read one job; `get` of its collection.

        Raises:
            NotFound: there is no such job.
        """
        name = Name.parse(reference)
        return read(await self.client.get(name, background=background), name.scope)

    async def active(self, scope: Scope, *, page_token: str = "") -> JobPage:
        """Read one page of a location's jobs, ended ones too, one collection after the other.

        The token says which collection it is of. No job is shown whole, and of a tuning job not even what
        changes.
        """
        collection, _, token = page_token.partition(":")
        page = await self._page(scope, collection or COLLECTIONS[0], token)
        return JobPage(page.jobs, _token(collection or COLLECTIONS[0], page.next_page_token))

    async def cancel(self, reference: Reference) -> None:
        """Ask for a job's end; `cancel` of its collection. One that has ended stays as it is.

        Raises:
            Rejected: the job has already ended, where the service says so.
        """
        await self.client.cancel(Name.parse(reference))

    async def _page(self, scope: Scope, collection: str, token: str, query: str = "") -> JobPage:
        page = await self.client.list_page(
            *split(scope), collection, query=query, page_size=PAGE_SIZE, page_token=token
        )
        return JobPage([_listed(job, scope, collection) for job in page.jobs], page.next_page_token)

    async def _since(self, scope: Scope, since: datetime) -> Sequence[Job]:
        """All jobs of a location that are no older."""
        query = f'create_time>="{since.astimezone(UTC).isoformat().replace("+00:00", "Z")}"'
        found: dict[Reference, Job] = {}
        for collection in COLLECTIONS:
            found |= await self._collected(scope, collection, query)
        return list(found.values())

    async def _collected(self, scope: Scope, collection: str, query: str) -> dict[Reference, Job]:
        """All jobs of a collection: its pages, and again from the first one until a page has nothing new.

        The job that was updated last comes first (recorded traffic). One that changes while pages are read
        jumps to a page that has been read already.
        """
        found: dict[Reference, Job] = {}
        for turn in range(PASSES):
            known, token, pages, news = set(found), "", 0, True
            while pages == 0 or (token and news):
                page = await self._page(scope, collection, token, query)
                token, pages = page.next_page_token, pages + 1
                news = turn == 0 or not known.issuperset(job.reference for job in page.jobs)
                found |= {job.reference: job for job in page.jobs}
            if pages == 1:  # there is no more, or the first page has nothing new
                break
        return found


def _listed(answer: JobDocument, scope: Scope, collection: str) -> Job:
    job = read(answer, scope)
    shown = {key: value for key, value in job.document.items() if key not in _OUTPUTS}
    extent = Extent.OUTLINE if collection == TUNING_JOBS and not job.ended else Extent.PART
    return replace(job, document=shown, extent=extent)


def _token(collection: str, token: str) -> str:
    """Where the jobs go on: in the same collection, or in the next one."""
    if token:
        return f"{collection}:{token}"
    after = COLLECTIONS[COLLECTIONS.index(collection) + 1 :]
    return f"{after[0]}:" if after else ""
