"""Admission: what a resource may have by its class. Nothing is called for what it may not have."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from mljobs.domain.classes.job_class import JobClass
from mljobs.domain.classes.turns import beyond, limited
from mljobs.domain.decide.check import document_at
from mljobs.domain.decide.decisions import Release, Stall
from mljobs.domain.decide.plan import AdminPolicy, facts_of, spec_in
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.placement import placements_of
from mljobs.domain.job.resource import FORCE_RELEASE, Resource, Target
from mljobs.domain.port import Claims
from mljobs.domain.reasons import Reason
from mljobs.domain.spec.validate import JobSpec


def place_refused(resource: Resource, target: Target) -> Stall | None:
    """Why no job may be there: the resource has no class, or its class does not give the place."""
    standing = resource.standing
    if standing.reason is not None:
        return Stall(standing.reason, standing.message)
    given, recorded = standing.job_class, resource.recorded_class
    if given is not None and recorded and recorded.get("service") != given.service:
        return Stall(
            Reason.NOT_ALLOWED,
            f"The job was submitted to {recorded.get('service')}, and {named(given)} is for {given.service} "
            f"by now. Create a new resource.",
        )
    if given is not None and target.project and not given.gives_project(target.project):
        return _not_allowed(
            "spec.projectId", target.project, f"the projects of {named(given)}", given.projects
        )
    allowed = facts_of(resource).locations
    for field, location in _locations(resource, target) if allowed else ():
        if location not in allowed:
            where = f"the locations of {named(given)}" if given else "the setting locations"
            return _not_allowed(field, location, where, allowed)
    return None


def _locations(resource: Resource, target: Target) -> Iterator[tuple[str, str]]:
    """Where a job is to be, and where the placements may bring it, each with the field that says so."""
    for number, placement in enumerate(placements_of(resource.spec) if not resource.deleting else ()):
        field = f"spec.placements[{number}].region" if placement.region else _location_field(resource)
        yield field, facts_of(resource).location(spec_in(resource, placement))
    yield _location_field(resource), target.location


def claim_refused(resource: Resource, spec: JobSpec, policy: AdminPolicy) -> Stall | None:
    """Why a valid spec may not have what it claims: a machine type, a service account, accelerators.

    Args:
        resource: all of whose placements are judged before the first of them is tried.
        spec: of the attempt.
        policy: the administrator's settings.
    """
    given = resource.standing.job_class
    if given is None or not (given.machine_types or given.accounts or limited(given.limits)):
        return None
    for number, placement in enumerate(placements_of(resource.spec)):
        placed = document_at(resource, placement, policy) if placement.machine.named else None
        there = (f"spec.placements[{number}]", placement.machine.type)
        refused = placed and _claims_refused(resource, given, placed, there)
        if refused:
            return refused
    return _claims_refused(resource, given, spec.document(), None)


def _claims_refused(
    resource: Resource, given: JobClass, document: Mapping[str, Any], there: tuple[str, str] | None
) -> Stall | None:
    """Why a job may not be; `there` is the placement that it is in and the machine type that this names."""
    claims = facts_of(resource).claims(resource.kind, document)
    for field, value, what, allowed in _beyond(given, claims):
        field = f"{there[0]}.machineType" if there and value == there[1] else field
        return _not_allowed(field, value, f"the {what} of {named(given)}", allowed)
    exceeded = beyond(given.limits, claims.accelerators)
    if exceeded:
        where = f" in {there[0]}" if there else ""
        return Stall(
            Reason.NOT_ALLOWED,
            f"The job asks for {claims.accelerators} accelerators{where}, and {exceeded} in {named(given)}: "
            f"it could never start. Ask for fewer.",
        )
    return None


def operator_may_end(resource: Resource) -> bool:
    """Whether the operator itself may end a job if the identity of its class is of no use any longer.

    The record says where an accepted job is. Before that a user may have said so: it has to be one of the
    projects that the administrator has listed.
    """
    if not resource.deleting:
        return False
    given = resource.job_class
    return resource.submitted or (given is not None and bool(given.projects))


def out_of_reach(
    resource: Resource, target: Target | None, observation: Observation
) -> Stall | Release | None:
    """Why a resource that is being deleted is not looked after, or that there is nothing to look after.

    Its job may exist, as no status says, where its class does not let anybody look by now.
    """
    if target is None or resource.recorded or not resource.held:
        return None
    if resource.force_release or resource.orphan:
        return None
    refused = place_refused(resource, target)
    if refused is None:
        return None
    if observation.alone and observation.outcome_unknown_at is None and observation.job is None:
        return Release()  # its class went before the first call
    return Stall(
        refused.reason,
        f"{refused.message} Whether there is a job {target.job_name} cannot be found out before that. To "
        f'release the resource in any case, set the annotation {FORCE_RELEASE} to "true".',
    )


def _beyond(given: JobClass, claims: Claims) -> Iterator[tuple[str, str, str, Sequence[str]]]:
    if given.machine_types:
        for field, value in claims.machine_types:
            if not any(fnmatchcase(value, allowed) for allowed in given.machine_types):
                yield field, value, "machineTypes", given.machine_types
    if given.accounts:
        for field, value in claims.accounts:
            if value not in given.accounts:
                yield field, value, "jobServiceAccounts", given.accounts


def _not_allowed(field: str, value: str, what: str, allowed: Sequence[str]) -> Stall:
    return Stall(Reason.NOT_ALLOWED, f"{field}: {value!r} is not among {what}: {', '.join(allowed)}.")


def _location_field(resource: Resource) -> str:
    vertex = resource.spec.get("vertex")
    if isinstance(vertex, dict) and "region" in vertex:
        return "spec.vertex.region"
    return f"spec.{'trainingInput' if resource.kind == 'TrainingJob' else 'predictionInput'}.region"


def named(given: JobClass | None) -> str:
    """Who has decided, for messages."""
    if given is None or given.own:
        return "the operator's settings"
    return f"the JobClass {given.name}"
