"""The labels of a running job follow the spec."""

from datetime import datetime

from mljobs.domain import errors
from mljobs.domain.decide.decisions import Decision, Refuse, Stall, UpdateLabels
from mljobs.domain.decide.trouble import rejection_of, wait_for
from mljobs.domain.job.observation import Method, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Job
from mljobs.domain.reasons import Reason
from mljobs.domain.spec.problems import Problem
from mljobs.domain.spec.validate import validate


def relabel(
    resource: Resource, target: Target, observation: Observation, job: Job, now: datetime
) -> Decision:
    """Bring the job's labels to what the spec asks for."""
    problems = _label_problems(resource)
    if problems:
        return Refuse(problems)
    rejection = rejection_of(resource, observation, Method.PATCH)
    if rejection:
        return labels_refused(rejection)
    trouble = observation.waiting(now, Method.PATCH)
    return wait_for(trouble) if trouble else UpdateLabels(target, resource.labels, job.etag)


def labels_refused(rejection: errors.Rejected) -> Stall:
    """Say that the service does not take the labels."""
    return Stall(Reason.REJECTED, f"The service refused the labels: {rejection.message} Correct spec.labels.")


def _label_problems(resource: Resource) -> tuple[Problem, ...]:
    problems = validate(resource.kind, resource.spec, default_project="-").problems
    return tuple(problem for problem in problems if problem.path.startswith("spec.labels"))
