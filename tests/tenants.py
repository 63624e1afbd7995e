"""Tenant A's attempts to name something of B: by every field of the schema, and every annotation.

The fields are those of the CRDs, so that a new one is tried as well.
"""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from mljobs.admin.crds import definition
from mljobs.api.resources import KINDS
from mljobs.domain.job.resource import ADOPT, FORCE_RELEASE, RETRY, SUBMISSION
from tests.e2e.support import prediction, training

Json = dict[str, Any]
Path = tuple[str | int, ...]

A, B = "project-of-a", "project-of-b"
OF_B = (
    B,
    "europe-west4",
    "of-b",
    "team-b",
    f"owner@{B}.iam.gserviceaccount.com",
    f"projects/{B}/locations/europe-west4/customJobs/7",
    f"projects/{B}/global/networks/shared",
    "gs://bucket-of-b/data",
    "job_of_b",
)
"""What B has: project, region, class, namespace, account, job, network, bucket."""

OWNER = OF_B[4]
"""B's account."""

BASES = {"TrainingJob": training("census"), "PredictionJob": prediction("census")}
ANNOTATIONS = (ADOPT, FORCE_RELEASE, RETRY, SUBMISSION)
"""Those that the operator reads."""


def texts(schema: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """The paths of all fields of a schema that can hold a text."""
    kind = schema.get("type")
    if kind == "string" or (kind is None and "properties" not in schema):
        yield path
    for name, child in (schema.get("properties") or {}).items():
        yield from texts(child, (*path, name))
    if isinstance(schema.get("items"), Mapping):
        yield from texts(schema["items"], (*path, 0))
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from texts(schema["additionalProperties"], (*path, "key"))


def schema_of(kind: str) -> Mapping[str, Any]:
    (version,) = definition(KINDS[kind])["spec"]["versions"]
    found: Mapping[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def put(node: Any, path: Path, value: Any) -> Any:
    """A document with a value at a path."""
    if not path:
        return value
    head, *rest = path
    if isinstance(head, int):
        first = node[0] if isinstance(node, list) and node else None
        return [put(first, tuple(rest), value)]
    known = node if isinstance(node, dict) else {}
    return {**known, head: put(known.get(head), tuple(rest), value)}


def tried(number: int, path: Path) -> tuple[str, ...]:
    """All of B's near the top, where places are named, and one of them in turn further down."""
    return OF_B if len(path) <= 1 else (OF_B[number % len(OF_B)],)


def attempts(kind: str, job_class: str) -> Iterator[Json]:
    """Specs of a kind that name something of B, each in one field."""
    base = {**deepcopy(BASES[kind]["spec"]), "projectId": A, "jobClassName": job_class}
    for number, path in enumerate(dict.fromkeys(texts(schema_of(kind)))):
        for value in tried(number, path):
            yield put(base, path, value)


def forged(uid: str) -> list[str]:
    """Records of a submission in B's project that a resource would have made, or adopted."""
    record = {
        "uid": uid,
        "project": B,
        "jobId": "job_of_b",
        "attempt": 1,
        "generation": 1,
        "time": "2026-01-02T03:04:05Z",
        "location": "europe-west4",
    }
    return [json.dumps({**record, "adopting": adopting}) for adopting in (False, True)]
