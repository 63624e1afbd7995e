"""What this process has seen of a resource's cloud job, and how each answer changes that.

Nothing here is stored: after a restart it is learnt anew from the service, by the names in the resource.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from mljobs.domain import errors
from mljobs.domain.job.resource import Target
from mljobs.domain.port import Job


class Method(StrEnum):
    """The calls whose failures a resource shows."""

    CREATE = "create"
    GET = "get"
    PATCH = "patch"
    CANCEL = "cancel"
    IAM = "setIamPolicy"


@dataclass(frozen=True)
class Told:
    """The failure that a resource tells of, which need not be the last one; see `STEADY`.

    Attributes:
        method: the call that failed.
        error: what the port raised.
        generation: of the resource at that time.
        since: when this was told first.
        met: when something as grave was last met.
    """

    method: Method
    error: errors.JobServiceError
    generation: int
    since: datetime
    met: datetime


@dataclass(frozen=True)
class Trouble:
    """A call that failed.

    Attributes:
        method: the call.
        error: what the port raised.
        generation: of the resource at that time; a change of the spec may lift the trouble.
        retry_at: when the call may be tried again.
        count: how often in a row it has failed, from 1.
        told: what is told of it; None: the error itself.
        retry: what the user had last asked to have tried anew by; another value lifts a refusal.
    """

    method: Method
    error: errors.JobServiceError
    generation: int
    retry_at: datetime
    count: int = 1
    told: Told | None = None
    retry: str = ""

    @property
    def shown(self) -> "Told | Trouble":
        """The call and the error that people read about while this one is waited for."""
        return self.told or self


@dataclass(frozen=True)
class Relabelling:
    """How often we have put a job's labels right.

    Attributes:
        generation: of the resource.
        count: how often for this generation.
        at: when that was last.
        keys: of the labels that have been put right again.
    """

    generation: int
    count: int
    at: datetime
    keys: frozenset[str] = frozenset()

    @property
    def pause(self) -> timedelta:
        """How long the next time has to wait: what somebody else changes again and again is contested."""
        if self.count < 2:
            return timedelta()
        return min(CONTEST_FIRST * (1 << min(self.count - 2, 10)), CONTEST_LONGEST)


CONTEST_FIRST, CONTEST_LONGEST = timedelta(seconds=30), timedelta(minutes=15)
"""Between the second time that a job's labels are put right and the third, and from one to the next in the
end."""

CONTEST_OVER = timedelta(hours=1)
"""After so long a time in which nobody has changed the labels, the next change is the first again."""


@dataclass(frozen=True)
class Observation:
    """What is known, in this process, of one attempt's job.

    Attributes:
        since: when this process began.
        target: the job that the rest is about.
        alone: whether no other process can have called create for it.
        job: as last seen.
        seen_at: when that was; None where nothing was seen since a call that may change whose it is.
        created: whether our own create call was answered with the job.
        cancelled: whether the service has accepted a cancel of ours.
        bound: the IAM bindings that were put into the job's policy; None where that is not certain.
        absences: how often in a row the service said that there is no such job.
        absent_since: when it first said so.
        absent_at: when it last said so.
        sought: whether it was asked for a resource that was being deleted already.
        doubtful_at: when a call that makes or marks the job last ended without a usable answer.
        relabelling: how often its labels have been put right; None: never.
        extra: more jobs of the same attempt, which a service that names jobs itself was made to make.
        searched_at: when all jobs of the attempt were last looked for.
        troubles: the last failed call of each kind, until a call of that kind succeeds.
        told: the failure that is told of; kept while the calls that fail change from one to another.
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
    sought: bool = False
    doubtful_at: datetime | None = None
    relabelling: Relabelling | None = None
    extra: tuple[Job, ...] = ()
    searched_at: datetime | None = None
    troubles: Mapping[Method, Trouble] = field(default_factory=dict)
    told: Told | None = None

    def about(self, target: Target | None) -> "Observation":
        """This observation if it is about that job, else one that knows nothing."""
        return self if target == self.target else Observation(since=self.since, target=target)

    def planned(self, target: Target, *, anew: bool) -> "Observation":
        """The intent to submit this job is written down; `anew`: the first that could ever bring it about."""
        known = self.about(target)
        return replace(known, alone=True) if anew else known

    def saw(self, job: Job, now: datetime, *, by: Method = Method.GET) -> "Observation":
        """A call of that kind was answered with the job."""
        return replace(
            self,
            job=job,
            seen_at=now,
            created=self.created or by is Method.CREATE,
            absences=0,
            absent_since=None,
            absent_at=None,
            sought=False,
            troubles=self._without(Method.CREATE, Method.GET, by),
            told=self._told_but_of(Method.CREATE, by),
        )

    def relabelled(self, job: Job, now: datetime, *, generation: int, keys: Collection[str]) -> "Observation":
        """The service has given the job the labels that we wanted.

        Args:
            job: with them.
            now: the time.
            generation: of the resource whose labels they are.
            keys: of the labels that were not right.
        """
        before = self.relabelling
        if before and (before.generation != generation or now - before.at > CONTEST_OVER):
            before = None
        made = (
            Relabelling(generation, before.count + 1, now, before.keys | frozenset(keys))
            if before
            else Relabelling(generation, 1, now)
        )
        return replace(self.saw(job, now, by=Method.PATCH), relabelling=made)

    def found(self, jobs: Sequence[Job], now: datetime, *, deleting: bool = False) -> "Observation":
        """The service has been searched for the job.

        Args:
            jobs: those that carry its marks, oldest first; all but the first are too many.
            now: the time.
            deleting: whether the resource was being deleted when the question was asked.
        """
        if not jobs:
            return self.missed(now, deleting=deleting)
        return self.saw(jobs[0], now).searched(jobs, now)

    def searched(self, jobs: Sequence[Job], now: datetime) -> "Observation":
        """All jobs that carry the marks of the attempt have been looked for; the known one stays the job."""
        known = self.job.reference if self.job else None
        extra = tuple(job for job in jobs if job.reference != known and not job.ending)
        return replace(self, extra=extra, searched_at=now, troubles=self._without(Method.GET))

    def ended_extra(self, extra: Job) -> "Observation":
        """A job that was too many is being ended, or has ended."""
        left = tuple(job for job in self.extra if job.reference != extra.reference)
        return replace(self, extra=left, troubles=self._without(Method.CANCEL))

    def missed(self, now: datetime, *, deleting: bool = False) -> "Observation":
        """The service has said that there is no such job.

        Args:
            now: the time.
            deleting: whether the resource was being deleted when the question was asked.
        """
        return replace(
            self,
            job=None,
            seen_at=None,
            absences=self.absences + 1,
            absent_since=self.absent_since or now,
            absent_at=now,
            sought=self.sought or deleting,
            troubles=self._without(Method.GET),
        )

    def accepted_cancel(self) -> "Observation":
        """The service has taken our cancel call."""
        return replace(
            self,
            cancelled=True,
            troubles=self._without(Method.CANCEL),
            told=self._told_but_of(Method.CANCEL),
        )

    def announced(self) -> "Observation":
        """It is written down that the job's IAM policy is about to get other bindings of ours."""
        return replace(self, bound=None)

    def bound_to(self, bindings: Sequence[Mapping[str, Any]]) -> "Observation":
        """The job's IAM policy has these bindings of ours."""
        return replace(
            self,
            bound=bindings,
            troubles=self._without(Method.IAM),
            told=self._told_but_of(Method.IAM),
        )

    def failed(
        self,
        method: Method,
        error: errors.JobServiceError,
        *,
        generation: int,
        now: datetime,
        jitter: float,
        retry: str = "",
    ) -> "Observation":
        """A call has failed.

        Args:
            method: which.
            error: what the port raised.
            generation: of the resource whose call it was.
            now: the time.
            jitter: 0 to 1, spreads the retries of many resources.
            retry: what the user had last asked to have tried anew by.
        """
        before = self.troubles.get(method)
        count = before.count + 1 if before else 1
        told = _told(self.told, Told(method, error, generation, now, now))
        at = now + retry_delay(error, count, jitter)
        trouble = Trouble(method, error, generation, at, count, told, retry)
        unknown = isinstance(error, errors.Unavailable)
        doubtful = unknown and method in (Method.CREATE, Method.PATCH)
        there = isinstance(error, errors.AlreadyExists)
        return replace(
            self,
            absences=0 if there else self.absences,
            absent_since=None if there else self.absent_since,
            absent_at=None if there else self.absent_at,
            bound=None if unknown and method is Method.IAM else self.bound,
            troubles={**self.troubles, method: trouble},
            told=told,
            doubtful_at=now if doubtful else self.doubtful_at,
        )

    def waiting(self, now: datetime, *methods: Method) -> Trouble | None:
        """A trouble with one of these calls that is too fresh to try again."""
        for method in methods:
            trouble = self.troubles.get(method)
            if trouble and now < trouble.retry_at:
                return trouble
        return None

    def _without(self, *methods: Method) -> Mapping[Method, Trouble]:
        return {method: trouble for method, trouble in self.troubles.items() if method not in methods}

    def _told_but_of(self, *methods: Method) -> Told | None:
        """What is told, once these calls have succeeded; a read says nothing of the calls between reads."""
        over = self.told and self.told.method in methods and self.told.method is not Method.GET
        return None if over else self.told


STEADY = timedelta(minutes=1)
"""For so long the graver of two causes that take turns is told, and the first of several wordings of one."""

_GRAVITY: Mapping[type[errors.JobServiceError], int] = {
    errors.Denied: 3,
    errors.ProjectNotFound: 3,
    errors.Unavailable: 2,
    errors.AlreadyExists: 2,
    errors.Throttled: 0,
}
"""How much a cause should worry people: somebody has to act, it is not known what has happened, or (1, where
nothing is said) it passes."""


def _told(before: Told | None, new: Told) -> Told:
    """What is told after a failure."""
    if before is None or (
        before.generation != new.generation and 0 not in (before.generation, new.generation)
    ):
        return new
    was, now = (_GRAVITY.get(type(one.error), 1) for one in (before, new))
    if now < was:
        return before if new.met - before.met < STEADY else new
    same = now == was and new.met - before.since < STEADY
    return replace(before, met=new.met) if same else new


FIRST_DELAY: Mapping[type[errors.JobServiceError], float] = {
    errors.Unavailable: 1,
    errors.Throttled: 5,
    errors.NoCapacity: 120,
    errors.Denied: 30,
    errors.ProjectNotFound: 5,
}
"""Seconds before the first retry, by what was wrong."""

LONGEST_DELAY: Mapping[type[errors.JobServiceError], float] = {
    errors.Unavailable: 20,
    errors.Throttled: 120,
    errors.NoCapacity: 600,
    errors.Denied: 300,
    errors.ProjectNotFound: 300,
}
"""Seconds between retries at the most, unless the service asked for more."""

OTHERWISE = (1.0, 60.0)
"""Both, for what is not named above."""


def retry_delay(error: errors.JobServiceError, count: int, jitter: float) -> timedelta:
    """How long to wait after the count-th failure in a row: exponential, with jitter, bounded.

    Args:
        error: what the port raised; a `Throttled` may carry the service's own wish, which is kept.
        count: from 1.
        jitter: 0 to 1, the share of the second half of the delay that is added.
    """
    first = FIRST_DELAY.get(type(error), OTHERWISE[0])
    longest = LONGEST_DELAY.get(type(error), OTHERWISE[1])
    delay = min(first * 2 ** min(count - 1, 10), longest)
    wished = error.retry_after if isinstance(error, errors.Throttled) else None
    return timedelta(seconds=max(delay * (0.5 + jitter / 2), wished or 0))
