"""Two operators and one Lease: whoever has lost it does nothing more, and the other takes over in time.

Each process has a gate of its own, so that it is known who sent what, and when.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mljobs.api.resources import TRAINING_JOB
from mljobs.controller.kube.lease import EXIT_LEASE_LOST
from tests.faults.checks import broken
from tests.faults.clock import Clock
from tests.faults.gate import Call, hang, refusing
from tests.faults.groups import grouped, together
from tests.faults.lab import Lab, Operator, until
from tests.faults.scenarios import running, to_end
from tests.faults.world import World

FAIL_OVER = 20.0
"""Seconds in which another process has to act after the leader died."""


@asynccontextmanager
async def a_world(lab: Lab) -> AsyncIterator[World]:
    """A namespace with a Lease of its own, so that tests do not wait for each other's."""
    namespace = await lab.namespace()
    opened = World(lab, TRAINING_JOB, namespace, lab.truth(namespace))
    opened.settings |= await lab.elect(namespace)
    yield opened
    assert not broken(opened), opened.report()
    await opened.close()


def lease_writes(operator: Operator) -> list[Call]:
    """The calls by which a process took or renewed the Lease."""
    return [call for call in operator.gate.writes() if is_lease(call) and call.status in (200, 201)]


def is_lease(call: Call) -> bool:
    return call.side == "kubernetes" and "/leases" in call.path


def effects(operator: Operator, since: float = 0.0) -> list[str]:
    """What a process has changed at either server, the Lease aside."""
    return [
        call.step.name
        for call in operator.gate.writes()
        if not is_lease(call) and call.time >= since and call.status != 0
    ]


def now() -> float:
    return asyncio.get_running_loop().time()


async def pair(world: World) -> tuple[Operator, Operator]:
    """A leader that watches, and one that waits."""
    leader = await world.start()
    await leader.until_watching()
    standby = await world.start()
    await until(lambda: any(map(is_lease, standby.gate.calls)), what="the standby asks for the Lease")
    assert not standby.watching
    return leader, standby


async def took_over(world: World, standby: Operator, since: float) -> float:
    """Wait until the other process acts; gives the seconds."""
    await until(lambda: lease_writes(standby), what="it takes the Lease", report=world.report)
    await standby.until_watching()
    return now() - since


def keep(figures: dict[str, Any], name: str, seconds: float) -> None:
    figures.setdefault("fail-over seconds", {})[name] = round(seconds, 1)
    assert seconds < FAIL_OVER


async def killed(world: World, figures: dict[str, Any]) -> None:
    leader, standby = await pair(world)
    await world.create()
    await running(world)
    began = now()
    await leader.process.kill()
    await world.create(name="second")
    keep(figures, "killed", await took_over(world, standby, began))
    await world.until_state("QUEUED", name="second")
    await to_end(world)
    assert [method for method, _ in world.truth.applied()] == ["create", "create"]


async def graceful_stop(world: World, figures: dict[str, Any]) -> None:
    leader, standby = await pair(world)
    await world.create()
    await running(world)
    began = now()
    assert await leader.process.stop() == 0, leader.process.tail()
    seconds = await took_over(world, standby, began)
    keep(figures, "graceful", seconds)
    assert seconds < 8  # far less than the duration of the Lease, which a dead leader's is waited for
    await to_end(world)
    assert [method for method, _ in world.truth.applied()] == ["create"]


async def rolling_update(world: World, figures: dict[str, Any]) -> None:
    """The old process ends what it is at, the new one goes on, and nothing is lost or doubled."""
    leader, standby = await pair(world)
    count = 30
    for number in range(count):
        await world.create(name=f"job-{number}")
    assert await leader.process.stop() == 0, leader.process.tail()
    await took_over(world, standby, now())
    names = [f"job-{number}" for number in range(count)]
    await world.until(lambda: all(world.status(name).get("state") for name in names), "all are submitted")
    assert [method for method, _ in world.truth.applied()] == ["create"] * count


async def stopped_and_woken_too_late(world: World, figures: dict[str, Any]) -> None:
    """SIGSTOP past the Lease, as a machine that was suspended: it ends without any effect."""
    leader, standby = await pair(world)
    await world.create()
    await running(world)
    began = now()
    leader.process.signal(signal.SIGSTOP)
    keep(figures, "stopped", await took_over(world, standby, began))
    await world.create(name="second")
    await world.until_state("QUEUED", name="second")
    await world.delete()
    await world.until_gone()
    woken = now()
    leader.process.signal(signal.SIGCONT)
    assert await leader.process.ended(10) == EXIT_LEASE_LOST, leader.process.tail()
    assert effects(leader, since=woken) == []
    assert [method for method, _ in world.truth.applied()] == ["create", "create", "cancel"]


async def stopped_between_intent_and_create(world: World, figures: dict[str, Any]) -> None:
    """It has been told that its intent is written down, and wakes when another has long submitted the job."""
    leader, standby = await pair(world)
    arrived, go = asyncio.Event(), asyncio.Event()

    async def later(_: Call) -> None:
        arrived.set()
        await go.wait()

    leader.gate.fail(lambda call: call.step.name == "intent", later, after=True, late=True, times=1)
    await world.create()
    await arrived.wait()
    leader.process.signal(signal.SIGSTOP)
    go.set()
    await took_over(world, standby, now())
    await world.until_state("QUEUED")
    woken = now()
    leader.process.signal(signal.SIGCONT)
    assert await leader.process.ended(10) == EXIT_LEASE_LOST, leader.process.tail()
    assert effects(leader, since=woken) == []
    assert [method for method, _ in world.truth.applied()] == ["create"]


async def cut_off_refused(world: World, figures: dict[str, Any]) -> None:
    await cut_off(world, "refused", figures)


async def cut_off_hanging(world: World, figures: dict[str, Any]) -> None:
    await cut_off(world, "hanging", figures)


async def cut_off(world: World, how: str, figures: dict[str, Any]) -> None:
    """It still reaches the job service, has something to do there, and stops before another may begin."""
    leader, standby = await pair(world)
    await world.create()
    await running(world)
    refused = world.fail("cancel", refusing(503))
    await world.delete()
    await until(lambda: refused.hits, what="a cancel call", report=world.report)
    began = now()
    leader.gate.rules = [refused]  # what follows is for this process alone
    if how == "refused":
        await leader.gate.shut("kubernetes")
    else:
        leader.gate.cut_watches()
        leader.gate.fail(lambda call: call.side == "kubernetes", hang)
    standby.gate.rules = []
    keep(figures, f"cut off, {how}", await took_over(world, standby, began))
    taken = lease_writes(standby)[0].time
    assert effects(leader, since=taken) == []
    assert await leader.process.ended(10) == EXIT_LEASE_LOST, leader.process.tail()
    await world.until_gone()
    assert [method for method, _ in world.truth.applied()] == ["create", "cancel"]


async def short_trouble(world: World, figures: dict[str, Any]) -> None:
    leader, standby = await pair(world)
    failed = leader.gate.fail(lambda call: is_lease(call), hang, times=1)
    await until(lambda: failed.hits, what="a renewal that hangs", report=world.report)
    leader.gate.cut(is_lease)
    renewed = len(lease_writes(leader))
    await until(lambda: len(lease_writes(leader)) > renewed + 1, what="more renewals", report=world.report)
    await world.create()
    await world.until_state("QUEUED")
    assert leader.process.running
    assert not lease_writes(standby)


async def clocks_differ(world: World, figures: dict[str, Any]) -> None:
    """The leader's clock is set by an hour, either way: it stays the leader, and is followed as fast."""
    clock = Clock(world, "leader")
    leader = await world.start()
    await leader.until_watching()
    Clock(world, "standby").set(0.5)
    standby = await world.start()
    for hours in (1, -1):
        clock.set(hours)
        await renewed_and_looked_at(world, leader, standby)
    assert not lease_writes(standby)
    began = now()
    await leader.process.kill()
    keep(figures, "killed, with another clock", await took_over(world, standby, began))


async def renewed_and_looked_at(world: World, leader: Operator, standby: Operator) -> None:
    renewed, looked = len(lease_writes(leader)), len(standby.gate.calls)
    await until(
        lambda: len(lease_writes(leader)) > renewed + 1 and len(standby.gate.calls) > looked + 1,
        what="renewals, and looks at them",
        report=world.report,
    )


async def stopped_with_a_call_that_does_not_end(world: World, figures: dict[str, Any]) -> None:
    """The work in progress has so much time, and no more; the other process finds out what it did."""
    world.settings |= {"MLJOBS_DRAIN_SECONDS": "2", "MLJOBS_REQUEST_TIMEOUT": "3"}
    leader, standby = await pair(world)
    stuck = leader.gate.fail(lambda call: call.step.name == "create", hang)
    leader.gate.rules = [stuck]  # for this process alone
    standby.gate.rules = []
    await world.create()
    await until(lambda: stuck.hits, what="a create call that hangs", report=world.report)
    began = now()
    assert await leader.process.stop() == 0, leader.process.tail()
    keep(figures, "graceful, a call hangs", await took_over(world, standby, began))
    await world.until_state("QUEUED")
    assert [method for method, _ in world.truth.applied()] == ["create"]


Story = Callable[[World, dict[str, Any]], Awaitable[None]]

STORIES: dict[str, Story] = {
    "killed": killed,
    "graceful stop": graceful_stop,
    "rolling update": rolling_update,
    "stopped and woken too late": stopped_and_woken_too_late,
    "stopped between intent and create": stopped_between_intent_and_create,
    "cut off, refused": cut_off_refused,
    "cut off, hanging": cut_off_hanging,
    "short trouble": short_trouble,
    "clocks differ": clocks_differ,
    "stopped with a call that does not end": stopped_with_a_call_that_does_not_end,
}


@pytest.mark.parametrize("names", grouped(list(STORIES), str, size=len(STORIES)))
async def test_two_replicas(lab: Lab, names: list[str], figures: dict[str, Any]) -> None:
    await together(lambda name: tell(lab, STORIES[name], figures), names, str)


async def tell(lab: Lab, story: Story, figures: dict[str, Any]) -> None:
    async with a_world(lab) as world:
        await story(world, figures)
