"""What a job would use on Vertex AI: read from the request, so that tables and tiers count."""

from collections.abc import Iterator, Mapping
from typing import Any

from mljobs.api.resources import KINDS
from mljobs.backends.vertex.tables import Tables
from mljobs.backends.vertex.translate import translate
from mljobs.domain.port import Claims

BATCH_REPLICAS = "maxReplicaCount"
"""The field of a batch prediction's machines that says how many there may be."""


def claims(kind: str, spec: Mapping[str, Any], tables: Tables) -> Claims:
    """Say what the translated job would use; see `domain.port.Facts.claims`."""
    body = translate(kind, spec, tables).body
    machines = list(_machines(body))
    types = dict.fromkeys(str(one["machineType"]) for one, _ in machines if one.get("machineType"))
    accounts = dict.fromkeys(_found(body, "serviceAccount"))
    trials = int(body.get("parallelTrialCount") or 1)
    used = sum(int(one.get("acceleratorCount") or 0) * count for one, count in machines)
    return Claims(
        tuple((_field(kind, spec, value), value) for value in types),
        tuple((_field(kind, spec, value), value) for value in accounts),
        used * trials,
    )


def _machines(node: Any) -> Iterator[tuple[Mapping[str, Any], int]]:
    """Each machine of a request, and how often it is there."""
    if isinstance(node, Mapping):
        machine = node.get("machineSpec")
        if isinstance(machine, Mapping):
            count = node.get("replicaCount") or node.get(BATCH_REPLICAS) or node.get("startingReplicaCount")
            yield machine, int(count or 1)
        for name, child in node.items():
            if name != "machineSpec":
                yield from _machines(child)
    elif isinstance(node, list | tuple):
        for child in node:
            yield from _machines(child)


def _found(node: Any, name: str) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, child in node.items():
            if key == name and isinstance(child, str) and child:
                yield child
            else:
                yield from _found(child, name)
    elif isinstance(node, list | tuple):
        for child in node:
            yield from _found(child, name)


def _field(kind: str, spec: Mapping[str, Any], value: str) -> str:
    """The field of the spec that says a value; the input itself where it comes of a table."""
    return next(_places("spec", spec, value), f"spec.{KINDS[kind].input_field}")


def _places(path: str, node: Any, value: str) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, child in node.items():
            yield from _places(f"{path}.{key}", child, value)
    elif isinstance(node, list | tuple):
        for index, child in enumerate(node):
            yield from _places(f"{path}[{index}]", child, value)
    elif node == value:
        yield path
