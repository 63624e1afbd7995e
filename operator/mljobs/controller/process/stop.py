"""How the operator is asked to end: by SIGTERM or SIGINT, in whatever phase it is."""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Stop:
    """The wish that this process ends. It cancels the task that makes it, until somebody waits for the wish.

    Attributes:
        asked: set once there is the wish, or a part has ended and the others have to follow.
        signalled: whether it was a signal that asked.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.signalled = False
        self._task = asyncio.current_task()

    def listen(self) -> None:
        """Take the signals, from whoever took them before."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask, number.name)

    def await_it(self) -> "asyncio.Task[bool]":
        """Give a task that ends with the wish; from now on the wish cancels nothing by itself."""
        self._task = None
        return asyncio.create_task(self.asked.wait())

    async def outrun(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Give what comes of some work; None if the wish came first, which ends the work."""
        task, wish = asyncio.create_task(work), asyncio.create_task(self.asked.wait())
        try:
            await asyncio.wait([task, wish], return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            wish.cancel()

    def _ask(self, name: str) -> None:
        logger.info("%s: the operator ends", name)
        self.signalled = True
        self.asked.set()
        if self._task:
            self._task.cancel()
