"""Vertex AI's own client of the port, over the model: what it sends and reads is what the service would."""

import copy
from collections.abc import Mapping
from typing import Any

from mljobs.backends.google.answers import Page
from mljobs.backends.vertex.backend import VertexAI
from mljobs.backends.vertex.client import VertexClient
from mljobs.backends.vertex.facts import VertexFacts
from mljobs.backends.vertex.names import Name
from mljobs.backends.vertex.read import STATES
from mljobs.backends.vertex.tables import Tables
from mljobs.domain.job import naming
from mljobs.domain.port import JobDocument
from tests.model.service import CloudJob, Place, Service
from tests.model.wire import Wire

LOCATIONS = ("us-central1", "europe-west4")
PAGE_SIZE = 1
FAILED = "The replica workerpool0-0 exited with a non-zero status of 1."

_MODEL = "projects/proj/locations/us-central1/models/7"
_TABLES = Tables.parse({"models": {"projects/proj/models/m": {"default": _MODEL}}})
_WORDS = {ours: theirs for theirs, ours in reversed(STATES.items())}


class _Client(VertexClient):
    """The calls, as the wire carries them.

    Args:
        service: the model.
        wire: carries the calls.
    """

    def __init__(self, service: Service, wire: Wire) -> None:
        self._service = service
        self._wire = wire

    async def create(self, project: str, location: str, collection: str, job: JobDocument) -> JobDocument:
        uid, attempt = (job["labels"][key] for key in (naming.UID_LABEL, naming.ATTEMPT_LABEL))
        place = {"location": location, "collection": collection}
        document = {"jobId": job["displayName"], "labels": dict(job["labels"]), **place}

        def make() -> JobDocument:
            made = self._service.take_new(project, document)
            return _shown(self._service.jobs[_place(project, made.reference.rpartition("/")[2])])

        answer: JobDocument = await self._wire.send(
            "service", "create", (project, f"new of {uid}, {attempt}"), make, owner=uid
        )
        return answer

    async def get(self, name: Name, *, background: bool = False) -> JobDocument:  # noqa: ARG002
        place = _place(name.project, f"run-{name.id}")
        answer: JobDocument = await self._wire.send(
            "service",
            "get",
            place,
            lambda: _shown(self._service.find(place)),
            reads=True,
            stale=lambda: self._older(place),
            absent=lambda: self._service.unheard(place),
        )
        return answer

    async def list_page(
        self,
        project: str,
        location: str,
        collection: str,
        *,
        query: str = "",
        page_size: int = PAGE_SIZE,
        page_token: str = "",
    ) -> Page:
        def page(skipped: int = 0) -> Page:
            """The last updated jobs come first: one that changes jumps to a page that was read already."""
            jobs = [
                job
                for job in self._service.jobs.values()
                if (job.project, job.document.get("location"), job.document.get("collection"))
                == (project, location, collection)
                if self._service.lists(job) and job.updated < (int(page_token or 0) or job.updated + 1)
            ]
            jobs.sort(key=lambda job: -job.updated)
            jobs = jobs[skipped:]
            token = str(jobs[page_size - 1].updated) if len(jobs) > page_size else ""
            return Page([_listed(job) for job in jobs[:page_size]], token)

        answer: Page = await self._wire.send(
            "service",
            "find" if query else "list",
            (project, location, collection, page_token),
            page,
            reads=True,
            stale=lambda: None if query else page(1),
        )
        return answer

    async def cancel(self, name: Name) -> None:
        place = _place(name.project, f"run-{name.id}")
        await self._wire.send("service", "cancel", place, lambda: self._service.take_cancel(place))

    def _older(self, place: Place) -> JobDocument | None:
        found = self._service.older(place)
        return _document(place, found.document) if found else None


def _place(project: str, job_id: str) -> Place:
    return project, job_id


def _shown(job: CloudJob) -> JobDocument:
    return _document((job.project, job.job_id), job.document)


def _document(place: Place, document: Mapping[str, Any]) -> JobDocument:
    project, job_id = place
    parent = f"projects/{project}/locations/{document['location']}"
    return {
        "name": f"{parent}/{document['collection']}/{job_id.removeprefix('run-')}",
        "displayName": document["jobId"],
        "labels": copy.deepcopy(document["labels"]),
        "state": _WORDS[document["state"]],
        "createTime": document["createTime"],
        "startTime": document["createTime"],
        **({"error": {"code": 3, "message": FAILED}} if "errorMessage" in document else {}),
        "outputInfo": {"gcsOutputDirectory": "gs://bucket/out/prediction"},  # which no list shows
    }


def _listed(job: CloudJob) -> JobDocument:
    return {key: value for key, value in _shown(job).items() if key != "outputInfo"}


class VertexBackend(VertexAI):
    """The port to the model as Vertex AI.

    Args:
        service: the model.
        wire: carries the calls.
    """

    facts = VertexFacts(_TABLES)

    def __init__(self, service: Service, wire: Wire) -> None:
        super().__init__(type(self).facts, _Client(service, wire))
