"""Adoption: a job that exists already is taken over by giving it our labels."""

from datetime import datetime

from mljobs.domain.decide.decisions import Adopt, Decision, Look, Record, Stall
from mljobs.domain.decide.failed_calls import rejection_of, wait_for
from mljobs.domain.decide.labels import labels_refused
from mljobs.domain.decide.plan import AdminPolicy, Adoption, facts_of, intent_for
from mljobs.domain.job import naming
from mljobs.domain.job.labels import wanted_labels
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import ADOPT, Resource, Target
from mljobs.domain.port import Job
from mljobs.domain.reasons import Reason

ANYBODY = "true"
"""What the annotation says for a job that is nobody's."""


def adopt(
    resource: Resource, target: Target, observation: Observation, policy: AdminPolicy, now: datetime
) -> Decision:
    """Take over the job that the user has named; a new one is never made instead.

    The job is looked at before the first intent is written down, and taken as it was judged or not at all.
    """
    if policy.adoption is Adoption.NEVER:
        return Stall(
            Reason.NOT_ALLOWED,
            f"The administrator allows no adoption of jobs (the setting adoption is {policy.adoption}). "
            f"Take the annotation {ADOPT} off to submit a new job.",
        )
    if not facts_of(resource).capabilities.labels:
        return Stall(
            Reason.NOT_ALLOWED,
            f"The service that runs the job changes no labels, so that no job of it can be taken over. "
            f"Take the annotation {ADOPT} off to submit a new job.",
        )
    if resource.intent and resource.intent.target != target:
        return Record(intent_for(resource, target, now))  # what is seen is of the newest intent's job
    known = observation.about(target)
    if known.absent_at:
        return Stall(
            Reason.NOTHING_TO_ADOPT,
            f"{target.job_name} is to be adopted, but there is no such job. "
            f"Correct spec.projectId and spec.jobId, or take the annotation {ADOPT} off to submit a new one.",
        )
    if known.job is None:
        return Look(target)
    refusal = _refusal(resource, target, known.job, policy)
    if refusal:
        return refusal
    rejection = rejection_of(resource, observation, Call.PATCH)
    if rejection:
        return labels_refused(rejection)
    failed = observation.waiting(now, Call.PATCH)
    if failed:
        return wait_for(failed)
    labels = wanted_labels(resource, target, known.job)
    return Adopt(intent_for(resource, target, now), labels, known.job.etag)


def _refusal(resource: Resource, target: Target, job: Job, policy: AdminPolicy) -> Stall | None:
    """Why a job may not be taken over; None where it may."""
    owner = naming.owner_uid(job.labels)
    if not owner:
        return None if resource.adopt == ANYBODY else _misnamed(resource, target)
    namespace = job.labels.get(naming.NAMESPACE_LABEL, "")
    if policy.adoption is not Adoption.ANY and namespace != naming.label_value(resource.namespace):
        # neither whose nor of which uid: that is not this namespace's to know
        return Stall(
            Reason.NOT_ALLOWED,
            f"{target.job_name} belongs to a resource of another namespace, and the administrator allows "
            f"adoption within a namespace only (the setting adoption is {policy.adoption}). "
            f"Choose another spec.jobId.",
        )
    if naming.label_value(resource.adopt) == owner:
        return None
    name = job.labels.get(naming.NAME_LABEL, "")
    return Stall(
        Reason.JOB_ID_TAKEN,
        f"{target.job_name} belongs to the resource {namespace}/{name}, whose uid is {owner}. To take the "
        f"job away from it, set the annotation {ADOPT} to that uid; otherwise choose another spec.jobId.",
    )


def _misnamed(resource: Resource, target: Target) -> Stall:
    return Stall(
        Reason.NOTHING_TO_ADOPT,
        f"The annotation {ADOPT} names {resource.adopt!r} as the uid of the resource that {target.job_name} "
        f'belongs to, and the job belongs to none. Set the annotation to "{ANYBODY}" to adopt it.',
    )
