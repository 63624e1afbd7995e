"""The part of the coverage page on Vertex AI: where each field that a request may hold is in a resource.

Made as the rest of the page, from the discovery document and the CRDs.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib import resources

from mljobs.api.base import JsonObject
from tools.discovery import VERTEX_COLLECTIONS

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

METHODS: Mapping[str, str] = {
    "create": "`kubectl apply` of a resource, and `spec.suspend` going back to false.",
    "get": "`status`: all jobs while they are few, else those of which pages show too little. "
    "`kubectl mljobs import`.",
    "list": "`status`: from 10 active jobs of a region on. The search for a job after a create call without "
    "an answer. `mljobs leftovers`, `kubectl mljobs import`.",
    "cancel": "`kubectl delete`, unless `spec.deletionPolicy` is `Orphan`; `spec.suspend: true`. An extra "
    "job.",
    "delete": "Never called: a job that has ended is a record, of which the operator is not the owner.",
}
"""What makes the operator, or a command, call each method; the same for each of the jobs."""

PARAMETERS: Mapping[str, str] = {
    "create.parent": "the project and the region of the spec",
    "get.name": "`status.jobName`",
    "list.parent": "the project and the region of the jobs that are polled, or looked for",
    "list.filter": "`create_time` since the intent, when a job is looked for; `--filter` of the import",
    "list.pageSize": "100, as gcloud asks for",
    "list.pageToken": "followed until each polled job was seen, or single reads cost less",
    "list.readMask": "name, display name, state, times, error and labels: no specs",
    "cancel.name": "`status.jobName`",
    "delete.name": "",
}
"""What is given for each parameter; the same for each of the jobs."""

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
        *_calls(),
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


def _calls() -> list[str]:
    """The tables of methods and parameters.

    Raises:
        Incomplete: one of them has no use.
    """
    methods = {verb: method for found in _methods().values() for verb, method in found.items()}
    names = [f"{verb}.{name}" for verb, method in methods.items() for name in sorted(method["parameters"])]
    unsaid = [name for name in methods if name not in METHODS] + [n for n in names if n not in PARAMETERS]
    if unsaid:
        raise Incomplete(f"aiplatform.projects.locations: the use of {', '.join(unsaid)} is not documented")
    return [
        "### Vertex methods",
        "",
        f"Each of the collections {', '.join(f'`{name}`' for name in _methods())} has these.",
        "",
        "| Method | Request | Where in the resource |",
        "|---|---|---|",
        *(
            f"| `{verb}` | `{method['httpMethod']} {_shared(method['path'])}` | {METHODS[verb]} |"
            for verb, method in methods.items()
        ),
        "",
        "| Parameter | What is given |",
        "|---|---|",
        *(f"| `{name}` | {PARAMETERS[name]} |" for name in names if PARAMETERS[name]),
        "",
    ]


def _methods() -> dict[str, dict[str, JsonObject]]:
    """The methods of each collection of jobs."""
    locations = _document()["resources"]["projects"]["resources"]["locations"]["resources"]
    return {name: locations[name]["methods"] for name in VERTEX_COLLECTIONS}


def _shared(path: str) -> str:
    """A path with a word for the collections: `v1/{+parent}/COLLECTION`."""
    head, _, last = path.rpartition("/")
    return f"{head}/COLLECTION" if last in VERTEX_COLLECTIONS else path


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
