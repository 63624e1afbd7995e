"""Which attempt another one follows, when and where: `backoffLimit`, `failurePolicy` and `placements`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mljobs.api.outputs import Cause, State
from mljobs.api.policies import FailureAction
from mljobs.domain.job.placement import placements_of
from mljobs.domain.job.resource import Resource
from mljobs.domain.job.timestamps import moment
from mljobs.domain.policies.deadlines import START, exceeded
from mljobs.domain.policies.placements import Position, moves_on, position_after, steps_before
from mljobs.domain.port import Failure, Job
from mljobs.domain.spec.patterns import is_found

FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=10), timedelta(minutes=6)
"""Between the end of an attempt and the next one, as in a `batch/v1` Job."""

MESSAGE_READ = 4095
"""Characters of a message in which patterns are looked for: those that a status keeps."""


@dataclass(frozen=True)
class Retry:
    """An attempt has failed, and another one follows.

    Attributes:
        failed_at: when the operator has learnt of it.
        due: when the next one may be submitted.
        counted: whether the failed one counts for backoffLimit.
        used: the failed attempts that count, this one included.
        limit: backoffLimit.
        moves_to: where the next one is, if that is the next placement.
    """

    failed_at: datetime
    due: datetime
    counted: bool
    used: int
    limit: int
    moves_to: Position | None = None

    @property
    def action(self) -> FailureAction:
        """What failurePolicy says, or placementPolicy."""
        if self.moves_to:
            return FailureAction.NEXT_PLACEMENT
        return FailureAction.RETRY if self.counted else FailureAction.RETRY_IGNORING_LIMIT


@dataclass(frozen=True)
class Failures:
    """The failed attempts before the newest one.

    Attributes:
        total: all of them.
        counted: those that count for backoffLimit.
    """

    total: int = 0
    counted: int = 0


def failures_before(resource: Resource) -> Failures:
    """The failed attempts before the newest one, as recorded with it or with the one before."""
    record, recorded, target = resource.record, resource.recorded, resource.target
    known = Failures(_count(record.get("failures")), _count(record.get("countedFailures")))
    if resource.submitted or recorded is None or target is None or recorded.attempt >= target.attempt:
        return known if resource.submitted else Failures()
    failure = record.get("failure")
    if not isinstance(failure, Mapping):
        return known
    return Failures(known.total + 1, known.counted + (failure.get("action") == FailureAction.RETRY))


def retry(resource: Resource, job: Job | None, ended_at: datetime | None) -> Retry | None:
    """What follows the newest attempt, which has ended; None if nothing does.

    What has finished stays so, whatever the spec comes to say: only an attempt that was never shown as the
    last one is followed by another.

    Args:
        resource: with its status.
        job: of the attempt, as just read; None if the status says how it has ended.
        ended_at: when that was; None if the status says so.
    """
    state = job.state if job and not resource.ended else resource.state
    failure = _failure_of(resource, state, job)
    failed_at = _failed_at(resource) if resource.ended else ended_at
    if failure is None or failed_at is None:
        return None
    action, before = action_for(resource, failure), failures_before(resource)
    limit = _count(resource.spec.get("backoffLimit"))
    if action is FailureAction.NEXT_PLACEMENT:
        to = _next_position(resource)
        due = failed_at + (wait_before(to, resource.spec) if to else timedelta())
        return Retry(failed_at, due, False, before.counted, limit, to) if to else None
    counted = action is FailureAction.RETRY
    if action is FailureAction.FAIL or (counted and before.counted >= limit):
        return None
    due = failed_at + _delay(before.total)
    return Retry(failed_at, due, counted, before.counted + counted, limit)


def wait_before(position: Position, spec: Mapping[str, Any]) -> timedelta:
    """How long a placement waits: not at all, but for the first one of a further round."""
    if position.number > 1 or position.round == 1:
        return timedelta()
    return _delay(steps_before(position, spec) - 1)


def has_no_more_placements(resource: Resource, failure: Failure) -> bool:
    """Whether only the end of the placements keeps another attempt from following one that has failed so."""
    moves = action_for(resource, failure) is FailureAction.NEXT_PLACEMENT
    return moves and bool(placements_of(resource.spec)) and _next_position(resource) is None


def _next_position(resource: Resource) -> Position | None:
    return position_after(resource, resource.target.attempt) if resource.target else None


def _delay(earlier: int) -> timedelta:
    """How long the next one waits after that many earlier ones."""
    doubled: int = 2 ** min(earlier, 10)
    return min(FIRST_DELAY * doubled, LONGEST_DELAY)


def is_exhausted(resource: Resource, failure: Failure) -> bool:
    """Whether only backoffLimit keeps another attempt from following one that has failed so."""
    limit = _count(resource.spec.get("backoffLimit"))
    retries = action_for(resource, failure) is FailureAction.RETRY
    return retries and 0 < limit <= failures_before(resource).counted


def action_for(resource: Resource, failure: Failure) -> FailureAction:
    """What the first rule says that is about a failure.

    Where none is, an event of the placements leads to the next one, and it is Retry otherwise.
    """
    policy = resource.spec.get("failurePolicy")
    rules = policy.get("rules") if isinstance(policy, Mapping) else None
    for rule in rules if isinstance(rules, list | tuple) else ():
        if isinstance(rule, Mapping) and _is_about(rule, failure):
            action = rule.get("action")
            return FailureAction(action) if action in set(FailureAction) else FailureAction.FAIL
    return FailureAction.NEXT_PLACEMENT if moves_on(resource.spec, failure.cause) else FailureAction.RETRY


def _is_about(rule: Mapping[str, Any], failure: Failure) -> bool:
    causes, codes = rule.get("onCauses"), rule.get("onExitCodes")
    patterns, text = rule.get("onMessagePatterns"), failure.message[:MESSAGE_READ]
    return (
        (causes is None or failure.cause in causes)
        and (codes is None or failure.exit_code in codes)
        and (patterns is None or any(is_found(pattern, text) for pattern in patterns))
    )


def _failure_of(resource: Resource, state: str, job: Job | None) -> Failure | None:
    """Why the newest attempt has failed; None if it has not, or if its end is the resource's."""
    overdue = exceeded(resource)
    if overdue:
        late = overdue.field == START and state == State.CANCELLED
        return Failure(Cause.START_DEADLINE) if late else None
    if state != State.FAILED:
        return None
    if job and not resource.ended:
        return job.failure or Failure(Cause.UNKNOWN)
    return recorded_failure(resource)


def recorded_failure(resource: Resource) -> Failure:
    """Why the newest attempt has failed, as its status says."""
    cause, code = resource.status.get("cause"), resource.status.get("exitCode")
    known = Cause(cause) if cause in set(Cause) else Cause.UNKNOWN
    message = str(resource.status.get("errorMessage") or "")
    return Failure(known, code if isinstance(code, int) else None, message)


def _failed_at(resource: Resource) -> datetime | None:
    failure = resource.record.get("failure")
    if not isinstance(failure, Mapping) or resource.record.get("finishedAt"):
        return None
    return moment(failure.get("at"))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
