"""Leader election: one coordination.k8s.io Lease, and a fence that blocks every effect once it is lost.

The election follows client-go's rules: a candidate takes a Lease that it has seen unchanged for the Lease's
duration, by its own clock; the holder stops well before others may take it. Only intervals of a clock that
never jumps are compared, so that a wrong or changed wall clock costs nothing.
"""

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Conflict, KubeError, ObjectNotFound
from mljobs.controller.process.clock import seconds

logger = logging.getLogger(__name__)

EXIT_LEASE_LOST = 75
"""The exit status of a process that had to stop because it lost the Lease (EX_TEMPFAIL)."""


NOTE = "mljobs.dev/watched"
"""The annotation of the Lease that carries the holder's note to the next one; see `WatchCheckpoint`."""


MOST_SHARDS = 16
"""Operators that may share the namespaces; see `Election`."""


def lease_names(name: str) -> Sequence[str]:
    """The names of the Leases of all shards that there can be.

    Args:
        name: of the first one, which is the only one without shards.
    """
    return [name, *(f"{name}-{number}" for number in range(1, MOST_SHARDS))]


class Fence:
    """Guards every effect. Open until it is armed, so that a single operator needs no Lease."""

    def __init__(self) -> None:
        self._check: Callable[[], None] | None = None

    def arm(self, check: Callable[[], None]) -> None:
        """Run this check before each effect from now on."""
        self._check = check

    def __call__(self) -> None:
        """Run the check, which does not return if the Lease is lost."""
        if self._check:
            self._check()


def identity() -> str:
    """A unique name of this process."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


def die(reason: str) -> None:
    """End this process at once: another one does the work now."""
    logger.critical("%s; this process exits at once", reason)
    logging.shutdown()
    os._exit(EXIT_LEASE_LOST)


@dataclass(frozen=True)
class LeaseOptions:
    """The Lease, and its durations.

    Attributes:
        namespace: of the Lease.
        name: of the Lease.
        duration: seconds that candidates wait after the last renewal they saw.
        deadline: seconds after the start of the last renewal in which the holder may still act.
        period: seconds between renewals, and between a candidate's reads.
    """

    namespace: str
    name: str = "mljobs-operator"
    duration: int = 12
    deadline: float = 8
    period: float = 2


class Lease:
    """A Lease that this process holds, or waits for.

    Args:
        kube: the API server.
        options: the Lease, and its durations.
        me: this process's name.
        clock: seconds, by a clock that never jumps.
        lost: called when an effect is about to happen after the deadline; it must not return.

    Attributes:
        me: this process's name.
        found: the previous holder's note; empty if there is none.
        note: returns the note to write with each renewal; None: the previous one is kept.
    """

    def __init__(
        self,
        kube: Kube,
        options: LeaseOptions,
        *,
        me: str,
        clock: Callable[[], float] = seconds,
        lost: Callable[[str], None] = die,
    ) -> None:
        self.found = ""
        self.note: Callable[[], str] | None = None
        self._kube = kube
        self._options = options
        self.me = me
        self._clock = clock
        self._lost = lost
        self._valid_until = float("-inf")
        self._seen: tuple[Any, ...] = ()
        self._seen_at = float("-inf")

    @property
    def held(self) -> bool:
        """Whether this process may act."""
        return self._clock() < self._valid_until

    def check(self) -> None:
        """Return if this process may act; end it otherwise. Called before each effect, on any thread."""
        if not self.held:
            self._lost(f"the Lease {self.where} was not renewed in time")

    async def acquire(self) -> None:
        """Wait until this process holds the Lease."""
        logger.info("waiting for the Lease %s as %s", self.where, self.me)
        while not await self.attempt():  # noqa: ASYNC110 (the Lease is elsewhere, and can only be asked)
            await asyncio.sleep(self._options.period)
        logger.info("this process holds the Lease %s", self.where)

    async def renew(self) -> None:
        """Renew the Lease now, with the current note."""
        await self.attempt()

    async def keep(self) -> None:
        """Renew the Lease until it is lost; ends the process then."""
        while self.held:
            await asyncio.sleep(self._options.period)
            left = self._valid_until - self._clock()
            try:
                async with asyncio.timeout(max(left, 0)):
                    await self.attempt()
            except TimeoutError:
                continue
        self.check()

    async def release(self) -> None:
        """Release the Lease, so that another process can acquire it at once."""
        if not self.held:
            return
        try:
            lease = await self._kube.get_lease(self._options.namespace, self._options.name)
            spec = lease.get("spec") or {}
            if spec.get("holderIdentity") == self.me:
                self._valid_until = float("-inf")
                lease["spec"] = {**spec, "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
                await self._kube.replace_lease(lease)
        except KubeError as error:
            logger.warning("the Lease %s was not released: %s", self.where, error)

    @property
    def where(self) -> str:
        """Namespace and name of the Lease, for messages."""
        return f"{self._options.namespace}/{self._options.name}"

    async def holder(self) -> str:
        """Who else holds the Lease now; empty if nobody does.

        Raises:
            KubeError: the Lease could not be read.
        """
        try:
            found = await self._kube.get_lease(self._options.namespace, self._options.name)
        except ObjectNotFound:
            return ""
        spec = found.get("spec") or {}
        return "" if self._free(spec) else str(spec.get("holderIdentity"))

    async def attempt(self) -> bool:
        """Acquire or renew the Lease if that is allowed.

        Returns:
            Whether this process holds it now.
        """
        began = self._clock()
        try:
            taken = await self._take()
        except Conflict:  # another candidate's change: the next read shows
            return self.held
        except KubeError as error:
            logger.warning("the Lease %s could not be reached: %s", self.where, error)
            return self.held
        self._valid_until = began + self._options.deadline if taken else float("-inf")
        return taken

    async def _take(self) -> bool:
        options = self._options
        try:
            lease = await self._kube.get_lease(options.namespace, options.name)
        except ObjectNotFound:
            await self._kube.create_lease(options.namespace, options.name, self._spec({}))
            return True
        spec = lease.get("spec") or {}
        if not self._free(spec):
            return False
        notes = lease["metadata"].get("annotations") or {}
        if spec.get("holderIdentity") != self.me:
            self.found = str(notes.get(NOTE, ""))
        if self.note:
            lease["metadata"]["annotations"] = {**notes, NOTE: self.note()}
        lease["spec"] = self._spec(spec)
        await self._kube.replace_lease(lease)
        return True

    def _free(self, spec: Mapping[str, Any]) -> bool:
        """Whether the Lease is ours, released, or expired."""
        holder = spec.get("holderIdentity") or ""
        seen = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()
        if holder in ("", self.me):
            return True
        promised = float(spec.get("leaseDurationSeconds") or self._options.duration)
        return self._clock() - self._seen_at >= promised

    def _spec(self, old: Mapping[str, Any]) -> dict[str, Any]:
        mine = old.get("holderIdentity") == self.me
        return {
            **old,
            "holderIdentity": self.me,
            "leaseDurationSeconds": self._options.duration,
            "acquireTime": (old.get("acquireTime") if mine else None) or _now(),
            "renewTime": _now(),
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if mine else 1),
        }


def _now() -> str:
    """The wall clock's time, for people; nothing is decided by it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
