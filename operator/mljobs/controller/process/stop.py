"""Stops the operator on SIGTERM or SIGINT, in any phase."""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Stop:
    """A request to stop the process. It cancels the task that creates it, until somebody waits for it.

    Attributes:
        requested: set once a stop is requested, or a part has ended and the others have to follow.
        signalled: whether a signal requested it.
    """

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.signalled = False
        self._task = asyncio.current_task()

    def listen(self) -> None:
        """Handle the signals, in place of any earlier handler."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._request, number.name)

    def stop_task(self) -> "asyncio.Task[bool]":
        """Return a task that ends when a stop is requested, which from now on cancels nothing by itself."""
        self._task = None
        return asyncio.create_task(self.requested.wait())

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return the result of some work; None if a stop was requested first, which cancels the work."""
        task, stop = asyncio.create_task(work), asyncio.create_task(self.requested.wait())
        try:
            await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            stop.cancel()

    def _request(self, name: str) -> None:
        logger.info("%s: the operator stops", name)
        self.signalled = True
        self.requested.set()
        if self._task:
            self._task.cancel()
