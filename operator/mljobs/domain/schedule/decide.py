"""Decides one next step of a JobSchedule: a pure function of its runs and the time.

Each time of the schedule is settled once and in order: its run is started, or it is not started any more. How
far that has come stands in the status, and the name of a run follows from its time, so that whatever a crash
leaves undone is done by the next decision, and nothing is done twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mljobs.api.jobschedule import ConcurrencyPolicy
from mljobs.domain.reasons import Reason
from mljobs.domain.schedule.schedule import Plan, Run, Schedule
from mljobs.domain.spec.problems import Problem

MISSED_COUNTED = 100
"""Missed times that are counted; of more it is said that there are more."""

KEPT = timedelta(seconds=90)
"""A run is kept for so long whatever the limits: a create call that got no answer may still take effect (the
API server ends a call after 60 s), and has to find the name taken."""

FIRST_RETRY, LONGEST_RETRY = 1.0, 60.0
"""Seconds before a run that was not made is tried again."""


@dataclass(frozen=True)
class Refusal:
    """The API server does not make a run.

    Attributes:
        slot: the time that the run is due at.
        reason: why not.
        message: what the API server says.
        times: how often that was so.
        again: when it is tried again.
    """

    slot: datetime
    reason: Reason
    message: str
    times: int
    again: datetime

    @classmethod
    def of(
        cls, slot: datetime, reason: Reason, message: str, now: datetime, before: "Refusal | None"
    ) -> "Refusal":
        """What is known after one more refusal."""
        times = before.times + 1 if before and before.slot == slot else 1
        delay = min(FIRST_RETRY * 2 ** min(times - 1, 10), LONGEST_RETRY)
        return cls(slot, reason, message, times, now + timedelta(seconds=delay))


@dataclass(frozen=True)
class Start:
    """Make the run of a time."""

    slot: datetime


@dataclass(frozen=True)
class Remove:
    """Delete a run.

    Attributes:
        run: which.
        replaced_at: the time whose run takes its place; None if it has ended, and there are enough of its
            kind.
    """

    run: Run
    replaced_at: datetime | None = None


@dataclass(frozen=True)
class Settle:
    """Record that all times up to one are settled.

    Attributes:
        until: that time.
        started: whether its run was started.
        missed: how many others were passed over since the last one that was settled, or one more than are
            counted.
    """

    until: datetime
    started: bool = False
    missed: int = 0


@dataclass(frozen=True)
class Rest:
    """Nothing to do for now.

    Attributes:
        again: when to decide again; None: when something changes.
        reason: why the run that is due is not started; None if none is due.
        message: the same for people.
    """

    again: datetime | None = None
    reason: Reason | None = None
    message: str = ""


@dataclass(frozen=True)
class Refuse:
    """The spec breaks rules: nothing is started until it is changed."""

    problems: Sequence[Problem]


@dataclass(frozen=True)
class Leave:
    """Being deleted: its runs go with it."""


Decision = Start | Remove | Settle | Rest | Refuse | Leave


def decide(
    schedule: Schedule, runs: Sequence[Run], now: datetime, refusal: Refusal | None = None
) -> Decision:
    """Decide the next step.

    Args:
        schedule: the JobSchedule.
        runs: all jobs whose controlling owner it is.
        now: the time, with a zone.
        refusal: of the API server, to make the run that is due.
    """
    if schedule.resource.deleting:
        return Leave()
    plan = schedule.plan
    if plan is None:
        return Refuse(schedule.problems)
    since = schedule.counts_from(now)
    if not schedule.is_recorded:
        return Settle(since)
    slot = None if plan.spec.suspend else plan.cron.last(since, now)
    if slot is None:
        again = None if plan.spec.suspend else plan.cron.after(max(since, now))
        return _trimmed(plan, runs, now, Rest(again))
    if any(run.name == schedule.name_of(slot) and run.kind == plan.spec.template.kind for run in runs):
        return Settle(slot, started=True, missed=plan.cron.count(since, slot, MISSED_COUNTED + 1))
    deadline = _deadline(plan, slot)
    if deadline is not None and now > deadline:
        return Settle(slot, missed=plan.cron.count(since, slot, MISSED_COUNTED + 1))
    held = _held_back(plan, runs, slot, refusal, now)
    if isinstance(held, Rest):
        return _trimmed(plan, runs, now, _until(held, deadline, plan.cron.after(now)))
    return held


def is_unsettled(schedule: Schedule, run: Run, now: datetime) -> bool:
    """Whether a run has to stay, since the schedule would make it again under the same name.

    Its time is not recorded as settled yet, or a call that makes it may still be in progress.
    """
    if schedule.resource.deleting or schedule.plan is None:
        return False
    slot = schedule.slot_of(run.name)
    if slot is None:
        return False
    return now < run.created + KEPT or slot > schedule.counts_from(now)


def _held_back(
    plan: Plan, runs: Sequence[Run], slot: datetime, refusal: Refusal | None, now: datetime
) -> Decision:
    """Start the run that is due, or say what it waits for."""
    active = [run for run in runs if run.active]
    policy = plan.spec.concurrency_policy
    if active and policy is ConcurrencyPolicy.FORBID:
        return Rest(reason=Reason.RUN_ACTIVE, message=_waits(slot, active, "has not ended"))
    if active and policy is ConcurrencyPolicy.REPLACE:
        unasked = [run for run in active if not run.deleting]
        if unasked:
            return Remove(unasked[0], replaced_at=slot)
        return Rest(reason=Reason.REPLACING, message=_waits(slot, active, "is being cancelled"))
    if refusal and refusal.slot == slot and now < refusal.again:
        return Rest(refusal.again, refusal.reason, refusal.message)
    return Start(slot)


def _waits(slot: datetime, active: Sequence[Run], why: str) -> str:
    more = f", and {len(active) - 1} more" if len(active) > 1 else ""
    return f"The run of {slot:%Y-%m-%dT%H:%M}Z waits: {active[0].title} {why}{more}."


def _deadline(plan: Plan, slot: datetime) -> datetime | None:
    seconds = plan.spec.starting_deadline_seconds
    return None if seconds is None else slot + timedelta(seconds=seconds)


def _until(rest: Rest, deadline: datetime | None, following: datetime) -> Rest:
    """The same, until the deadline has passed, or the next time takes its place."""
    moments = [moment for moment in (rest.again, following) if moment]
    if deadline:
        moments.append(deadline + timedelta(seconds=1))
    return Rest(min(moments), rest.reason, rest.message)


def _trimmed(plan: Plan, runs: Sequence[Run], now: datetime, rest: Rest) -> Decision:
    """Delete the oldest run that has ended and is beyond its limit, before resting."""
    excess = min(_excess(plan, runs), key=_age, default=None)
    if excess is None:
        return rest
    due = excess.created + KEPT
    if due <= now:
        return Remove(excess)
    return replace(rest, again=min(rest.again, due) if rest.again else due)


def _excess(plan: Plan, runs: Sequence[Run]) -> Iterator[Run]:
    limits = (
        (True, plan.spec.successful_jobs_history_limit),
        (False, plan.spec.failed_jobs_history_limit),
    )
    for succeeded, limit in limits:
        ended = sorted((run for run in runs if run.succeeded is succeeded and not run.deleting), key=_age)
        yield from ended[: max(len(ended) - limit, 0)]


def _age(run: Run) -> tuple[datetime, str]:
    return run.created, run.name
