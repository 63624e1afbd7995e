"""How large an object may be: etcd's limit, the status's share of it, and what is left for a spec.

A custom resource is stored as one JSON text. etcd takes requests of 1.5 MiB (`--max-request-bytes`), and the
API server refuses bodies above 3 MiB, so that the first of the two is what counts.
"""

import json
from typing import Any

from pydantic_core import to_json

KIB = 1024

ETCD_BYTES = 1536 * KIB
"""What etcd takes in one request by default: the object, and a few hundred bytes around it."""

STATUS_BYTES = 64 * KIB
"""What a status may take, whatever the service sends."""

GROWTH_BYTES = 64 * KIB
"""What else of an object grows once its job is submitted: the operator's record of the submission, the
finalizer, and the `managedFields` of everybody who writes to it."""

OBJECT_BYTES = ETCD_BYTES - STATUS_BYTES - GROWTH_BYTES
"""What an object without its status may take, so that it has room for one."""

SPEC_BYTES = 1088 * KIB
"""What a spec may take, beside all the annotations that the API server allows, which are 256 KiB. The largest
that the CRDs take fits."""

BINDINGS_BYTES = 12 * KIB
"""What `spec.iamBindings` may take: a status may have to record the old ones and the new ones."""


def stored_bytes(value: Any) -> int:
    """How much a JSON value takes as the API server stores it.

    Go escapes more than JSON has to: `<`, `>`, `&` and two separators of lines take six bytes each. What
    is not JSON counts as its text. What contains itself cannot be stored at all and counts as nothing: its
    type is wrong, which is reported.
    """
    try:
        text = to_json(value, fallback=str)
    except (ValueError, RecursionError):
        text = _odd(value)
    size = len(text) + 5 * sum(text.count(char) for char in (b"<", b">", b"&"))
    return size + 3 * sum(text.count(char.encode()) for char in "\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}")


def _odd(value: Any) -> bytes:
    """The same for what holds half surrogate pairs, in three times the time; empty if it contains itself."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except (ValueError, RecursionError):
        return b""
    return text.encode("utf-8", "surrogatepass")
