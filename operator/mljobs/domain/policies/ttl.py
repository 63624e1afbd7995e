"""When a resource that has finished is deleted."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from mljobs.api.outputs import Outcome
from mljobs.domain.job.resource import Resource
from mljobs.domain.job.timestamps import LONG_AGO, moment
from mljobs.domain.policies.outcome import outcome_of

_LONGEST = 2**31


def expires_at(resource: Resource) -> datetime | None:
    """When a resource is deleted whose job is recorded as ended for good; None: never."""
    seconds = _seconds(resource, outcome_of(resource, resource.state))
    finished = moment(resource.record.get("finishedAt"), moment(resource.status.get("endTime")))
    if seconds is None or finished == LONG_AGO:
        return None
    return finished + timedelta(seconds=seconds)


def _seconds(resource: Resource, outcome: Outcome | None) -> int | None:
    """The ttl of an outcome; what is no number is none, and the rules report it."""
    by_outcome = resource.spec.get("ttlSecondsByOutcome")
    chosen: Any = None
    if outcome and isinstance(by_outcome, Mapping):
        chosen = by_outcome.get(outcome.value.lower())
    value = resource.spec.get("ttlSecondsAfterFinished") if chosen is None else chosen
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LONGEST else None
