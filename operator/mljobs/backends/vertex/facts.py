"""What is known of Vertex AI without asking: where its jobs are, what reading them costs, their pages."""

from collections.abc import Mapping, Sequence
from typing import Any

from mljobs.backends.vertex import claims, links, refuse
from mljobs.backends.vertex.names import PREDICTION_JOBS, Name, is_name, location_of
from mljobs.backends.vertex.tables import Tables, shipped
from mljobs.domain.port import Capabilities, Claims, Owner, Polling, Reference, Scope
from mljobs.domain.spec.problems import Problem

DISPLAY_NAME_LIMIT = 128
"""Characters of a `displayName` (discovery document)."""

PAGE_SIZE = 100
"""Jobs that are asked for in a page of `list`, as gcloud does; the most is not documented."""

PAGES_FROM = 10
"""So many watched jobs of one location make pages of `list` cheaper than a `get` for each.

A round of pages costs a request for each of the three collections and a `get` for each tuning job, whose
trials no list has.
"""

RESTARTS = 3
"""How often the service restarts a job by itself that has failed for a cause that may pass (its page on
training errors); `scheduling.disableRetries` keeps it from that."""

NOWHERE = "-"
"""The location of a spec that names none. No job is there, and the service refuses it."""


class VertexFacts:
    """`domain.port.Facts`: the service gives each job a name of its own, and nothing of a job can be changed.

    Args:
        tables: what the legacy names become.
        locations: the regions that the administrator allows, the first for specs that name none; none: all.
        console: where the console has the pages of jobs, `agent-platform` or, before the service was renamed,
            `vertex-ai`.
    """

    capabilities = Capabilities(
        client_names_jobs=False, labels=False, iam=False, translates=True, restarts=RESTARTS
    )
    polling = Polling(PAGE_SIZE, PAGES_FROM)

    def __init__(
        self,
        tables: Tables | None = None,
        locations: Sequence[str] = (),
        console: str = links.AGENT_PLATFORM,
    ) -> None:
        self.tables = tables or shipped()
        self.locations = tuple(locations)
        self.console = console

    @staticmethod
    def names(reference: Reference) -> bool:
        """Whether a reference is a job of this service."""
        return is_name(reference)

    def location(self, spec: Mapping[str, Any], /) -> str:
        """The region that a spec names, else the administrator's first; empty where there is neither."""
        return location_of(spec) or next(iter(self.locations), "")

    def scope(self, project: str, location: str, /) -> Scope:
        """The project and the region: jobs of a location are listed together, and no list spans locations."""
        return Scope(f"projects/{project}/locations/{location or NOWHERE}")

    def scopes(self, project: str, /) -> Sequence[Scope]:
        """One for each region that the administrator allows; none where he allows all."""
        return [self.scope(project, location) for location in self.locations]

    def scope_of(self, reference: Reference, /) -> Scope:
        """The project and the location of a job."""
        return Scope("/".join(reference.split("/")[:4]))

    def location_of(self, reference: Reference, /) -> str:
        """The region in a job's name; empty if it is none of this service."""
        return Name.parse(reference).location if is_name(reference) else ""

    def job_id(self, owner: Owner, attempt: int, chosen: str | None, /) -> str:
        """Say what people read as the name of an attempt's job, its `displayName`; it need not be unique.

        Returns:
            1 to 128 characters: what was chosen, else the resource's namespace and name; a later attempt's
            with its number at the end.
        """
        readable = chosen or f"{owner.namespace}/{owner.name}"
        suffix = f" #{attempt}" if attempt > 1 else ""
        room = DISPLAY_NAME_LIMIT - len(suffix)
        return (readable if len(readable) <= room else f"{readable[: room - 1]}…") + suffix

    def reference(self, _scope: Scope, _job_id: str, /) -> Reference | None:
        """None: only the answer to `create` tells the job's number."""
        return None

    def links(self, reference: Reference, /) -> Mapping[str, str]:
        """The console's page of a job and, where their place is known, its logs."""
        name = Name.parse(reference)
        pages = {"consoleUrl": links.console_url(self.console, name.project, name.location, *_page(name))}
        # What a batch prediction logs, and under what, is undocumented.
        if name.collection != PREDICTION_JOBS:
            pages["logsUrl"] = links.logs_url(name.project, name.id)
        return pages

    def review(self, kind: str, spec: Mapping[str, Any], /) -> Sequence[Problem]:
        """What cannot be translated, what is lost, and what becomes something else."""
        return refuse.review(kind, spec, self.tables, self.location(spec))

    def claims(self, kind: str, spec: Mapping[str, Any], /) -> Claims:
        """What the translated job would use."""
        return claims.claims(kind, spec, self.tables)


def _page(name: Name) -> tuple[str, str]:
    return ("batch-predictions" if name.collection == PREDICTION_JOBS else "training", name.id)
