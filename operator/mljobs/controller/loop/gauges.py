"""Remembers when each status was last written, so that gauges alone are written seldom; see `show.gauges`."""

from collections.abc import Callable
from datetime import datetime, timedelta

from mljobs.controller.loop.store import Key
from mljobs.domain.show import gauges


class Gauges:
    """When gauges may be written.

    Args:
        clock: the time, with a zone; statuses count as written when this process began.
        watched: how many jobs are watched.
        interval: seconds between two writes of a resource's gauges alone, at least.
    """

    def __init__(self, clock: Callable[[], datetime], watched: Callable[[], int], interval: float) -> None:
        self._clock = clock
        self._watched = watched
        self._interval = timedelta(seconds=interval)
        self._began = clock()
        self._written: dict[Key, datetime] = {}

    def wait(self, key: Key, uid: str) -> float:
        """Seconds until a resource's gauges may be written alone; 0 if they may now."""
        written = self._written.get(key, self._began)
        due = written + gauges.pause(uid, self._watched(), self._interval)
        return max(0.0, (due - self._clock()).total_seconds())

    def wrote(self, key: Key) -> None:
        """A resource's status was written, gauges included."""
        self._written[key] = self._clock()

    def forget(self, key: Key) -> None:
        """Nothing is watched for a resource any longer."""
        self._written.pop(key, None)
