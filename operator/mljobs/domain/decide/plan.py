"""Plans an attempt: its target, and the intent that is recorded before the call."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mljobs.api.jobclass import Adoption
from mljobs.domain.classes.job_class import JobClass
from mljobs.domain.job.placement import Placement, spec_at
from mljobs.domain.job.resource import Intent, Resource, Target
from mljobs.domain.policies.placements import placed
from mljobs.domain.port import Facts


@dataclass(frozen=True)
class AdminPolicy:
    """The administrator's settings for all resources.

    Attributes:
        default_project: the project of resources that name none.
        grace: for how long an unanswered create call may still take effect.
        adoption: which jobs may be adopted.
        lost_after: for how long an accepted job has to be missing before it counts as lost.
    """

    default_project: str | None = None
    grace: timedelta = timedelta(seconds=60)
    adoption: Adoption = Adoption.SAME_NAMESPACE
    lost_after: timedelta = timedelta(minutes=5)

    def within(self, job_class: JobClass | None) -> "AdminPolicy":
        """The same, but for what a class decides."""
        if job_class is None or job_class.own:
            return self
        project = job_class.default_project or self.default_project
        return replace(self, default_project=project, adoption=job_class.adoption)


def adopts(resource: Resource, target: Target) -> bool:
    """Whether that job is adopted; attempts after the first are always new jobs."""
    return bool(resource.adopt) and target.attempt == 1


def intent_for(resource: Resource, target: Target, now: datetime) -> Intent:
    """The recorded intent, if it is the same, else a new one.

    A reference that the service has assigned is not part of it: if the status is lost, the job is searched
    for where the intent says.
    """
    if not facts_of(resource).capabilities.client_names_jobs:
        target = replace(target, reference=None)
    intent = Intent(target, resource.generation, now, adopts(resource, target))
    written = resource.intent
    same = written and replace(written, time=now) == intent and written.target.scope == target.scope
    return written if written and same else intent


def plan_target(resource: Resource, policy: AdminPolicy, attempt: int) -> Target:
    """Name the job of an attempt of this spec, in the attempt's placement."""
    resource = in_placement(resource, attempt)
    spec = resource.spec
    project = str(spec.get("projectId") or policy.default_project or "")
    chosen = spec.get("jobId")
    facts = facts_of(resource)
    job_id = facts.job_id(resource.owner, attempt, chosen if isinstance(chosen, str) else None)
    return resource.placed(Target(project, job_id, attempt))


def in_placement(resource: Resource, attempt: int) -> Resource:
    """The resource as if it had named itself where that attempt is, and on what kind of capacity.

    Args:
        resource: with its record.
        attempt: the newest one, or the one after it.
    """
    there = placed(resource, attempt)
    return replace(resource, spec=spec_in(resource, there)) if there else resource


def spec_in(resource: Resource, placement: Placement) -> Mapping[str, Any]:
    """The spec of a job of a resource in a placement."""
    translates = facts_of(resource).capabilities.translates
    return spec_at(resource.kind, resource.spec, placement, translates=translates)


def facts_of(resource: Resource) -> Facts:
    """What is known of the service that runs a resource's jobs.

    Raises:
        ValueError: the resource was parsed without them, so that nothing can be decided about it.
    """
    if resource.facts is None:
        raise ValueError(f"{resource.kind} {resource.namespace}/{resource.name} was read for no service")
    return resource.facts
