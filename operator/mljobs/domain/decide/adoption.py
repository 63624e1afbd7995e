"""Adoption: a job that exists already is taken over by giving it our labels."""

from datetime import datetime

from mljobs.domain.decide.decisions import Adopt, Decision, Stall
from mljobs.domain.decide.labels import labels_refused
from mljobs.domain.decide.plan import intent_for
from mljobs.domain.decide.trouble import rejection_of, wait_for
from mljobs.domain.job.observation import Method, Observation
from mljobs.domain.job.resource import ADOPT, Resource, Target
from mljobs.domain.reasons import Reason


def adopt(resource: Resource, target: Target, observation: Observation, now: datetime) -> Decision:
    """Take over the job that the user has named; a new one is never made instead."""
    if observation.about(target).absent_at:
        return Stall(
            Reason.NOTHING_TO_ADOPT,
            f"{target.job_name} is to be adopted, but there is no such job. "
            f"Correct spec.projectId and spec.jobId, or take the annotation {ADOPT} off to submit a new one.",
        )
    rejection = rejection_of(resource, observation, Method.PATCH)
    if rejection:
        return labels_refused(rejection)
    trouble = observation.waiting(now, Method.PATCH)
    return wait_for(trouble) if trouble else Adopt(intent_for(resource, target, now), resource.labels)
