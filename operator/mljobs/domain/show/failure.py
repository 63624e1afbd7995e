"""Why a job has failed, as a status shows it."""

from mljobs.api.base import JsonObject
from mljobs.api.outputs import Cause, State
from mljobs.domain.job.resource import Resource
from mljobs.domain.policies.deadlines import START, exceeded
from mljobs.domain.port import Failure, Job


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
