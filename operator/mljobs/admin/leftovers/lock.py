"""Makes sure that no operator acts at the same time: the command holds the operator's own Lease."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Gone, KubeError
from mljobs.controller.kube.lease import Fence, Lease, LeaseOptions, identity

GLANCE = 1.0
"""Seconds from one look at a Lease that somebody may hold to the next."""

MARGIN = 4.0
"""Seconds that taking a free Lease may last beyond its duration."""


class NotAlone(Exception):
    """An operator acts, or nobody can tell; the message says what to do."""


@asynccontextmanager
async def alone(
    kube: Kube, fence: Fence, options: LeaseOptions, *, required: bool, margin: float = MARGIN
) -> AsyncIterator[None]:
    """Hold the operator's Lease inside, so that no operator with leader election acts meanwhile.

    A Lease that is not renewed any more is taken as another replica would take it, after its duration. If it
    is lost, the process ends before its next write.

    Args:
        kube: the API server; its writes pass the fence from now on.
        fence: what calls of the job service pass.
        options: which Lease.
        required: whether to give up where there is no such Lease, or where it cannot be taken.
        margin: seconds of patience beyond the Lease's duration.

    Raises:
        NotAlone: an operator holds it, or `required` is not met.
    """
    where = f"{options.namespace}/{options.name}"
    try:
        found = await kube.get_lease(options.namespace, options.name)
    except KubeError as error:
        if required:
            raise NotAlone(_unsure(where, error)) from error
        yield
        return
    lease = Lease(kube, options, me=identity())
    if not await _taken(kube, lease, options, found.get("spec") or {}, margin):
        if required:
            raise NotAlone(
                f"the Lease {where} is nobody's, but cannot be taken: get the right update for it; if no "
                f"operator runs, add --without-lease"
            )
        yield
        return
    fence.arm(lease.check)
    kube.fence = fence
    keeping = asyncio.create_task(lease.keep())
    try:
        yield
    finally:
        keeping.cancel()
        await lease.release()


async def _taken(
    kube: Kube, lease: Lease, options: LeaseOptions, before: Mapping[str, Any], margin: float
) -> bool:
    """Take the Lease, or find out that somebody renews it.

    Raises:
        NotAlone: somebody does.
    """
    loop = asyncio.get_running_loop()
    promised = float(before.get("leaseDurationSeconds") or options.duration)
    until = loop.time() + margin + (promised if before.get("holderIdentity") else 0)
    taking = asyncio.create_task(lease.acquire())
    try:
        while loop.time() < until:
            await asyncio.wait([taking], timeout=GLANCE)
            if taking.done():
                return True
            now = (await kube.get_lease(options.namespace, options.name)).get("spec") or {}
            if now.get("holderIdentity") and now.get("renewTime") != before.get("renewTime"):
                if lease.held:
                    continue
                raise NotAlone(_held(f"{options.namespace}/{options.name}", now["holderIdentity"]))
        return False
    finally:
        taking.cancel()


def _held(where: str, holder: str) -> str:
    return (
        f"an operator runs: {holder} holds the Lease {where} and renews it. Delete the resources and it ends "
        f"their jobs, or stop it first"
    )


def _unsure(where: str, error: KubeError) -> str:
    if isinstance(error, Gone):
        return (
            f"there is no Lease {where}, so that nobody can tell whether an operator runs. Name the "
            f"operator's with --lease-namespace and --lease-name; if none runs, add --without-lease"
        )
    return (
        f"the Lease {where} cannot be read: {error}. Get the rights get and update for it; if no operator "
        f"runs, add --without-lease"
    )
