"""The time of one process, by a clock that never jumps."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def seconds() -> float:
    """A clock that neither jumps nor stands still while the machine sleeps, where the system has one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def wall() -> datetime:
    """The machine's time, which somebody may set."""
    return datetime.now(UTC)


def steady(
    now: Callable[[], datetime] = wall, passed: Callable[[], float] = seconds
) -> Callable[[], datetime]:
    """Start a clock at the machine's time, which from then on goes by what has passed and by nothing else.

    Delays and the doubt about a create call are measured by it: a machine's clock that is set by an hour, in
    either direction, neither ends nor prolongs them.

    Args:
        now: the time at the start.
        passed: seconds by a clock that never jumps.

    Returns:
        A function that tells the time, with a zone.
    """
    start, began = now(), passed()
    return lambda: start + timedelta(seconds=passed() - began)
