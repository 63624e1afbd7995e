"""Reconciles keys, one after the other: each kind has a handler, and every failure is retried."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from mljobs.controller.kube.errors import KubeError
from mljobs.controller.loop.queue import WorkQueue
from mljobs.controller.loop.store import Key
from mljobs.controller.process.metrics import Metrics

logger = logging.getLogger(__name__)

FIRST_RETRY, LONGEST_RETRY = 0.5, 30.0
"""Seconds before a failed reconciliation is retried."""


class Handler(Protocol):
    """The handler of a kind's resources."""

    async def reconcile(self, key: Key) -> float | None:
        """Do everything that can be done for a resource now.

        Returns:
            Seconds after which to reconcile again, or None: on the next change.

        Raises:
            KubeError: the API server did not accept a write.
        """


class Reconciler:
    """Hands each key of the queue to the handler of its kind.

    Args:
        handlers: by kind, one for each kind whose keys are ever queued.
        queue: the keys to reconcile.
        clock: the time, with a zone.
        metrics: counts and durations.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        queue: WorkQueue[Key],
        clock: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        self._handlers = handlers
        self._queue = queue
        self._clock = clock
        self._metrics = metrics
        self._failures: dict[Key, tuple[int, datetime]] = {}
        self._under_way: dict[Key, float] = {}

    async def work(self) -> None:
        """Reconcile key after key until the queue is closed."""
        while (key := await self._queue.get()) is not None:
            started = self._under_way[key] = time.monotonic()
            active = self._metrics.active_workers.labels(key.kind)
            active.inc()
            try:
                result = await self._once(key)
            finally:
                active.dec()
                del self._under_way[key]
                self._queue.done(key)
            self._metrics.reconcile_seconds.labels(key.kind).observe(time.monotonic() - started)
            self._metrics.reconciles.labels(key.kind, result).inc()

    def longest(self) -> float:
        """Seconds that the longest running reconciliation has taken so far."""
        return max((time.monotonic() - started for started in self._under_way.values()), default=0.0)

    async def _once(self, key: Key) -> str:
        """Reconcile one key; every failure is retried."""
        try:
            delay = await self._handlers[key.kind].reconcile(key)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            again = self._backoff(key)
            self._queue.add_later(key, again)
            self._metrics.reconcile_errors.labels(key.kind).inc()
            if isinstance(error, KubeError):
                logger.warning("%s; tried again in %.1f s", error, again)
            else:
                logger.exception("reconciling %s %s/%s failed; tried again in %.1f s", *key, again)
            return "error"
        self._failures.pop(key, None)
        if delay is None:
            return "success"
        self._queue.add_later(key, delay)
        return "requeue_after"

    def _backoff(self, key: Key) -> float:
        """Seconds until the next retry; one that an event has triggered earlier does not postpone it."""
        now = self._clock()
        failures, due = self._failures.get(key, (0, now))
        if now >= due:
            due = now + timedelta(seconds=min(FIRST_RETRY * 2 ** min(failures, 10), LONGEST_RETRY))
            self._failures[key] = failures + 1, due
        return (due - now).total_seconds()
