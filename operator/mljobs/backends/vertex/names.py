"""How Vertex AI names its jobs: the collections, the full names, the location of a spec."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mljobs.domain import errors
from mljobs.domain.port import Reference, Scope

CUSTOM_JOBS = "customJobs"
TUNING_JOBS = "hyperparameterTuningJobs"
PREDICTION_JOBS = "batchPredictionJobs"
COLLECTIONS = (CUSTOM_JOBS, TUNING_JOBS, PREDICTION_JOBS)
"""The collections that hold jobs, by their names in the API's paths."""

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


def is_name(text: str) -> bool:
    """Whether a text is a job's full name."""
    return _NAME.fullmatch(text) is not None


def location_of(spec: Mapping[str, Any]) -> str:
    """The region that a spec names, `vertex.region` before its input's; empty where it names none."""
    for field in ("vertex", "trainingInput", "predictionInput"):
        part = spec.get(field)
        region = part.get("region") if isinstance(part, Mapping) else None
        if isinstance(region, str) and region:
            return region
    return ""


def split(scope: Scope) -> tuple[str, str]:
    """The project and the location of `projects/P/locations/L`.

    Raises:
        Rejected: it is no scope of this service; nothing is sent.
    """
    match scope.split("/"):
        case ["projects", project, "locations", location]:
            return project, location
        case _:
            raise errors.Rejected(
                f"{scope!r} is no place of jobs, projects/PROJECT/locations/LOCATION", status=0
            )
