"""Lanes: a backend, its calls and its polls for each service, endpoint and caller that jobs go by."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from mljobs.controller.loop.effects import Effects
from mljobs.controller.loop.poller import Poller
from mljobs.controller.loop.store import Key
from mljobs.domain.classes.job_class import JobClass, Route
from mljobs.domain.decide import Polled
from mljobs.domain.port import Backend

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lane:
    """What the calls about some jobs go through.

    Attributes:
        effects: the calls of reconciliations.
        poller: the polls.
    """

    effects: Effects
    poller: Poller


@dataclass(frozen=True)
class Terms:
    """What sets lanes apart.

    Attributes:
        route: service, endpoint and caller.
        creates: create calls for each project and minute, at most; None: as the operator's settings say.
        others: all other calls, likewise.
        tables: laid over the tables of legacy names, as JSON.
    """

    route: Route
    creates: int | None = None
    others: int | None = None
    tables: str = "{}"

    @classmethod
    def of(cls, route: Route, given: JobClass) -> Self:
        """The terms of a route by the class that is used for it.

        A class that has changed to another service since says nothing about the old one.
        """
        if given.service != route.service:
            return cls(route)
        return cls(route, given.limits.creates_per_minute, given.limits.reads_per_minute, given.tables_text)


class Lanes:
    """Opens a lane when its first call is due, and polls in all of them.

    Args:
        opened: opens a backend; nothing is sent by that.
        made: makes a lane's parts from its backend.
    """

    def __init__(
        self, opened: Callable[[Terms], AbstractAsyncContextManager[Backend]], made: Callable[[Backend], Lane]
    ) -> None:
        self._opened = opened
        self._made = made
        self._stack = AsyncExitStack()
        self._lock = asyncio.Lock()
        self._lanes: dict[Terms, Lane] = {}
        self._new: asyncio.Queue[Poller] = asyncio.Queue()
        self._followed: dict[Key, Lane] = {}

    async def __aenter__(self) -> Self:
        """Open none yet."""
        await self._stack.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all of them."""
        await self._stack.__aexit__(kind, error, trace)

    async def lane(self, terms: Terms) -> Lane:
        """The lane with these terms.

        Raises:
            ValueError: its endpoint cannot work.
        """
        found = self._lanes.get(terms)
        if found is None:
            async with self._lock:
                found = self._lanes.get(terms) or await self._open(terms)
        return found

    async def _open(self, terms: Terms) -> Lane:
        backend = await self._stack.enter_async_context(self._opened(terms))
        lane = self._lanes[terms] = self._made(backend)
        self._new.put_nowait(lane.poller)
        return lane

    def follow(self, key: Key, lane: Lane | None, polled: Polled | None) -> None:
        """Poll a job for a resource in a lane, and in no other; None: stop polling for it."""
        before = self._followed.get(key)
        if before is not None and (polled is None or before is not lane):
            before.poller.follow(key, None)
            del self._followed[key]
        if lane is not None and polled is not None:
            lane.poller.follow(key, polled)
            self._followed[key] = lane

    async def run(self) -> None:
        """Poll in every lane, also those that are opened meanwhile, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task((await self._new.get()).run())

    def __iter__(self) -> Iterator[Lane]:
        return iter(tuple(self._lanes.values()))

    def watched(self) -> int:
        """How many resources have a job that is polled."""
        return len(self._followed)

    def silence(self) -> float:
        """Seconds since the most silent poller got an answer of any kind."""
        return max((lane.poller.silence() for lane in self), default=0.0)

    def oldest(self) -> float:
        """The longest time, in seconds, since a service answered about an active job."""
        return max((lane.poller.oldest() for lane in self), default=0.0)
