"""What a job would use on Vertex AI: read from the request, so that tables and tiers count."""

from collections.abc import Iterator, Mapping
from typing import Any

from mljobs.api.resources import KINDS
from mljobs.backends.vertex.tables import Tables
from mljobs.backends.vertex.translate import translate
from mljobs.domain.port import Claims


def claims(kind: str, spec: Mapping[str, Any], tables: Tables) -> Claims:
    """Say what the translated job would use; see `domain.port.Facts.claims`."""
    body = translate(kind, spec, tables).body
    types = dict.fromkeys(str(one["machineType"]) for one in _machines(body) if one.get("machineType"))
    accounts = dict.fromkeys(_found(body, "serviceAccount"))
    return Claims(
        tuple((_field(kind, spec, value), value) for value in types),
        tuple((_field(kind, spec, value), value) for value in accounts),
    )


def _machines(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        for name, child in node.items():
            if name == "machineSpec" and isinstance(child, Mapping):
                yield child
            else:
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
