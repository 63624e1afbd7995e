"""Many resources at once: answers lost, the API server away, and silence at the end."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mljobs.api.resources import KINDS, TRAINING_JOB
from tests.faults.backend import ENDING
from tests.faults.checks import broken
from tests.faults.gate import Call, no_answer
from tests.faults.groups import ALL
from tests.faults.lab import Lab, Operator, until
from tests.faults.scenarios import SCENARIOS
from tests.faults.world import World

LOST = 1000 if ALL else 60
RUNNING, DELETED, OUTAGE = (200, 20, 60.0) if ALL else (30, 5, 4.0)
SILENCE = 60.0 if ALL else 4.0
SLOW = {"MLJOBS_POLL_INTERVAL": "5" if ALL else "1"}


async def open_world(lab: Lab) -> World:
    namespace = await lab.namespace()
    return World(lab, TRAINING_JOB, namespace, lab.truth(namespace))


async def create_all(world: World, count: int) -> list[str]:
    """Make so many resources, some at once."""
    slots = asyncio.Semaphore(16)
    names = [f"job-{number}" for number in range(count)]

    async def one(name: str) -> None:
        async with slots:
            await world.create(name=name)

    await asyncio.gather(*(one(name) for name in names))
    return names


async def test_answers_of_create_calls_are_lost(lab: Lab, figures: dict[str, Any]) -> None:
    """The service makes each job, and the operator gets no answer: there are as many jobs as resources."""
    world = await open_world(lab)
    world.settings |= SLOW
    operator = await world.start()
    tried: set[str] = set()

    def first(call: Call) -> bool:
        if call.step.name != "create":
            return False
        new = call.body["jobId"] not in tried
        tried.add(call.body["jobId"])
        return new

    lost = operator.gate.fail(first, no_answer, after=True)
    names = await create_all(world, LOST)
    await world.until(
        lambda: all(world.status(name).get("state") for name in names), "all are submitted", within=240
    )
    assert lost.hits == LOST
    made = Counter(job_id for method, job_id in world.truth.applied() if method == "create")
    figures["answers lost"] = {"creates": LOST, "jobs in the ledger": sum(made.values())}
    assert len(made) == sum(made.values()) == LOST
    assert not broken(world)
    await world.close()


async def _hang(world: World, operator: Operator) -> Callable[[], Awaitable[None]]:
    """The API server stands still; connections stay open."""
    pid = world.lab.plane.pids["kube-apiserver"]
    os.kill(pid, signal.SIGSTOP)

    async def back() -> None:
        os.kill(pid, signal.SIGCONT)

    return back


async def _refuse(world: World, operator: Operator) -> Callable[[], Awaitable[None]]:
    """Nobody listens at the API server's port."""
    await operator.gate.shut("kubernetes")

    async def back() -> None:
        await operator.gate.open("kubernetes")

    return back


@pytest.mark.parametrize(
    "go", [_hang, pytest.param(_refuse, marks=pytest.mark.faults)], ids=["hangs", "refuses"]
)
async def test_the_api_server_is_away(
    lab: Lab,
    go: Callable[[World, Operator], Awaitable[Callable[[], Awaitable[None]]]],
    figures: dict[str, Any],
) -> None:
    """Jobs go on and end, resources are deleted: when it is back, all of it shows."""
    world = await open_world(lab)
    world.settings |= SLOW
    operator = await world.start()
    names = await create_all(world, RUNNING)
    await world.until(
        lambda: all(world.status(name).get("state") == "QUEUED" for name in names), "all wait", within=120
    )
    for name in names:
        world.force("RUNNING", name=name)
    await world.until(
        lambda: all(world.status(name).get("state") == "RUNNING" for name in names), "all run", within=120
    )
    uids = {name: world.uid(name) for name in names}
    operator.gate.edit = lambda _: []  # the operator shall not see the deletions before the outage
    for name in names[:DELETED]:
        await world.delete(name=name)
    back = await go(world, operator)
    operator.gate.edit = lambda line: [line]
    operator.gate.cut_watches()
    try:
        ended = names[DELETED::2]
        for name in ended:
            world.force_of(uids[name], "SUCCEEDED")
        await asyncio.sleep(OUTAGE)
        assert operator.process.running, operator.process.tail()
    finally:
        await back()
    loop = asyncio.get_running_loop()
    began = loop.time()

    def converged() -> bool:
        return all(world.object(name) is None for name in names[:DELETED]) and all(
            world.status(name).get("state") == "SUCCEEDED" for name in ended
        )

    await world.until(converged, "everything shows", within=loop.time() - operator.started + 60)
    seconds = loop.time() - began
    figures.setdefault("API server away", []).append(
        {"jobs": RUNNING, "deleted": DELETED, "away": OUTAGE, "converged after": round(seconds, 1)}
    )
    await world.settle()
    assert not broken(world), world.report()
    assert Counter(method for method, _ in world.truth.applied()) == {"create": RUNNING, "cancel": DELETED}
    assert sum(job.state in ENDING for job in world.truth.jobs()) == DELETED + len(ended)
    assert seconds < 30
    await world.close()


async def test_silence_after_every_story(lab: Lab, figures: dict[str, Any]) -> None:
    """All stories at once with one operator; when they have ended, nothing is written any more."""
    worlds: list[World] = []
    stories = [scenario for scenario in SCENARIOS if scenario.name not in lab.backend.without]
    for number, scenario in enumerate(stories):
        namespace = await lab.namespace()
        kind = list(KINDS.values())[number % len(KINDS)]
        truth = lab.truth(namespace)
        world = World(lab, kind, namespace, truth, default_project=False)
        world.spec = {"projectId": namespace} if scenario.default_project else {}
        worlds.append(world)
    operator = await lab.start([world.namespace for world in worlds])
    for world in worlds:
        world.rules = operator.gate.rules
        world.operators.append(operator)
    await asyncio.gather(*(scenario.tell(world) for scenario, world in zip(stories, worlds, strict=True)))
    await worlds[0].settle()
    written = await worlds[0].writes_within(SILENCE)
    figures["silence"] = {"stories": len(worlds), "seconds": SILENCE, "writes": len(written)}
    assert not written
    problems = [problem for world in worlds for problem in broken(world)]
    assert not problems
    await until(lambda: operator.process.running, what="the operator runs", report=operator.process.tail)
