"""Liveness and readiness."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass


class Heartbeat:
    """The heartbeat of a list or a watch.

    Args:
        clock: seconds, by a clock that never jumps.

    Attributes:
        answered: whether its requests were ever answered.
        excused: whether they cannot be answered now, so that readiness does not wait for it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.answered = False
        self.excused = False
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """Record a heartbeat."""
        self._last = self._clock()

    def silence(self) -> float:
        """Seconds since the last heartbeat, or since the start."""
        return self._clock() - self._last


@dataclass(frozen=True)
class LivenessCheck:
    """A part of the process that has to make progress.

    Attributes:
        name: for the message.
        silence: seconds since it last made progress.
        limit: seconds after which it counts as stuck.
    """

    name: str
    silence: Callable[[], float]
    limit: float


class Health:
    """The state behind the probes.

    Args:
        checks: those that count from the start.

    Attributes:
        standby: whether this process waits for the Lease, which is healthy.
        watching: set once the operator has logged in and starts to watch.
        watches: one for each list and watch. All that are not excused have to be answered before this process
            is ready, and at least one.
        checks: all liveness checks.
    """

    def __init__(self, *checks: LivenessCheck) -> None:
        self.standby = False
        self.watching = asyncio.Event()
        self.watches: list[Heartbeat] = []
        self.checks = list(checks)

    @property
    def ready(self) -> bool:
        """Whether this process is working, or is a standby."""
        answered = [watch.answered for watch in self.watches if not watch.excused]
        return self.standby or (
            self.watching.is_set() and all(answered) and (bool(answered) or not self.watches)
        )

    def failure(self) -> str:
        """Why a restart would help; empty while the operator is alive.

        An API server or a service that does not answer is no reason: calls to them time out, and each retry
        counts as progress.
        """
        for check in self.checks:
            silence = check.silence()
            if silence > check.limit:
                return f"{check.name} has made no progress for {silence:.0f} s"
        return ""
