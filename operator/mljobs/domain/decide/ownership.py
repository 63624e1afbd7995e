"""Whose a job is: what no longer carries our uid is left alone, and nobody is surprised by it."""

from datetime import datetime, timedelta

from mljobs.domain.decide.decisions import Look, Stall, Wait
from mljobs.domain.decide.failed_calls import wait_for
from mljobs.domain.job import naming
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Job
from mljobs.domain.reasons import Reason

FRESH = timedelta(seconds=1)
"""For so long after a look a job counts as ours without another one."""


def look_first(target: Target, observation: Observation, now: datetime) -> Look | Wait | None:
    """What has to come before a call that no etag guards; None where the job was seen just now.

    Another resource, perhaps of another cluster, may have taken the job over since the last poll.
    """
    if observation.seen_at and now - observation.seen_at <= FRESH:
        return None
    failed = observation.waiting(now, Call.GET)
    return wait_for(failed) if failed else Look(target)


def taken(resource: Resource, target: Target, job: Job) -> Stall:
    """Say that a job which was ours is not any longer."""
    owner = naming.owner_uid(job.labels)
    told = f"now carries the uid {owner}" if owner else "has lost it"
    return Stall(
        Reason.TAKEN,
        f"{target.job_name} carried the label {naming.UID_LABEL}={naming.label_value(resource.uid)} of this "
        f"resource, and {told}. It is watched, and neither changed nor cancelled: give it the label back, or "
        f"delete this resource, which leaves the job as it is.",
    )
