from collections.abc import Callable
from typing import Any

import pytest

from mljobs.api.base import JsonObject
from mljobs.controller.kube.errors import ObjectNotFound, Unreachable
from mljobs.controller.kube.lease import Fence, Lease, LeaseOptions
from tests.unit.controller.leases import Clock, Leases


class Lost(Exception):
    """Stands for the end of the process."""


def lost(reason: str) -> None:
    raise Lost(reason)


@pytest.fixture
def candidate(server: Leases, clock: Clock) -> Callable[[str], Lease]:
    kube: Any = server
    return lambda me: Lease(kube, LeaseOptions("ns", duration=12, deadline=8), me=me, clock=clock, lost=lost)


async def test_the_first_takes_it_and_the_second_waits(candidate: Any, server: Leases) -> None:
    first, second = candidate("a"), candidate("b")
    assert await first.attempt()
    assert not await second.attempt()
    assert first.held
    assert not second.held
    assert server.lease is not None
    assert server.lease["spec"]["holderIdentity"] == "a"


async def test_a_holder_may_not_act_after_its_deadline(candidate: Any, clock: Clock) -> None:
    lease = candidate("a")
    assert await lease.attempt()
    clock.now += 7.9
    lease.check()
    clock.now += 0.2
    with pytest.raises(Lost):
        lease.check()


async def test_another_takes_over_only_after_it_saw_no_renewal_for_the_duration(
    candidate: Any, clock: Clock
) -> None:
    first, second = candidate("a"), candidate("b")
    await first.attempt()
    await second.attempt()
    clock.now += 11.9
    assert not await second.attempt()
    clock.now += 0.2
    assert await second.attempt()
    assert not first.held
    assert not await first.attempt()


async def test_a_renewal_starts_the_wait_again(candidate: Any, clock: Clock) -> None:
    first, second = candidate("a"), candidate("b")
    await first.attempt()
    for _ in range(10):
        assert not await second.attempt()
        clock.now += 5
        assert await first.attempt()
    assert first.held


async def test_a_holder_that_is_cut_off_keeps_it_until_the_deadline(
    candidate: Any, server: Leases, clock: Clock
) -> None:
    lease = candidate("a")
    await lease.attempt()
    server.error = lambda _: Unreachable("cut off")
    clock.now += 5
    assert await lease.attempt()
    clock.now += 4
    assert not await lease.attempt()
    with pytest.raises(Lost):
        await lease.keep()


async def test_a_released_lease_is_free_at_once(candidate: Any, server: Leases) -> None:
    first, second = candidate("a"), candidate("b")
    await first.attempt()
    await first.release()
    assert not first.held
    assert await second.attempt()
    await first.release()
    assert server.lease is not None
    assert server.lease["spec"]["holderIdentity"] == "b"
    assert server.lease["spec"]["leaseTransitions"] == 2


async def test_of_two_that_create_it_one_wins(candidate: Any, server: Leases) -> None:
    first = candidate("a")
    await candidate("b").attempt()
    real = server.get_lease

    async def stale(namespace: str, name: str) -> JsonObject:
        server.get_lease = real  # type: ignore[method-assign]
        raise ObjectNotFound(name)

    server.get_lease = stale  # type: ignore[method-assign, assignment]
    assert not await first.attempt()
    assert not first.held


def test_a_fence_is_open_until_it_is_armed() -> None:
    fence = Fence()
    fence()
    fence.arm(lambda: lost("too late"))
    with pytest.raises(Lost):
        fence()
