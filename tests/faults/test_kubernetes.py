"""The API server refuses, hangs, forgets and repeats: what was asked for happens all the same, and once."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
from aiohttp import web
from tests.faults.checks import broken
from tests.faults.gate import Call, Fault, Gate, Json, answering, hang, no_answer
from tests.faults.groups import grouped, together
from tests.faults.lab import MERGE, KubernetesError, Lab, until
from tests.faults.process import LIMITS
from tests.faults.scenarios import cancelled, queued, running, running_from_queued, to_end
from tests.faults.world import NAME, World

from mljobs.api.resources import GROUP, KINDS, TRAINING_JOB

ADMISSION = "admissionregistration.k8s.io/v1"
RESYNC = {"MLJOBS_RESYNC_INTERVAL": "1"}


@asynccontextmanager
async def a_world(lab: Lab) -> AsyncIterator[World]:
    """A namespace; at the end every invariant holds, and nothing is written any more."""
    namespace = await lab.namespace()
    opened = World(lab, TRAINING_JOB, namespace, lab.truth(namespace))
    yield opened
    if opened.operators:
        await opened.settle()
        assert not broken(opened), opened.report()
    await opened.close()


@pytest.fixture
async def world(lab: Lab) -> AsyncIterator[World]:
    async with a_world(lab) as opened:
        yield opened


def is_intent(call: Call) -> bool:
    return call.step.name == "intent"


def is_status(call: Call) -> bool:
    return call.step.name.startswith("status")


def is_event(call: Call) -> bool:
    return call.step.name.startswith("event")


def is_release(call: Call) -> bool:
    return call.step.name == "release"


def is_resource_write(call: Call) -> bool:
    return call.side == "kubernetes" and call.write and not is_event(call)


def is_watch(call: Call) -> bool:
    return call.watch


def is_list(call: Call) -> bool:
    return call.side == "kubernetes" and call.verb == "GET" and call.path.split("?")[0].endswith("jobs")


Refusal = tuple[str, Fault, bool]

REFUSALS: list[Refusal] = [
    ("409", answering(409, "Conflict"), False),
    ("429", answering(429, "TooManyRequests", **{"Retry-After": "1"}), False),
    ("500", answering(500, "InternalError"), False),
    ("503", answering(503, "ServiceUnavailable"), False),
    ("403 by a quota or a webhook", answering(403, "Forbidden", "exceeded quota"), False),
    ("422", answering(422, "Invalid"), False),
    ("broken before", no_answer, False),
    ("broken after", no_answer, True),
    ("500 although it was done", answering(500, "InternalError"), True),
    ("504 although it was done", answering(504, "Timeout"), True),
]


def name_of(refusal: Refusal) -> str:
    return refusal[0]


@pytest.mark.parametrize("refusals", grouped(REFUSALS, name_of, size=len(REFUSALS)))
async def test_each_write_fails_twice(lab: Lab, refusals: list[Refusal]) -> None:
    """Whatever write it is: intent, status, event, release."""
    await together(lambda refusal: fail_twice(lab, *refusal), refusals, name_of)


async def fail_twice(lab: Lab, _: str, answer: Fault, done: bool) -> None:
    async with a_world(lab) as world:
        operator = await world.start()
        seen: Counter[str] = Counter()

        def twice(call: Call) -> bool:
            if call.side != "kubernetes" or not call.write:
                return False
            seen[call.step.name] += 1
            return seen[call.step.name] <= 2

        operator.gate.fail(twice, answer, after=done)
        await world.create()
        await running(world)
        await world.delete()
        await world.until_gone()
        assert [method for method, _ in world.truth.applied()] == ["create", "cancel"]
        assert len(operator.gate.writes()) < 40


@pytest.mark.faults
async def test_status_writes_are_refused_for_a_while(world: World) -> None:
    """The job goes on, is not submitted again, and the status is true once it can be written."""
    operator = await world.start()
    refusal = operator.gate.fail(is_status, answering(403, "Forbidden", "a webhook says no"))
    await world.create()
    await until(lambda: refusal.hits >= 4, what="some refusals", report=world.report)
    job = world.truth.jobs()[0]
    world.truth.force(job.job_id, "RUNNING")
    await until(lambda: refusal.hits >= 5, what="one more refusal", report=world.report)
    operator.gate.mend()
    await world.until_state("RUNNING")
    assert refusal.hits <= 9  # it is tried again ever more slowly, even though the job is polled
    assert [method for method, _ in world.truth.applied()] == ["create"]


@pytest.mark.faults
async def test_an_admission_policy_refuses_the_status(world: World) -> None:
    """The API server's own refusal, of every status write of the namespace."""
    operator = await world.start()
    await world.create()
    await queued(world)
    async with no_status(world):
        world.force("PREPARING")
        await until(
            lambda: sum(is_status(call) and call.status >= 400 for call in operator.gate.calls) >= 2,
            what="refusals",
            report=world.report,
        )
        world.force("RUNNING")
    await world.until_state("RUNNING")
    await to_end(world)
    assert [method for method, _ in world.truth.applied()] == ["create"]


@asynccontextmanager
async def no_status(world: World) -> AsyncIterator[None]:
    """Let the API server refuse the status of every TrainingJob of a namespace."""
    name = f"no-status-{world.namespace}"
    rule = {"apiGroups": [GROUP], "apiVersions": ["*"], "operations": ["UPDATE"]}
    policy: Json = {
        "matchConstraints": {
            "resourceRules": [{**rule, "resources": [f"{TRAINING_JOB.plural}/status"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
        },
        "validations": [{"expression": "false", "message": "no status today"}],
    }
    binding: Json = {"policyName": name, "validationActions": ["Deny"]}
    objects = [("ValidatingAdmissionPolicy", "policies", policy)]
    objects += [("ValidatingAdmissionPolicyBinding", "policybindings", binding)]
    request, place = world.lab.cluster.request, f"/apis/{ADMISSION}/validatingadmission"
    for kind, plural, spec in objects:
        body = {"apiVersion": ADMISSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
        await request("POST", f"{place}{plural}", body)
    try:
        await _until_refused(world)
        yield
    finally:
        for _, plural, _ in objects:
            await request("DELETE", f"{place}{plural}/{name}")


async def _until_refused(world: World) -> None:
    path = world.lab.cluster.path(TRAINING_JOB.name, world.namespace, NAME, "status")
    while True:
        try:
            await world.lab.cluster.request(
                "PATCH", f"{path}?dryRun=All", {"status": {"etag": "x"}}, kind=MERGE
            )
        except KubernetesError as error:
            if "no status today" in str(error):
                return
            raise
        await asyncio.sleep(0.1)


@pytest.mark.faults
async def test_events_are_refused(world: World) -> None:
    operator = await world.start()
    operator.gate.fail(is_event, answering(403, "Forbidden"))
    await world.create()
    await running(world)
    await to_end(world)
    assert await world.events() == []


@pytest.mark.faults
async def test_a_status_write_that_hangs_holds_up_no_other_resource(world: World) -> None:
    operator = await world.start()
    stuck = operator.gate.fail(lambda call: is_status(call) and "/stuck/" in call.path, hang)
    await world.create(name="stuck")
    await until(lambda: stuck.hits, what="a write that hangs", report=world.report)
    await world.create()
    await running(world)
    await to_end(world)
    operator.gate.mend()
    operator.gate.cut(lambda call: "/stuck/" in call.path)
    await world.until_state("QUEUED", name="stuck")


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
    operator.gate.mend()
    await world.until_gone()


@pytest.mark.faults
@pytest.mark.parametrize("status", [403, 503])
async def test_watches_are_refused_for_long(world: World, status: int) -> None:
    """However often: the process goes on, and sees what happened meanwhile."""
    world.settings[LIMITS] = json.dumps({"mljobs.controller.handlers.BACKOFFS": [0.02, 0.05]})
    operator = await world.start()
    await operator.until_watching()
    refused = operator.gate.fail(is_list, answering(status, "No"))
    operator.gate.cut_watches()
    await world.create()
    await until(lambda: refused.hits > 50, what="many tries", report=world.report)
    assert operator.process.running
    operator.gate.mend()
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
    operator.gate.mend()
    operator.gate.cut(is_list)
    await world.until_job(lambda job: job.state == "CANCELLING", "the job is cancelled")

    def quiet() -> bool:
        newest = [call.time for call in operator.gate.calls if call.step.name == "get"][-1]
        return asyncio.get_running_loop().time() > newest + 1

    await until(quiet, what="the job is polled no more", report=world.report)


@pytest.mark.faults
async def test_deleted_while_the_operator_cannot_reach_the_api_server(world: World) -> None:
    operator = await world.start()
    await world.create()
    await running(world)
    await operator.gate.shut("kubernetes")
    await world.delete()
    await asyncio.sleep(1.5)
    await operator.gate.open("kubernetes")
    await world.until_gone()
    assert [method for method, _ in world.truth.applied()] == ["create", "cancel"]


async def test_submitted_while_the_api_server_goes_away(world: World) -> None:
    """The create call is made, and its outcome cannot be written down until the API server is back."""
    operator = await world.start()

    async def shut() -> None:
        await operator.gate.shut("kubernetes")

    operator.gate.fail(lambda call: call.step.name == "create", _then(shut), times=1, after=True)
    await world.create()
    await until(lambda: world.truth.jobs(), what="the job", report=world.report)
    await asyncio.sleep(1)
    world.truth.force(world.truth.jobs()[0].job_id, "RUNNING")
    await operator.gate.open("kubernetes")
    await world.until_state("RUNNING")
    assert [method for method, _ in world.truth.applied()] == ["create"]


def _then(act: Callable[[], Awaitable[None]]) -> Fault:
    async def answer(_: Call) -> None:
        await act()

    return answer


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
    operator.gate.mend()
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
        operator.gate.mend()
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


@pytest.mark.faults
@pytest.mark.parametrize("meanwhile", ["nothing", "watched again", "restarted"])
async def test_the_resource_definition_goes_and_comes_back(world: World, meanwhile: str) -> None:
    """Its resources go with it, and their jobs are cancelled; new ones are seen when it is back."""
    operator = await world.start()
    await world.create()
    await running(world)
    crd = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{TRAINING_JOB.plural}.mljobs.dev"
    definition = await world.lab.cluster.request("GET", crd)
    await world.lab.cluster.request("DELETE", crd)
    await until(lambda: world.object() is None, what="all resources are gone", report=world.report)
    assert [method for method, _ in world.truth.applied()] == ["create", "cancel"]
    await _until_removed(world, crd)
    if meanwhile != "nothing":
        if meanwhile == "watched again":
            operator.gate.cut_watches()  # ends the process, and the kubelet starts it again
            await operator.process.ended(30)
        else:
            await operator.process.kill()
        operator = await world.start()
        missing = f"{TRAINING_JOB.plural}.{GROUP}"
        await until(lambda: missing in operator.process.tail(), what="it says so", report=world.report)
    definition["metadata"] = {"name": definition["metadata"]["name"]}
    definition.pop("status")
    await asyncio.to_thread(world.lab.plane.apply, definition)
    assert operator.process.running, operator.process.tail()
    await world.create(name="second")
    await world.until_state("QUEUED", name="second")


async def _until_removed(world: World, path: str) -> None:
    while True:
        try:
            await world.lab.cluster.request("GET", path)
        except KubernetesError as error:
            if error.status != 404:
                raise
            return
        await asyncio.sleep(0.05)
