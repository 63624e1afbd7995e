"""The API server shows too little, or the past: what was asked for happens all the same, and once."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial

import pytest
from aiohttp import web

from mljobs.api.resources import KINDS, TRAINING_JOB
from tests.faults.gate import Call, FaultRule, Gate, answering, hang
from tests.faults.kubernetes import a_world
from tests.faults.lab import Lab, until
from tests.faults.process import LIMITS
from tests.faults.scenarios import cancelled, queued, running, running_from_queued, to_end
from tests.faults.world import World

RESYNC = {"MLJOBS_RESYNC_INTERVAL": "1"}


@pytest.fixture
async def world(lab: Lab) -> AsyncIterator[World]:
    async with a_world(lab) as opened:
        yield opened


def is_watch(call: Call) -> bool:
    return call.watch


def is_list(call: Call) -> bool:
    return call.side == "kubernetes" and call.verb == "GET" and call.path.split("?")[0].endswith("jobs")


@pytest.mark.faults
async def test_watches_are_cut_again_and_again(world: World) -> None:
    operator = await world.start()
    cutting = asyncio.create_task(_cut(operator.gate))
    try:
        await world.create({"labels": {"team": "a"}})
        await queued(world)
        await world.patch_spec(labels={"team": "b"})
        await world.until(lambda: world.status().get("labels", {}).get("team") == "b", "the labels")
        await running_from_queued(world)
        await world.delete()
        await world.until_gone()
    finally:
        cutting.cancel()


async def _cut(gate: Gate) -> None:
    while True:
        gate.cut_watches()
        await asyncio.sleep(0.15)


EXPIRED = (
    json.dumps(
        {
            "type": "ERROR",
            "object": {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "reason": "Expired",
                "code": 410,
            },
        }
    ).encode()
    + b"\n"
)


@pytest.mark.faults
async def test_the_version_is_too_old(world: World) -> None:
    """410 Gone, in the stream: what happened meanwhile is found by a new list."""
    operator = await world.start()
    await world.create()
    await queued(world)
    blocked = operator.gate.fail(is_watch, answering(503, "ServiceUnavailable"))
    operator.gate.edit = lambda _: [EXPIRED]  # one line for each watch that is open or comes
    world.force("RUNNING")
    await world.until_state("RUNNING")
    await until(lambda: blocked.hits, what="the watches are cut", report=world.report)
    await world.delete()
    operator.gate.edit = lambda line: [line]
    operator.gate.fix()
    await world.until_gone()


@pytest.mark.faults
async def test_a_list_has_become_too_old(world: World) -> None:
    """410 as an answer, as between two pages of a list: it is started again."""
    old = FaultRule(is_list, answering(410, "Expired"), times=4)
    world.rules.append(old)
    operator = await world.start()
    await operator.until_watching()
    assert old.hits == 4
    await world.create()
    await queued(world)
    assert operator.process.running


@pytest.mark.faults
@pytest.mark.parametrize("status", [403, 503])
async def test_watches_are_refused_for_long(world: World, status: int) -> None:
    """However often: the process goes on, and sees what happened meanwhile."""
    world.settings[LIMITS] = json.dumps({"mljobs.controller.kube.watch.BACKOFFS": [0.02, 0.05]})
    operator = await world.start()
    await operator.until_watching()
    refused = operator.gate.fail(is_list, answering(status, "No"))
    operator.gate.cut_watches()
    await world.create()
    await until(lambda: refused.hits > 50, what="many tries", report=world.report)
    assert operator.process.running
    operator.gate.fix()
    await queued(world)


async def test_a_watch_that_has_died_in_silence(world: World) -> None:
    """Nothing comes through, and nothing is closed: the periodic list brings what the watch does not."""
    world.settings |= RESYNC
    operator = await world.start()
    await operator.until_watching()
    operator.gate.edit = lambda _: []
    await world.create({"labels": {"team": "a"}})
    await queued(world)
    await world.patch_spec(labels={"team": "b"})
    await world.until(lambda: world.status().get("labels", {}).get("team") == "b", "the labels")
    await running_from_queued(world)
    await world.patch_spec(suspend=True)
    await cancelled(world)
    await world.patch_spec(suspend=False)
    await world.until(lambda: world.status().get("attempt") == 2, "a second attempt")
    await world.delete()
    await world.until_gone()


async def test_events_of_the_watch_are_lost_and_repeated(world: World) -> None:
    world.settings |= RESYNC
    operator = await world.start()
    count = 0
    kept: list[bytes] = []

    def edit(line: bytes) -> list[bytes]:
        nonlocal count
        count += 1
        kept.append(line)
        return [] if count % 3 == 0 else [line, *kept[-3:]]

    operator.gate.edit = edit
    await world.create()
    await running(world)
    await world.patch_spec(suspend=True)
    await cancelled(world)
    await world.patch_spec(suspend=False)
    await world.until(lambda: world.status().get("attempt") == 2, "a second attempt")
    await running(world)
    await world.delete()
    await world.until_gone()
    assert [method for method, _ in world.truth.applied()] == ["create", "cancel", "create", "cancel"]


async def test_a_resource_that_went_away_unseen_is_seen_off(world: World) -> None:
    """Somebody takes the finalizer off while nothing is seen: the job is cancelled, and polled no more."""
    world.settings |= RESYNC
    operator = await world.start()
    await world.create()
    await running(world)
    operator.gate.edit = lambda _: []
    lists = operator.gate.fail(lambda call: is_list(call) and not call.watch, hang)
    await until(lambda: lists.hits, what="a list that hangs", report=world.report)
    await world.patch({"metadata": {"finalizers": None}})
    await world.delete()
    await world.until_gone()
    operator.gate.fix()
    operator.gate.cut(is_list)
    await world.until_job(lambda job: job.state == "CANCELLING", "the job is cancelled")

    def quiet() -> bool:
        newest = [call.time for call in operator.gate.calls if call.step.name == "get"][-1]
        return asyncio.get_running_loop().time() > newest + 1

    await until(quiet, what="the job is polled no more", report=world.report)


@pytest.mark.faults
@pytest.mark.parametrize("muted", [False, True], ids=["watched", "unwatched"])
async def test_made_again_under_its_name_within_a_second(world: World, muted: bool) -> None:
    world.settings |= RESYNC
    operator = await world.start()
    await world.create()
    await running(world)
    first = world.uid()
    if muted:
        operator.gate.edit = lambda _: []
    await world.delete()
    await world.until_gone()
    await world.create()
    await world.until(lambda: world.uid() not in ("", first), "another resource")
    await queued(world)
    jobs = world.truth.jobs()
    assert [job.owned(uid) for job, uid in zip(jobs, (first, world.uid()), strict=True)] == [True, True]
    assert world.status()["jobId"] == jobs[1].job_id
    assert jobs[1].state == "QUEUED"


async def test_made_again_before_the_operator_has_seen_that_it_went(world: World) -> None:
    """Its end is told by nothing but its successor, which gets a job of its own; the old job is cancelled."""
    operator = await world.start()
    await world.create()
    await running(world)
    await world.settle()  # the answer to a write would show it the resource without its finalizer
    first = world.uid()
    held = operator.gate.fail(is_list, hang)
    operator.gate.cut_watches()
    await until(lambda: held.hits == len(KINDS), what="no watch", report=world.report)
    await world.patch({"metadata": {"finalizers": None}})
    await world.delete()
    await world.create()
    await world.until(lambda: world.uid() not in ("", first), "another resource")
    expired = iter([[EXPIRED]])
    operator.gate.edit = lambda line: next(expired, [line])
    operator.gate.fix()
    operator.gate.cut(is_list)
    await queued(world)
    await world.until_job(lambda job: job.owned(first) and job.state == "CANCELLING", "it is cancelled")
    assert len(world.truth.jobs()) == 2


async def test_stale_list_after_a_restart(world: World) -> None:
    """A new process is shown the past by an API server that lags behind, and must not act it out again."""
    await world.start()
    await world.create()
    path = world.lab.cluster.path(TRAINING_JOB.name, world.namespace)
    past = [await world.lab.cluster.request("GET", path)]
    await running(world)
    past.append(await world.lab.cluster.request("GET", path))
    await world.patch_spec(suspend=True)
    await cancelled(world)
    past.append(await world.lab.cluster.request("GET", path))
    await world.patch_spec(suspend=False)
    await world.until(lambda: world.status().get("attempt") == 2, "a second attempt")
    await running(world)
    for moment in past:
        await world.operator.process.kill()
        operator = await world.start()
        _show(operator.gate, moment)
        await until(partial(_settled, operator.gate), what="it has acted", report=world.report)
        operator.gate.fix()
        operator.gate.cut_watches()
        await world.settle()
    await to_end(world)
    assert [method for method, _ in world.truth.applied()] == ["create", "cancel", "create"]


def _show(gate: Gate, moment: object) -> None:
    async def answer(_: Call) -> web.StreamResponse:
        return web.json_response(moment)

    gate.fail(lambda call: is_list(call) and not call.watch, answer)
    gate.fail(is_watch, hang)


def _settled(gate: Gate) -> bool:
    """It has listed, and has been waiting for a while."""
    newest = gate.calls[-1].time if gate.calls else 0.0
    listed = any(call.watch for call in gate.calls)
    loop = asyncio.get_running_loop()
    reads = [call for call in gate.calls if call.side == "service"]
    return listed and loop.time() > newest + (0.0 if len(reads) > 3 else 1.0)


async def test_each_of_many_namespaces_is_watched(lab: Lab) -> None:
    """However few connections are allowed: a watch that waited for one would never begin, in silence."""
    namespaces = [await lab.namespace() for _ in range(6)]
    few = {"MLJOBS_KUBERNETES_CONNECTIONS": "2"}
    operator = await lab.start(namespaces, project="team", settings=few)
    await until(
        lambda: sum(call.watch for call in operator.gate.calls) == 2 * len(namespaces), what="all watches"
    )
