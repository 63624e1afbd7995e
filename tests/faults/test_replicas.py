"""Two operators and one Lease: whoever has lost it does nothing more, and the other takes over in time.

Each process has a gate of its own, so that it is known who sent what, and when.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.faults.checks import broken
from tests.faults.conftest import ACCOUNT, ALL
from tests.faults.gate import Call, Trap, hang, refusing
from tests.faults.lab import Lab, Operator, until
from tests.faults.scenarios import running, running_from_queued, to_end
from tests.faults.world import World

from mljobs.api.resources import TRAINING_JOB
from mljobs.controller.lease import EXIT_LEASE_LOST

FAIL_OVER = 20.0
"""Seconds in which another process has to act after the leader died."""


@pytest.fixture
async def world(lab: Lab) -> AsyncIterator[World]:
    """A namespace with a Lease of its own, so that tests do not wait for each other's."""
    namespace = await lab.namespace()
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "lease"},
        "rules": [
            {
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "verbs": ["create", "get", "update"],
            }
        ],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "lease"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "lease"},
        "subjects": [{"kind": "ServiceAccount", "namespace": ACCOUNT[0], "name": ACCOUNT[1]}],
    }
    await asyncio.to_thread(lab.plane.client.apply, [role, binding], namespace=namespace)
    opened = World(lab, TRAINING_JOB, namespace, lab.backend.truth(lab.service, namespace))
    opened.settings |= {"MLJOBS_LEADER_ELECTION": "true", "MLJOBS_LEASE_NAMESPACE": namespace}
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


async def test_the_leader_is_killed(world: World, figures: dict[str, Any]) -> None:
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


async def test_a_graceful_stop_hands_over_at_once(world: World, figures: dict[str, Any]) -> None:
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


async def test_a_rolling_update_in_the_middle_of_work(world: World) -> None:
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


async def test_the_leader_is_stopped_and_goes_on_too_late(world: World, figures: dict[str, Any]) -> None:
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


async def test_stopped_between_the_intent_and_the_create_call(world: World) -> None:
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


@pytest.mark.parametrize("how", ["refused", "hanging"])
async def test_the_leader_is_cut_off_from_the_api_server(
    world: World, how: str, figures: dict[str, Any]
) -> None:
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


async def test_a_short_trouble_with_the_lease_changes_no_leader(world: World) -> None:
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


LEASE_POINTS: list[tuple[str, int]] = [("POST lease", 1), ("PUT lease", 1), ("PUT lease", 2)]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("name", "nth"), LEASE_POINTS if ALL else LEASE_POINTS[1:2])
async def test_killed_at_a_renewal(
    world: World, name: str, nth: int, moment: Any, figures: dict[str, Any]
) -> None:
    trap = Trap(name, nth, moment)
    await world.start(trap)
    await world.create()
    await trap.sprung.wait()
    successor = await world.start()
    keep(figures, f"killed {moment} {name} {nth}", await took_over(world, successor, now()))
    await world.until_status("jobPosition")
    await running_from_queued(world)
    await to_end(world)
    await world.settle()
    assert [method for method, _ in world.truth.applied()] == ["create"]
