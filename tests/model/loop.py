"""An event loop whose time stands still until somebody moves it, so that hours pass in milliseconds."""

import asyncio
import selectors
from collections.abc import Callable


class _Selector(selectors.SelectSelector):
    """Never waits: tells its loop how long it would have waited."""

    idle: Callable[[float | None], None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self.idle(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop for code that does no real I/O.

    Attributes:
        now: its time, in seconds.
    """

    def __init__(self) -> None:
        selector = _Selector()
        selector.idle = self._idle
        super().__init__(selector)
        self.now = 0.0
        self._until = 0.0
        self._pause = False

    def time(self) -> float:
        return self.now

    def settle(self) -> None:
        """Run what is ready, and what that makes ready, without any time passing."""
        self.advance(0)

    def advance(self, seconds: float, *, to_timer: bool = False) -> None:
        """Let time pass; timers go off at their time, in order.

        Args:
            seconds: how much, at most.
            to_timer: stop once the first timer has gone off.
        """
        self._until, self._pause = self.now + seconds, to_timer
        self.run_forever()

    def do(self, action: Callable[[], None]) -> None:
        """Call a function inside of the loop, and settle."""
        self.call_soon(action)
        self.settle()

    def _idle(self, timeout: float | None) -> None:
        if timeout is None or self.now + timeout > self._until:
            self.now = self._until
            self.stop()
            return
        self.now += timeout
        if self._pause:
            self._until = self.now
