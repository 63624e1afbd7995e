"""Emulated time: durations run faster by a factor, and instants are told on the wall clock.

A client may compare a job's timestamps with its own clock (to age a job, to delete it some time after its
end), so that only what lasts is sped up: an hour of training takes a minute at speed 60, and its endTime is
the instant at which a client could first see the end.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Reads emulated time.

    Args:
        speed: emulated seconds in a real second, above zero.
        monotonic: reads a steady clock in real seconds.
        epoch: Unix time of the clock's start.
    """

    def __init__(
        self,
        speed: float = 1.0,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        epoch: float | None = None,
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed: {speed!r} is not above zero")
        self.speed = speed
        self._monotonic = monotonic
        self._start = monotonic()
        self._epoch = time.time() if epoch is None else epoch

    def now(self) -> float:
        """Emulated seconds since the clock's start."""
        return (self._monotonic() - self._start) * self.speed

    def unix(self, instant: float) -> float:
        """The Unix time, in seconds, at which an emulated instant is reached."""
        return self._epoch + instant / self.speed

    def instant(self, unix: float) -> float:
        """The emulated instant that is reached at a Unix time."""
        return (unix - self._epoch) * self.speed


def rfc3339(unix: float) -> str:
    """A Unix time in whole seconds, as the service writes it: `2019-07-01T11:31:55Z` (recorded traffic)."""
    return datetime.fromtimestamp(int(unix), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(unix: float) -> str:
    """A Unix time with microseconds, in UTC."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def rfc3339_nano(unix: float, digits: int = 9) -> str:
    """A Unix time as protobuf's JSON writes it: with 0, 3, 6 or 9 digits behind the point, as few as do.

    Args:
        unix: in seconds.
        digits: how fine it is: 0, 3, 6 or 9; what is finer is cut off.
    """
    seconds = int(unix)
    nanos = min(round((unix - seconds) * 10**9), 10**9 - 1)
    rest = nanos // 10 ** (9 - digits) * 10 ** (9 - digits)
    fraction = f"{rest:09d}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{fraction}Z" if fraction else f"{moment}Z"
