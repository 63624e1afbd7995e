"""Submission: the preconditions of creating a job."""

from collections.abc import Sequence
from datetime import datetime

from mljobs.domain import errors
from mljobs.domain.decide.admission import claim_refused, place_refused
from mljobs.domain.decide.adoption import adopt
from mljobs.domain.decide.check import check
from mljobs.domain.decide.decisions import Decision, Hold, Keep, Read, Refuse, Stall, Submit
from mljobs.domain.decide.failed_calls import (
    refusal_recorded,
    rejection_of,
    still_applies,
    wait_for,
    wait_to_create,
)
from mljobs.domain.decide.intents import planned_attempt
from mljobs.domain.decide.placing import next_placement
from mljobs.domain.decide.plan import AdminPolicy, adopts, facts_of, intent_for, plan_target
from mljobs.domain.decide.turns import out_of_turn
from mljobs.domain.decide.unknown_outcome import outcome_unknown, resolve_outcome
from mljobs.domain.job import naming
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.job.variables import expanded
from mljobs.domain.port import Order
from mljobs.domain.reasons import Reason
from mljobs.domain.spec.problems import Problem
from mljobs.domain.spec.validate import JobSpec


def start(resource: Resource, observation: Observation, policy: AdminPolicy, now: datetime) -> Decision:
    """Submit, or report why not."""
    intent, created = resource.intent, observation.failed_calls.get(Call.CREATE)
    planned = plan_target(resource, policy, planned_attempt(resource))
    refused = _refused(resource, planned, observation, policy, now)
    if refused:
        return refused
    waiting = observation.waiting(now, Call.GET)
    exists = created is not None and isinstance(created.error, errors.AlreadyExists)
    if waiting is None and exists and observation.absent_at is None and intent:
        return Read(intent.target)
    if waiting and still_applies(waiting, resource):
        return wait_for(waiting)
    validated = check(resource, policy, planned.attempt)
    same = intent is None or intent.target == planned
    names = facts_of(resource).capabilities.client_names_jobs
    excluded = place_refused(resource, planned)
    again = names and same and validated.spec is not None and not resource.suspend and not excluded
    if not again and (intent or not excluded) and outcome_unknown(resource, observation, policy):
        return resolve_outcome(resource, intent.target if intent else planned, observation, policy, now)
    if excluded or validated.spec is None:
        return excluded or Refuse(validated.problems)
    beyond = claim_refused(resource, validated.spec, policy)
    if beyond or resource.suspend:
        return beyond or Hold()
    elsewhere = next_placement(resource, planned, observation, policy, now)
    if elsewhere:
        return elsewhere
    waiting = observation.waiting(now, Call.CREATE)
    if waiting and still_applies(waiting, resource):
        return wait_to_create(waiting, resource, planned)
    if adopts(resource, planned):
        return adopt(resource, planned, observation, policy, now)
    waits = out_of_turn(resource, planned, observation, policy, now)
    return waits or submit(resource, planned, validated.spec, validated.warnings, now)


def _refused(
    resource: Resource, planned: Target, observation: Observation, policy: AdminPolicy, now: datetime
) -> Decision | None:
    """The service's refusal of this generation of the spec."""
    intent = resource.intent
    if intent is None or resource.generation > intent.generation:
        return None
    if intent.adopting != adopts(resource, intent.target):
        return None
    foreign = observation.job is not None and not resource.owns(observation.job)
    if foreign and not intent.adopting and intent.target == planned:
        return Stall(
            Reason.JOB_ID_TAKEN,
            f"Project {intent.target.project} already has a job {intent.target.job_id}, which belongs to "
            f"somebody else. Choose another spec.jobId.",
        )
    rejection = rejection_of(resource, observation, Call.CREATE)
    if rejection:
        if outcome_unknown(resource, observation, policy):
            return resolve_outcome(resource, intent.target, observation, policy, now)
        return Stall(Reason.REJECTED, f"The service refused the job: {rejection.message} Correct the spec.")
    # adoption depends on an annotation too, and annotations do not change the generation
    return Keep() if refusal_recorded(resource) and not intent.adopting else None


def submit(
    resource: Resource, target: Target, spec: JobSpec, warnings: Sequence[Problem], now: datetime
) -> Decision:
    """Create the job of an attempt."""
    labels = {**resource.labels, **naming.attempt_labels(resource.uid, target.attempt)}
    document = expanded(spec.document(), resource.owner, target.attempt)
    order = Order(resource.kind, document, target.scope, target.job_id, labels)
    return Submit(intent_for(resource, target, now), order, warnings)
