"""What liveness and readiness are made of."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass


class Pulse:
    """The sign of life of one part.

    Args:
        clock: seconds, by a clock that never jumps.

    Attributes:
        answered: whether what it asks for was ever given.
        excused: whether it cannot be given now, and nobody shall wait for it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.answered = False
        self.excused = False
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """Show life."""
        self._last = self._clock()

    def silence(self) -> float:
        """Seconds since the last beat, or since the start."""
        return self._clock() - self._last


@dataclass(frozen=True)
class Part:
    """What has to show life.

    Attributes:
        name: for the message.
        silence: seconds for which it has shown none so far.
        limit: seconds after which it counts as stuck.
    """

    name: str
    silence: Callable[[], float]
    limit: float


class Health:
    """What the probes ask.

    Args:
        parts: that have to show life from the start.

    Attributes:
        standby: whether this process waits for the Lease, which is healthy.
        watching: set once the operator has logged in and begins to watch.
        watches: one for each list and watch. All that are not excused have to be answered before this process
            does its work, and one at least.
        parts: that have to show life.
    """

    def __init__(self, *parts: Part) -> None:
        self.standby = False
        self.watching = asyncio.Event()
        self.watches: list[Pulse] = []
        self.parts = list(parts)

    @property
    def ready(self) -> bool:
        """Whether this process does its work, or could take it over."""
        given = [watch.answered for watch in self.watches if not watch.excused]
        return self.standby or (self.watching.is_set() and all(given) and (bool(given) or not self.watches))

    def ailment(self) -> str:
        """Why a restart would help; empty while the operator is alive.

        An API server or a service that does not answer is no reason: calls to them end by their time-outs,
        and each try is a sign of life.
        """
        for part in self.parts:
            silence = part.silence()
            if silence > part.limit:
                return f"{part.name} has shown no life for {silence:.0f} s"
        return ""
