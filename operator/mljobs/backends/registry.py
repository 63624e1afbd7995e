"""The services that can run jobs, by their names in settings. A new backend is one line here."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import yaml

from mljobs.backends.factory import VERTEX_LIMITS, Access, open_job_service, open_vertex
from mljobs.backends.google.limits import Limits
from mljobs.backends.mlv1 import translate as mlv1
from mljobs.backends.mlv1.backend import MlV1
from mljobs.backends.mlv1.facts import MlV1Facts
from mljobs.backends.vertex import translate as vertex
from mljobs.backends.vertex.backend import VertexAI
from mljobs.backends.vertex.facts import VertexFacts
from mljobs.backends.vertex.links import AGENT_PLATFORM
from mljobs.backends.vertex.tables import Tables
from mljobs.domain.classes.job_class import JobClass
from mljobs.domain.port import Backend, Facts, JobDocument, Order, Reference


@dataclass(frozen=True)
class Terms:
    """What the administrator says about a service.

    Attributes:
        locations: the regions that jobs may run in, the first for those that name none; none: any.
        tables: laid over the tables by which legacy names become the service's; see `Tables.parse` of
            `mljobs.backends.vertex.tables`.
        console_path: where the console has the pages of Vertex AI's jobs; see `VertexFacts`.
    """

    locations: Sequence[str] = ()
    tables: Mapping[str, Any] = field(default_factory=dict)
    console_path: str = AGENT_PLATFORM

    @classmethod
    def read(cls, locations: Sequence[str], tables: Path | None) -> Self:
        """Read the tables from a YAML file, if there is one.

        Raises:
            ValueError: it cannot be read, or holds no tables; with its name.
        """
        if tables is None:
            return cls(locations)
        try:
            document = yaml.safe_load(tables.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ValueError(f"tables: {tables} cannot be read: {' '.join(str(error).split())}") from error
        if document is not None and not isinstance(document, dict):
            raise ValueError(f"tables: {tables} must hold tables, one `name: entries` each")
        return cls(locations, document or {})


class OpenBackend(Backend, AbstractAsyncContextManager["OpenBackend"], Protocol):
    """A backend that its opener closes."""

    async def __aenter__(self) -> Self:
        """Open it."""

    def longest(self) -> float:
        """Seconds that the oldest call has taken so far; far above its time-out, it is stuck."""


@dataclass(frozen=True)
class Service:
    """A service that can run jobs.

    Attributes:
        limits: its own quotas of each project, or of each project in a region.
        facts: what is known of it without a request.
        open: opens its backend. Nothing is sent, and no credentials are looked up, before the first call.
        request: what submits an order: the collection that the job is created in, and the body.
        named: whether a reference is one of its jobs.

    All but the last raise a ValueError where the terms make no sense.
    """

    limits: Limits
    facts: Callable[[Terms], Facts]
    open: Callable[[Access, Terms], OpenBackend]
    request: Callable[[Order, Terms], tuple[str, JobDocument]]
    named: Callable[[Reference], bool]


def _mlv1_facts(terms: Terms) -> MlV1Facts:
    return MlV1Facts(terms.locations)


def _vertex_facts(terms: Terms) -> VertexFacts:
    return VertexFacts(Tables.parse(terms.tables), terms.locations, terms.console_path)


def facts_of_class(job_class: JobClass, console_path: str = AGENT_PLATFORM) -> Facts:
    """What is known of the service of a class, as its administrator has it.

    Args:
        job_class: the class.
        console_path: where the console has the pages of jobs, for all classes; see `Terms`.

    Raises:
        ValueError: the class's tables make no sense.
    """
    return service_named(job_class.service).facts(Terms(job_class.locations, job_class.tables, console_path))


MLV1 = "MLv1"
VERTEX_AI = "VertexAI"

SERVICES: dict[str, Service] = {
    MLV1: Service(
        Limits(),
        _mlv1_facts,
        lambda access, terms: MlV1(_mlv1_facts(terms), open_job_service(access)),
        lambda order, _terms: mlv1.request(order),
        MlV1Facts.names,
    ),
    VERTEX_AI: Service(
        VERTEX_LIMITS,
        _vertex_facts,
        lambda access, terms: VertexAI(_vertex_facts(terms), open_vertex(access)),
        lambda order, terms: vertex.request(order, _vertex_facts(terms).tables),
        VertexFacts.names,
    ),
}
"""By their names in settings."""


def service_named(name: str) -> Service:
    """Find a service.

    Raises:
        ValueError: there is none; with the value and the rule.
    """
    if name not in SERVICES:
        raise ValueError(f"service: {name!r} must be one of {', '.join(SERVICES)}")
    return SERVICES[name]


def service_of(reference: Reference) -> Service | None:
    """Find the service that a job is at, by the job's full name; None for a name of no known service."""
    return next((service for service in SERVICES.values() if service.named(reference)), None)
