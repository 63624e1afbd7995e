"""The operator as a whole: its tasks, their start, and an end that loses nothing."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import kopf

from mljobs.controller import handlers
from mljobs.controller.effects import Effects
from mljobs.controller.health import Health, serve_health
from mljobs.controller.kube import connect
from mljobs.controller.metrics import Metrics
from mljobs.controller.poller import Poller
from mljobs.controller.reconciler import Reconciler
from mljobs.controller.resync import Resync
from mljobs.controller.status import StatusWriter
from mljobs.controller.store import Key, Store
from mljobs.controller.workqueue import WorkQueue
from mljobs.domain.decide import Policy
from mljobs.domain.port import JobService

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How one operator runs.

    Attributes:
        policy: what the administrator decides for all resources.
        namespaces: those to watch; none: the whole cluster.
        poll_interval: seconds between two rounds of polls.
        resync_interval: seconds between two complete lists of the resources.
        workers: resources that are worked on at once.
        connections: to the API server, at the most, for the watch and for the rest each.
        host: the address that metrics and health are served at.
        port: their port; 0 takes a free one.
        drain: seconds that the work under way has at the end.
    """

    policy: Policy = field(default_factory=Policy)
    namespaces: Sequence[str] = ()
    poll_interval: float = 10
    resync_interval: float = 300
    workers: int = 32
    connections: int = 32
    host: str = "0.0.0.0"  # noqa: S104
    port: int = 8080
    drain: float = 20


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


async def run(
    service: JobService, metrics: Metrics, options: Options, *, ready: Callable[[str], None] | None = None
) -> None:
    """Run the operator until a signal ends it.

    Args:
        service: the port to the job service; the caller closes it.
        metrics: counts everything, and is served.
        options: how to run.
        ready: called with the URL of metrics and health once they are served.

    Raises:
        KubeError: no API server is known.
        RuntimeError: a task of the operator has failed, which is a bug.
    """
    async with connect(connections=options.connections) as kube:
        store = Store(utc_now())
        queue: WorkQueue[Key] = WorkQueue()
        poller = Poller(
            service, store, queue.add, interval=options.poll_interval, clock=utc_now, metrics=metrics
        )
        metrics.queue_depth.labels("mljobs").set_function(lambda: len(queue))
        metrics.resources.set_function(lambda: len(store))
        reconciler = Reconciler(
            kube=kube,
            store=store,
            effects=Effects(service, utc_now, random.random),
            writer=StatusWriter(kube, utc_now, metrics),
            poller=poller,
            queue=queue,
            policy=options.policy,
            clock=utc_now,
            metrics=metrics,
        )
        resync = Resync(
            kube, store, queue.add, interval=options.resync_interval, namespaces=options.namespaces
        )
        health = Health(poller, max_silence=max(60.0, 6 * options.poll_interval))
        async with serve_health(health, metrics, host=options.host, port=options.port) as url:
            if ready:
                ready(url)
            await _supervise(
                watch=lambda stop: _watch(store, queue, health, options, stop),
                loops=[poller.run(), resync.run()],
                workers=[reconciler.work() for _ in range(options.workers)],
                queue=queue,
                drain=options.drain,
            )


async def _watch(
    store: Store, queue: WorkQueue[Key], health: Health, options: Options, stop: asyncio.Event
) -> None:
    """Let kopf watch until a signal or `stop` ends it."""
    await kopf.operator(
        registry=handlers.registry(store, queue.add, connections=options.connections),
        settings=handlers.settings(),
        standalone=True,
        clusterwide=not options.namespaces,
        namespaces=options.namespaces,
        ready_flag=health.watching,
        stop_flag=stop,
    )


async def _supervise(
    *,
    watch: Callable[[asyncio.Event], Coroutine[None, None, None]],
    loops: Sequence[Coroutine[None, None, None]],
    workers: Sequence[Coroutine[None, None, None]],
    queue: WorkQueue[Key],
    drain: float,
) -> None:
    """Run all until the watch ends, then let the workers end what they are at.

    The tasks are made before kopf starts, since kopf ends every task that was made after it.
    """
    stop = asyncio.Event()
    looping = [asyncio.create_task(loop) for loop in loops]
    working = [asyncio.create_task(worker) for worker in workers]
    watching = asyncio.create_task(watch(stop))
    try:
        await asyncio.wait([watching, *looping, *working], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await asyncio.wait([watching])
        queue.close()
        _, late = await asyncio.wait(working, timeout=drain)
        if late:
            logger.warning(
                "%s resources were still worked on after %s s; they go on at the next start", len(late), drain
            )
    finally:
        tasks = [*looping, *working, watching]
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    failures = [o for o in outcomes if isinstance(o, Exception)]
    if failures:
        raise RuntimeError("a task of the operator has failed") from failures[0]
