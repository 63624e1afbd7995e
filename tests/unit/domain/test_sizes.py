"""What the CRD takes in plain text can be stored with its status, whichever bounds are used to the full."""

from collections.abc import Mapping
from typing import Any

import pytest

from mljobs.api.crd import structural
from mljobs.api.resources import KINDS, JobKind
from mljobs.domain.spec.rules import sizes
from mljobs.domain.spec.sizes import (
    BINDINGS_BYTES,
    ETCD_BYTES,
    GROWTH_BYTES,
    KIB,
    OBJECT_BYTES,
    SPEC_BYTES,
    STATUS_BYTES,
    stored_bytes,
)

PUNCTUATION = 3
"""Two quotes and a comma or a colon."""

NUMBER = 25
ANNOTATIONS = 256 * KIB
"""What the API server allows of them (`TotalAnnotationSizeLimitB`)."""

BOUNDED = {
    "args": 0,
    "containerArgs": 0,
    "containerCommand": 0,
    "categoricalValues": 0,
    "discreteValues": 0,
    "inputPaths": 0,
    "iamBindings": BINDINGS_BYTES,
}
"""Lists whose rules bound what all of their members take; see `in_all`."""


def largest(node: Mapping[str, Any]) -> int:
    """What a value takes at most, by the bounds of the schema, in plain text."""
    if "enum" in node:
        return max(map(len, node["enum"])) + PUNCTUATION
    match node.get("type"):
        case "object" if "additionalProperties" in node:
            return int(node["maxProperties"]) * (63 + PUNCTUATION + largest(node["additionalProperties"]))
        case "object":
            return sum(
                len(name) + PUNCTUATION + (BOUNDED[name] if name in BOUNDED else largest(child))
                for name, child in node["properties"].items()
            )
        case "array":
            return int(node["maxItems"]) * largest(node["items"])
        case "string" | None:
            return int(node["maxLength"]) + PUNCTUATION
        case _:
            return NUMBER


def in_all(kind: JobKind) -> int:
    """What the members of those lists take."""
    if kind.name == "PredictionJob":
        return sizes.INPUT_PATHS + 1024 * PUNCTUATION
    lines = sizes.COMMAND_LINES + 9 * 1024 * PUNCTUATION
    return lines + sizes.CATEGORIES + 100 * 1000 * PUNCTUATION + sizes.DISCRETE_VALUES * NUMBER


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_spec_that_the_crd_takes_leaves_room_for_a_status(kind: JobKind) -> None:
    assert largest(structural(kind.spec)) + in_all(kind) <= SPEC_BYTES


def test_there_is_room_for_annotations_and_what_grows_beside_the_largest_spec() -> None:
    assert SPEC_BYTES + ANNOTATIONS + STATUS_BYTES + GROWTH_BYTES <= ETCD_BYTES
    assert OBJECT_BYTES + STATUS_BYTES + GROWTH_BYTES == ETCD_BYTES


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain", 7),
        ("<>&", 20),
        ("\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}", 14),
        ('"', 4),
        ("\x01", 8),
        ("\n", 4),
        ("é", 4),
        ("😀", 6),
    ],
)
def test_bytes_are_counted_as_go_writes_them(text: str, stored: int) -> None:
    assert stored_bytes(text) == stored
