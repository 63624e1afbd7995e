"""The intent: recorded, with the finalizer, before any call that makes a job ours.

It stands in an annotation, which anybody who may edit the resource may edit, too. Until `status.record` says
more it is a hint: the job that it names is read, and nothing is created or released before the job that the
spec names has been read as well.
"""

from dataclasses import replace
from datetime import datetime

from mljobs.domain.decide.decisions import Adopt, Decision, Record, Release, Submit
from mljobs.domain.decide.following import may_be_followed
from mljobs.domain.decide.plan import AdminPolicy, intent_for, plan_target
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import FINALIZER, SUBMISSION, Intent, Resource, Target


def recorded_first(resource: Resource, decision: Decision) -> Decision:
    """The step before a call that makes a job ours, while its intent or the finalizer is missing."""
    if not isinstance(decision, Submit | Adopt):
        return decision
    recorded = resource.held and resource.intent == decision.intent
    return decision if recorded else record(resource, decision.intent, decision)


def record(resource: Resource, intent: Intent, then: Submit | Adopt | None = None) -> Record:
    """Record an intent.

    Without the finalizer and without a status, nobody can have called create. Another intent in the
    annotation proves nothing.
    """
    return Record(intent, then, first=not resource.held and resource.recorded is None)


def foreseen(decision: Record, before: Resource, after: Resource) -> Submit | None:
    """The first create call of a resource, if it is as it was when its intent was recorded for that call.

    Args:
        decision: the record.
        before: what it was decided for.
        after: the same resource as read since.

    Returns:
        What deciding again would lead to; None where that has to be done.
    """
    if not (decision.first and isinstance(decision.then, Submit)):
        return None
    expected = replace(
        before,
        version=after.version,
        finalizers=(*before.finalizers, FINALIZER),
        annotations={**before.annotations, SUBMISSION: decision.intent.encode(before.uid)},
    )
    given = (after.facts, after.standing) == (before.facts, before.standing)
    return decision.then if after == expected and given else None


def planned_attempt(resource: Resource) -> int:
    """The attempt that a job is created for: without a status, only the first one can be due."""
    intent = resource.intent
    return intent.target.attempt if intent and resource.recorded else 1


def ruled_out(
    resource: Resource,
    target: Target | None,
    observation: Observation,
    policy: AdminPolicy,
    now: datetime,
    decision: Decision,
) -> Decision:
    """Release nothing before the job that the spec names was read, if the annotation names another one."""
    if target is None or not isinstance(decision, Release) or not resource.held:
        return decision
    if resource.force_release or resource.orphan:
        return decision
    attempt = planned_attempt(resource)
    if resource.accepted(observation.job):
        # who has watched this one knows that none has followed it
        if observation.job is not None or not may_be_followed(resource):
            return decision
        attempt = target.attempt + 1
    planned = plan_target(resource, policy, attempt)
    return decision if planned == target else record(resource, intent_for(resource, planned, now))
