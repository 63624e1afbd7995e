"""Cuts a discovery document of google-api-python-client to the collections that a backend calls.

The whole document of `aiplatform` v1 has 3 MB, and 15 MiB of memory stay taken once it is open; what is left
of it here has 60 kB and takes less than one. Texts for people are left out; methods and schemas stay as they
are.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from googleapiclient.discovery_cache import get_static_doc

from mljobs.api.base import JsonObject

VERTEX_COLLECTIONS = ("customJobs", "hyperparameterTuningJobs", "batchPredictionJobs")
"""The job collections of `aiplatform.projects.locations`."""

_KEPT = (
    "kind",
    "discoveryVersion",
    "id",
    "name",
    "version",
    "revision",
    "protocol",
    "rootUrl",
    "mtlsRootUrl",
    "servicePath",
    "baseUrl",
    "basePath",
    "batchPath",
    "parameters",
    "auth",
)
"""What of the document's top level a client needs."""

_NAMED = frozenset({"auth", "methods", "parameters", "properties", "resources", "schemas", "scopes"})
"""Objects whose keys are names and no words of the format: a field may be called `description`."""

_TEXTS = frozenset({"description", "enumDescriptions"})


def vertex(header: str) -> str:
    """The file of the Vertex AI backend.

    Args:
        header: says where the file comes from.
    """
    document = json.loads(get_static_doc("aiplatform", "v1"))
    return json.dumps({"description": header, **cut(document, VERTEX_COLLECTIONS)}, indent=1) + "\n"


def cut(document: JsonObject, collections: Sequence[str]) -> JsonObject:
    """A document with nothing but some collections of `projects.locations`, and the schemas that they reach.

    Args:
        document: the whole one.
        collections: their names; what is nested in them is left out.

    Raises:
        KeyError: there is no such collection.
    """
    whole = document["resources"]["projects"]["resources"]["locations"]["resources"]
    kept = {name: {"methods": whole[name]["methods"]} for name in collections}
    schemas = document["schemas"]
    reached = reachable(schemas, references(kept))
    made: JsonObject = _plain(
        {
            **{key: document[key] for key in _KEPT},
            "resources": {"projects": {"resources": {"locations": {"resources": kept}}}},
            "schemas": {name: schemas[name] for name in sorted(reached)},
        }
    )
    return made


def reachable(schemas: Mapping[str, Any], roots: Iterator[str]) -> set[str]:
    """The names of all schemas that some of them can contain, and these themselves."""
    found: set[str] = set()
    queue = list(roots)
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += references(schemas[name])
    return found


def references(node: Any) -> Iterator[str]:
    """The schemas that a part of a document refers to."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)


def _plain(node: Any, *, named: bool = False) -> Any:
    """The same without texts for people."""
    if not isinstance(node, dict):
        return node
    return {
        key: _plain(value, named=key in _NAMED and not named)
        for key, value in node.items()
        if named or key not in _TEXTS
    }
