"""Gauges of a running job: what moves by itself, and is written seldom.

Consumed units, the place in the queue, trials and counts move all the time, and nobody waits for them. Each
write costs the API server and everybody who watches. So a resource's gauges are written with each change of
anything else, and otherwise once a minute at most; with thousands of jobs less often, since the operator as a
whole writes no more than some a second.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zlib import crc32

from mljobs.domain.port import Job

GAUGES = frozenset({"trainingOutput", "predictionOutput", "jobPosition", "etag"})
"""The fields of a job and of a status. A service may give a job another etag with each of its moves."""

A_SECOND = 10
"""Writes of gauges alone in a second, of all resources together, at most."""


def only_gauges_moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two statuses, or the documents of a job, differ, and in gauges alone."""
    moved = False
    for name in before.keys() | after.keys():
        if before.get(name) != after.get(name):
            if name not in GAUGES:
                return False
            moved = True
    return moved


def only_moved(before: Job | None, after: Job) -> bool:
    """Whether a job that was known has changed in its gauges alone."""
    return before is not None and only_gauges_moved(before.document, after.document)


def pause(uid: str, watched: int, shortest: timedelta) -> timedelta:
    """How long after a write of a resource's status its gauges may be written alone.

    Args:
        uid: of the resource; spreads the writes of resources that have changed at the same time.
        watched: jobs that are watched.
        shortest: what the administrator wants it to be at least.
    """
    longer = max(shortest, timedelta(seconds=watched / A_SECOND))
    return longer * (1 + crc32(uid.encode()) / 2**32)
