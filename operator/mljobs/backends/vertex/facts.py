"""What is known of Vertex AI without asking: where its jobs are, what reading them costs, their pages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mljobs.backends.vertex import links
from mljobs.domain import errors
from mljobs.domain.port import Capabilities, Owner, Polling, Reference, Scope

DISPLAY_NAME_LIMIT = 128
"""Characters of a `displayName` (discovery document)."""

PAGE_SIZE = 100
"""Jobs that are asked for in a page of `list`, as gcloud does; the most is not documented."""

PAGES_FROM = 10
"""So many watched jobs of one location make pages of `list` cheaper than a `get` for each.

A round of pages costs a request for each of the three collections and a `get` for each tuning job, whose
trials no list has.
"""

CUSTOM_JOBS = "customJobs"
TUNING_JOBS = "hyperparameterTuningJobs"
PREDICTION_JOBS = "batchPredictionJobs"
COLLECTIONS = (CUSTOM_JOBS, TUNING_JOBS, PREDICTION_JOBS)
"""The collections that hold jobs, by their names in the API's paths."""

NOWHERE = "-"
"""The location of a spec that names none. No job is there, and the service refuses it."""

_NAME = re.compile(rf"projects/([^/]+)/locations/([^/]+)/({'|'.join(COLLECTIONS)})/([^/]+)")


@dataclass(frozen=True)
class Name:
    """A job's full name, `projects/P/locations/L/COLLECTION/ID`, in its parts.

    Attributes:
        project: id or number of the project.
        location: the region, such as `us-central1`.
        collection: one of `COLLECTIONS`.
        id: the number that the service gave.
    """

    project: str
    location: str
    collection: str
    id: str

    @classmethod
    def parse(cls, text: str) -> "Name":
        """Read a full name.

        Raises:
            Rejected: it is none; nothing is sent.
        """
        match = _NAME.fullmatch(text)
        if match is None:
            shape = f"projects/PROJECT/locations/LOCATION/{{{','.join(COLLECTIONS)}}}/ID"
            raise errors.Rejected(f"{text!r} is no job's name, {shape}", status=0)
        return cls(*match.groups())

    @property
    def scope(self) -> Scope:
        """The project and location in which the job is listed."""
        return Scope(f"projects/{self.project}/locations/{self.location}")

    @property
    def reference(self) -> Reference:
        """The full name."""
        return Reference(f"{self.scope}/{self.collection}/{self.id}")


class VertexFacts:
    """`domain.port.Facts`: the service names the jobs anew each time, and nothing of a job can be changed.

    Args:
        console: where the console has the pages of jobs, `agent-platform` or, before the service was renamed,
            `vertex-ai`.
    """

    capabilities = Capabilities(client_names_jobs=False, labels=False, iam=False)
    polling = Polling(PAGE_SIZE, PAGES_FROM)

    def __init__(self, console: str = links.AGENT_PLATFORM) -> None:
        self.console = console

    def scope(self, project: str, spec: Mapping[str, Any], /) -> Scope:
        """The project and the region: jobs of a location are listed together, and no list spans locations."""
        return Scope(f"projects/{project}/locations/{location_of(spec) or NOWHERE}")

    def scope_of(self, reference: Reference, /) -> Scope:
        """The project and the location of a job."""
        return Scope("/".join(reference.split("/")[:4]))

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
        if (
            name.collection != PREDICTION_JOBS
        ):  # what a batch prediction logs, and under what, is undocumented
            pages["logsUrl"] = links.logs_url(name.project, name.id)
        return pages


def location_of(spec: Mapping[str, Any]) -> str:
    """The region that a spec names, `vertex.region` before its input's; empty where it names none."""
    for field in ("vertex", "trainingInput", "predictionInput"):
        part = spec.get(field)
        region = part.get("region") if isinstance(part, Mapping) else None
        if isinstance(region, str) and region:
            return region
    return ""


def _page(name: Name) -> tuple[str, str]:
    return ("batch-predictions" if name.collection == PREDICTION_JOBS else "training", name.id)
