"""The record of a finished resource that outlives it: one line of JSON in the operator's standard output."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from mljobs.api.attempts import Attempt
from mljobs.api.base import JsonObject
from mljobs.domain.job.resource import Resource
from mljobs.domain.job.timestamps import timestamp
from mljobs.domain.policies.outcome import outcome_of
from mljobs.domain.show.outputs import bounded_text, readable

MARK = "mljobs.dev/finished"
"""The first key of each line, which tells it from log lines; its value is the version of the format."""

VERSION = "v1"


def finished(resource: Resource, now: datetime) -> JsonObject | None:
    """What is kept of a resource whose job has ended for good; None if it has not.

    Args:
        resource: with its last status.
        now: when the line is written.
    """
    outcome = outcome_of(resource, resource.state) if resource.ended else None
    if outcome is None or resource.status.get("outcome") != outcome:
        return None
    last = readable(Attempt, resource.status)
    if "errorMessage" in last:
        last["errorMessage"] = bounded_text(last["errorMessage"], 512)
    return {
        MARK: VERSION,
        "recordedAt": timestamp(now),
        "kind": resource.kind,
        "namespace": resource.namespace,
        "name": resource.name,
        "uid": resource.uid,
        "outcome": outcome.value,
        "specDigest": spec_digest(resource.spec),
        "createdAt": timestamp(resource.created),
        **_time(resource, "finishedAt"),
        "projectId": resource.status.get("projectId", ""),
        "attempts": [*(resource.status.get("attempts") or ()), last],
    }


def spec_digest(spec: Mapping[str, object]) -> str:
    """The SHA-256 of a spec as canonical JSON: keys sorted, no spaces."""
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _time(resource: Resource, key: str) -> JsonObject:
    known = resource.record.get(key) or resource.status.get("endTime")
    return {key: known} if known else {}
