"""The operator as a whole: its tasks, their start, and a graceful shutdown."""

import asyncio
import logging
import random
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

from mljobs.api.base import JsonObject
from mljobs.api.jobclass import JOB_CLASS
from mljobs.api.jobschedule import JOB_SCHEDULE
from mljobs.api.resources import KINDS, ResourceKind
from mljobs.controller.kinds.job import JobHandler
from mljobs.controller.kinds.jobclass import ClassHandler
from mljobs.controller.kinds.schedule import ScheduleHandler, owner_of
from mljobs.controller.kube.account_tokens import AccountTokens
from mljobs.controller.kube.client import Kube, connect
from mljobs.controller.kube.definitions import Definitions
from mljobs.controller.kube.election import Election
from mljobs.controller.kube.kubeconfig import find_access
from mljobs.controller.kube.lease import Fence, Lease, LeaseOptions
from mljobs.controller.kube.login import Login
from mljobs.controller.kube.refusals import Refusals
from mljobs.controller.kube.session import Connection
from mljobs.controller.kube.stream import taking
from mljobs.controller.kube.watch import WATCH_SECONDS, Watch, watched_kinds, watched_paths
from mljobs.controller.loop.checkpoint import WatchCheckpoint
from mljobs.controller.loop.classes import Classes, take_class
from mljobs.controller.loop.effects import Effects
from mljobs.controller.loop.gauges import Gauges
from mljobs.controller.loop.lanes import Lane, Lanes, Terms
from mljobs.controller.loop.poller import Poller
from mljobs.controller.loop.queue import WorkQueue
from mljobs.controller.loop.reconciler import Handler, Reconciler
from mljobs.controller.loop.recorder import EventRecorder
from mljobs.controller.loop.resync import Resync
from mljobs.controller.loop.services import Services
from mljobs.controller.loop.shard import WHOLE, Shard
from mljobs.controller.loop.status import StatusWriter
from mljobs.controller.loop.store import Key, Store, take
from mljobs.controller.loop.turns import TurnKeeper
from mljobs.controller.process.clock import steady, wall
from mljobs.controller.process.health import Health, Heartbeat, LivenessCheck
from mljobs.controller.process.history import History
from mljobs.controller.process.metrics import QUEUE, Metrics, QueueMeter
from mljobs.controller.process.serve import serve
from mljobs.controller.process.stop import Stop
from mljobs.domain.classes.job_class import JobClass
from mljobs.domain.decide import AdminPolicy
from mljobs.domain.job.resource import Resource
from mljobs.domain.port import Backend, Facts
from mljobs.domain.schedule.validate import OF_A_CLASS

logger = logging.getLogger(__name__)

POLL_SILENCE = 120.0
"""Seconds without an answer to any poll, not even a time-out; more if calls are slower."""

WORK_SILENCE = 600.0
"""Seconds that one reconciliation may take: far more than all its calls with all their time-outs."""

CALLS = 4
"""Calls of the job service in one reconciliation, at most, when none gets an answer."""

WATCH_SILENCE = 2.0 * WATCH_SECONDS
"""Seconds without a new list or watch request after which a watch counts as dead."""


CHECKPOINT_TIMEOUT = 4.0
"""Seconds for recording the watch checkpoint in the Lease: less than the Lease is valid."""


Opener = Callable[[Terms], AbstractAsyncContextManager[Backend]]
"""Opens a backend; nothing is sent by that."""


@dataclass(frozen=True)
class Port:
    """The job services.

    Attributes:
        opener: makes the opener of backends from what requests tokens of ServiceAccounts.
        facts_of: what is known of the service of a class.
        own: the class that the settings make.
        provider: exchanges tokens of ServiceAccounts for classes that name no provider; empty for none.
    """

    opener: Callable[[AccountTokens], Opener]
    facts_of: Callable[[JobClass], Facts]
    own: JobClass
    provider: str = ""


@dataclass(frozen=True)
class Options:
    """How one operator runs.

    Attributes:
        policy: what the administrator decides for all resources.
        namespaces: those to watch; none: the whole cluster.
        schedules: whether JobSchedules are reconciled.
        poll_interval: seconds between two rounds of polls.
        lost_interval: seconds between two reads of a job that counts as lost.
        believe_missing: whether many jobs of a project may be lost at once.
        gauge_interval: seconds between two writes of a resource's gauges alone, at least, and between two
            reads of what no list shows.
        resync_interval: seconds between two complete lists of the resources.
        workers: resources that are reconciled at once.
        connections: to the API server, at most, for lists and for everything else each; watches have their
            own.
        host: the address that metrics and health are served at.
        port: their port; 0 picks a free one.
        drain: seconds for the work in flight to finish at shutdown.
        slowest_call: seconds after which a call of the job service has ended, its wait for a thread included.
        lease: the Lease that this process has to hold to act, of the first shard; None: no leader election.
        shards: how many operators share the namespaces, each with a Lease.
    """

    policy: AdminPolicy
    namespaces: Sequence[str]
    schedules: bool
    poll_interval: float
    lost_interval: float
    believe_missing: bool
    gauge_interval: float
    resync_interval: float
    workers: int
    connections: int
    host: str
    port: int
    drain: float
    slowest_call: float
    lease: LeaseOptions | None
    shards: int = 1


async def run(
    port: Port,
    metrics: Metrics,
    options: Options,
    *,
    fence: Fence,
    service_check: LivenessCheck,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Run the operator until a signal ends it.

    Args:
        port: to the job services, whose calls pass the fence.
        metrics: counts everything, and is served.
        options: how to run.
        fence: armed once this process holds the Lease, if it needs one.
        service_check: the liveness check of the port.
        ready: called with the URL of metrics and health once they are served.

    Raises:
        KubeError: no API server is known.
        CannotServe: metrics and health cannot be served at that address.
        RuntimeError: a task of the operator has failed, which is a bug.
    """
    stop = Stop()
    stop.listen()
    try:
        await _run(port, metrics, options, fence, Health(service_check), ready, stop)
    except asyncio.CancelledError:
        if not stop.signalled:
            raise


async def _run(
    port: Port,
    metrics: Metrics,
    options: Options,
    fence: Fence,
    health: Health,
    ready: Callable[[str], None] | None,
    stop: Stop,
) -> None:
    connection = Connection(find_access(), metrics.rest_request)
    async with (
        connect(connection, connections=options.connections) as kube,
        serve(health, metrics, host=options.host, port=options.port) as url,
    ):
        if ready:
            ready(url)
        if options.lease is None:
            await _act(kube, connection, port, metrics, options, health, stop)
            return
        election = Election(kube, options.lease, options.shards)
        metrics.leader.labels(options.lease.name).set_function(lambda: float(election.held))
        if await _elected(election, health, stop):
            fence.arm(election.lease.check)
            kube.fence = fence
            shard = Shard(election.shard, options.shards)
            await _act(kube, connection, port, metrics, options, health, stop, election.lease, shard)
            await election.release()


async def _elected(election: Election, health: Health, stop: Stop) -> bool:
    """Wait for a Lease until a signal arrives.

    Returns:
        Whether this process holds the Lease.

    Raises:
        RuntimeError: waiting has failed, which is a bug.
    """
    health.standby = True
    tasks = [asyncio.create_task(election.acquire()), stop.stop_task()]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    health.standby = False
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    if stop.requested.is_set():
        await election.release()
    _raise_failure(outcomes)
    return election.held


async def _act(
    kube: Kube,
    connection: Connection,
    port: Port,
    metrics: Metrics,
    options: Options,
    health: Health,
    stop: Stop,
    lease: Lease | None = None,
    shard: Shard = WHOLE,
) -> None:
    """Make the parts and run them until a signal."""
    clock = steady()
    store = Store(clock(), shard)
    queue: WorkQueue[Key] = WorkQueue(QueueMeter(metrics), lambda key: shard.has(key.namespace))
    urgent = partial(queue.add, urgent=True)
    classes = Classes(
        port.own,
        port.facts_of,
        lambda: _queue_jobs(store, queue),
        enabled=not options.namespaces,
        provider=port.provider,
    )

    def lane(backend: Backend) -> Lane:
        poller = Poller(
            backend,
            store,
            urgent,
            interval=options.poll_interval,
            lost_interval=options.lost_interval,
            believe_missing=options.believe_missing,
            clock=clock,
            metrics=metrics.poll_share(),
            outline_interval=options.gauge_interval,
            moved=lambda key: queue.add_later(key, gauges.wait(key, store.uid(key))),
        )
        return Lane(Effects(backend, clock, random.random, metrics.extra_jobs.inc), poller)

    lanes = Lanes(port.opener(AccountTokens(kube)), lane)
    gauges = Gauges(clock, lanes.watched, options.gauge_interval)
    metrics.queue_depth.labels(QUEUE, QUEUE).set_function(lambda: len(queue))
    metrics.resources.set_function(lambda: sum(shard.has(key.namespace) for key in store))
    metrics.poll_age.set_function(lanes.oldest)
    metrics.scraped.append(lambda: metrics.count_resources(store.counted(shard)))
    kinds = watched_kinds(options.namespaces, schedules=options.schedules)
    stored = [kind.name for kind in kinds if kind is not JOB_CLASS]
    for kind in stored:
        metrics.max_workers.labels(kind).set(options.workers)
    recorder = EventRecorder(kube, metrics, queue)
    metrics.events_waiting.set_function(lambda: len(recorder))
    writer = StatusWriter(kube, wall, metrics, recorder)
    services = Services(classes, lanes)
    turns = TurnKeeper(lambda: classes.all, lambda: _jobs(store, services), queue.add, clock)
    metrics.scraped.append(
        lambda: metrics.count_classes(turns.usage(name) for name in classes if name in classes.all)
    )
    jobs = JobHandler(
        kube=kube,
        store=store,
        services=services,
        writer=writer,
        queue=queue,
        policy=options.policy,
        clock=clock,
        gauges=gauges,
        turns=turns,
        wrote=lambda body, before: metrics.wrote(body, before, wall()),
        remember=History(sys.stdout, wall).keep,
        unsettled=lambda key: schedules.unsettled(key),
    )
    checkpoint = WatchCheckpoint(kube, store, queue.add, namespaces=options.namespaces, now=clock)
    if lease:
        await _resume(lease, checkpoint)
    resync = Resync(
        kube,
        store,
        queue.add,
        interval=options.resync_interval,
        clock=clock,
        listed=checkpoint.listed,
        kinds=stored,
        namespaces=options.namespaces,
    )
    handlers: dict[str, Handler] = {
        **dict.fromkeys(KINDS, jobs),
        JOB_CLASS.name: ClassHandler(kube, classes, store, turns, wall),
    }
    schedules = ScheduleHandler(
        kube=kube,
        store=store,
        resync=resync,
        writer=writer,
        metrics=metrics,
        default_project=options.policy.default_project or (None if options.namespaces else OF_A_CLASS),
        clock=wall,
        enabled=options.schedules,
    )
    if options.schedules:
        handlers[JOB_SCHEDULE.name] = schedules
    reconciler = Reconciler(handlers, queue=queue, clock=clock, metrics=metrics)

    def bring(event: str | None, body: JsonObject) -> None:
        if body["kind"] == JOB_CLASS.name:
            take_class(event, body, classes, queue.add)
            return
        ends = event == "DELETED" or "deletionTimestamp" in body["metadata"]
        take(event, body, store, urgent if ends else queue.add, clock())
        checkpoint.saw(body)
        if not shard.has(body["metadata"]["namespace"]) and body["kind"] in KINDS:
            _others(event, body, turns, services)
        schedule = owner_of(body)
        if schedule and schedule.kind in handlers:
            queue.add(schedule)

    watched = watched_paths(kinds, options.namespaces)
    watches = {path: Heartbeat() for path in watched}
    health.watches = list(watches.values())
    health.checks += [
        LivenessCheck("a poller", lanes.silence, max(POLL_SILENCE, 2 * options.slowest_call)),
        LivenessCheck("a worker", reconciler.longest, max(WORK_SILENCE, CALLS * options.slowest_call)),
        *(
            LivenessCheck(watched[path], heartbeat.silence, WATCH_SILENCE)
            for path, heartbeat in watches.items()
        ),
    ]
    definitions = Definitions(watches, metrics.defined)
    watch = Watch(
        partial(
            Login,
            connection,
            connections=options.connections + len(watches),  # a watch keeps its connection
            heartbeats=watches,
            middlewares=[definitions.hold, Refusals(watched, metrics.forbidden).see],
            response=taking(bring),
        ),
        server=connection.access.server.url,
        namespaces=options.namespaces,
        ready=health.watching,
    )
    await classes.read(kube)
    for name in classes:
        queue.add(Key(JOB_CLASS.name, "", name))
    async with lanes:
        await _supervise(
            watches=[_watch(watch, kind, definitions, kube, stop) for kind in kinds],
            loops=[
                lanes.run(),
                recorder.run(),
                *([] if options.namespaces else [classes.keep(kube, options.resync_interval)]),
                turns.run(partial(resync.complete, tuple(KINDS))),
                _repair(resync, checkpoint, lease),
                *([lease.keep()] if lease else []),
            ],
            workers=[reconciler.work() for _ in range(options.workers)],
            queue=queue,
            recorder=recorder,
            drain=options.drain,
            stop=stop,
        )


def _jobs(store: Store, services: Services) -> Iterator[tuple[Key, Resource]]:
    """All resources that stand for jobs, with what their classes give them."""
    for key in store:
        body = store.body(key)
        if body is not None and key.kind in KINDS:
            yield key, services.resource(body)


def _others(event: str | None, body: JsonObject, turns: TurnKeeper, services: Services) -> None:
    """What another operator's resource uses counts for the limits of its class."""
    key = Key.of(body)
    if event == "DELETED":
        turns.forget(key)
    else:
        turns.see(key, services.resource(body))


def _queue_jobs(store: Store, queue: WorkQueue[Key]) -> None:
    """What classes give has changed: decide again about everything."""
    for key in store:
        queue.add(key)


async def _resume(lease: Lease, checkpoint: WatchCheckpoint) -> None:
    """Continue from the previous holder's checkpoint, and record it in the Lease before anything is done."""
    try:
        async with asyncio.timeout(CHECKPOINT_TIMEOUT):
            await checkpoint.resume(lease.found)
            lease.note = checkpoint.encoded
            await lease.renew()
    except TimeoutError:
        lease.note = checkpoint.encoded
        logger.warning("the watch checkpoint is not in the Lease yet: the API server is slow")


async def _repair(resync: Resync, checkpoint: WatchCheckpoint, lease: Lease | None) -> None:
    """Find what is new, what was deleted before this process started, then what its watches miss."""
    await resync.new()
    if lease:
        await checkpoint.recover(lease.renew)
    await resync.run()


async def _watch(watch: Watch, kind: ResourceKind, definitions: Definitions, kube: Kube, stop: Stop) -> None:
    """Watch a kind from when it is served until a stop is requested."""
    await stop.unless_stopped(definitions.wait_for(kube, kind.plural))
    if not stop.requested.is_set():
        await watch.run(kind, stop)


async def _supervise(
    *,
    watches: Sequence[Coroutine[None, None, None]],
    loops: Sequence[Coroutine[None, None, None]],
    workers: Sequence[Coroutine[None, None, None]],
    queue: WorkQueue[Key],
    recorder: EventRecorder,
    drain: float,
    stop: Stop,
) -> None:
    """Run everything until a stop is requested, then let the workers finish, and post their Events."""
    looping = [asyncio.create_task(loop) for loop in loops]
    working = [asyncio.create_task(worker) for worker in workers]
    stopping = stop.stop_task()
    watching = [asyncio.create_task(watch) for watch in watches]
    try:
        await asyncio.wait([*watching, stopping, *looping, *working], return_when=asyncio.FIRST_COMPLETED)
        stop.requested.set()
        await asyncio.wait(watching)
        queue.close()
        _, late = await asyncio.wait(working, timeout=drain)
        if late:
            logger.warning(
                "%s resources were still being reconciled after %s s; they continue at the next start",
                len(late),
                drain,
            )
        await recorder.flush()
    finally:
        tasks = [stopping, *looping, *working, *watching]
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    _raise_failure(outcomes)


def _raise_failure(outcomes: Sequence[object]) -> None:
    """Raise the exception of a failed task; cancellation is no failure."""
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise RuntimeError("a task of the operator has failed") from outcome
