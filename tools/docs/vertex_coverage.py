"""The part of the coverage page on Vertex AI: where each field that a request may hold is in a resource.

Made as the rest of the page, from the discovery document and the CRDs.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib import resources

from mljobs.api.base import JsonObject

PREFIX = "GoogleCloudAiplatformV1"

JOBS: Mapping[str, str] = {
    "CustomJob": "TrainingJob",
    "HyperparameterTuningJob": "TrainingJob",
    "BatchPredictionJob": "PredictionJob",
}
"""The jobs, and the kinds that they are."""

ELSEWHERE: Mapping[str, str] = {
    "labels": "spec.labels",
    "trialJobSpec": "spec.vertex.jobSpec",
}
"""Fields of jobs whose places are not named as they are."""

_Places = dict[tuple[str, str], list[str]]


class Incomplete(Exception):
    """The API has something that has no place in the resources; the message names it."""


def section(stored: Collection[str]) -> list[str]:
    """Make the section.

    Args:
        stored: the paths of everything that the CRDs store.

    Returns:
        Lines of Markdown that start with a heading of the second level.

    Raises:
        Incomplete: a field that a request may hold has no place.
    """
    places: _Places = {}
    for job in JOBS:
        for field, node in _fields(job).items():
            _place(places, job, field, node, _path(job, field), stored)
    missing = [f"{message}.{field}" for (message, field), paths in places.items() if not paths]
    if missing:
        raise Incomplete(f"{', '.join(missing)}: no CRD has it")
    messages: dict[str, list[tuple[str, list[str]]]] = {}
    for (message, field), paths in places.items():
        messages.setdefault(message, []).append((field, paths))
    lines = [
        "## Vertex AI",
        "",
        "The three jobs of `aiplatform` v1, by its discovery document of revision "
        f"{_document()['revision']}: each of the {len(places)} fields that a request may hold has a place in "
        "`spec.vertex` or beside it. The other fields are the service's alone; a value there is refused. The "
        "region is part of the request's path. A parameter may have conditional parameters on two levels, "
        "which the API does not bound.",
        "",
    ]
    for message, rows in messages.items():
        kind = f" (a {JOBS[message]})" if message in JOBS else ""
        lines += [
            f"### {_title(message)}{kind}",
            "",
            "| Field | Type | Where in the resource |",
            "|---|---|---|",
        ]
        for field, paths in rows:
            first = f"`{paths[0]}`" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
            lines.append(f"| `{field}` | {_type(_fields(message)[field])} | {first} |")
        lines.append("")
    return lines


def _path(job: str, field: str) -> str:
    if field in ELSEWHERE:
        return ELSEWHERE[field]
    block = "spec.vertex.batchPredictionJob" if job == "BatchPredictionJob" else "spec.vertex"
    return f"{block}.{field}"


def _place(
    places: _Places, message: str, field: str, node: JsonObject, path: str, stored: Collection[str]
) -> None:
    """Note the place of a field, and those of what is in it, as far as the CRDs store it."""
    known = places.setdefault((message, field), [])
    if path not in stored or path in known:
        return
    known.append(path)
    mark = "[]" if "items" in node else "{}" if "additionalProperties" in node else ""
    for inner in _references(node):
        for name, child in _fields(inner).items():
            _place(places, inner, name, child, f"{path}{mark}.{name}", stored)


def _references(node: JsonObject) -> Iterator[str]:
    for element in (node, node.get("items", {}), node.get("additionalProperties", {})):
        if "$ref" in element:
            yield element["$ref"].removeprefix(PREFIX)


@cache
def _document() -> JsonObject:
    folder = resources.files("googleapiclient.discovery_cache.documents")
    document: JsonObject = json.loads(folder.joinpath("aiplatform.v1.json").read_text("utf-8"))
    return document


def _fields(message: str) -> JsonObject:
    """The fields of a message that a request may hold."""
    properties = _document()["schemas"][PREFIX + message].get("properties", {})
    return {name: node for name, node in properties.items() if not node.get("readOnly")}


def _title(message: str) -> str:
    """A heading that no message of ml v1 has."""
    return f"Vertex {message}"


def _type(node: JsonObject) -> str:
    if "$ref" in node:
        name = node["$ref"].removeprefix(PREFIX)
        kind = f"-a-{JOBS[name].lower()}" if name in JOBS else ""
        return f"[{name}](#vertex-{name.lower()}{kind})"
    if "items" in node:
        return f"list of {_type(node['items'])}"
    if "additionalProperties" in node:
        return f"map of {_type(node['additionalProperties'])}"
    return "enum" if "enum" in node else str(node.get("format", node["type"]))
