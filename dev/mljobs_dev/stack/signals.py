"""How a foreground command is asked to end: SIGTERM, Ctrl-C or a closed terminal become one exception."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(BaseException):
    """The user, or who runs this program, wants it to end. Not an Exception, so that nothing swallows it.

    Attributes:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def raising_stopped() -> Iterator[None]:
    """Raise `Stopped` in the main thread at the first signal, and ignore those that follow.

    What has to be put away is put away in `finally` blocks, which no second signal can cut short. Call it in
    the main thread.
    """

    def stop(number: int, _: FrameType | None) -> None:
        for every in _NUMBERS:
            signal.signal(every, signal.SIG_IGN)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
