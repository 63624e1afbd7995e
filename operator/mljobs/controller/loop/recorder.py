"""Posts Events after the work: a queue and a writer, as client-go's EventRecorder has them.

Who records an Event does not wait for it. It is posted when for a moment there has been no work, and after a
while in any case; its times are those of when it happened. Nothing gets lost in a full queue.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import KubeError, ObjectNotFound
from mljobs.controller.kube.events import MESSAGE, Correlator, ObjectReference, Posting
from mljobs.controller.process.clock import seconds
from mljobs.controller.process.metrics import Metrics
from mljobs.domain.show.events import Event

logger = logging.getLogger(__name__)

AT_ONCE = 4
"""Objects whose Events are posted at once: a few of the connections, the others are for the work."""

CALM = 0.25
"""Seconds without work after which Events are posted: in a burst, more work comes earlier."""

LONGEST_WAIT = 20.0
"""Seconds that an Event waits for the work, at most: people look at a job minutes after it has changed, and
bursts of a thousand resources take less."""

ROOM = 5000
"""Events that wait, at most: some 4 MB, and a burst as large as one operator is measured for."""

FLUSH = 5.0
"""Seconds for posting the rest at a graceful stop; with the drain it is less than a Pod's grace period."""


class Work(Protocol):
    """What goes before Events."""

    async def rest(self, seconds: float) -> None:
        """Wait until there has been nothing to do for so long."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An Event that is not posted yet: no more of its resource than the Event names."""

    about: ObjectReference
    event: Event
    now: datetime
    due: float


class EventRecorder:
    """Queues Events and posts them, those of one object one after the other.

    Args:
        kube: the API server.
        metrics: counts what is posted.
        work: goes before Events.
        passed: seconds by a clock that never jumps.
    """

    def __init__(
        self, kube: Kube, metrics: Metrics, work: Work, passed: Callable[[], float] = seconds
    ) -> None:
        self._kube = kube
        self._metrics = metrics
        self._work = work
        self._correlator = Correlator(passed)
        self._waiting: OrderedDict[str, list[_Waiting]] = OrderedDict()
        self._posting: dict[str, asyncio.Event] = {}
        self._length = 0
        self._added = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return self._length

    async def record(self, about: ObjectReference, event: Event, now: datetime) -> None:
        """Have an Event posted when there is time for it.

        Where there is no room, it is posted here and now: a slow API server then slows down what makes the
        Events, and none is lost.

        Args:
            about: the involved object.
            event: the Event.
            now: its timestamp.
        """
        if self._length >= ROOM:
            await self.record_now(about, event, now)
        else:
            self._add(about, event, now)

    async def record_now(self, about: ObjectReference, event: Event, now: datetime) -> None:
        """Post an Event after those of its object that wait; returns once it is posted or refused."""
        while about.uid in self._posting:
            await self._posting[about.uid].wait()
        self._add(about, event, now)
        await self._post_all(about.uid, self._take(about.uid))

    async def run(self) -> None:
        """Post what is recorded, until cancelled."""
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while True:
                await slots.acquire()
                uid = await self._next()
                posting = group.create_task(self._post_all(uid, self._take(uid)))
                posting.add_done_callback(lambda _: slots.release())

    async def flush(self) -> None:
        """Wait until `run` has posted the rest, for a bounded time; to be called when the work is over."""
        try:
            async with asyncio.timeout(FLUSH):
                await self._empty.wait()
        except TimeoutError:
            logger.warning("%s Events were not posted within %g s", self._length, FLUSH)

    def _add(self, about: ObjectReference, event: Event, now: datetime) -> None:
        event = replace(event, message=event.message[:MESSAGE])
        due = asyncio.get_running_loop().time() + LONGEST_WAIT
        self._waiting.setdefault(about.uid, []).append(_Waiting(about, event, now, due))
        self._length += 1
        self._empty.clear()
        self._added.set()

    def _take(self, uid: str) -> list[_Waiting]:
        self._posting[uid] = asyncio.Event()
        return self._waiting.pop(uid)

    async def _next(self) -> str:
        """Wait until an object's Events may be posted: those that wait for the longest time."""
        loop, allowed = asyncio.get_running_loop(), ""
        while True:
            uid = next((uid for uid in self._waiting if uid not in self._posting), None)
            if uid is None:
                self._added.clear()
                await self._added.wait()
                continue
            due = self._waiting[uid][0].due
            if uid == allowed or loop.time() >= due:
                return uid
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._work.rest(CALM)
            allowed = uid  # unless somebody has posted them meanwhile

    async def _post_all(self, uid: str, events: Sequence[_Waiting]) -> None:
        try:
            for event in events:
                await self._post(event)
                self._length -= 1
        finally:
            self._posting.pop(uid).set()
            self._added.set()  # there may be more of the same object
            if not self._length:
                self._empty.set()

    async def _post(self, waiting: _Waiting) -> None:
        """Post an Event, or increase the count of an existing one.

        One that is refused, or exceeds the limit of its object, is dropped: the condition says the same.
        """
        uid = waiting.about.uid
        posting = self._correlator.correlate(uid, waiting.event, waiting.now)
        if posting is None:
            return
        try:
            name = await self._put(waiting.about, posting, waiting.now)
        except KubeError as error:
            logger.warning("an Event was not posted: %s", error)
        else:
            self._correlator.posted(uid, posting, name)
            self._metrics.events.labels(waiting.event.type, waiting.event.reason).inc()

    async def _put(self, about: ObjectReference, posting: Posting, now: datetime) -> str:
        if posting.name:
            try:
                await self._kube.count_event(about, posting, now)
            except ObjectNotFound:
                logger.debug("the Event %s has expired, and is posted again", posting.name)
            else:
                return posting.name
        return await self._kube.create_event(about, posting, now)
