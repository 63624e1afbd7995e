"""Reconciles a JobSchedule: decide, make or delete a run, show, one step after the other.

A run is made under a name that follows from its time: whoever makes it again after a crash, or after a call
without an answer, is told that it is there.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from mljobs.api.base import JsonObject
from mljobs.api.jobschedule import JOB_SCHEDULE
from mljobs.api.resources import KINDS
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Conflict, ObjectNotFound, Refused
from mljobs.controller.loop.reconciler import FIRST_RETRY
from mljobs.controller.loop.resync import Resync
from mljobs.controller.loop.status import StatusWriter
from mljobs.controller.loop.store import Key, Store
from mljobs.controller.process.logs import about
from mljobs.controller.process.metrics import Metrics
from mljobs.domain.job.resource import Resource
from mljobs.domain.job.timestamps import timestamp
from mljobs.domain.reasons import Reason
from mljobs.domain.schedule.decide import (
    Decision,
    Refusal,
    Remove,
    Rest,
    Settle,
    Start,
    decide,
    is_unsettled,
)
from mljobs.domain.schedule.project import events, project
from mljobs.domain.schedule.schedule import Run, Schedule, run_of, schedule_of
from mljobs.domain.show.events import Event

logger = logging.getLogger(__name__)

STEPS = 8
"""Steps of one schedule before others get their turn."""

UNSETTLED = 10.0
"""Seconds after which it is asked again whether a run may go."""

LONGEST_SLEEP = 300.0
"""Seconds after which each schedule is looked at again: the machine's clock may have been set."""


class ScheduleHandler:
    """Reconciles JobSchedules with the runs that they own.

    Args:
        kube: the API server.
        store: objects, those of the runs too.
        resync: lists the runs before anything is concluded from their absence.
        writer: the status writer.
        metrics: counts runs.
        default_project: the project of jobs that name none.
        clock: the machine's time, with a zone.
        enabled: whether JobSchedules are reconciled at all, and may be listed.
    """

    def __init__(
        self,
        *,
        kube: Kube,
        store: Store,
        resync: Resync,
        writer: StatusWriter,
        metrics: Metrics,
        default_project: str | None,
        clock: Callable[[], datetime],
        enabled: bool = True,
    ) -> None:
        self._kube = kube
        self._store = store
        self._resync = resync
        self._writer = writer
        self._metrics = metrics
        self._default_project = default_project
        self._clock = clock
        self._enabled = enabled
        self._complete = self._listed = False
        self._completing = asyncio.Lock()
        self._checked: dict[Key, Schedule] = {}
        self._refusals: dict[Key, Refusal] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Do everything that can be done for a schedule now.

        Returns:
            Seconds after which to reconcile again, or None: on the next change of the schedule or its runs.

        Raises:
            KubeError: the API server did not accept a write, or did not list the runs.
        """
        await self._complete_runs()
        for _ in range(STEPS):
            body = self._store.body(key)
            if body is None:
                self._checked.pop(key, None)
                self._refusals.pop(key, None)
                return None
            schedule = self._schedule(key, body)
            runs = self._runs(schedule.resource.uid)
            decision = decide(schedule, runs, self._clock(), self._refusals.get(key))
            with about(schedule.resource):
                try:
                    await self._step(key, schedule, runs, decision)
                except (ObjectNotFound, Conflict):  # the watch has not delivered a change yet
                    return FIRST_RETRY
            if not isinstance(decision, Start | Remove | Settle):
                return self._pause(decision)
        return FIRST_RETRY

    async def unsettled(self, key: Key) -> float:
        """Seconds for which a run has to stay, so that no schedule makes it again; 0 for everything else.

        Raises:
            KubeError: the API server did not list the schedules.
        """
        body = self._store.body(key)
        owner = owner_of(body) if body else None
        if body is None or owner is None or not self._enabled:
            return 0.0
        async with self._completing:
            if not self._listed:
                await self._resync.complete([JOB_SCHEDULE.name])
                self._listed = True
        schedule = self._store.body(owner)
        if schedule is None:
            return 0.0
        now = self._clock()
        return UNSETTLED if is_unsettled(self._schedule(owner, schedule), Run.parse(body), now) else 0.0

    async def _complete_runs(self) -> None:
        """Find all runs once: a process that has just started has not been told of each yet."""
        async with self._completing:
            if not self._complete:
                await self._resync.complete(KINDS)
                self._complete = True

    def _schedule(self, key: Key, body: JsonObject) -> Schedule:
        """The schedule, which is checked once for each generation."""
        resource, known = Resource.parse(body), self._checked.get(key)
        if known and (known.resource.uid, known.resource.generation) == (resource.uid, resource.generation):
            return Schedule(resource, known.plan, known.problems)
        found = self._checked[key] = Schedule.parse(body, default_project=self._default_project)
        return found

    def _runs(self, uid: str) -> list[Run]:
        bodies = (self._store.body(key) for key in self._store.children(uid) if not key.deleted)
        return [Run.parse(body) for body in bodies if body is not None]

    def _pause(self, decision: Decision) -> float | None:
        again = decision.again if isinstance(decision, Rest) else None
        if again is None:
            return None
        return min(max((again - self._clock()).total_seconds(), 0.0), LONGEST_SLEEP)

    async def _step(self, key: Key, schedule: Schedule, runs: Sequence[Run], decision: Decision) -> None:
        """Take one step."""
        match decision:
            case Start(slot):
                await self._start(key, schedule, slot)
            case Remove(run, replaced_at):
                await self._remove(schedule, run, replaced_at)
            case _:
                status = project(schedule, runs, decision, self._writer.clock())
                if written := await self._writer.write(schedule.resource, status):
                    self._store.put(written)
                for event in events(schedule, decision):
                    await self._writer.post(schedule.resource, event)
                if isinstance(decision, Settle) and schedule.is_recorded:
                    self._metrics.runs_missed.inc(decision.missed + (not decision.started))

    async def _start(self, key: Key, schedule: Schedule, slot: datetime) -> None:
        """Make the run of a time; one that is there was made before a crash, or is somebody else's."""
        manifest = run_of(schedule.resource, schedule.resource.spec["template"], schedule.name_of(slot), slot)
        try:
            made = await self._kube.create(manifest)
        except Conflict:
            await self._find(key, schedule, slot, manifest)
        except Refused as error:
            self._refuse(key, slot, Reason.NOT_CREATED, str(error))
        else:
            self._store.put(made)
            self._refusals.pop(key, None)
            self._metrics.run_start_seconds.observe(max((self._clock() - slot).total_seconds(), 0.0))
            message = f"{Run.parse(made).title} is the run of {timestamp(slot)}."
            await self._writer.post(schedule.resource, Event(Reason.RUN_STARTED, message))

    async def _find(self, key: Key, schedule: Schedule, slot: datetime, manifest: JsonObject) -> None:
        found = await self._kube.get(*Key.of(manifest))
        self._store.put(found)
        owners = found["metadata"].get("ownerReferences") or ()
        if any(owner["uid"] == schedule.resource.uid and owner.get("controller") for owner in owners):
            return
        message = f"{Run.parse(found).title} is not of this schedule, and has the name of the run that is due"
        self._refuse(key, slot, Reason.NAME_TAKEN, message)

    def _refuse(self, key: Key, slot: datetime, reason: Reason, message: str) -> None:
        logger.warning("the run of %s is not made: %s", timestamp(slot), message)
        self._refusals[key] = Refusal.of(slot, reason, message, self._clock(), self._refusals.get(key))

    async def _remove(self, schedule: Schedule, run: Run, replaced_at: datetime | None) -> None:
        namespace = schedule.resource.namespace
        key = Key(run.kind, namespace, run.name)
        await self._kube.delete(run.kind, namespace, run.name, run.uid)
        self._mark_deleted(key, run)
        if replaced_at is None:
            logger.info("%s is deleted: there are more runs than the history limits keep", run.title)
            return
        message = f"{run.title} is deleted: the run of {timestamp(replaced_at)} takes its place."
        await self._writer.post(schedule.resource, Event(Reason.RUN_REPLACED, message))

    def _mark_deleted(self, key: Key, run: Run) -> None:
        """Keep what was done in mind until the watch delivers it."""
        body = self._store.body(key)
        if body is not None and body["metadata"]["uid"] == run.uid:
            deleted = {"deletionTimestamp": timestamp(self._clock())}
            self._store.put({**body, "metadata": {**body["metadata"], **deleted}})


def owner_of(body: JsonObject) -> Key | None:
    """The key of the JobSchedule that has made a job; None if none has."""
    name = schedule_of(body)
    return Key(JOB_SCHEDULE.name, body["metadata"].get("namespace", ""), name) if name else None
