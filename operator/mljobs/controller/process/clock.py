"""The time of one process, by a clock that never jumps."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def seconds() -> float:
    """A clock that never jumps, and runs on while the machine sleeps if the system supports that."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def wall() -> datetime:
    """The machine's time, which may be set."""
    return datetime.now(UTC)


def steady(
    now: Callable[[], datetime] = wall, passed: Callable[[], float] = seconds
) -> Callable[[], datetime]:
    """Start a clock at the machine's time, which then advances by elapsed time only.

    Delays and grace periods are measured by it: setting the machine's clock, in either direction, neither
    ends nor prolongs them.

    Args:
        now: the time at the start.
        passed: seconds by a clock that never jumps.

    Returns:
        A function that returns the time, with a zone.
    """
    start, began = now(), passed()
    return lambda: start + timedelta(seconds=passed() - began)
