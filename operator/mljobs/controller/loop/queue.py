"""A queue of keys: each key at most once, and never with two workers at the same time.

The semantics are those of client-go's workqueue, which no maintained Python library offers: a key that is
added while it is being processed is processed again afterwards, and a delayed key keeps its earliest time.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)


URGENT_IN_A_ROW = 8
"""Urgent keys that are handed out before one of the others gets its turn, however many more are urgent."""


class Meter(Protocol):
    """Observes keys, at the moments at which client-go's workqueue counts."""

    def added(self, key: Hashable) -> None:
        """A key was added that was not waiting before."""

    def taken(self, key: Hashable) -> None:
        """A worker starts with a key."""

    def done(self, key: Hashable) -> None:
        """The work on a key has ended."""

    def delayed(self) -> None:
        """A key is added after a delay."""


class WorkQueue(Generic[K]):
    """Keys that wait for a worker in two lanes, urgent ones first, and first in first out in each.

    What frees or ends something is urgent: deletions, and news of jobs. New resources wait behind them, and
    are not starved by them.

    Args:
        meter: observes the keys; None: no metrics.
        takes: says which keys are queued at all; the others are of no concern here.
    """

    def __init__(self, meter: Meter | None = None, takes: Callable[[K], bool] = lambda _: True) -> None:
        self._meter = meter
        self._takes = takes
        self._urgent: deque[K] = deque()
        self._others: deque[K] = deque()
        self._waiting: dict[K, bool] = {}
        self._in_a_row = 0
        self._dirty: dict[K, bool] = {}
        self._working: set[K] = set()
        self._timers: dict[K, tuple[float, asyncio.Handle]] = {}
        self._wake = asyncio.Event()
        self._rest = asyncio.Event()
        self._rest.set()
        self._rested = -math.inf
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: K, *, urgent: bool = False) -> None:
        """Add a key; it is never handed to two workers at the same time.

        Args:
            key: if it waits already, it keeps its place, or moves to the urgent ones.
            urgent: whether it goes before the others.
        """
        if not self._takes(key):
            return
        if later := self._timers.pop(key, None):
            later[1].cancel()
        known = self._dirty.get(key)
        if self._closed or known or known is urgent:
            return
        self._dirty[key] = urgent
        if self._meter and known is None:
            self._meter.added(key)
        if key not in self._working:
            self._wait(key)

    def _wait(self, key: K) -> None:
        urgent = self._waiting[key] = self._dirty[key]
        (self._urgent if urgent else self._others).append(key)
        self._wake.set()
        self._rest.clear()

    def add_later(self, key: K, delay: float) -> None:
        """Add a key in `delay` seconds, or earlier if it is already due earlier."""
        if self._closed or key in self._dirty or not self._takes(key):
            return
        if self._meter:
            self._meter.delayed()
        loop = asyncio.get_running_loop()
        due = loop.time() + delay
        later = self._timers.get(key)
        if later:
            if later[0] <= due:
                return
            later[1].cancel()
        # beside its time, since uvloop's handle of a call that is due at once does not say it
        self._timers[key] = due, loop.call_at(due, self.add, key)

    async def get(self) -> K | None:
        """Take the next key, waiting for one; None once the queue is closed. `done` must follow."""
        while not self._waiting:
            if self._closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        key = self._next()
        del self._dirty[key]
        self._working.add(key)
        if self._meter:
            self._meter.taken(key)
        return key

    def _next(self) -> K:
        while self._others and self._waiting.get(self._others[0]) is not False:
            self._others.popleft()  # it has become urgent
        others = self._others and (not self._urgent or self._in_a_row >= URGENT_IN_A_ROW)
        self._in_a_row = 0 if others else self._in_a_row + 1
        key = (self._others if others else self._urgent).popleft()
        del self._waiting[key]
        return key

    def done(self, key: K) -> None:
        """Mark the work on a key as done, whatever its outcome."""
        self._working.discard(key)
        if self._meter:
            self._meter.done(key)
        if key in self._dirty and not self._closed:
            self._wait(key)
        elif not self._working and not self._waiting and not self._rest.is_set():
            self._rested = asyncio.get_running_loop().time()
            self._rest.set()

    async def rest(self, seconds: float) -> None:
        """Wait until no key has waited or been worked on for so long, or the queue is closed."""
        while not self._closed:
            await self._rest.wait()
            left = self._rested + seconds - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await asyncio.sleep(left)

    def close(self) -> None:
        """Close the queue: waiting workers get None."""
        self._closed = True
        for keys in (self._urgent, self._others, self._waiting):
            keys.clear()
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._wake.set()
        self._rest.set()
