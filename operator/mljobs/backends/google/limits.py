"""Client-side quotas: token buckets for each project, and pauses that the service requests."""

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from aiolimiter import AsyncLimiter

from mljobs.domain.errors import Throttled

QuotaGroup = Literal["create", "other"]
"""The service counts creates separately from get, list and cancel; other methods count with the latter."""

WINDOW = 60.0
"""Seconds of the service's quota window (documentation of quotas)."""

BURST_SHARE = 0.1
"""The share of a window's quota that may be sent at once; the rest is spread over the window."""

PATIENT_SHARE = 0.7
"""The share of a quota that background requests may use, so that polls leave room for cancels and reads."""

WAITING_LIMIT = 8
"""Requests of a quota group that may wait for their turn, but for background ones: well below the workers."""

TICK = 0.005
"""Seconds that do not count as waiting: a turn of the event loop, whose time moves in whole milliseconds."""

PROJECTS_LIMIT = 1024
"""Buckets that are kept, the most recently used ones."""


@dataclass(frozen=True)
class Limits:
    """Requests for each project and minute; None or 0 is no limit.

    The defaults are the service's own quotas: 60 creates, and 300 of get, list and cancel together.

    Attributes:
        creates_per_minute: of `projects.jobs.create`.
        others_per_minute: of all other methods together.

    Raises:
        ValueError: a limit is negative or not finite.
    """

    creates_per_minute: float | None = 60
    others_per_minute: float | None = 300

    def __post_init__(self) -> None:
        for name in ("creates_per_minute", "others_per_minute"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ValueError(
                    f"{name}: {value!r} must be a number of requests a minute, or 0 for no limit"
                )


def bucket(quota: float) -> AsyncLimiter:
    """Make a bucket that never lets more than `quota` requests into any window of 60 s.

    A bucket of capacity B that leaks r a window lets fewer than B + r requests into any window, hence
    B + r = quota + 1. The obvious `AsyncLimiter(quota, 60)` has B = r = quota: nearly twice the quota.
    """
    burst = max(1, math.floor(quota * BURST_SHARE))
    rate = quota + 1 - burst
    return AsyncLimiter(burst, WINDOW * burst / rate)


@dataclass
class _Gate:
    bucket: AsyncLimiter | None
    background: AsyncLimiter | None
    closed_until: float = 0.0
    waiting: int = 0
    booked_until: float = 0.0


def _book(gate: _Gate, bucket: AsyncLimiter) -> float:
    """Reserve a turn for a refused request: seconds until then, after the ones refused before."""
    now = asyncio.get_running_loop().time()
    gate.booked_until = max(gate.booked_until, now) + bucket.time_period / bucket.max_rate
    return gate.booked_until - now


class ProjectLimits:
    """Delays requests so that no project exceeds its quotas. For one event loop.

    Args:
        limits: the quotas.
        longest_wait: seconds that a request waits for its turn or the end of a pause before it is refused, so
            that many of them do not block everything else.
        longest_pause: seconds that a background request waits for the end of a pause; it waits for its turn
            as long as it takes.
    """

    def __init__(self, limits: Limits, *, longest_wait: float, longest_pause: float) -> None:
        self._limits = limits
        self._longest_wait = longest_wait
        self._longest_pause = longest_pause
        self._gates: OrderedDict[tuple[str, QuotaGroup], _Gate] = OrderedDict()

    async def admit(self, project: str, group: QuotaGroup, *, background: bool = False) -> float:
        """Wait until a request may be sent.

        Returns:
            Seconds waited; 0 if the request had its turn at once.

        Raises:
            Throttled: the service has requested a longer pause, or too many other requests wait.
        """
        clock = asyncio.get_running_loop().time
        gate, began = self._gate(project, group), clock()
        longest = self._longest_pause if background else self._longest_wait
        while True:
            await self._wait_out_pause(gate, project, longest)
            if gate.bucket is not None:
                turn = self._take_turn(gate) if background else self._queue(gate, gate.bucket, project, group)
                await turn
            if gate.closed_until <= clock():  # closed while waiting for the bucket: wait again
                waited = clock() - began
                return waited if waited > TICK else 0.0

    def pause(self, project: str, group: QuotaGroup, seconds: float | None) -> None:
        """Pause this quota group: the service has answered 429 with a `Retry-After`."""
        if seconds:
            gate = self._gate(project, group)
            gate.closed_until = max(gate.closed_until, asyncio.get_running_loop().time() + seconds)

    async def _take_turn(self, gate: _Gate) -> None:
        """Wait for a turn among background requests, then for one among all."""
        for bucket in (gate.background, gate.bucket):
            if bucket is not None:
                await bucket.acquire()

    async def _queue(self, gate: _Gate, bucket: AsyncLimiter, project: str, group: QuotaGroup) -> None:
        if not gate.waiting and bucket.has_capacity():
            gate.booked_until = 0.0  # there is room again: the reservations may not be used
        gate.waiting += 1
        try:
            async with asyncio.timeout(self._longest_wait if gate.waiting <= WAITING_LIMIT else 0):
                await bucket.acquire()
        except TimeoutError:
            quota = f"{self._quota(group):g} {'creates' if group == 'create' else 'calls other than create'}"
            raise Throttled(
                f"project {project}: its quota of {quota} a minute is used up; nothing was sent",
                retry_after=_book(gate, bucket),
            ) from None
        finally:
            gate.waiting -= 1

    async def _wait_out_pause(self, gate: _Gate, project: str, longest: float) -> None:
        while (left := gate.closed_until - asyncio.get_running_loop().time()) > 0:
            if left > longest:
                # the message goes into a condition, which seconds would change with every retry
                raise Throttled(
                    f"project {project}: the service asked for a pause that is not over; nothing was sent",
                    retry_after=left,
                )
            await asyncio.sleep(left)

    def _gate(self, project: str, group: QuotaGroup) -> _Gate:
        gate = self._gates.get((project, group))
        if gate is None:
            quota = self._quota(group)
            gate = self._gates[project, group] = _Gate(
                bucket(quota) if quota else None,
                bucket(quota * PATIENT_SHARE) if quota and group == "other" else None,
            )
            if len(self._gates) > PROJECTS_LIMIT:
                self._gates.popitem(last=False)
        self._gates.move_to_end((project, group))
        return gate

    def _quota(self, group: QuotaGroup) -> float | None:
        return self._limits.creates_per_minute if group == "create" else self._limits.others_per_minute
