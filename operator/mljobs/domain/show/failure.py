"""Why a job has failed, as a status shows it."""

from dataclasses import replace

from mljobs.api.base import JsonObject
from mljobs.api.outputs import Cause, State
from mljobs.domain.decide.decisions import Backoff
from mljobs.domain.job.resource import Resource
from mljobs.domain.job.timestamps import timestamp
from mljobs.domain.policies.deadlines import START, exceeded
from mljobs.domain.policies.placements import described, position_of, tried
from mljobs.domain.policies.retry import has_no_more_placements, is_exhausted, recorded_failure
from mljobs.domain.port import Failure, Job
from mljobs.domain.reasons import Reason
from mljobs.domain.show.conditions import Shown


def failure(resource: Resource, job: Job) -> JsonObject:
    """The cause of a job that has failed or has not started in time, and the program's exit code."""
    overdue = exceeded(resource)
    if job.state == State.CANCELLED and overdue and overdue.field == START:
        return {"cause": Cause.START_DEADLINE.value}
    if job.state != State.FAILED:
        return {}
    found = job.failure or Failure(Cause.UNKNOWN)
    code = {} if found.exit_code is None else {"exitCode": found.exit_code}
    return {"cause": found.cause.value, **code}


def retrying(resource: Resource, decision: Backoff, status: JsonObject) -> str:
    """What has failed, and what follows, for people."""
    following = decision.following
    attempt = decision.target.attempt
    left = (
        f"{following.used} of {following.limit} retries are used then"
        if following.counted
        else "this one does not count for backoffLimit"
    )
    code = f", exit code {status['exitCode']}" if "exitCode" in status else ""
    message = str(status.get("errorMessage") or "")
    here, to = position_of(resource, attempt), following.moves_to
    where = f" in {described(here, resource.spec)}" if here else ""
    there = f" in {described(to, resource.spec)}" if to else ""
    return (
        f"Attempt {attempt} has failed ({status.get('cause')}{code}){where}. "
        f"Attempt {attempt + 1} follows at {timestamp(following.due)}{there}; {left}. {message}"
    ).strip()


def ended_badly(resource: Resource, state: str, status: JsonObject, message: str) -> Shown:
    """Whether a job that has not succeeded was cancelled, ran out of time or tries, or failed by itself.

    Args:
        resource: with the status that it has now.
        state: of the job.
        status: the new one, as far as it is about the job.
        message: the service's.
    """
    overdue = exceeded(resource)
    seen = recorded_failure(replace(resource, status=status))
    late = overdue is not None and overdue.field == START
    if (state == State.FAILED or late) and has_no_more_placements(resource, seen):
        said = overdue.message if overdue else message
        return Shown("False", Reason.PLACEMENTS_EXHAUSTED, f"{tried(resource.spec)}. {said}".strip())
    waited = overdue is not None and resource.record.get("failure") is not None
    if overdue and (state == State.CANCELLED or waited):
        return Shown("False", overdue.reason, overdue.message if state == State.CANCELLED else overdue.waited)
    if state == State.CANCELLED:
        return Shown("False", Reason.JOB_CANCELLED, message)
    if is_exhausted(resource, seen):
        return Shown("False", Reason.BACKOFF_LIMIT_EXCEEDED, message)
    no_capacity = seen.cause in (Cause.NO_CAPACITY, Cause.QUOTA_EXCEEDED)
    return Shown("False", Reason.NO_CAPACITY if no_capacity else Reason.JOB_FAILED, message)
