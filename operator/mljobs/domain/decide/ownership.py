"""Ownership: a job that no longer carries our uid label is left alone, and the status says so."""

from datetime import datetime, timedelta

from mljobs.domain.decide.decisions import Read, Stall, Wait
from mljobs.domain.decide.failed_calls import wait_for
from mljobs.domain.job import naming
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Job
from mljobs.domain.reasons import Reason

FRESH = timedelta(seconds=1)
"""For how long after a read a job counts as ours without another read."""


def read_first(target: Target, observation: Observation, now: datetime) -> Read | Wait | None:
    """The step before a call that no etag guards; None if the job was read just now.

    Another resource, perhaps of another cluster, may have taken the job over since the last poll.
    """
    if observation.seen_at and now - observation.seen_at <= FRESH:
        return None
    failed = observation.waiting(now, Call.GET)
    return wait_for(failed) if failed else Read(target)


def taken(resource: Resource, target: Target, job: Job) -> Stall:
    """Report that a job which was ours is not any longer."""
    owner = naming.owner_uid(job.labels)
    change = f"now carries the uid {owner}" if owner else "has lost it"
    return Stall(
        Reason.TAKEN,
        f"{target.job_name} carried the label {naming.UID_LABEL}={naming.label_value(resource.uid)} of this "
        f"resource, and {change}. It is watched, but neither changed nor cancelled: restore the label, or "
        f"delete this resource, which leaves the job alone.",
    )
