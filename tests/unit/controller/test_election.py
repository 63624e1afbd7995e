"""Shards: each has one holder, together they have each namespace once, and two counts never act at once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.controller.kube.election import Election, shards_of
from mljobs.controller.kube.errors import Forbidden, Unreachable
from mljobs.controller.kube.lease import MOST_SHARDS, LeaseOptions, lease_names
from mljobs.controller.loop.shard import WHOLE, Shard
from tests.unit.controller.leases import Clock, Leases

STEPS = 2000
"""Of the loop: some twenty tries, each of which reads all Leases."""


Candidate = Callable[[str, int], Election]


@pytest.fixture
def candidate(server: Leases, clock: Clock) -> Candidate:
    kube: Any = server
    options = LeaseOptions("ns", "mljobs", duration=12, deadline=8, period=0)
    return lambda me, shards: Election(kube, options, shards, me=me, clock=clock)


async def acquired(election: Election) -> bool:
    """Whether it acquires a Lease within many steps."""
    acquiring = asyncio.create_task(election.acquire())
    for _ in range(STEPS):
        await asyncio.sleep(0)
        if acquiring.done():
            return True
    acquiring.cancel()
    await asyncio.gather(acquiring, return_exceptions=True)
    await election.release()
    return False


async def test_each_shard_has_one_holder_and_the_rest_wait(candidate: Candidate, server: Leases) -> None:
    elections = [candidate(f"pod-{number}", 3) for number in range(5)]
    outcomes = await asyncio.gather(*map(acquired, elections))
    assert sum(outcomes) == 3
    held = [election for election in elections if election.held]
    assert sorted(election.shard for election in held) == [0, 1, 2]
    assert server.holders().keys() == {"mljobs", "mljobs-1", "mljobs-2"}
    assert set(server.holders().values()) == {election.lease.me for election in held}


async def test_a_replica_in_reserve_takes_the_shard_of_one_that_has_died(
    candidate: Candidate, clock: Clock
) -> None:
    elections = [candidate(f"pod-{number}", 3) for number in range(4)]
    await asyncio.gather(*map(acquired, elections))
    (spare,) = [election for election in elections if not election.held]
    dead, *living = [election for election in elections if election.held]
    clock.now += 7
    for election in living:
        await election.lease.renew()
    clock.now += 6
    assert await acquired(spare)
    assert spare.shard == dead.shard
    assert not dead.held


@pytest.mark.parametrize(("first", "then"), [(1, 3), (3, 1), (3, 4), (4, 3)])
async def test_another_number_of_shards_waits_for_the_last_one_of_the_old(
    candidate: Candidate, server: Leases, first: int, then: int
) -> None:
    old = [candidate(f"old-{number}", first) for number in range(first)]
    await asyncio.gather(*map(acquired, old))
    new = candidate("new", then)
    for election in old:
        assert not await acquired(new)
        await election.release()
    assert await acquired(new)
    assert list(server.holders().values()) == [new.lease.me]


@pytest.mark.parametrize("seed", range(20))
async def test_two_numbers_that_begin_at_once_never_act_at_once(candidate: Candidate, seed: int) -> None:
    elections = [candidate(f"pod-{number}", 2 + (number + seed) % 2) for number in range(6)]
    await asyncio.gather(*map(acquired, elections))
    acting = {shards_of(election.lease.me) for election in elections if election.held}
    assert len(acting) == 1


async def test_without_the_right_to_read_them_there_are_no_shards(
    candidate: Candidate, server: Leases
) -> None:
    server.error = lambda name: None if name == "mljobs" else Forbidden(name)
    assert await acquired(candidate("old-rights", 1))
    server.leases.clear()
    assert not await acquired(candidate("old-rights", 3))
    assert server.holders() == {}


async def test_what_cannot_be_read_may_be_held(candidate: Candidate, server: Leases) -> None:
    server.error = lambda name: Unreachable("cut off") if name == "mljobs-15" else None
    assert not await acquired(candidate("pod", 1))
    assert server.holders() == {}


def test_names() -> None:
    assert lease_names("a")[:3] == ["a", "a-1", "a-2"]
    assert len(lease_names("a")) == MOST_SHARDS == 16


@pytest.mark.parametrize(
    ("holder", "count"), [("pod_uuid", 1), ("pod_uuid_of_3", 3), ("pod_of_2_uuid", 1), ("", 1)]
)
def test_the_name_of_a_holder_says_how_many_it_counts(holder: str, count: int) -> None:
    assert shards_of(holder) == count


@given(namespace=st.text(min_size=1), count=st.integers(1, 16))
def test_each_namespace_has_one_shard(namespace: str, count: int) -> None:
    assert sum(Shard(number, count).has(namespace) for number in range(count)) == 1
    assert WHOLE.has(namespace)


def test_what_is_in_no_namespace_is_the_first_ones() -> None:
    assert [Shard(number, 3).has("") for number in range(3)] == [True, False, False]


def test_namespaces_are_spread() -> None:
    found = Counter(
        next(number for number in range(4) if Shard(number, 4).has(f"team-{one}")) for one in range(400)
    )
    assert min(found.values()) > 60
