"""One operator process: the real parts, wired as `controller.process.run` does, on the model's servers."""

import asyncio
import copy
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

from mljobs.api.base import JsonObject
from mljobs.api.resources import KINDS
from mljobs.controller.kinds.job import JobHandler
from mljobs.controller.loop.classes import Classes
from mljobs.controller.loop.effects import Effects
from mljobs.controller.loop.gauges import Gauges
from mljobs.controller.loop.lanes import Lane, Lanes
from mljobs.controller.loop.poller import Poller
from mljobs.controller.loop.queue import WorkQueue
from mljobs.controller.loop.reconciler import Reconciler
from mljobs.controller.loop.recorder import EventRecorder
from mljobs.controller.loop.resync import Resync
from mljobs.controller.loop.services import Services
from mljobs.controller.loop.status import StatusWriter
from mljobs.controller.loop.store import Key, Store, take
from mljobs.controller.loop.turns import TurnKeeper
from mljobs.controller.process.clock import steady
from mljobs.controller.process.metrics import Metrics
from mljobs.domain.classes.job_class import OWN, JobClass
from mljobs.domain.decide import AdminPolicy
from mljobs.domain.job.resource import Resource
from mljobs.domain.port import Backend
from mljobs.domain.show.history import finished
from tests.model.cluster import Cluster, ModelKube, WatchEvent
from tests.model.service import ModelBackend, Service, UnnamedBackend
from tests.model.vertex import VertexBackend
from tests.model.wire import Wire

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
POLL_INTERVAL = 10.0
RESYNC_INTERVAL = 300.0
WORKERS = 2
LOST_INTERVAL = 120.0
POLICY = AdminPolicy(default_project="proj", grace=timedelta(seconds=60), lost_after=timedelta(seconds=60))

BackendType = type[ModelBackend | UnnamedBackend | VertexBackend]

_METRICS = Metrics()


class Process:
    """The operator from its start to its death.

    Args:
        cluster: the API server.
        service: the job service.
        wire: carries the calls.
        wall: the wall clock, which somebody may set.
        backend: the port to the job service.

    Attributes:
        store: what it has in memory.
        remembered: the uids of the finished resources whose records it has written.
        inbox: what its watch has received and not handled yet.
    """

    def __init__(
        self,
        cluster: Cluster,
        service: Service,
        wire: Wire,
        wall: Callable[[], datetime],
        backend: BackendType = ModelBackend,
    ) -> None:
        clock = steady(wall, wire.loop.time)
        self._cluster = cluster
        self._backend = backend
        self._wire = wire
        self._clock = clock
        self.store = Store(clock())
        self.remembered: set[str] = set()
        self.inbox: list[WatchEvent] = []
        self._told = 0
        self._first = len(cluster.history)
        self._queue: WorkQueue[Key] = WorkQueue()
        self._tasks: list[asyncio.Task[None]] = []
        wire.loop.do(lambda: self._start(service, clock, wall))
        self.relist()

    def _start(self, service: Service, clock: Callable[[], datetime], wall: Callable[[], datetime]) -> None:
        kube, port = ModelKube(self._cluster, self._wire), self._backend(service, self._wire)
        add = self._queue.add

        def lane(_: Backend) -> Lane:
            poller = Poller(
                port,
                self.store,
                add,
                interval=POLL_INTERVAL,
                lost_interval=LOST_INTERVAL,
                clock=clock,
                metrics=_METRICS,
            )
            return Lane(Effects(port, clock, lambda: 0.5), poller)

        own = JobClass(OWN, "", default_project=POLICY.default_project, own=True)
        lanes = Lanes(lambda _: nullcontext(port), lane)
        services = Services(Classes(own, lambda _: port.facts), lanes)
        recorder = EventRecorder(kube, _METRICS, self._queue, self._wire.loop.time)
        jobs = JobHandler(
            kube=kube,
            store=self.store,
            services=services,
            writer=StatusWriter(kube, wall, _METRICS, recorder),
            queue=self._queue,
            policy=POLICY,
            clock=clock,
            gauges=Gauges(clock, lambda: 0, 60),
            turns=TurnKeeper(dict, lambda: (), add, clock),
            remember=lambda resource: self._remember(resource, clock()),
        )
        reconciler = Reconciler(dict.fromkeys(KINDS, jobs), queue=self._queue, clock=clock, metrics=_METRICS)
        resync = Resync(kube, self.store, add, interval=RESYNC_INTERVAL, clock=clock, listed=lambda *_: None)

        async def repair() -> None:
            await resync.new()
            await resync.run()

        runs = [lanes.run(), recorder.run(), repair(), *(reconciler.work() for _ in range(WORKERS))]
        self._tasks = [self._wire.loop.create_task(run) for run in runs]

    def _remember(self, resource: Resource, now: datetime) -> None:
        if finished(resource, now):
            self.remembered.add(resource.uid)

    @property
    def ended(self) -> list[asyncio.Task[None]]:
        """Tasks that have ended although the process lives."""
        return [task for task in self._tasks if task.done()]

    # --- the watch, as kopf feeds it -----------------------------------------------------------------------

    @property
    def repeatable(self) -> list[WatchEvent]:
        """What it has received at some time, the newest first."""
        return self._cluster.history[self._first : self._told][::-1]

    def relist(self) -> None:
        """Begin the watch again: what was not received yet is lost, and a list takes its place."""
        self._told = len(self._cluster.history)
        self.inbox = [("LISTED", copy.deepcopy(body)) for body in self._cluster.objects.values()]

    def receive(self) -> None:
        """Let the watch bring what is new."""
        self.inbox += copy.deepcopy(self._cluster.history[self._told :])
        self._told = len(self._cluster.history)

    def handle(self, count: int | None = None) -> None:
        """Handle so many of the received events; all of them if None."""
        events, self.inbox = self.inbox[:count], self.inbox[count:] if count is not None else []

        def handle() -> None:
            for event in events:
                self._observe(*event)

        self._wire.loop.do(handle)

    def repeat(self, event: WatchEvent) -> None:
        """Handle an event that may have been handled long ago."""
        self._wire.loop.do(lambda: self._observe(event[0], copy.deepcopy(event[1])))

    def _observe(self, event: str, body: JsonObject) -> None:
        take(event, body, self.store, self._queue.add, self._clock())

    # --- the end -------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """End it at once; its calls go their way without it."""
        self._wire.abandon()
        for task in asyncio.all_tasks(self._wire.loop):  # those that its parts have begun themselves, too
            task.cancel()
        self._wire.loop.settle()
