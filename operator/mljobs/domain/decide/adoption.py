"""Adoption: an existing job is taken over by setting our labels on it."""

from datetime import datetime

from mljobs.api.jobclass import Adoption
from mljobs.domain.decide.admission import named
from mljobs.domain.decide.decisions import Adopt, Decision, Read, Stall
from mljobs.domain.decide.failed_calls import rejection_of, wait_for
from mljobs.domain.decide.intents import record
from mljobs.domain.decide.labels import labels_refused
from mljobs.domain.decide.plan import AdminPolicy, facts_of, intent_for
from mljobs.domain.job import naming
from mljobs.domain.job.labels import wanted_labels
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import ADOPT, Resource, Target
from mljobs.domain.port import Job
from mljobs.domain.reasons import Reason

ANYBODY = "true"
"""The annotation's value for a job without an owner."""


def adopt(
    resource: Resource, target: Target, observation: Observation, policy: AdminPolicy, now: datetime
) -> Decision:
    """Adopt the job that the user has named; a new one is never created instead.

    The job is read before the first intent is recorded, and adopted only if it has not changed since.
    """
    if policy.adoption is Adoption.NEVER:
        return Stall(
            Reason.NOT_ALLOWED,
            f"The administrator does not allow adoption ({_by(resource, policy)}). "
            f"Remove the annotation {ADOPT} to submit a new job.",
        )
    if not facts_of(resource).capabilities.labels:
        return Stall(
            Reason.NOT_ALLOWED,
            f"The service that runs the job cannot change labels, so that its jobs cannot be adopted. "
            f"Remove the annotation {ADOPT} to submit a new job.",
        )
    if resource.intent and resource.intent.target != target:
        return record(
            resource, intent_for(resource, target, now)
        )  # observations are of the newest intent's job
    known = observation.about(target)
    if known.absent_at:
        return Stall(
            Reason.NOTHING_TO_ADOPT,
            f"There is no job {target.job_name} to adopt. "
            f"Correct spec.projectId and spec.jobId, or remove the annotation {ADOPT} to submit a new one.",
        )
    if known.job is None:
        return Read(target)
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
    """Why a job may not be adopted; None if it may."""
    owner = naming.owner_uid(job.labels)
    if not owner:
        return None if resource.adopt == ANYBODY else _misnamed(resource, target)
    namespace = job.labels.get(naming.NAMESPACE_LABEL, "")
    if policy.adoption is not Adoption.ANY and namespace != naming.label_value(resource.namespace):
        # neither owner nor uid is named: another namespace's resources are not this one's to know
        return Stall(
            Reason.NOT_ALLOWED,
            f"{target.job_name} belongs to a resource of another namespace, and the administrator allows "
            f"adoption within a namespace only ({_by(resource, policy)}). "
            f"Choose another spec.jobId.",
        )
    if naming.label_value(resource.adopt) == owner:
        return None
    name = job.labels.get(naming.NAME_LABEL, "")
    return Stall(
        Reason.JOB_ID_TAKEN,
        f"{target.job_name} belongs to the resource {namespace}/{name}, whose uid is {owner}. To take the "
        f"job over, set the annotation {ADOPT} to that uid; otherwise choose another spec.jobId.",
    )


def _by(resource: Resource, policy: AdminPolicy) -> str:
    """Who says so."""
    given = resource.job_class
    if given is None or given.own:
        return f"the setting adoption is {policy.adoption}"
    return f"adoption of {named(given)} is {policy.adoption}"


def _misnamed(resource: Resource, target: Target) -> Stall:
    return Stall(
        Reason.NOTHING_TO_ADOPT,
        f"The annotation {ADOPT} names {resource.adopt!r} as the uid of the resource that {target.job_name} "
        f'belongs to, but the job has no owner. Set the annotation to "{ANYBODY}" to adopt it.',
    )
