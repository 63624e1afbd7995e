"""What has to survive restarts: `status.record`, apart from the conditions.

No user may write a status. Nothing reads the conditions back: they are derived from this and from the
observation, so that a change of their wording changes no decision.
"""

from mljobs.api.base import JsonObject
from mljobs.domain.decide.decisions import Announce, Backoff, Expire, Finish, Move, Settled, Stall, Suspend
from mljobs.domain.job.iam import recorded_bindings
from mljobs.domain.job.labels import recordable
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.job.times import accepted_at, active_since, finished_at
from mljobs.domain.job.timestamps import timestamp
from mljobs.domain.policies.deadlines import exceeded
from mljobs.domain.policies.placements import Position, position_of
from mljobs.domain.policies.retry import failures_before
from mljobs.domain.reasons import Reason

CREATED, RECOVERED, TAKEN = "Created", "Recovered", "TakenOver"
"""How an attempt got its job."""

LOST, FOUND_AGAIN = "Lost", "FoundAgain"

REFUSALS = frozenset(
    {Reason.REJECTED, Reason.JOB_ID_TAKEN, Reason.NOTHING_TO_ADOPT, Reason.PLACEMENTS_EXHAUSTED}
)
"""Refusals that the service would repeat, and the last one of the placements."""


def record(resource: Resource, observation: Observation, decision: Settled) -> JsonObject:
    """Make the record of the newest attempt; empty if there is nothing to record.

    Args:
        resource: with the record that it has now.
        observation: of the newest attempt's job.
        decision: what was decided from these two.
    """
    if not resource.accepted(observation.job):
        placement = _placement(resource, observation, decision)
        return {**_earlier(resource), **_refusal(resource, decision), **placement}
    made: JsonObject = {
        "accepted": _how(resource, observation),
        **_class(resource),
        **_times(resource, observation),
        **_finished(resource, observation, decision),
        **_exceeded(resource, decision),
        **_applied(resource, observation, decision),
    }
    made |= _failures(resource, decision)
    made |= _placement(resource, observation, decision)
    if resource.target and (isinstance(decision, Suspend) or resource.suspending):
        made["suspendedAttempt"] = resource.target.attempt
    presence = _presence(resource, decision)
    return {**made, "presence": presence} if presence else made


def _class(resource: Resource) -> JsonObject:
    """The class of the attempt: as recorded, whatever it is by now."""
    if resource.submitted:
        return {"jobClass": dict(resource.recorded_class)} if resource.recorded_class else {}
    standing = resource.standing
    made = standing.job_class.record(standing.accelerators) if standing.job_class else {}
    return {"jobClass": made} if made else {}


def _times(resource: Resource, observation: Observation) -> JsonObject:
    """When the attempt was accepted; of one that was recorded without it, nothing."""
    if resource.submitted:
        return {key: resource.record[key] for key in ("acceptedAt", "activeSince") if key in resource.record}
    return {
        "acceptedAt": timestamp(accepted_at(resource, observation)),
        "activeSince": timestamp(active_since(resource, observation)),
    }


def _finished(resource: Resource, observation: Observation, decision: Settled) -> JsonObject:
    """When the resource has finished; of one that was recorded without it, nothing."""
    if resource.ended:
        known = resource.record.get("finishedAt")
        known = known or (
            resource.record.get("failure", {}).get("at") if isinstance(decision, Finish) else ""
        )
        return {"finishedAt": known} if known else {}
    finished = finished_at(observation) if isinstance(decision, Finish) else None
    return {"finishedAt": timestamp(finished)} if finished else {}


def _failures(resource: Resource, decision: Settled) -> JsonObject:
    """The failed attempts before this one, and whether it is one of those that another one follows."""
    before = failures_before(resource)
    made: JsonObject = {"failures": before.total} if before.total else {}
    made |= {"countedFailures": before.counted} if before.counted else {}
    if isinstance(decision, Backoff):
        following = decision.following
        return {**made, "failure": {"at": timestamp(following.failed_at), "action": following.action.value}}
    known = resource.record.get("failure") if resource.submitted else None
    return {**made, "failure": dict(known)} if known else made


def _placement(resource: Resource, observation: Observation, decision: Settled) -> JsonObject:
    """How far the newest attempt is in the placements, or how far the one after it has come."""
    if isinstance(decision, Move):
        return {"placement": _position(decision.target.attempt, decision.position)}
    known = resource.record.get("placement")
    attempt = resource.target.attempt if resource.target else 1
    if known and known["attempt"] >= attempt:
        return {"placement": dict(known)}
    here = position_of(resource, attempt) if resource.accepted(observation.job) else None
    return {"placement": _position(attempt, here)} if here else {}


def _position(attempt: int, position: Position) -> JsonObject:
    at = {"refusedAt": timestamp(position.refused_at)} if position.refused_at else {}
    return {"attempt": attempt, "number": position.number, "round": position.round, **at}


def _exceeded(resource: Resource, decision: Settled) -> JsonObject:
    """The deadline that ends the attempt."""
    found = decision.exceeded if isinstance(decision, Expire) else exceeded(resource)
    return {"exceeded": {"field": found.field, "seconds": found.seconds}} if found else {}


def _earlier(resource: Resource) -> JsonObject:
    """The record of the attempt before, which stays until the service has accepted the newest one."""
    recorded, target = resource.recorded, resource.target
    if recorded is None or target is None or recorded.attempt >= target.attempt:
        return {}
    return {key: value for key, value in resource.record.items() if key != "refused"}


def _refusal(resource: Resource, decision: Settled) -> JsonObject:
    if isinstance(decision, Stall) and decision.reason in REFUSALS:
        retry = {"retry": resource.retry} if resource.retry else {}
        return {"refused": {"generation": resource.generation, "reason": decision.reason.value, **retry}}
    return {}


def _applied(resource: Resource, observation: Observation, decision: Settled) -> JsonObject:
    """The labels and bindings of ours that the job has, or may have."""
    target, job = resource.target, observation.job
    if target is None or job is None or resource.ended:
        return {key: resource.record[key] for key in ("labelKeys", "iamBindings") if key in resource.record}
    bound = (
        decision.bindings
        if isinstance(decision, Announce)
        else recorded_bindings(resource, target, observation)
    )
    bindings = {"iamBindings": [dict(binding) for binding in bound]} if bound else {}
    return {"labelKeys": recordable(resource, target, job), **bindings}


def _how(resource: Resource, observation: Observation) -> str:
    if resource.submitted:
        return str(resource.record["accepted"])
    if observation.created:
        return CREATED
    return TAKEN if resource.intent and resource.intent.adopting else RECOVERED


def _presence(resource: Resource, decision: Settled) -> str:
    if isinstance(decision, Stall) and decision.reason is Reason.LOST:
        return LOST
    was = resource.record.get("presence") if resource.submitted else None
    return FOUND_AGAIN if was in (LOST, FOUND_AGAIN) else ""
