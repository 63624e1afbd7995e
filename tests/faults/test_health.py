"""Liveness and readiness of a whole process: what is stuck in it shows, what is wrong around it does not."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from mljobs.api.resources import KINDS, PREDICTION_JOB, TRAINING_JOB
from mljobs.controller.process.run import CALLS
from tests.faults.gate import Call, FaultRule, hang, refusing
from tests.faults.groups import grouped, together
from tests.faults.lab import Lab, Operator, until
from tests.faults.process import LIMITS
from tests.faults.scenarios import running
from tests.faults.world import World

QUICK = {
    "mljobs.controller.kube.watch.WATCH_SECONDS": 1,
    "mljobs.controller.process.run.WATCH_SILENCE": 6,
    "mljobs.controller.process.run.POLL_SILENCE": 3,
    "mljobs.controller.process.run.WORK_SILENCE": 6,
    "mljobs.controller.process.run.CALLS": 0.01,
}
"""Minutes in a cluster, seconds here."""

ENDLESS = {"MLJOBS_REQUEST_TIMEOUT": "600"}
"""A thread whose call does not end by its time-out is stuck for good."""

IMPATIENT = {"mljobs.main.EXCHANGES": 0.01}
"""Seconds again, although the time-out is so long."""


@asynccontextmanager
async def a_world(lab: Lab) -> AsyncIterator[World]:
    namespace = await lab.namespace()
    opened = World(lab, TRAINING_JOB, namespace, lab.truth(namespace))
    opened.settings[LIMITS] = json.dumps(QUICK)
    yield opened
    await opened.close()


async def probe(world: World, path: str, operator: Operator | None = None) -> tuple[int, str]:
    """Ask as the kubelet does."""
    process = (operator or world.operator).process
    url = await until(lambda: process.health_url, what="health is served", report=process.tail)
    async with world.lab.session.get(f"{url}/{path}") as answer:
        return answer.status, (await answer.text()).strip()


async def until_probe(world: World, path: str, status: int, said: str = "", within: float = 30) -> None:
    """Wait until a probe gets an answer."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not ((found := await probe(world, path))[0] == status and said in found[1]):
        assert loop.time() < deadline, f"{path} says {found}, not {status} {said}\n{world.report()}"
        await asyncio.sleep(0.1)


def is_list(call: Call) -> bool:
    return call.side == "kubernetes" and call.verb == "GET" and not call.watch


async def start_up(world: World) -> None:
    """Ready once it watches, alive before that."""
    held = FaultRule(is_list, hang)
    world.rules.append(held)
    operator = await world.start()
    await until(lambda: held.hits, what="a list that hangs", report=world.report)
    assert (await probe(world, "readyz"))[0] == 503
    assert await probe(world, "healthz") == (200, "ok")
    operator.gate.fix()
    operator.gate.cut(is_list)
    await until_probe(world, "readyz", 200)


async def standby(world: World) -> None:
    """A process that waits for the Lease is ready, and alive however long it waits."""
    world.settings |= await world.lab.elect(world.namespace)
    leader = await world.start()
    await leader.until_watching()
    waiting = await world.start()
    await until(
        lambda: sum("/leases" in call.path for call in waiting.gate.calls) > 4,
        what="it asks for the Lease again and again",
        report=world.report,
    )
    assert await probe(world, "readyz") == (200, "ok")
    assert await probe(world, "healthz") == (200, "ok")


async def trouble_around(world: World) -> None:
    """A service that fails for longer than a part may be silent is no reason to restart."""
    await world.start()
    await world.create()
    await running(world)
    down = world.fail("get", refusing(503))
    await until(lambda: down.hits >= 3, what="tries", report=world.report)
    assert await probe(world, "healthz") == (200, "ok")
    seen = {kind.plural: watches(world, kind.plural) for kind in KINDS.values()}
    await until(
        lambda: all(watches(world, plural) > count + 6 for plural, count in seen.items()),
        what="watches are started again",
        report=world.report,
    )
    assert await probe(world, "healthz") == (200, "ok")


def watches(world: World, plural: str) -> int:
    """How many watches of a kind have been begun."""
    return sum(call.watch and f"/{plural}?" in call.path for call in world.operator.gate.calls)


async def dead_watch(world: World) -> None:
    """The connection stays open, and nothing comes through forever; the other kind's watch goes on."""
    operator = await world.start()
    await operator.until_watching()
    operator.gate.fail(lambda call: call.watch and f"/{PREDICTION_JOB.plural}?" in call.path, hang)
    operator.gate.cut_watches()
    await until_probe(world, "healthz", 500, f"the watch of {PREDICTION_JOB.plural}")


async def dead_watch_of_one_namespace(world: World) -> None:
    """The watches of the other namespace are no sign of life of this one's."""
    other = await world.lab.namespace()
    operator = await world.lab.start([world.namespace, other], project=world.project, settings=world.settings)
    world.operators.append(operator)
    await operator.until_watching()
    operator.gate.fail(lambda call: call.watch and f"/{other}/{TRAINING_JOB.plural}?" in call.path, hang)
    operator.gate.cut_watches()
    await until_probe(world, "healthz", 500, f"the watch of {TRAINING_JOB.plural} in {other}")


async def stuck_poll(world: World) -> None:
    world.settings |= {**ENDLESS, LIMITS: json.dumps(QUICK | IMPATIENT)}
    await world.start()
    await world.create()
    await running(world)
    world.fail("get", hang)
    await until_probe(world, "healthz", 500, "a call of a job service")


async def stuck_create(world: World) -> None:
    world.settings |= {**ENDLESS, LIMITS: json.dumps(QUICK | IMPATIENT)}
    await world.start()
    world.fail("create", hang)
    await world.create()
    await until_probe(world, "healthz", 500, "a call of a job service")


async def stuck_work(world: World) -> None:
    operator = await world.start()
    operator.gate.fail(lambda call: call.side == "kubernetes" and call.write, hang)
    await world.create()
    await until_probe(world, "healthz", 500, "a worker")


async def hanging_service(world: World) -> None:
    """Calls that end by their time-outs show life, however many wait for a thread."""
    limits = {**QUICK, "mljobs.controller.process.run.CALLS": CALLS}
    world.settings |= {
        "MLJOBS_THREADS": "1",
        "MLJOBS_WORKERS": "16",
        "MLJOBS_REQUEST_TIMEOUT": "1",
        LIMITS: json.dumps(limits),
    }
    await world.start()
    await world.create()
    await running(world)
    hung = world.fail("create", hang)
    for number in range(8):
        await world.create(name=f"waits-{number}")
    await until(lambda: hung.hits >= 8, what="all wait in turn", report=world.report)
    assert await probe(world, "healthz") == (200, "ok")


Story = Callable[[World], Awaitable[None]]

STORIES: list[Story] = [
    start_up,
    standby,
    trouble_around,
    dead_watch,
    dead_watch_of_one_namespace,
    stuck_poll,
    stuck_create,
    stuck_work,
    hanging_service,
]


def name_of(story: Story) -> str:
    return getattr(story, "__name__", "")


@pytest.mark.parametrize("stories", grouped(STORIES, name_of, size=len(STORIES)))
async def test_the_probes_tell_what_a_restart_would_mend(lab: Lab, stories: list[Story]) -> None:
    await together(lambda story: tell(lab, story), stories, name_of)


async def tell(lab: Lab, story: Story) -> None:
    async with a_world(lab) as world:
        await story(world)
