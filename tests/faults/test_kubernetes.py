"""The API server refuses, hangs and goes away: what was asked for happens all the same, and once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from mljobs.api.resources import GROUP, TRAINING_JOB
from tests.faults.gate import Call, Fault, Json, answering, hang, no_answer
from tests.faults.groups import grouped, together
from tests.faults.kubernetes import a_world
from tests.faults.lab import MERGE, KubernetesError, Lab, until
from tests.faults.scenarios import queued, running, to_end
from tests.faults.world import NAME, World

ADMISSION = "admissionregistration.k8s.io/v1"


@pytest.fixture
async def world(lab: Lab) -> AsyncIterator[World]:
    async with a_world(lab) as opened:
        yield opened


def is_status(call: Call) -> bool:
    return call.step.name.startswith("status")


def is_event(call: Call) -> bool:
    return call.step.name.startswith("event")


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
    operator.gate.fix()
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


async def test_what_waits_to_be_told_when_the_operator_ends(world: World) -> None:
    """Asked to end, it posts its Events first; killed, it loses them and nothing else."""
    operator = await world.start()
    hung = operator.gate.fail(is_event, hang, times=1)
    await world.create()
    await world.until_state(*world.lab.backend.waiting)
    await until(lambda: hung.hits, what="an Event on its way", report=world.report)
    world.force("RUNNING")
    await world.until_state("RUNNING")
    world.force("FAILED", "No.")
    await world.until_state("FAILED")
    ending = asyncio.create_task(operator.process.stop())
    await until(
        lambda: "the operator stops" in operator.process.tail(), what="a SIGTERM", report=world.report
    )
    operator.gate.cut(is_event)
    assert await ending == 0, operator.process.tail()
    assert await world.events() == ["JobFailed"]  # the first was lost on its way
    operator = await world.start()
    hung = operator.gate.fail(is_event, hang)
    await world.create(name="second")
    await world.until_state(*world.lab.backend.waiting, name="second")
    await until(lambda: hung.hits, what="an Event on its way", report=world.report)
    await operator.process.kill()
    await world.start()
    await world.settle()
    assert await world.events() == ["JobFailed"]
    assert [method for method, _ in world.truth.applied()] == ["create", "create"]


@pytest.mark.faults
async def test_a_status_write_that_hangs_holds_up_no_other_resource(world: World) -> None:
    operator = await world.start()
    stuck = operator.gate.fail(lambda call: is_status(call) and "/stuck/" in call.path, hang)
    await world.create(name="stuck")
    await until(lambda: stuck.hits, what="a write that hangs", report=world.report)
    await world.create()
    await running(world)
    await to_end(world)
    operator.gate.fix()
    operator.gate.cut(lambda call: "/stuck/" in call.path)
    await world.until_state("QUEUED", name="stuck")


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
            operator.gate.cut_watches()
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
