"""What of the API server's objects is kept."""

from typing import Any

from mljobs.api.base import JsonObject
from mljobs.api.json_text import encoded
from mljobs.domain.job.resource import LEFT_OUT

PAGE = 50
"""Objects of a page of a list, which is read as a whole: 70 MB where all are as large as they can be."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which `kubectl apply` keeps a copy of the manifest."""


def slim(body: JsonObject) -> JsonObject:
    """Take out of an object, in place, what nobody here looks at: more than half of what it would take.

    These are `managedFields` and kubectl's copy of the manifest. Their size is noted, since it counts where
    the object has to have room for a status.
    """
    meta = body.get("metadata")
    if not isinstance(meta, dict):
        return body
    left: list[Any] = [meta.pop("managedFields", None)]
    annotations = meta.get("annotations")
    if annotations and LAST_APPLIED in annotations:
        left.append(annotations.pop(LAST_APPLIED))
    size = sum(len(encoded(one)) for one in left if one is not None)
    if size:
        body[LEFT_OUT] = size
    return body
