"""What the CRD takes in plain text can be stored with its status, whichever bounds are used to the full."""

from collections.abc import Mapping
from typing import Any

import pytest

from mljobs.api.crd import structural, walk
from mljobs.api.resources import KINDS, JobKind
from mljobs.domain.spec.rules import sizes
from mljobs.domain.spec.rules.vertex import sizes as vertex
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
TIME = 40
ANNOTATIONS = 256 * KIB
"""What the API server allows of them (`TotalAnnotationSizeLimitB`)."""

BOUNDED = {
    "vertex": 0,
    "args": 0,
    "containerArgs": 0,
    "containerCommand": 0,
    "categoricalValues": 0,
    "discreteValues": 0,
    "inputPaths": 0,
    "iamBindings": BINDINGS_BYTES,
}
"""Lists whose rules bound what all of their members take; see `in_all`. The block is counted by itself."""

IN_THE_BLOCK = dict.fromkeys(
    (
        "args",
        "command",
        "env",
        "packageUris",
        "values",
        "conditionalParameterSpecs",
        "uris",
        "indexFeatureMapping",
    ),
    0,
)
"""The same of `spec.vertex`; see `in_the_block`."""


def largest(node: Mapping[str, Any], bounded: Mapping[str, int], key: int = 63) -> int:
    """What a value takes at the most, by the bounds of the schema, in plain text."""
    if "enum" in node:
        return max(map(len, node["enum"])) + PUNCTUATION
    if "x-kubernetes-preserve-unknown-fields" in node:
        return 0  # the API server cannot look into it; the operator counts
    match node.get("type"):
        case "object" if "additionalProperties" in node:
            member = largest(node["additionalProperties"], bounded, key)
            return int(node["maxProperties"]) * (key + PUNCTUATION + member)
        case "object":
            return sum(
                len(name) + PUNCTUATION + (bounded[name] if name in bounded else largest(child, bounded, key))
                for name, child in node["properties"].items()
            )
        case "array":
            return int(node["maxItems"]) * largest(node["items"], bounded, key)
        case "string" if node.get("format") == "date-time":
            return TIME
        case "string" | None:
            return int(node["maxLength"]) + PUNCTUATION
        case _:
            return NUMBER


def in_all(kind: JobKind) -> int:
    """What the members of those lists take."""
    if kind.name == "PredictionJob":
        return sizes.INPUT_PATHS + 1024 * PUNCTUATION
    lines = sizes.COMMAND_LINES + 9 * 1024 * PUNCTUATION
    categories = sizes.CATEGORIES + sizes.CATEGORICAL_VALUES * PUNCTUATION
    return lines + categories + sizes.DISCRETE_VALUES * NUMBER


def in_the_block(kind: JobKind) -> int:
    """What `spec.vertex` takes at the most."""
    block = structural(kind.spec)["properties"]["vertex"]
    if kind.name == "PredictionJob":
        texts = vertex.URIS + vertex.EXAMPLES + vertex.SERVING + vertex.FEATURES
        return largest(block, IN_THE_BLOCK, vertex.KEY) + texts
    # Parameters are counted with those below them, each as the API's ConditionalParameterSpec.
    (study,) = (
        node for path, node in walk(block) if path == "studySpec.parameters[].conditionalParameterSpecs[]"
    )
    conditional = vertex.CONDITIONAL_VALUES * (128 + PUNCTUATION)
    values = vertex.CATEGORIES + vertex.NUMBERS * NUMBER + conditional
    parameters = vertex.PARAMETERS * largest(study, IN_THE_BLOCK)
    return largest(block, {**IN_THE_BLOCK, "parameters": parameters}) + vertex.PROGRAMS + values


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_spec_that_the_crd_takes_leaves_room_for_a_status(kind: JobKind) -> None:
    rest = largest(structural(kind.spec), BOUNDED) + in_all(kind)
    assert rest + in_the_block(kind) <= SPEC_BYTES


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
