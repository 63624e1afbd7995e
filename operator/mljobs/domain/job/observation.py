"""What this process has observed of a resource's cloud job, and how each answer changes that.

Nothing here is stored: after a restart it is read again from the service, by the names in the resource.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from mljobs.domain import errors
from mljobs.domain.job.resource import Target
from mljobs.domain.port import Job


class Call(StrEnum):
    """The calls of the port whose failures a resource reports."""

    CREATE = "create"
    GET = "get"
    PATCH = "patch"
    CANCEL = "cancel"
    IAM = "setIamPolicy"


@dataclass(frozen=True, slots=True)
class ReportedFailure:
    """The failure that a resource reports, which need not be the last one; see `STEADY`.

    Attributes:
        call: the call that failed.
        error: what the port raised.
        generation: of the resource at that time.
        since: when it was first reported.
        last_met: when a failure of the same severity was last met.
    """

    call: Call
    error: errors.JobServiceError
    generation: int
    since: datetime
    last_met: datetime


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A call that failed.

    Attributes:
        call: the call.
        error: what the port raised.
        generation: of the resource at that time; a change of the spec may clear the failure.
        retry_at: when the call may be tried again.
        count: consecutive failures, from 1.
        reported: the failure to report instead; None: this one.
        retry: the user's last retry request; another value clears a refusal.
    """

    call: Call
    error: errors.JobServiceError
    generation: int
    retry_at: datetime
    count: int = 1
    reported: ReportedFailure | None = None
    retry: str = ""

    @property
    def shown(self) -> "ReportedFailure | FailedCall":
        """The call and the error that conditions show while this one waits for its retry."""
        return self.reported or self


@dataclass(frozen=True, slots=True)
class Relabelling:
    """How often we have restored a job's labels.

    Attributes:
        generation: of the resource.
        count: how often for this generation.
        at: when that was last.
        keys: of the labels that have been restored repeatedly.
    """

    generation: int
    count: int
    at: datetime
    keys: frozenset[str] = frozenset()

    @property
    def pause(self) -> timedelta:
        """How long the next restore has to wait: labels that another writer keeps changing are contested."""
        if self.count < 2:
            return timedelta()
        return min(CONTEST_FIRST * (1 << min(self.count - 2, 10)), CONTEST_LONGEST)


CONTEST_FIRST, CONTEST_LONGEST = timedelta(seconds=30), timedelta(minutes=15)
"""The first and the longest delay between restores, from the second one on."""

CONTEST_OVER = timedelta(hours=1)
"""After this time without a change by others, the next one counts as the first."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known, in this process, of one attempt's job.

    Attributes:
        since: when this process started.
        target: the job that this is about.
        alone: whether no other process can have called create for it.
        job: as last read.
        seen_at: when that read began; None if it was not read since a call that may change its owner.
        created: whether our own create call was answered with the job.
        cancelled: whether the service has accepted a cancel of ours.
        bound: the IAM bindings that were set in the job's policy; None if that is not certain.
        absences: consecutive answers that there is no such job.
        absent_since: when the first one came.
        absent_at: when the read that brought the last one began.
        checked_while_deleting: whether one of these answers came after the deletion had been requested.
        outcome_unknown_at: when a call that creates or relabels the job last ended without a usable answer.
        relabelling: how often its labels have been restored; None: never.
        extra: more jobs of the same attempt, at a service that names jobs itself.
        searched_at: when the last list of all jobs of the attempt began.
        failed_calls: the last failure of each call, until that call succeeds.
        reported: the failure that conditions show; kept while different calls fail in turn.
    """

    since: datetime
    target: Target | None = None
    alone: bool = False
    job: Job | None = None
    seen_at: datetime | None = None
    created: bool = False
    cancelled: bool = False
    bound: Sequence[Mapping[str, Any]] | None = None
    absences: int = 0
    absent_since: datetime | None = None
    absent_at: datetime | None = None
    checked_while_deleting: bool = False
    outcome_unknown_at: datetime | None = None
    relabelling: Relabelling | None = None
    extra: tuple[Job, ...] = ()
    searched_at: datetime | None = None
    failed_calls: Mapping[Call, FailedCall] = field(default_factory=dict)
    reported: ReportedFailure | None = None

    def about(self, target: Target | None) -> "Observation":
        """This observation if it is about that job, else an empty one.

        That a call got no answer is kept: whoever edits the annotation changes which job this is about, and
        not what the call may do.
        """
        if target == self.target:
            return self
        unknown_at = self.outcome_unknown_at
        return Observation(since=self.since, target=target, outcome_unknown_at=unknown_at)

    def recorded(self) -> "Observation":
        """The end of the job is in the status, and nothing is open: its document is not needed any longer.

        It would not be read again after a restart either.
        """
        open_ = self.extra or self.failed_calls or self.absences or self.outcome_unknown_at
        return self if open_ or self.job is None else replace(self, job=None)

    def planned(self, target: Target, *, first: bool) -> "Observation":
        """The intent to submit this job is recorded; `first`: no earlier one can have created it."""
        known = self.about(target)
        return replace(known, alone=True) if first else known

    def saw(self, job: Job, now: datetime, *, by: Call = Call.GET) -> "Observation":
        """That call returned the job."""
        return replace(
            self,
            job=job,
            seen_at=now,
            created=self.created or by is Call.CREATE,
            absences=0,
            absent_since=None,
            absent_at=None,
            checked_while_deleting=False,
            failed_calls=self._without(Call.CREATE, Call.GET, by),
            reported=self._reported_unless_of(Call.CREATE, by),
        )

    def relabelled(self, job: Job, now: datetime, *, generation: int, keys: Collection[str]) -> "Observation":
        """The service has set the labels that we wanted.

        Args:
            job: with these labels.
            now: the time.
            generation: of the resource whose labels they are.
            keys: of the labels that were changed.
        """
        before = self.relabelling
        if before and (before.generation != generation or now - before.at > CONTEST_OVER):
            before = None
        made = (
            Relabelling(generation, before.count + 1, now, before.keys | frozenset(keys))
            if before
            else Relabelling(generation, 1, now)
        )
        return replace(self.saw(job, now, by=Call.PATCH), relabelling=made)

    def found(self, jobs: Sequence[Job], now: datetime, *, deleting: bool = False) -> "Observation":
        """The service has been searched for the attempt's jobs.

        Args:
            jobs: those with its labels, oldest first; all but the first are extra.
            now: the time.
            deleting: whether the resource was being deleted when the request was made.
        """
        if not jobs:
            return self.missed(now, deleting=deleting)
        return self.saw(jobs[0], now).searched(jobs, now)

    def searched(self, jobs: Sequence[Job], now: datetime) -> "Observation":
        """All jobs of the attempt have been listed; the known one stays its job."""
        known = self.job.reference if self.job else None
        extra = tuple(job for job in jobs if job.reference != known and not job.ending)
        return replace(self, extra=extra, searched_at=now, failed_calls=self._without(Call.GET))

    def ended_extra(self, extra: Job) -> "Observation":
        """An extra job is being cancelled, or has ended."""
        left = tuple(job for job in self.extra if job.reference != extra.reference)
        return replace(self, extra=left, failed_calls=self._without(Call.CANCEL))

    def missed(self, now: datetime, *, deleting: bool = False) -> "Observation":
        """The service has answered that there is no such job.

        Args:
            now: the time.
            deleting: whether the resource was being deleted when the request was made.
        """
        return replace(
            self,
            job=None,
            seen_at=None,
            absences=self.absences + 1,
            absent_since=self.absent_since or now,
            absent_at=now,
            checked_while_deleting=self.checked_while_deleting or deleting,
            failed_calls=self._without(Call.GET),
        )

    def accepted_cancel(self) -> "Observation":
        """The service has accepted our cancel call."""
        return replace(
            self,
            cancelled=True,
            failed_calls=self._without(Call.CANCEL),
            reported=self._reported_unless_of(Call.CANCEL),
        )

    def moved(self) -> "Observation":
        """It is recorded that the next create call is for another placement, which has refused nothing."""
        return replace(self, failed_calls=self._without(Call.CREATE))

    def announced(self) -> "Observation":
        """It is recorded that the bindings in the job's IAM policy are about to change."""
        return replace(self, bound=None)

    def bound_to(self, bindings: Sequence[Mapping[str, Any]]) -> "Observation":
        """The job's IAM policy has these bindings."""
        return replace(
            self,
            bound=bindings,
            failed_calls=self._without(Call.IAM),
            reported=self._reported_unless_of(Call.IAM),
        )

    def failed(
        self,
        call: Call,
        error: errors.JobServiceError,
        *,
        generation: int,
        now: datetime,
        jitter: float,
        retry: str = "",
    ) -> "Observation":
        """A call has failed.

        Args:
            call: the call.
            error: what the port raised.
            generation: of the resource whose call it was.
            now: the time.
            jitter: 0 to 1, spreads the retries of many resources.
            retry: the user's last retry request.
        """
        before = self.failed_calls.get(call)
        count = before.count + 1 if before else 1
        reported = _to_report(self.reported, ReportedFailure(call, error, generation, now, now))
        at = now + retry_delay(error, count, jitter)
        failed = FailedCall(call, error, generation, at, count, reported, retry)
        unknown = isinstance(error, errors.Unavailable)
        maybe_ours = unknown and call in (Call.CREATE, Call.PATCH)
        exists = isinstance(error, errors.AlreadyExists)
        return replace(
            self,
            absences=0 if exists else self.absences,
            absent_since=None if exists else self.absent_since,
            absent_at=None if exists else self.absent_at,
            bound=None if unknown and call is Call.IAM else self.bound,
            failed_calls={**self.failed_calls, call: failed},
            reported=reported,
            outcome_unknown_at=now if maybe_ours else self.outcome_unknown_at,
        )

    def waiting(self, now: datetime, *calls: Call) -> FailedCall | None:
        """The failure of one of these calls whose retry is not due yet."""
        for call in calls:
            failed = self.failed_calls.get(call)
            if failed and now < failed.retry_at:
                return failed
        return None

    def _without(self, *calls: Call) -> Mapping[Call, FailedCall]:
        return {call: failed for call, failed in self.failed_calls.items() if call not in calls}

    def _reported_unless_of(self, *calls: Call) -> ReportedFailure | None:
        """The failure to report once these calls have succeeded; a read says nothing about other calls."""
        over = self.reported and self.reported.call in calls and self.reported.call is not Call.GET
        return None if over else self.reported


STEADY = timedelta(minutes=1)
"""How long the more severe of alternating causes is reported, and the first of several wordings of one."""

_SEVERITY: Mapping[type[errors.JobServiceError], int] = {
    errors.Denied: 3,
    errors.ProjectNotFound: 3,
    errors.Unavailable: 2,
    errors.AlreadyExists: 2,
    errors.Throttled: 0,
}
"""The severity of a cause: somebody has to act, the outcome is not known, or (1, the default) it passes."""


def _to_report(before: ReportedFailure | None, new: ReportedFailure) -> ReportedFailure:
    """The failure to report after a new one."""
    if before is None or (
        before.generation != new.generation and 0 not in (before.generation, new.generation)
    ):
        return new
    was, now = (_SEVERITY.get(type(one.error), 1) for one in (before, new))
    if now < was:
        return before if new.last_met - before.last_met < STEADY else new
    same = now == was and new.last_met - before.since < STEADY
    return replace(before, last_met=new.last_met) if same else new


FIRST_DELAY: Mapping[type[errors.JobServiceError], float] = {
    errors.Unavailable: 1,
    errors.Throttled: 5,
    errors.NoCapacity: 120,
    errors.Denied: 30,
    errors.ProjectNotFound: 5,
}
"""Seconds before the first retry, by error."""

LONGEST_DELAY: Mapping[type[errors.JobServiceError], float] = {
    errors.Unavailable: 20,
    errors.Throttled: 120,
    errors.NoCapacity: 600,
    errors.Denied: 300,
    errors.ProjectNotFound: 300,
}
"""Seconds between retries at most, unless the service asked for more."""

OTHERWISE = (1.0, 60.0)
"""Both, for all other errors."""


def retry_delay(error: errors.JobServiceError, count: int, jitter: float) -> timedelta:
    """How long to wait after the count-th failure in a row: exponential, with jitter, bounded.

    Args:
        error: what the port raised; the delay that the service asked for in a `Throttled` is respected.
        count: from 1.
        jitter: 0 to 1, the share of the second half of the delay that is added.
    """
    first = FIRST_DELAY.get(type(error), OTHERWISE[0])
    longest = LONGEST_DELAY.get(type(error), OTHERWISE[1])
    delay = min(first * 2 ** min(count - 1, 10), longest)
    requested = error.retry_after if isinstance(error, errors.Throttled) else None
    return timedelta(seconds=max(delay * (0.5 + jitter / 2), requested or 0))
