"""Who owns a field of a resource: the managers of server-side apply, and kubectl's older way to apply."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which `kubectl apply` without `--server-side` keeps what it has applied."""

Json = Mapping[str, Any]


def owners(body: Json, field: str) -> list[str]:
    """The names of all that own a field of the spec, whatever way they have set it."""
    return [str(entry["manager"]) for entry in _entries(body, field)]


def appliers(body: Json, field: str) -> list[str]:
    """The managers that own a field of the spec because they apply it repeatedly.

    Who has made the resource by a plain create call owns all of its fields, those with defaults included, and
    says nothing by that.
    """
    found = [str(entry["manager"]) for entry in _entries(body, field) if entry.get("operation") == "Apply"]
    return [*found, *(["kubectl apply"] if field in _last_applied(body) else [])]


def _entries(body: Json, field: str) -> Iterable[Json]:
    for entry in body["metadata"].get("managedFields") or ():
        if f"f:{field}" in ((entry.get("fieldsV1") or {}).get("f:spec") or {}):
            yield entry


def _last_applied(body: Json) -> Json:
    text = (body["metadata"].get("annotations") or {}).get(LAST_APPLIED) or "{}"
    try:
        spec = json.loads(text).get("spec")
    except (ValueError, AttributeError):  # annotations are anybody's
        return {}
    return spec if isinstance(spec, Mapping) else {}
