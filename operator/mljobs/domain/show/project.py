"""Projects what is known to the status that the resource shows: a pure function to the whole new status.

Equal knowledge yields an equal status, so that the writer has nothing to write while nothing changes.
"""

from collections.abc import Mapping
from datetime import datetime

from mljobs.api.attempts import Attempt
from mljobs.api.base import JsonObject
from mljobs.api.outputs import TERMINAL_STATES, State
from mljobs.api.resources import KINDS, JobStatus
from mljobs.domain import errors
from mljobs.domain.decide.decisions import (
    Announce,
    Backoff,
    Expire,
    Finish,
    Hold,
    Leave,
    Move,
    Refuse,
    Settled,
    Stall,
    Suspend,
    Wait,
    Watch,
)
from mljobs.domain.decide.failed_calls import what_next
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import FORCE_RELEASE, Resource, Target
from mljobs.domain.policies.deadlines import exceeded
from mljobs.domain.port import Facts, Job, Reference
from mljobs.domain.reasons import MEANING, RECOVERED, STALLING, TAKEN_OVER, ConditionType, Reason
from mljobs.domain.show.conditions import Shown, conditions
from mljobs.domain.show.failure import ended_badly, failure, retrying
from mljobs.domain.show.outcome import outcome
from mljobs.domain.show.outputs import bounded_text, goal_of, job_output, readable
from mljobs.domain.show.placement import placement
from mljobs.domain.show.progress import kept_from_stepping_back
from mljobs.domain.show.record import CREATED, FOUND_AGAIN, TAKEN, record
from mljobs.domain.show.size import fitted
from mljobs.domain.show.translation import translation
from mljobs.domain.spec.problems import summary

ATTEMPTS_KEPT = 20
"""Earlier attempts that a status lists."""

_JOB_FIELDS = (
    "createTime",
    "startTime",
    "endTime",
    "jobPosition",
    "errorMessage",
    "errorCode",
    "etag",
    "labels",
)
"""The fields of a Job that a status has under the same names, apart from its state and output."""


def project(resource: Resource, observation: Observation, decision: Settled, now: datetime) -> JsonObject:
    """Make the status.

    Args:
        resource: with the status that it has now.
        observation: of the newest attempt's job.
        decision: what was decided from these two.
        now: for conditions whose status changes.

    Returns:
        The whole status in canonical JSON, under 64 KiB.
    """
    target = resource.target
    observation = observation.about(target)
    status = _job_part(resource, target, observation, decision)
    remembered = record(resource, observation, decision)
    if remembered:
        status["record"] = remembered
    shown = _shown(resource, observation, decision, status)
    ended = outcome(resource, observation, decision, status)
    if ended:
        status["outcome"] = ended.value
    status["observedGeneration"] = resource.generation
    status["conditions"] = conditions(resource, shown, now)
    return fitted(status)


# --- the job ------------------------------------------------------------------------------------------------


def _job_part(
    resource: Resource, target: Target | None, observation: Observation, decision: Settled
) -> JsonObject:
    kept = {
        key: value
        for key, value in resource.status.items()
        if key not in ("conditions", "observedGeneration", "record", "outcome")
    }
    job = observation.job
    if target is None or not resource.accepted(observation.job):
        return _unaccepted_part(resource, target, observation, decision, kept)
    if job is None or resource.ended:
        return kept
    status: JsonObject = {
        **_names(resource, target, job),
        **kept_from_stepping_back(resource, target, job, _seen(resource, job)),
    }
    there = placement(resource, target, str(status.get("location") or ""))
    if there:
        status["placement"] = there
    earlier = _earlier(resource, target)
    if earlier:
        status["attempts"] = earlier
    return status


def _names(resource: Resource, target: Target, job: Job | None = None) -> JsonObject:
    """The job's names, and its pages for people."""
    names: JsonObject = {"attempt": target.attempt, "jobId": target.job_id, "projectId": target.project}
    reference = (job.reference if job else None) or target.reference
    facts = resource.facts
    location = _location(facts, target, reference, job) if facts else ""
    if location:
        names["location"] = location
    job_class = _class_name(resource)
    if job_class:
        names["jobClassName"] = job_class
    if reference is None:
        return names
    links = facts.links(reference) if job and facts else {}
    return {**names, "jobName": reference, **links}


def _class_name(resource: Resource) -> str:
    """The class of the attempt; empty where the operator's settings are the class."""
    if resource.submitted:
        return str(resource.recorded_class.get("name") or "")
    given = resource.job_class
    return given.name if given and not given.own else ""


def _location(facts: Facts, target: Target, reference: Reference | None, job: Job | None) -> str:
    """Where a job is: by its name, by what it says itself, or where it was meant to be created."""
    named = facts.location_of(reference) if reference else ""
    return named or (facts.location(job.document) if job else "") or target.location


def _unaccepted_part(
    resource: Resource, target: Target | None, observation: Observation, decision: Settled, kept: JsonObject
) -> JsonObject:
    """Name a job that may exist, so that its spec is immutable; drop one that certainly does not."""
    recorded = resource.recorded
    if target is None or (recorded and recorded.attempt != target.attempt):
        return kept
    names = _names(resource, target)
    absent = isinstance(decision, Stall | Hold | Refuse)
    if absent or recorded != target:
        kept = {key: value for key, value in kept.items() if key not in names}
    return {**kept, **names} if observation.outcome_unknown_at and not absent else kept


def _seen(resource: Resource, job: Job) -> JsonObject:
    kind = KINDS[resource.kind]
    fields = {key: job.document[key] for key in _JOB_FIELDS if key in job.document}
    seen = readable(JobStatus, fields)
    seen["state"] = job.state if job.state in State.__members__ else State.STATE_UNSPECIFIED.value
    if "errorMessage" in seen:
        seen["errorMessage"] = bounded_text(seen["errorMessage"])
    seen |= failure(resource, job)
    raw = job.document.get(kind.output_field)
    if isinstance(raw, Mapping):
        complete = resource.facts is not None and resource.facts.capabilities.translates
        output = job_output(resource.kind, raw, _goal(resource), complete=complete)
        if output:
            seen[kind.output_field] = output
    return seen


def _goal(resource: Resource) -> str:
    return goal_of(resource.spec)


def _earlier(resource: Resource, target: Target) -> list[JsonObject]:
    """The attempts before this one, including the status's own job when a newer attempt replaces it."""
    attempts = list(resource.status.get("attempts") or ())
    recorded = resource.recorded
    if recorded and recorded.attempt < target.attempt:
        earlier = readable(Attempt, resource.status)
        if "errorMessage" in earlier:
            earlier["errorMessage"] = bounded_text(earlier["errorMessage"], 512)
        attempts.append(earlier)
    return attempts[-ATTEMPTS_KEPT:]


# --- the conditions -----------------------------------------------------------------------------------------


def _shown(
    resource: Resource, observation: Observation, decision: Settled, status: JsonObject
) -> dict[ConditionType, Shown]:
    accepted = resource.accepted(observation.job)
    stalled = _stalled(observation, decision)
    shown = {
        ConditionType.SUBMITTED: _submitted(resource, status)
        if accepted
        else _unsubmitted(decision, observation),
        ConditionType.SUCCEEDED: _succeeded(resource, observation, decision, status),
        ConditionType.RECONCILING: _reconciling(
            resource, decision, status, accepted, stuck=stalled is not None
        ),
        ConditionType.SUSPENDED: _suspended(resource, decision, accepted),
    }
    if stalled:
        shown[ConditionType.STALLED] = stalled
    translated = _translated(resource)
    if translated:
        shown[ConditionType.TRANSLATED] = translated
    return shown


def _translated(resource: Resource) -> Shown | None:
    """Whether the service does all that the spec says; nothing where that is the same question."""
    found = translation(resource)
    if found is None:
        return None
    return (
        Shown("False", Reason.LOSSY, summary(found.losses)) if found.losses else Shown("True", Reason.EXACT)
    )


def _submitted(resource: Resource, status: JsonObject) -> Shown:
    name = status.get("jobName") or (resource.target.job_name if resource.target else "")
    accepted = status["record"]["accepted"]
    if accepted == CREATED:
        return Shown("True", Reason.ACCEPTED, f"{name}: {MEANING[Reason.ACCEPTED]}")
    return Shown("True", Reason.ADOPTED, f"{name}: {TAKEN_OVER if accepted == TAKEN else RECOVERED}")


def _unsubmitted(decision: Settled, observation: Observation) -> Shown:
    match decision:
        case Refuse(problems):
            return Shown("False", Reason.INVALID_SPEC, summary(problems))
        case Stall(reason, message):
            return Shown("False", reason, message)
        case Wait(reason, message):
            unknown = reason is Reason.OUTCOME_UNKNOWN or _may_exist(observation)
            return Shown("Unknown" if unknown else "False", reason, message)
        case Move(_, _, message):
            return Shown("False", Reason.NEXT_PLACEMENT, message)
        case Leave():
            return Shown("Unknown" if _may_exist(observation) else "False", Reason.RELEASED)
        case _:  # Hold: everything else is decided about an accepted job
            return Shown("False", Reason.SUSPENDED)


def _may_exist(observation: Observation) -> bool:
    """Whether a create call got no answer, or the answer that the job exists, which was not read yet."""
    created = observation.failed_calls.get(Call.CREATE)
    exists = created is not None and isinstance(created.error, errors.AlreadyExists)
    return exists or observation.outcome_unknown_at is not None


def _succeeded(resource: Resource, observation: Observation, decision: Settled, status: JsonObject) -> Shown:
    accepted = resource.accepted(observation.job)
    if isinstance(decision, Stall) and decision.reason is Reason.LOST:
        return Shown("False", Reason.LOST, decision.message)
    if accepted and isinstance(decision, Finish):
        state = str(status.get("state"))
        if state in TERMINAL_STATES:
            message = str(status.get("errorMessage", ""))
            if state == State.SUCCEEDED:
                reason = Reason.PARTIALLY_SUCCEEDED if message else Reason.JOB_SUCCEEDED
                return Shown("True", reason, message)
            return ended_badly(resource, state, status, message)
    if not accepted or (resource.ended and isinstance(decision, Refuse)):
        unsubmitted = _unsubmitted(decision, observation)
        return Shown("Unknown", unsubmitted.reason, unsubmitted.message)
    if isinstance(decision, Hold):
        return Shown("Unknown", _pause_of(resource))
    if isinstance(decision, Backoff):
        return Shown("Unknown", Reason.RETRYING, retrying(resource, decision, status))
    found_again = status["record"].get("presence") == FOUND_AGAIN
    return Shown("Unknown", Reason.FOUND_AGAIN if found_again else Reason.NOT_FINISHED)


def _pause_of(resource: Resource) -> Reason:
    """The reason of an attempt whose job a suspension has ended."""
    return Reason.SUSPENDED if resource.suspend else Reason.RESUMING


def _reconciling(
    resource: Resource, decision: Settled, status: JsonObject, accepted: bool, *, stuck: bool
) -> Shown:
    match decision:
        case Wait(reason, message):
            return (
                Shown("False", Reason.WAITING, message)
                if reason in STALLING
                else Shown("True", reason, message)
            )
        case Move(_, _, message):
            return Shown("True", Reason.NEXT_PLACEMENT, message)
        case Hold():
            return Shown("False" if resource.suspend else "True", _pause_of(resource))
        case Finish():
            return Shown("False", Reason.FINISHED)
        case Expire(_, overdue):
            return Shown("True", overdue.reason, overdue.message)
        case Backoff():
            return Shown("True", Reason.RETRYING, retrying(resource, decision, status))
        case _ if resource.deleting and not resource.held:
            return Shown("False", Reason.RELEASED)
        case Stall():
            return Shown("False", Reason.WAITING)
        case Refuse() if resource.ended or not accepted:
            return Shown("False", Reason.WAITING)
        case _:
            return _watching(resource, stuck=stuck)


def _watching(resource: Resource, *, stuck: bool) -> Shown:
    """What is left to do about an accepted job, apart from watching it."""
    suspends, overdue = resource.suspend or resource.suspending, exceeded(resource)
    if not (resource.deleting or suspends or overdue):
        return Shown("False", Reason.WATCHING)
    if stuck:
        return Shown("False", Reason.WAITING)
    if resource.deleting:
        return Shown("True", Reason.DELETING, _missing_message(resource))
    if overdue:
        return Shown("True", overdue.reason, overdue.message)
    return Shown("True", Reason.SUSPENDING if resource.suspend else Reason.RESUMING)


def _missing_message(resource: Resource) -> str:
    """Why a resource that is being deleted still exists although the service does not find its job."""
    name = resource.target.job_name if resource.target else ""
    return (
        f"The service reports that {name}, which it had accepted, does not exist. The operator verifies "
        f"that: the resource is released once the job has been missing for a while, and the job is "
        f"cancelled if it reappears. While many jobs of the project are missing at once, nothing is "
        f'released. To release the resource in any case, set the annotation {FORCE_RELEASE} to "true".'
    )


def _suspended(resource: Resource, decision: Settled, accepted: bool) -> Shown:
    """Whether a suspension holds the resource back, or ends its attempt.

    That the suspension has caused a CANCELLED is kept until the next attempt.
    """
    if resource.deleting or (isinstance(decision, Finish) and accepted):
        return _suspended_at_the_end(resource, decision)
    if isinstance(decision, Hold):
        return Shown("True", _pause_of(resource))
    if isinstance(decision, Stall) and accepted and (resource.suspend or resource.suspending):
        return Shown("True" if resource.suspending else "False", decision.reason, decision.message)
    if isinstance(decision, Suspend) or resource.suspending:
        return Shown("True", Reason.SUSPENDING if resource.suspend else Reason.RESUMING)
    if not resource.suspend:
        return Shown("False", Reason.NOT_SUSPENDED)
    if accepted or isinstance(decision, Wait):  # a job may run, and its end is not recorded yet
        return Shown("False", Reason.SUSPENDING)
    return Shown("True", Reason.SUSPENDED)


def _suspended_at_the_end(resource: Resource, decision: Settled) -> Shown:
    if not resource.suspend:
        return Shown("False", Reason.NOT_SUSPENDED)
    if isinstance(decision, Finish):
        return Shown("False", Reason.FINISHED)
    return Shown("True", Reason.DELETING if resource.held else Reason.RELEASED)


def _stalled(observation: Observation, decision: Settled) -> Shown | None:
    match decision:
        case Refuse(problems):
            return Shown("True", Reason.INVALID_SPEC, summary(problems))
        case Stall(reason, message):
            return Shown("True", reason, message)
        case Wait(reason, message) if reason in STALLING:
            return Shown("True", reason, message)
        case Watch() | Announce():
            return _denied_reading(observation)
        case _:
            return None


def _denied_reading(observation: Observation) -> Shown | None:
    """The job cannot be read: the state shown is the last known one."""
    failed = observation.failed_calls.get(Call.GET)
    reported = failed.shown if failed else None
    if reported is None or reported.call is not Call.GET or not isinstance(reported.error, errors.Denied):
        return None
    return Shown(
        "True",
        Reason.DENIED,
        f"The job cannot be read, and the state shown may be outdated: {reported.error.message} "
        f"{what_next(reported.error, Reason.DENIED)}",
    )
