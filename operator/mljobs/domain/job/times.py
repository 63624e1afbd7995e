"""Since when an attempt counts: what the deadlines are measured from.

All by the operator's own clock, since the service's may differ from it.
"""

from datetime import datetime, timedelta

from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.job.timestamps import moment


def accepted_at(resource: Resource, observation: Observation) -> datetime:
    """When the service had accepted the newest attempt, as far as the operator knows; in whole seconds.

    A status from before this was recorded has the service's time instead.
    """
    if not resource.submitted:
        return _whole(observation.seen_at or resource.created)
    known = moment(resource.record.get("acceptedAt"), moment(resource.status.get("createTime")))
    return max(known, resource.created)


def active_since(resource: Resource, observation: Observation) -> datetime:
    """The same of the first attempt; a suspension starts the count again."""
    accepted = accepted_at(resource, observation)
    recorded, target = resource.recorded, resource.target
    if resource.submitted:
        return moment(resource.record.get("activeSince"), accepted)
    earlier = recorded is not None and target is not None and recorded.attempt < target.attempt
    if not earlier or resource.record.get("suspendedAttempt"):
        return accepted
    return moment(resource.record.get("activeSince"), accepted)


def finished_at(observation: Observation) -> datetime | None:
    """When the newest attempt's job was first read as ended; None if that was not now."""
    seen = observation.seen_at if observation.job and observation.job.ended else None
    return _whole(seen) if seen else None


def _whole(when: datetime) -> datetime:
    """The next whole second, as a status holds it: no deadline is ever early."""
    return when if when.microsecond == 0 else when.replace(microsecond=0) + timedelta(seconds=1)
