"""The labels of a running job follow the spec."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeGuard

from mljobs.domain import errors
from mljobs.domain.decide.check import problems_below
from mljobs.domain.decide.decisions import Answer, Refuse, Stall, UpdateLabels, Wait
from mljobs.domain.decide.failed_calls import rejection_of, wait_for
from mljobs.domain.job.labels import differing, wanted_labels
from mljobs.domain.job.observation import CONTEST_LONGEST, Call, Observation, Relabelling
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Job
from mljobs.domain.reasons import Reason

_NAMED = 5
"""Keys that a message lists."""


def relabel(
    resource: Resource, target: Target, observation: Observation, job: Job, now: datetime
) -> Refuse | Stall | UpdateLabels | Wait | None:
    """Update the job's labels to match the spec; None if they do."""
    wanted = wanted_labels(resource, target, job)
    if wanted == job.labels:
        return None
    problems = problems_below(resource, "spec.labels")
    if problems:
        return Refuse(problems)
    rejection = rejection_of(resource, observation, Call.PATCH)
    if rejection:
        return labels_refused(rejection)
    failed = observation.waiting(now, Call.PATCH)
    if failed:
        return wait_for(failed)
    before = observation.relabelling
    if before and before.generation == resource.generation and now < before.at + before.pause:
        return _contested(target, job, wanted, before)
    return UpdateLabels(target, wanted, job.etag)


def is_contested(step: Answer | None) -> TypeGuard[Wait]:
    """Whether labels wait because somebody keeps changing them, which need not block anything else."""
    return isinstance(step, Wait) and step.reason is Reason.LABELS_CONTESTED


def _contested(target: Target, job: Job, wanted: Mapping[str, str], before: Relabelling) -> Wait:
    keys = sorted({*before.keys, *differing(job.labels, wanted)})
    named = ", ".join(keys[:_NAMED]) + (", …" if len(keys) > _NAMED else "")
    return Wait(
        Reason.LABELS_CONTESTED,
        f"Another writer keeps changing labels of {target.job_name} that this resource sets: {named}. The "
        f"operator restores them with increasing delays of up to {CONTEST_LONGEST.seconds // 60} minutes. "
        f"Stop the other writer, or remove those of the labels that are in spec.labels.",
        again=before.at + before.pause,
    )


def labels_refused(rejection: errors.Rejected) -> Stall:
    """Report that the service refuses the labels."""
    return Stall(Reason.REJECTED, f"The service refused the labels: {rejection.message} Correct spec.labels.")
