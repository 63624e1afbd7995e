"""Finds out whether an operator is active; if none is, the command holds its Lease."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.election import Election
from mljobs.controller.kube.errors import KubeError, ObjectNotFound
from mljobs.controller.kube.lease import Fence, Lease, LeaseOptions, identity

GLANCE = 1.0
"""Seconds between two reads of a Lease that may have a holder."""

MARGIN = 4.0
"""Seconds that acquiring a free Lease may take beyond its duration."""


class Unsure(Exception):
    """Whether an operator is active cannot be found out; the message says what to do."""


@asynccontextmanager
async def holding(
    kube: Kube, fence: Fence, options: LeaseOptions, *, required: bool, margin: float = MARGIN
) -> AsyncIterator[str]:
    """Hold the operator's Lease inside, so that no operator with leader election is active meanwhile.

    A Lease that is not renewed any more is taken as another replica would take it, after its duration. If it
    is lost, the process ends before its next write.

    Args:
        kube: the API server; its writes pass the fence from now on.
        fence: what calls of the job service pass.
        options: which Lease.
        required: whether to give up if there is no such Lease, or if it cannot be acquired.
        margin: seconds of patience beyond the Lease's duration.

    Yields:
        The holder that renews the Lease and so is active; empty if there is none.

    Raises:
        Unsure: `required` is not met.
    """
    where = f"{options.namespace}/{options.name}"
    try:
        found = await kube.get_lease(options.namespace, options.name)
    except KubeError as error:
        if required:
            raise Unsure(_unsure(where, error)) from error
        yield ""
        return
    lease = Lease(kube, options, me=identity())
    holder = await _taken(kube, lease, options, found.get("spec") or {}, margin)
    if holder is None and required:
        raise Unsure(
            f"the Lease {where} has no holder, but cannot be acquired: get the permission update for it; if "
            f"no operator runs, add --without-lease"
        )
    if not lease.held:
        yield holder or ""
        return
    fence.arm(lease.check)
    kube.fence = fence
    keeping = asyncio.create_task(lease.keep())
    try:
        yield ""
    finally:
        keeping.cancel()
        await lease.release()


async def _taken(
    kube: Kube, lease: Lease, options: LeaseOptions, before: Mapping[str, Any], margin: float
) -> str | None:
    """Acquire the Lease, or find out who renews it.

    Returns:
        The holder; empty: none, and it is acquired; None: none, and it cannot be acquired either.
    """
    loop = asyncio.get_running_loop()
    promised = float(before.get("leaseDurationSeconds") or options.duration)
    until = loop.time() + margin + (promised if before.get("holderIdentity") else 0)
    taking = asyncio.create_task(lease.acquire())
    try:
        while loop.time() < until:
            await asyncio.wait([taking], timeout=GLANCE)
            if taking.done():
                return await _other_shard(kube, lease, options, margin)
            now = (await kube.get_lease(options.namespace, options.name)).get("spec") or {}
            if now.get("holderIdentity") and now.get("renewTime") != before.get("renewTime"):
                if lease.held:
                    continue
                return str(now["holderIdentity"])
        return None
    finally:
        taking.cancel()


async def _other_shard(kube: Kube, lease: Lease, options: LeaseOptions, margin: float) -> str:
    """Who holds the Lease of another shard, if the first one is acquired; empty, and it is kept: nobody."""
    loop = asyncio.get_running_loop()
    until = loop.time() + options.duration + margin
    election = Election(kube, options, me=lease.me)
    while holder := await election.other():
        if loop.time() >= until:
            await lease.release()
            return holder
        await asyncio.sleep(GLANCE)
        await lease.renew()
    return ""


def _unsure(where: str, error: KubeError) -> str:
    if isinstance(error, ObjectNotFound):
        return (
            f"there is no Lease {where}, so that it is unknown whether an operator runs. Name the "
            f"operator's with --lease-namespace and --lease-name; if none runs, add --without-lease"
        )
    return (
        f"the Lease {where} cannot be read: {error}. Get the permissions get and update for it; if no "
        f"operator runs, add --without-lease"
    )
