"""Projects what is known of a JobSchedule to the status that it shows, and to the Events beside it."""

from collections.abc import Sequence
from datetime import datetime

from mljobs.api.base import JsonObject
from mljobs.api.jobschedule import ACTIVE_LIMIT
from mljobs.domain.job.timestamps import timestamp
from mljobs.domain.reasons import ConditionType, Reason
from mljobs.domain.schedule.decide import MISSED_COUNTED, Leave, Refuse, Rest, Settle
from mljobs.domain.schedule.schedule import Run, Schedule
from mljobs.domain.show.conditions import Shown, conditions
from mljobs.domain.show.events import Event
from mljobs.domain.spec.problems import summary

Announced = Settle | Rest | Refuse | Leave
"""Decisions that are shown in the status."""


def project(schedule: Schedule, runs: Sequence[Run], decision: Announced, now: datetime) -> JsonObject:
    """Make the status.

    Args:
        schedule: with the status that it has now.
        runs: all of its runs.
        decision: what was decided from these two.
        now: for conditions whose status changes.

    Returns:
        The whole status in canonical JSON.
    """
    before = schedule.resource.status
    kept = ("lastScheduleTime", "lastSuccessfulTime", "record")
    status = {key: before[key] for key in kept if key in before}
    if isinstance(decision, Settle):
        status |= _settled(schedule, decision)
    succeeded = max((run.ended for run in runs if run.succeeded and run.ended), default=None)
    if succeeded:
        status["lastSuccessfulTime"] = max(timestamp(succeeded), status.get("lastSuccessfulTime", ""))
    following = _next(schedule, now)
    if following:
        status["nextScheduleTime"] = timestamp(following)
    active = sorted((run for run in runs if run.active), key=lambda run: (run.created, run.name))
    if active:
        status["active"] = [
            {"kind": run.kind, "name": run.name, "uid": run.uid} for run in active[-ACTIVE_LIMIT:]
        ]
    status["observedGeneration"] = schedule.resource.generation
    status["conditions"] = conditions(schedule.resource, _conditions(schedule, decision), now)
    return status


def events(schedule: Schedule, decision: Announced) -> list[Event]:
    """The Events of a decision that no condition tells of."""
    if not isinstance(decision, Settle):
        return []
    found = []
    if decision.missed:
        number = f"{decision.missed}" if decision.missed <= MISSED_COUNTED else f"more than {MISSED_COUNTED}"
        since = schedule.counts_from(decision.until)
        found.append(
            Event(
                Reason.RUN_MISSED,
                f"{number} earlier run(s) since {timestamp(since)} were not started, and are not any more: "
                f"of those that were missed only the latest is, the one of {timestamp(decision.until)}.",
            )
        )
    if schedule.is_recorded and not decision.started:
        found.append(
            Event(
                Reason.RUN_MISSED,
                f"The run of {timestamp(decision.until)} was not started within startingDeadlineSeconds, and "
                f"is not started any more.",
            )
        )
    return found


def _settled(schedule: Schedule, decision: Settle) -> JsonObject:
    zone = schedule.resource.spec.get("timeZone")
    record = {
        "schedule": schedule.resource.spec["schedule"],
        **({"timeZone": zone} if zone is not None else {}),
        "since": timestamp(decision.until),
    }
    started = {"lastScheduleTime": timestamp(decision.until)} if decision.started else {}
    return {**started, "record": record}


def _next(schedule: Schedule, now: datetime) -> datetime | None:
    plan = schedule.plan
    if plan is None or plan.spec.suspend or schedule.resource.deleting:
        return None
    return plan.cron.after(max(now, schedule.counts_from(now)))


def _conditions(schedule: Schedule, decision: Announced) -> dict[ConditionType, Shown]:
    shown = {ConditionType.SUSPENDED: _suspended(schedule), ConditionType.DUE: _due(decision)}
    stalled = _stalled(decision)
    return {**shown, ConditionType.STALLED: stalled} if stalled else shown


def _suspended(schedule: Schedule) -> Shown:
    if schedule.resource.suspend:
        return Shown("True", Reason.SUSPENDED)
    return Shown("False", Reason.NOT_SUSPENDED)


def _due(decision: Announced) -> Shown:
    if isinstance(decision, Rest) and decision.reason:
        return Shown("True", decision.reason, decision.message)
    return Shown("False", Reason.NOT_DUE)


def _stalled(decision: Announced) -> Shown | None:
    match decision:
        case Refuse(problems):
            return Shown("True", Reason.INVALID_SPEC, summary(problems))
        case Rest(reason=(Reason.NOT_CREATED | Reason.NAME_TAKEN) as reason, message=message):
            return Shown("True", reason, message)
        case _:
            return None
