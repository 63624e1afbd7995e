"""An EventRecorder without a cluster: work that a test says is there, and an API server that keeps Events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from mljobs.controller.kube.errors import KubeError, ObjectNotFound
from mljobs.controller.kube.events import ObjectReference, Posting
from mljobs.controller.loop.recorder import EventRecorder


class EventServer:
    """Stands for the API server's Events.

    Attributes:
        events: how each was last posted, by name.
        times: the first and last timestamp of each, by name.
        calls: `create` or `patch` for each call.
        order: the name of the object and the message of each call.
        refusal: answers each call; None: they are taken.
        answering: unset to let calls wait for their answer.
        most: how many calls were under way at once.
    """

    def __init__(self) -> None:
        self.events: dict[str, Posting] = {}
        self.times: dict[str, tuple[datetime, datetime]] = {}
        self.calls: list[str] = []
        self.order: list[tuple[str, str]] = []
        self.refusal: KubeError | None = None
        self.answering = asyncio.Event()
        self.answering.set()
        self.most = 0
        self._under_way = self._made = 0

    async def create_event(self, about: ObjectReference, posting: Posting, now: datetime) -> str:
        await self._note("create", about, posting)
        self._made += 1
        name = f"event-{self._made}"
        self.events[name], self.times[name] = posting, (posting.first, now)
        return name

    async def count_event(self, about: ObjectReference, posting: Posting, now: datetime) -> None:
        await self._note("patch", about, posting)
        if posting.name not in self.events:
            raise ObjectNotFound("not found")
        self.events[posting.name], self.times[posting.name] = posting, (posting.first, now)

    @property
    def counts(self) -> list[tuple[str, int]]:
        return [(one.event.message, one.count) for one in self.events.values()]

    @property
    def messages(self) -> list[str]:
        return [message for _, message in self.order]

    async def _note(self, call: str, about: ObjectReference, posting: Posting) -> None:
        self.calls.append(call)
        self.order.append((about.name, posting.event.message))
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        try:
            await self.answering.wait()
        finally:
            self._under_way -= 1
        if self.refusal:
            raise self.refusal


class Idle:
    """No work."""

    async def rest(self, seconds: float) -> None:
        """Return at once."""


@asynccontextmanager
async def running(recorder: EventRecorder) -> AsyncIterator[None]:
    """Let a recorder post."""
    task = asyncio.create_task(recorder.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def posted(recorder: EventRecorder) -> None:
    """Let a recorder post everything that it has."""
    async with running(recorder):
        await recorder.flush()
    assert len(recorder) == 0
