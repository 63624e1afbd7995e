"""The part of the `aiplatform` v1 discovery document that its three collections of jobs reach.

The document that ships with google-api-python-client has 3 MB and 1,673 schemas; it is read when the first
request comes, and only the 88 schemas that the jobs' methods reach are kept.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from mljobs_dev.emulator.schema import Registry, discovery_document, references

PREFIX = "GoogleCloudAiplatformV1"
"""Names of the API's own schemas start with this."""

COLLECTIONS = {
    "customJobs": f"{PREFIX}CustomJob",
    "hyperparameterTuningJobs": f"{PREFIX}HyperparameterTuningJob",
    "batchPredictionJobs": f"{PREFIX}BatchPredictionJob",
}
"""The schema of each collection's jobs."""

VERBS = ("create", "get", "list", "cancel", "delete")
METHOD_NAMES = tuple(
    f"aiplatform.projects.locations.{collection}.{verb}" for collection in COLLECTIONS for verb in VERBS
)
"""The methods that are served, as the discovery document names them."""


@cache
def job_document() -> Mapping[str, Any]:
    """The discovery document cut to the jobs: `parameters` of all methods, `resources`, `schemas`."""
    whole = discovery_document("aiplatform.v1.json")
    collections = whole["resources"]["projects"]["resources"]["locations"]["resources"]
    # The operations of jobs are served by nobody: a delete's is done at once.
    locations = {"resources": {name: {"methods": collections[name]["methods"]} for name in COLLECTIONS}}
    return {
        "parameters": whole["parameters"],
        "resources": {"projects": {"resources": {"locations": locations}}},
        "schemas": _reached(whole["schemas"], references(locations)),
    }


@cache
def aiplatform_v1() -> Registry:
    """The messages of the jobs."""
    return Registry(job_document())


@cache
def read_only(schema: str) -> frozenset[str]:
    """The names of a message's output-only fields."""
    properties = job_document()["schemas"][schema].get("properties", {})
    return frozenset(name for name, field in properties.items() if field.get("readOnly"))


@cache
def required(schema: str) -> tuple[str, ...]:
    """The names of a message's fields that their descriptions call required."""
    properties = job_document()["schemas"][schema].get("properties", {})
    return tuple(
        name for name, field in properties.items() if field.get("description", "").startswith("Required.")
    )


def _reached(schemas: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    wanted = list(names)
    while wanted:
        name = wanted.pop()
        if name not in kept:
            kept[name] = schemas[name]
            wanted += references(schemas[name])
    return kept
