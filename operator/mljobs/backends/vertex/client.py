"""The calls of the `aiplatform` v1 API that make, read and end jobs, one method each."""

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from mljobs.backends.google.answers import Method, Page, created_at, job_of, page_of
from mljobs.backends.google.calls import ApiResource, checked_name, open_document
from mljobs.backends.google.opened import Client
from mljobs.backends.google.sender import Sender
from mljobs.backends.vertex.names import COLLECTIONS, Name
from mljobs.domain.errors import NotFound, Rejected, Violation
from mljobs.domain.port import JobDocument

READ_MASK = "name,displayName,state,createTime,startTime,endTime,updateTime,error,labels"
"""What is read of each job of a list: the specs would be most of it."""

TEXTS = ("name", "displayName", "state")
"""The fields by which an answer is a job."""

HOSTS_LIMIT = 64
"""Regions whose clients are kept, more than there are; the one that was used longest ago goes first."""

_LOCATION = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
_LOCATION_LIMIT = 40


@dataclass(frozen=True)
class _Methods:
    create: Method
    get: Method
    list: Method
    cancel: Method


def _methods(collection: str) -> _Methods:
    prefix = f"aiplatform.projects.locations.{collection}"
    return _Methods(
        create=Method(f"{prefix}.create", creates=True, of_parent=True),
        get=Method(f"{prefix}.get"),
        list=Method(f"{prefix}.list", of_parent=True),
        cancel=Method(f"{prefix}.cancel"),
    )


_METHODS = {collection: _methods(collection) for collection in COLLECTIONS}


class VertexClient(Client):
    """The calls of `aiplatform` v1 over google-api-python-client.

    Made by `mljobs.backends.open_vertex`, for one event loop. Every region has a host of its own. Every
    method raises the errors of `mljobs.domain.errors` and no others.

    Args:
        sender: sends the calls; each takes the quota of a project in a region.
        endpoint: URL of the API for all regions, such as an emulator's; empty for the regions' own hosts.
    """

    def __init__(self, sender: Sender, endpoint: str = "") -> None:
        super().__init__(sender)
        self._endpoint = endpoint
        self._opened: OrderedDict[str, Mapping[str, ApiResource]] = OrderedDict()

    async def create(self, project: str, location: str, collection: str, job: JobDocument) -> JobDocument:
        """Make a job. Each call makes another one: the service gives the id.

        Args:
            project: the project's id or number.
            location: the region.
            collection: one of `COLLECTIONS`.
            job: its body.

        Raises:
            ProjectNotFound: there is no such project or location.
            NoCapacity: the project's quota of machines is used up.
        """
        method = _METHODS[collection].create
        parent, jobs = _parent(project, location), self._jobs(location, collection)
        answer = await self._sender.call(
            method, _quota(project, location), jobs.create, parent=parent, body=dict(job)
        )
        return job_of(method, answer, TEXTS)

    async def get(self, name: Name, *, background: bool = False) -> JobDocument:
        """Read one job, the trials of a tuning job included.

        Args:
            name: of the job.
            background: whether other calls go first; see `ProjectLimits` and `RequestThreads`.

        Raises:
            NotFound: there is no such job.
        """
        method = _METHODS[name.collection].get
        path, jobs = _path(name), self._jobs(name.location, name.collection)
        quota = _quota(name.project, name.location)
        answer = await self._sender.call(method, quota, jobs.get, background=background, name=path)
        return job_of(method, answer, TEXTS)

    async def list_page(
        self,
        project: str,
        location: str,
        collection: str,
        *,
        query: str = "",
        page_size: int = 100,
        page_token: str = "",
    ) -> Page:
        """Read `READ_MASK` of one page of a collection's jobs.

        The order is not createTime's, and a job that changes meanwhile may be on no page: that it is missing
        proves nothing.

        Args:
            project: the project's id or number.
            location: the region.
            collection: one of `COLLECTIONS`.
            query: the API's filter expression; empty for all jobs.
            page_size: jobs in the page, at the most; the service may give fewer.
            page_token: of the page before; empty for the first.

        Raises:
            ProjectNotFound: there is no such project or location.
        """
        method = _METHODS[collection].list
        parent, listed = _parent(project, location), self._jobs(location, collection)
        answer = await self._sender.call(
            method,
            _quota(project, location),
            listed.list,
            background=True,
            parent=parent,
            filter=query or None,
            pageSize=page_size,
            pageToken=page_token or None,
            readMask=READ_MASK,
        )
        page = page_of(method, answer, collection, TEXTS)
        for job in page.jobs:
            created_at(method, job)
        return page

    async def whole_jobs(
        self, project: str, location: str, *, query: str = "", limit: int | None = None
    ) -> list[JobDocument]:
        """Read the jobs of all collections whole: lists have no specs and no trials, so each by a `get`.

        Args:
            project: the project's id or number.
            location: the region.
            query: the API's filter expression; empty for all jobs.
            limit: how many at most; None for all. Those that changed last come first.

        Returns:
            The jobs, collection by collection; one that is deleted meanwhile is left out.
        """
        rows: list[JobDocument] = []
        for collection in COLLECTIONS:
            rows += await self._listed(project, location, collection, query, limit)
        rows = sorted(rows, key=lambda row: str(row.get("updateTime", "")), reverse=True)[:limit]
        chosen = {str(row["name"]) for row in rows}
        names = [replace(Name.parse(name), project=project) for name in sorted(chosen)]
        found = await asyncio.gather(*map(self._whole, names))
        return [job for job in found if job is not None]

    async def _whole(self, name: Name) -> JobDocument | None:
        try:
            return await self.get(name, background=True)
        except NotFound:
            return None

    async def _listed(
        self, project: str, location: str, collection: str, query: str, limit: int | None
    ) -> list[JobDocument]:
        rows: dict[str, JobDocument] = {}
        token = ""
        while True:
            page = await self.list_page(project, location, collection, query=query, page_token=token)
            rows |= {str(job["name"]): job for job in page.jobs}
            token = page.next_page_token
            if not token or (limit and len(rows) >= limit):
                return list(rows.values())

    async def cancel(self, name: Name) -> None:
        """Ask for a job's end.

        Raises:
            NotFound: there is no such job.
            Rejected: the job has already ended.
        """
        method = _METHODS[name.collection].cancel
        path, jobs = _path(name), self._jobs(name.location, name.collection)
        await self._sender.call(method, _quota(name.project, name.location), jobs.cancel, name=path, body={})

    def _jobs(self, location: str, collection: str) -> ApiResource:
        """A collection at its host; the client of each host is made at its first use."""
        endpoint = self._endpoint or f"https://{_checked_location(location)}-aiplatform.googleapis.com"
        collections = self._opened.get(endpoint)
        if collections is None:
            collections = self._opened[endpoint] = open_collections(endpoint)
            if len(self._opened) > HOSTS_LIMIT:
                self._opened.popitem(last=False)
        self._opened.move_to_end(endpoint)
        return collections[collection]


def open_collections(endpoint: str) -> Mapping[str, ApiResource]:
    """The job collections at an endpoint, by name; no request is sent."""
    locations = open_document(_document(), endpoint).projects().locations()
    return {collection: getattr(locations, collection)() for collection in COLLECTIONS}


@cache
def _document() -> Mapping[str, Any]:
    """The API's discovery document, cut to the job collections."""
    text = resources.files("mljobs.backends.vertex").joinpath("aiplatform.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def _quota(project: str, location: str) -> str:
    return f"{project} in {location}"


def _checked_location(location: str) -> str:
    """Refuse a location that would make another host of a URL.

    Raises:
        Rejected: with the value and the rule; nothing was sent.
    """
    if len(location) <= _LOCATION_LIMIT and _LOCATION.fullmatch(location):
        return location
    rule = "must be a region of the service, such as us-central1"
    raise Rejected(f"region: {location!r} {rule}", status=0, violations=(Violation("region", rule),))


def _parent(project: str, location: str) -> str:
    return f"projects/{checked_name('project_id', project)}/locations/{_checked_location(location)}"


def _path(name: Name) -> str:
    return f"{_parent(name.project, name.location)}/{name.collection}/{checked_name('job_id', name.id)}"
