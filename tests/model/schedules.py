"""Schedules in a model of the API server: the real handler on a moved clock, which may die at every call.

The operator of the jobs is played by the story: it puts the finalizer on, reports the end, and releases.
"""

import asyncio
import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.api.jobschedule import JOB_SCHEDULE
from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import KINDS
from mljobs.controller.kinds.schedule import ScheduleHandler, owner_of
from mljobs.controller.kube.errors import Conflict, ObjectNotFound
from mljobs.controller.loop.queue import WorkQueue
from mljobs.controller.loop.reconciler import Handler, Reconciler
from mljobs.controller.loop.recorder import EventRecorder
from mljobs.controller.loop.resync import Resync
from mljobs.controller.loop.status import StatusWriter
from mljobs.controller.loop.store import Key, Store, take
from mljobs.controller.process.clock import steady
from mljobs.controller.process.metrics import Metrics
from mljobs.domain.job.resource import FINALIZER
from mljobs.domain.job.timestamps import timestamp
from mljobs.domain.schedule.cron import Cron, zone_named
from mljobs.domain.schedule.schedule import Run
from tests.model.cluster import NAMESPACE, Cluster, ModelKube, merge
from tests.model.loop import VirtualLoop
from tests.model.wire import Call, Wire

EPOCH = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
LINGER = 60.0
"""Seconds for which a call whose caller has gone may still take effect."""

SCHEDULE = Key(JOB_SCHEDULE.name, NAMESPACE, "nightly")
TEMPLATE: JsonObject = {
    "kind": "TrainingJob",
    "spec": {
        "projectId": "proj",
        "trainingInput": {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/proj/image:1"}},
    },
}
_METRICS = Metrics()


class ScheduleCluster(Cluster):
    """The API server, with what schedules need of it.

    Args:
        now: the time.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._now = now

    def schedule(self, name: str = SCHEDULE.name, **spec: Any) -> Key:
        """A user makes a schedule."""
        whole = {"schedule": "*/10 * * * *", "template": TEMPLATE, **spec}
        self.create(JOB_SCHEDULE.name, name, whole, creationTimestamp=timestamp(self._now()))
        return SCHEDULE._replace(name=name)

    def change(self, key: Key, **spec: Any) -> None:
        """A user changes the spec; None takes a field out."""
        self._replace(key, merge(self.objects[key], {"spec": spec}))

    def make(self, body: JsonObject) -> JsonObject:
        """The operator makes an object."""
        self.writes += 1
        key = Key.of(body)
        if key in self.objects:
            raise Conflict(f"{key} already exists")
        named = {name: value for name, value in body["metadata"].items() if name not in ("name", "namespace")}
        return self.create(
            key.kind, key.name, body["spec"], **named, creationTimestamp=timestamp(self._now())
        )

    def remove(self, key: Key, uid: str) -> JsonObject:
        """The operator deletes an object."""
        self.writes += 1
        found = self.objects.get(key)
        if found is None:
            raise ObjectNotFound(f"{key} not found")
        if found["metadata"]["uid"] != uid:
            raise Conflict(f"{key} is another one")
        self.delete(key)
        return {}

    # --- the operator of the jobs -------------------------------------------------------------------------

    def submit(self, key: Key) -> None:
        """The job of a run is submitted: the run is held."""
        rows = [
            _condition("Submitted", "True", "Accepted"),
            _condition("Succeeded", "Unknown", "NotFinished"),
        ]
        change = {"metadata": {"finalizers": [FINALIZER]}, "status": {"conditions": rows}}
        self._replace(key, merge(self.objects[key], change))

    def end(self, key: Key, *, succeeded: bool) -> None:
        """The job of a run ends."""
        row = _condition("Succeeded", *(("True", "JobSucceeded") if succeeded else ("False", "JobFailed")))
        moment = timestamp(self._now())
        change = {"status": {"conditions": [{**row, "lastTransitionTime": moment}], "endTime": moment}}
        self._replace(key, merge(self.objects[key], change))

    def release(self, key: Key) -> None:
        """The job of a run that is being deleted is known to end."""
        self.strip(key, annotations=False)


def _condition(kind: str, status: str, reason: str) -> JsonObject:
    moment = "2026-01-01T00:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": moment}


class ScheduleKube(ModelKube):
    """The operator's connection."""

    _cluster: ScheduleCluster

    async def create(self, body: JsonObject) -> JsonObject:
        made: JsonObject = await self._wire.send(
            "kube", "create", body["metadata"]["name"], lambda: self._cluster.make(copy.deepcopy(body))
        )
        return made

    async def delete(self, kind: str, namespace: str, name: str, uid: str, version: str = "") -> None:  # noqa: ARG002
        key = Key(kind, namespace, name)
        await self._wire.send("kube", "delete", name, lambda: self._cluster.remove(key, uid))


class Idle:
    """The handler of jobs, which the story plays."""

    async def reconcile(self, _: Key) -> float | None:
        return None


class Operator:
    """One process: the loop and the handler of schedules, wired as `controller.process.run` does."""

    def __init__(self, cluster: ScheduleCluster, wire: Wire, now: Callable[[], datetime]) -> None:
        self._cluster, self._wire = cluster, wire
        self._clock = steady(now, wire.loop.time)
        self.store = Store(self._clock())
        self._queue: WorkQueue[Key] = WorkQueue()
        self._told = 0
        self._tasks: list[asyncio.Task[None]] = []
        wire.loop.do(lambda: self._start(now))
        self._bring([("LISTED", body) for body in cluster.objects.values()])
        self._told = len(cluster.history)

    def _start(self, now: Callable[[], datetime]) -> None:
        kube, queue = ScheduleKube(self._cluster, self._wire), self._queue
        resync = Resync(
            kube,
            self.store,
            queue.add,
            interval=300,
            clock=self._clock,
            listed=lambda *_: None,
            kinds=tuple(ALL_KINDS),
        )
        recorder = EventRecorder(kube, _METRICS, queue, self._wire.loop.time)
        schedules = ScheduleHandler(
            kube=kube,
            store=self.store,
            resync=resync,
            writer=StatusWriter(kube, now, _METRICS, recorder),
            metrics=_METRICS,
            default_project=None,
            clock=now,
        )
        handlers: Mapping[str, Handler] = {**dict.fromkeys(KINDS, Idle()), JOB_SCHEDULE.name: schedules}
        reconciler = Reconciler(handlers, queue=queue, clock=self._clock, metrics=_METRICS)
        runs = [recorder.run(), resync.run(), *(reconciler.work() for _ in range(4))]
        self._tasks = [self._wire.loop.create_task(run) for run in runs]

    def watch(self) -> None:
        """Handle what the watch has to tell."""
        events, self._told = self._cluster.history[self._told :], len(self._cluster.history)
        self._bring(events)

    def _bring(self, events: list[tuple[str, JsonObject]]) -> None:
        def bring() -> None:
            for event, body in copy.deepcopy(events):
                take(event, body, self.store, self._queue.add, self._clock())
                schedule = owner_of(body)
                if schedule:
                    self._queue.add(schedule)

        self._wire.loop.do(bring)

    def kill(self) -> None:
        """End it at once."""
        self._wire.abandon()
        for task in asyncio.all_tasks(self._wire.loop):
            task.cancel()
        self._wire.loop.settle()


class Schedules:
    """A cluster with schedules, an operator that may die, and what must hold at each moment.

    Attributes:
        started: when the run of each name was made, in order.
        waived: names of runs that a user has deleted before anybody could know that they were started.
        set_by: how far somebody has set the clock.
    """

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.wire = Wire(self.loop, linger=LINGER)
        self.set_by = timedelta()
        self.cluster = ScheduleCluster(self.now)
        self.started: dict[str, list[datetime]] = {}
        self.waived: set[str] = set()
        self.told: list[str] = []
        self.broken: list[str] = []
        self.landing = False
        self.wire.told = self.told.append
        self.cluster.observers.append(self._observe)
        self.operator: Operator | None = None
        self.start()

    def now(self) -> datetime:
        """The machine's time."""
        return EPOCH + timedelta(seconds=self.loop.now) + self.set_by

    def start(self) -> None:
        """Start an operator; the one before it has died."""
        self.operator = Operator(self.cluster, self.wire, self.now)

    def kill(self) -> None:
        """Let the operator die; its calls may still take effect."""
        if self.operator:
            self.operator.kill()
        self.operator = None

    def close(self) -> None:
        """End everything."""
        self.kill()
        self.loop.close()

    # --- time ---------------------------------------------------------------------------------------------

    def work(self, seconds: float = 1.0) -> None:
        """Let time pass while the watch runs and all calls are answered."""
        until = self.loop.now + seconds
        while True:
            for _ in range(50):
                before = len(self.cluster.history)
                self.wire.flow(0)
                if self.operator:
                    self.operator.watch()
                if len(self.cluster.history) == before and not self.wire.calls:
                    break
            else:
                raise AssertionError("it never comes to rest:\n" + "\n".join(self.told[-30:]))
            if self.loop.now >= until:
                return
            self.loop.advance(until - self.loop.now, to_timer=True)
            self.wire.expire()

    def call(self) -> Call | None:
        """The next call that waits for its answer, if any."""
        self.loop.settle()
        return next(iter(self.wire.calls), None)

    def land(self) -> None:
        """Let the calls of the dead take effect."""
        self.landing = True
        for late in list(self.wire.late):
            self.wire.land(late)
        self.landing = False

    # --- what there is ------------------------------------------------------------------------------------

    @property
    def runs(self) -> dict[Key, Run]:
        """All runs."""
        return {key: Run.parse(body) for key, body in self.cluster.objects.items() if key.kind in KINDS}

    def status(self, key: Key = SCHEDULE) -> JsonObject:
        """The status of a schedule."""
        found: JsonObject = self.cluster.objects[key]["status"]
        return found

    def due(self, key: Key = SCHEDULE) -> datetime | None:
        """The latest time of a schedule that is not settled."""
        spec, record = self.cluster.objects[key]["spec"], self.status(key).get("record")
        if spec.get("suspend") or not record:
            return None
        cron = Cron.parse(spec["schedule"], zone_named(spec.get("timeZone")))
        return cron.last(datetime.fromisoformat(record["since"]), self.now())

    # --- what must hold -----------------------------------------------------------------------------------

    def _observe(self, before: JsonObject, after: JsonObject, _: bool) -> None:
        key = Key.of(after)
        if key.kind not in KINDS:
            return
        if before is after and key in self.cluster.objects:
            self._started(key)
        elif after["metadata"].get("deletionTimestamp") and not before["metadata"].get("deletionTimestamp"):
            self.told.append(f"  {key.name} is being deleted")

    def _started(self, key: Key) -> None:
        schedule, _, minutes = key.name.rpartition("-")
        slot = datetime.fromtimestamp(int(minutes) * 60, UTC)
        times = self.started.setdefault(key.name, [])
        times.append(self.now())
        if len(times) > 1 and key.name not in self.waived:
            self.broken.append(f"{key.name} was started twice")
        if slot > self.now():
            self.broken.append(f"{key.name} was started before its time, at {self.now()}")
        spec = self.cluster.objects[SCHEDULE._replace(name=schedule)]["spec"]
        others = [run for run in self.runs.values() if run.active and run.name != key.name]
        alone = spec.get("concurrencyPolicy") in ("Forbid", "Replace")
        if alone and others and not self.landing:
            self.broken.append(f"{key.name} was started beside {', '.join(run.name for run in others)}")

    def user_deletes(self, key: Key) -> None:
        """A user deletes a run."""
        run = self.runs[key]
        _, _, minutes = key.name.rpartition("-")
        record = self.status().get("record") or {"since": timestamp(EPOCH)}
        if not run.held and int(minutes) * 60 > datetime.fromisoformat(record["since"]).timestamp():
            self.waived.add(key.name)
        self.cluster.delete(key)

    def check(self) -> None:
        """Nothing has been broken so far."""
        assert not self.broken, "\n".join([*self.broken, *self.told[-60:]])
