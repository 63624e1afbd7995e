"""Elects the operators of shards: each holds one Lease, and none acts beside another number of shards.

The first Lease has the name that the only one has without shards. A process that counts another number of
shards than the holder of any of the Leases gives way: with another number, a namespace is another one's. Each
first writes its own Lease and then reads all others, so that of two that begin at once at least one sees the
other.
"""

import asyncio
import logging
import random
import re
from collections.abc import Callable
from dataclasses import replace

from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Forbidden, KubeError
from mljobs.controller.kube.lease import Lease, LeaseOptions, identity, lease_names
from mljobs.controller.process.clock import seconds

logger = logging.getLogger(__name__)

_SUFFIX = re.compile(r"_of_([0-9]{1,2})$")


def shards_of(holder: str) -> int:
    """How many shards the holder of a Lease counts, as its name says."""
    found = _SUFFIX.search(holder)
    return int(found[1]) if found else 1


class Election:
    """A shard that this process has, or waits for.

    Args:
        kube: the API server.
        options: the Lease of the first shard, and the durations of all.
        shards: how many there are.
        me: this process's name, without the number of shards.
        clock: seconds, by a clock that never jumps.
        chance: a number from 0 to 1.

    Attributes:
        shard: the number of the shard whose Lease this process has acquired.
    """

    def __init__(
        self,
        kube: Kube,
        options: LeaseOptions,
        shards: int = 1,
        *,
        me: str | None = None,
        clock: Callable[[], float] = seconds,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.shard = 0
        self._period = options.period
        self._chance = chance
        name = (me or identity()) + (f"_of_{shards}" if shards > 1 else "")
        self._shards = shards
        self._leases = [
            Lease(kube, replace(options, name=one), me=name, clock=clock) for one in lease_names(options.name)
        ]

    @property
    def lease(self) -> Lease:
        """The Lease of the shard."""
        return self._leases[self.shard]

    @property
    def held(self) -> bool:
        """Whether this process may act."""
        return self.lease.held

    async def acquire(self) -> None:
        """Wait until this process holds the Lease of a shard, and nobody acts with another number of them."""
        of = f" or that of another of {self._shards} shards" if self._shards > 1 else ""
        logger.info("waiting for the Lease %s%s as %s", self.lease.where, of, self.lease.me)
        while True:
            for number in range(self._shards):
                if await self._leases[number].attempt():
                    self.shard = number
                    break
            if self.held:
                if await self._alone():
                    logger.info("this process holds the Lease %s", self.lease.where)
                    return
                await self.lease.release()
            # at random, so that two that have given way to each other do not do so for ever
            await asyncio.sleep(self._period * (1 + self._chance()))

    async def release(self) -> None:
        """Release the Lease, so that another process can acquire it at once."""
        await self.lease.release()

    async def other(self) -> str:
        """A holder of any Lease that counts another number of shards; empty if there is none.

        A Lease that cannot be read may be such a one. One that is not renewed counts as held until it was
        seen unchanged for its duration.
        """
        for lease in self._leases:
            try:
                holder = await lease.holder()
            except KubeError as error:
                if isinstance(error, Forbidden) and self._shards == 1:
                    return ""  # rights from before there were shards
                logger.warning("the Lease %s could not be reached: %s", lease.where, error)
                return f"whoever holds the Lease {lease.where}"
            if holder and shards_of(holder) != self._shards:
                return holder
        return ""

    async def _alone(self) -> bool:
        """Whether nobody counts another number of shards, and the Lease is still held after finding out."""
        other = await self.other()
        if other:
            logger.info("this process waits for %s, which counts another number of shards", other)
        return not other and self.held
