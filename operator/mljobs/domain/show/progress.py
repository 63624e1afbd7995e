"""Keeps what a resource shows of its job from stepping back, whatever the service says of it."""

from mljobs.api.base import JsonObject
from mljobs.api.outputs import TERMINAL_STATES, State
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Job

ORDER = (State.STATE_UNSPECIFIED, State.QUEUED, State.PREPARING, State.RUNNING, State.CANCELLING)
"""The states of a job that has not ended, each further than those before it. Vertex AI goes from PENDING to
QUEUED and back within seconds of each creation (recorded traffic), and again where machines run out."""


def kept_from_stepping_back(resource: Resource, target: Target, job: Job, seen: JsonObject) -> JsonObject:
    """What is shown of a job: its state is no earlier than the recorded one, its start the recorded one.

    Args:
        resource: with the status that it has now.
        target: the newest attempt's job.
        job: the job that was read.
        seen: what a status would show of it alone.
    """
    if not _is_recorded(resource, target, job):
        return seen
    kept = dict(seen)
    if "startTime" in resource.status:  # it moves, and is left out of a job that has ended without success
        kept["startTime"] = resource.status["startTime"]
    now, before = str(seen["state"]), resource.state
    if now not in TERMINAL_STATES and _rank(before) > _rank(now):
        kept["state"] = before
    return kept


def _rank(state: str) -> int:
    return ORDER.index(State(state)) if state in ORDER else -1


def _is_recorded(resource: Resource, target: Target, job: Job) -> bool:
    """Whether the status is about this very job: an attempt's job may be another one than was recorded."""
    recorded = resource.recorded
    if recorded is None or recorded != target or not resource.submitted:
        return False
    return recorded.reference in (None, job.reference) or not job.reference
