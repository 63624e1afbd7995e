"""Lays what a spec says in Vertex AI's own words over what its legacy fields became."""

from collections.abc import Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]

KEYS = {"env": "name", "nfsMounts": "mountPoint", "lustreMounts": "mountPoint"}
"""Lists that are merged by a field of their items; all others are replaced."""

ONE_OF = (
    frozenset({"model", "unmanagedContainerModel"}),
    frozenset({"gcsSource", "bigquerySource", "vertexMultimodalDatasetSource"}),
    frozenset({"gcsDestination", "bigqueryDestination", "vertexMultimodalDatasetDestination"}),
    frozenset({"includedFields", "excludedFields"}),
    frozenset(
        {"medianAutomatedStoppingSpec", "decayCurveStoppingSpec", "convexAutomatedStoppingSpec"},
    ),
)
"""Fields of which a message has one at the most (discovery document): giving one drops the others."""


def laid(under: Json, over: Json) -> dict[str, Any]:
    """Merge two messages.

    Messages merge field by field; lists replace, but worker pools merge by position and `KEYS` by key; a
    `machineSpec` that names a machine type replaces the other one whole, so that no accelerator of it
    survives; of a container and a Python package, the one that is given drops the other.

    Args:
        under: what the legacy fields became.
        over: what wins.

    Returns:
        A new message; neither argument is changed.
    """
    merged = dict(under)
    for group in ONE_OF:
        if group & over.keys():
            merged = {key: value for key, value in merged.items() if key not in group or key in over}
    if "pythonPackageSpec" in over:
        merged.pop("containerSpec", None)
    elif "imageUri" in (over.get("containerSpec") or ()):
        merged.pop("pythonPackageSpec", None)
    for key, value in over.items():
        merged[key] = _value(key, merged.get(key), value)
    return merged


def _value(key: str, under: Any, over: Any) -> Any:
    if key == "workerPoolSpecs":
        return _by_position(under or (), over)
    if key in KEYS:
        return _by_key(under or (), over, KEYS[key])
    if key == "machineSpec" and over.get("machineType"):
        return dict(over)
    if isinstance(over, Mapping):
        return laid(under if isinstance(under, Mapping) else {}, over)
    return over


def _by_position(under: Sequence[Json], over: Sequence[Json]) -> list[Json]:
    length = max(len(under), len(over))
    return [laid(_at(under, index), _at(over, index)) for index in range(length)]


def _at(items: Sequence[Json], index: int) -> Json:
    return items[index] if index < len(items) else {}


def _by_key(under: Sequence[Json], over: Sequence[Json], key: str) -> list[Json]:
    given = {item.get(key): item for item in over}
    known = {item.get(key) for item in under}
    return [
        *(given.get(item.get(key), item) for item in under),
        *(item for item in over if item.get(key) not in known),
    ]
