"""Submission annotations that a user has written instead of the operator's."""

import json
from typing import Any

from mljobs.api.base import JsonObject

FORGERIES = (
    "job",
    "project",
    "name",
    "attempt",
    "generation",
    "adoption",
    "location",
    "number",
    "brackets",
    "length",
)


def forged(how: str, body: JsonObject) -> str:
    """An annotation's text.

    Args:
        how: one of `FORGERIES`: what is wrong with it.
        body: the resource that it is written into.
    """
    row: dict[str, Any] = {
        "uid": body["metadata"]["uid"],
        "project": "proj",
        "jobId": "nothing",
        "attempt": 1,
        "generation": 1,
        "time": "2026-01-01T00:00:00+00:00",
    }
    changed: dict[str, dict[str, Any]] = {
        "job": {"jobId": "foreign"},
        "project": {"project": "other"},
        "name": {"jobId": "1/2"},
        "attempt": {"attempt": 7},
        "generation": {"generation": 10**9},
        "adoption": {"jobId": "foreign", "adopting": True},
        "location": {"location": "europe-west4"},
    }
    texts = {
        "number": json.dumps(row).replace('"attempt": 1', '"attempt": 1e999'),
        "brackets": "[" * 200_000,
        "length": "x" * 300_000,
    }
    return texts.get(how) or json.dumps(row | changed[how])
