"""The page that says where each method and each field of the jobs API is found in the resources.

Made from the discovery document that ships with google-api-python-client and from the schemas of the CRDs, so
that a field without a place cannot be claimed to have one. Called by `tools.generate`.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from mljobs.admin import crds
from mljobs.api.base import JsonObject
from mljobs.api.crd import walk
from mljobs.api.resources import KINDS
from tools.docs import vertex_coverage
from tools.docs.vertex_coverage import Incomplete as Incomplete

JOB = "GoogleCloudMlV1__Job"

METHODS: Mapping[str, str] = {
    "create": "`kubectl apply` of a resource, and `spec.suspend` going back to false.",
    "get": "`status`: jobs that have not ended are read at each poll.",
    "list": "`status`: from 25 active jobs of a project on, pages of jobs replace most single reads.",
    "patch": "`spec.labels`: a change replaces the job's labels. Adoption sets those that mark the owner.",
    "cancel": "`kubectl delete`, unless `spec.deletionPolicy` is `Orphan`; `spec.suspend: true`.",
    "getIamPolicy": "`spec.iamBindings`: the policy is read before each change.",
    "setIamPolicy": "`spec.iamBindings`: our bindings are merged into the policy, others' stay.",
    "testIamPermissions": "After a cancel call was denied: the condition names the missing permission.",
}
"""What in a resource makes the operator call each method."""

PARAMETERS: Mapping[str, str] = {
    "create.parent": "`spec.projectId`, else the setting `projectId`",
    "get.name": "`status.jobName`",
    "list.parent": "the project of the jobs that are polled",
    "list.pageSize": "100, the API's largest",
    "list.pageToken": "followed until each polled job was seen, or single reads cost less",
    "list.filter": "not needed: pages are read newest first",
    "patch.name": "`status.jobName`",
    "patch.updateMask": "`labels,etag`",
    "cancel.name": "`status.jobName`",
    "getIamPolicy.resource": "`status.jobName`",
    "getIamPolicy.options.requestedPolicyVersion": "3, which shows conditional bindings",
    "setIamPolicy.resource": "`status.jobName`",
    "testIamPermissions.resource": "`status.jobName`",
}
"""What the operator gives for each parameter."""

PLACES: Mapping[str, tuple[str, ...]] = {
    "jobId": ("spec.jobId", "status.jobId"),
    "labels": ("spec.labels", "status.labels"),
    **{
        name: (f"status.{name}",)
        for name in ("createTime", "startTime", "endTime", "errorMessage", "etag", "jobPosition", "state")
    },
    **{kind.input_field: (f"spec.{kind.input_field}",) for kind in KINDS.values()},
    **{kind.output_field: (f"status.{kind.output_field}",) for kind in KINDS.values()},
}
"""Where each field of Job stands; what these hold stands below them under the API's own names."""


def page() -> str:
    """Make the page.

    Returns:
        Markdown that starts with a heading of the first level.

    Raises:
        Incomplete: a method, a parameter or a field of the discovery document has no place.
    """
    fields = {name: list(_fields(name)) for name in _reachable()}
    count = sum(map(len, fields.values()))
    lines = [
        "# API coverage",
        "",
        f"The jobs API of `ml` v1, by its discovery document of revision {_document()['revision']}: "
        f"{len(_methods())} of {len(_methods())} methods and {count} of {count} fields of `Job` are in the "
        "resources. This page is made from the document and the CRDs, and cannot be while one has no place.",
        "",
        "## Methods",
        "",
        "| Method | Request | Where in the resource |",
        "|---|---|---|",
        *(
            f"| `{method['id']}` | `{method['httpMethod']} {method['path']}` | {_said(METHODS, name)} |"
            for name, method in _methods().items()
        ),
        "",
        "The API has no method to delete a job, and the ids of jobs are never freed.",
        "",
        "## Parameters",
        "",
        "| Parameter | What the operator gives |",
        "|---|---|",
        *(
            f"| `{name}.{parameter}` | {_said(PARAMETERS, f'{name}.{parameter}')} |"
            for name, method in _methods().items()
            for parameter in sorted(method["parameters"])
        ),
        "",
        "## Fields",
        "",
        "Types are the API's. A field with more than one place is the same in each.",
        "",
    ]
    for name, rows in fields.items():
        lines += [f"### {_short(name)}", "", "| Field | Type | Where in the resource |", "|---|---|---|"]
        lines += [f"| `{field}` | {kind} | {places} |" for field, kind, places in rows]
        lines.append("")
    lines += vertex_coverage.section(_stored())
    return "\n".join(lines).rstrip() + "\n"


def _said(words: Mapping[str, str], name: str) -> str:
    if name not in words:
        raise Incomplete(f"ml.projects.jobs.{name}: its use is not documented")
    return words[name]


@cache
def _document() -> JsonObject:
    folder = resources.files("googleapiclient.discovery_cache.documents")
    document: JsonObject = json.loads(folder.joinpath("ml.v1.json").read_text("utf-8"))
    return document


def _methods() -> dict[str, JsonObject]:
    found: dict[str, JsonObject] = _document()["resources"]["projects"]["resources"]["jobs"]["methods"]
    return found


def _short(name: str) -> str:
    """`GoogleCloudMlV1__TrainingInput` → `TrainingInput`."""
    return name.rpartition("_")[2]


@cache
def _reachable() -> tuple[str, ...]:
    """The schemas that a job can contain, parents first."""
    names, queue = [], [JOB]
    while queue:
        name = queue.pop(0)
        if name not in names:
            names.append(name)
            queue += [ref for node in _properties(name).values() for ref in _references(node)]
    return tuple(names)


def _properties(name: str) -> JsonObject:
    properties: JsonObject = _document()["schemas"][name]["properties"]
    return properties


def _references(node: Any) -> Iterator[str]:
    for element in (node, node.get("items", {}), node.get("additionalProperties", {})):
        if "$ref" in element:
            yield element["$ref"]


def _fields(schema: str) -> Iterator[tuple[str, str, str]]:
    """Name, type and places of each field of a schema.

    Raises:
        Incomplete: a place is in neither CRD.
    """
    for name, node in _properties(schema).items():
        places = [path for at, path in _occurrences() if at == (schema, name)]
        missing = [path for path in places if path not in _stored()]
        if missing or not places:
            raise Incomplete(f"{_short(schema)}.{name}: no CRD has {', '.join(missing) or 'it'}")
        yield name, _type(node), _listed(list(dict.fromkeys(places)))


def _listed(paths: list[str]) -> str:
    """The paths; many that differ in one part only, as one with that part in braces."""
    columns = list(zip(*(path.split(".") for path in paths), strict=False))
    alike = len({path.count(".") for path in paths}) == 1
    if len(paths) > 2 and alike and sum(len(set(column)) > 1 for column in columns) == 1:
        parts = [column[0] if len(set(column)) == 1 else "{" + ",".join(column) + "}" for column in columns]
        return f"`{'.'.join(parts)}`"
    return ", ".join(f"`{path}`" for path in paths)


@cache
def _occurrences() -> tuple[tuple[tuple[str, str], str], ...]:
    """Each field of each schema with each of its paths in the resources."""
    return tuple(
        found
        for name, node in _properties(JOB).items()
        for path in PLACES.get(name, ())
        for found in _below(JOB, name, node, path)
    )


def _below(schema: str, name: str, node: JsonObject, path: str) -> Iterator[tuple[tuple[str, str], str]]:
    yield (schema, name), path
    mark = "[]" if "items" in node else "{}" if "additionalProperties" in node else ""
    for reference in _references(node):
        for child, inner in _properties(reference).items():
            yield from _below(reference, child, inner, f"{path}{mark}.{child}")


@cache
def _stored() -> frozenset[str]:
    """The paths of everything that the CRDs store."""
    return frozenset(
        path
        for kind in KINDS.values()
        for path, _ in walk(crds.definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    )


def _type(node: JsonObject) -> str:
    if "$ref" in node:
        return f"[{_short(node['$ref'])}](#{_short(node['$ref']).lower()})"
    if "items" in node:
        return f"list of {_type(node['items'])}"
    if "additionalProperties" in node:
        return f"map of {_type(node['additionalProperties'])}"
    return "enum" if "enum" in node else str(node.get("format", node["type"]))
