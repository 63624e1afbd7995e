"""Deletion ends, whatever state everything is in, and never leaves a job running that nobody was told of."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mljobs.api.resources import PREDICTION_JOB, TRAINING_JOB
from tests.e2e.support import condition
from tests.faults.backend import ENDING
from tests.faults.checks import broken
from tests.faults.gate import Call, no_answer, refusing
from tests.faults.groups import ALL
from tests.faults.lab import KubernetesError, Lab, until
from tests.faults.scenarios import foreign_job, running
from tests.faults.world import World

EACH = 7 if ALL else 2
"""Resources in each state; with all states more than a hundred, or about thirty."""


@pytest.fixture
async def world(lab: Lab, has_controller_manager: bool) -> World:
    """A namespace that is really deleted."""
    if not has_controller_manager:
        pytest.fail("run `mljobs controlplane ensure --with kubectl,kube-controller-manager` first")
    namespace = await lab.namespace()
    return World(lab, TRAINING_JOB, namespace, lab.truth(namespace))


STATES: dict[str, dict[str, Any]] = {
    "invalid": {"projectId": None},
    "suspended": {"suspend": True},
    "queued": {},
    "preparing": {},
    "running": {},
    "cancelling": {},
    "succeeded": {},
    "failed": {},
    "cancelled": {},
    "lost": {},
    "resuspended": {},
    "orphan": {"deletionPolicy": "Orphan"},
    "taken": {},
    "rejected": {},
    "adopted": {},
    "doubtful": {},
}


async def populate(world: World) -> list[str]:
    """Make resources in every state; gives their names."""
    world.fail("create", refusing(400, "Field: job Error: No."), only="rejected")
    world.fail("create", no_answer, after=True, only="doubtful")
    names = []
    for state, spec in STATES.items():
        for number in range(EACH):
            name = f"{state}-{number}"
            names.append(name)
            fields = {"projectId": world.project, **spec}
            if state in ("taken", "adopted"):
                fields["jobId"] = f"{state}_{number}"
                foreign_job(world, fields["jobId"], {"owner": "bob"})
            if state in ("rejected", "doubtful"):
                fields["jobId"] = f"{state}_{number}"
            adopt = {"adopt": "true"} if state == "adopted" else {}
            await world.create(fields, name=name, **adopt)
    await _bring_about(world)
    return names


FORCED = {
    "preparing": ["PREPARING"],
    "running": ["RUNNING"],
    "succeeded": ["SUCCEEDED"],
    "failed": ["FAILED"],
    "cancelled": ["CANCELLED"],
}
SHOWN = {**{name: states[-1] for name, states in FORCED.items()}, "queued": "QUEUED", "orphan": "QUEUED"}
STALLED = {"invalid": "InvalidSpec", "lost": "Lost", "taken": "JobIdTaken", "rejected": "Rejected"}


async def _bring_about(world: World) -> None:
    """Let every job come into its state."""
    for number in range(EACH):
        for state in (*FORCED, "cancelling", "lost", "resuspended", "orphan", "queued", "adopted"):
            await world.until_state("QUEUED", name=f"{state}-{number}")
        for state, forced in FORCED.items():
            for one in forced:
                world.force(one, name=f"{state}-{number}")
        world.truth.cancel(str(world.status(f"cancelling-{number}")["jobId"]))
        world.truth.vanish(str(world.status(f"lost-{number}")["jobId"]))
        await world.patch_spec(suspend=True, name=f"resuspended-{number}")
        for state, shown in SHOWN.items():
            await world.until_state(shown, name=f"{state}-{number}")
        for state, reason in STALLED.items():
            await world.until_condition("Stalled", "True", reason, name=f"{state}-{number}")
        await world.until_condition("Suspended", "True", "Suspended", name=f"suspended-{number}")


async def delete_namespace(world: World) -> None:
    await world.lab.cluster.request("DELETE", f"/api/v1/namespaces/{world.namespace}")


async def namespace_gone(world: World, within: float = 60) -> float:
    """Wait for the end of the namespace; gives the seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while loop.time() < began + within:
        try:
            await world.lab.cluster.request("GET", f"/api/v1/namespaces/{world.namespace}")
        except KubernetesError as error:
            if error.status == 404:
                return loop.time() - began
        await asyncio.sleep(0.1)
    raise AssertionError(f"the namespace does not end\n{world.report()}")


def left_running(world: World) -> Counter[str]:
    """The jobs that still run, by the first part of their names."""
    return Counter(
        job.labels.get("mljobs-name", job.job_id).partition("-")[0].partition("_")[0]
        for job in world.truth.jobs()
        if job.state not in ENDING
    )


@pytest.mark.faults
async def test_a_namespace_ends_with_resources_in_all_states(world: World, figures: dict[str, Any]) -> None:
    world.default_project = False
    await world.start()
    names = await populate(world)
    world.fix()
    await delete_namespace(world)
    seconds = await namespace_gone(world)
    figures["namespace deletion"] = {"resources": len(names), "seconds": round(seconds, 1)}
    assert not broken(world), world.report()
    assert left_running(world) == {"orphan": EACH, "taken": EACH}


async def test_a_namespace_waits_for_a_service_that_is_down(world: World) -> None:
    world.default_project = False
    operator = await world.start()
    await populate(world)
    world.fix()
    await operator.gate.shut("service")
    await delete_namespace(world)
    await world.until_condition("Reconciling", "True", "ServiceUnavailable", name="running-0")
    said = condition(world.status("running-0"), "Reconciling")["message"]
    assert "The operator keeps retrying." in said, said
    for free in (
        "invalid",
        "suspended",
        "succeeded",
        "failed",
        "cancelled",
        "orphan",
        "taken",
        "rejected",
    ):
        await world.until_gone(f"{free}-0")  # nothing has to be asked for these
    for asked in ("running", "lost"):
        assert world.object(f"{asked}-0"), asked
    await operator.gate.open("service")
    await namespace_gone(world)
    assert not broken(world), world.report()
    assert left_running(world) == {"orphan": EACH, "taken": EACH}


@pytest.mark.faults
async def test_the_reason_is_said_once(world: World) -> None:
    """In a condition that stays as it is, and in one event, however often the call is tried again."""
    operator = await world.start()
    await world.create()
    await running(world)
    down = world.fail("get", refusing(503))
    cancels = world.fail("cancel", refusing(503))
    await world.delete()
    await world.until_condition("Reconciling", "True", "ServiceUnavailable")
    written = len(operator.gate.writes())
    await until(lambda: down.hits + cancels.hits >= 4, what="more tries", report=world.report)
    writes = [call.step.name for call in operator.gate.writes()[written:] if call.side == "kubernetes"]
    assert writes == ["event ServiceUnavailable"] or not writes
    assert (await world.events()).count("ServiceUnavailable") == 1
    world.fix()
    await world.until_gone()
    await world.settle()
    assert not broken(world), world.report()


async def test_revoked_credentials_are_named(world: World) -> None:
    """Cancelling is no part of the role that submits: the condition says which permission is missing."""
    operator = await world.start()
    await world.create()
    await running(world)
    world.truth.deny("ml.jobs.cancel")
    await world.delete()
    await world.until_condition("Stalled", "True", "Denied")
    message = condition(world.status(), "Stalled")["message"]
    job_name = f"projects/{world.project}/jobs/{world.status()['jobId']}"
    assert "ml.jobs.cancel" in message, message
    assert job_name in message, message
    await world.settle()
    assert (await world.events()).count("Denied") == 1
    assert len([call for call in operator.gate.calls if call.step.name == "cancel"]) == 1
    await world.force_release()
    await world.until_gone()
    await _left_behind(world, job_name)


async def test_a_job_that_cannot_even_be_read(world: World) -> None:
    await world.start()
    await world.create()
    await running(world)
    world.fail("get", refusing(403, "Permission ml.jobs.get denied on resource."))
    world.fail("cancel", refusing(403))
    await world.until_condition("Stalled", "True", "Denied")
    await world.operator.process.kill()
    await world.start()  # it knows nothing of the job, and may not ask
    await world.delete()
    await world.until(
        lambda: "ml.jobs.get" in condition(world.status(), "Stalled").get("message", ""), "it is named"
    )
    await world.until_condition("Reconciling", "False", "Waiting")
    job_name = f"projects/{world.project}/jobs/{world.status()['jobId']}"
    await world.force_release()
    await world.until_gone()
    await _left_behind(world, job_name)


async def _left_behind(world: World, job_name: str) -> None:
    """One event says what may still run: project and job."""
    found = await world.lab.cluster.request("GET", f"/api/v1/namespaces/{world.namespace}/events")
    said = [row["message"] for row in found["items"] if row["reason"] == "LeftBehind"]
    assert len(said) == 1
    assert job_name in said[0]
    assert world.truth.jobs()[0].state == "RUNNING"


@pytest.mark.faults
async def test_force_release_of_what_was_never_submitted(world: World) -> None:
    """It goes without a word: there is nothing that could be left behind."""
    await world.start()
    world.kind = PREDICTION_JOB
    await world.create({"suspend": True})
    await world.until_condition("Suspended", "True", "Suspended")
    await world.force_release()
    await world.delete()
    await world.until_gone()
    assert "LeftBehind" not in await world.events()


async def test_deleted_while_the_create_call_is_under_way(world: World) -> None:
    """The answer comes late, and so does the deletion's end: the job is cancelled."""
    operator = await world.start()
    arrived, go = asyncio.Event(), asyncio.Event()

    async def slowly(call: Call) -> None:
        arrived.set()
        await go.wait()

    operator.gate.fail(lambda call: call.step.name == "create", slowly, after=True, late=True, times=1)
    await world.create()
    await arrived.wait()
    await world.delete()
    await asyncio.sleep(0.5)
    assert world.object()
    go.set()
    await world.until_gone()
    await world.settle()
    assert not broken(world), world.report()
    assert [method for method, _ in world.truth.applied()] == ["create", "cancel"]


async def test_a_create_call_takes_effect_after_its_process_is_dead(world: World) -> None:
    """A proxy keeps the request of a process that is killed: deletion waits until it can come no more."""
    world.settings["MLJOBS_UNKNOWN_OUTCOME_GRACE"] = "4"
    operator = await world.start()
    held: list[Call] = []

    async def keep(call: Call) -> None:
        held.append(call)

    operator.gate.fail(lambda call: call.step.name == "create", keep, times=1)
    await world.create()
    await until(lambda: held, what="the create call", report=world.report)
    await operator.process.kill()
    await world.delete()
    successor = await world.start()
    await until(
        lambda: any(call.step.name == "get" and call.status == 404 for call in successor.gate.calls),
        what="the next process has looked",
        report=world.report,
    )
    assert world.object(), "it was released although the job may still come"
    world.truth.create(held[0].body)
    await world.until_gone()
    await world.settle()
    assert not broken(world), world.report()
    assert [method for method, _ in world.truth.applied()] == ["create", "cancel"]


@pytest.fixture(autouse=True)
async def _closed(world: World) -> AsyncIterator[None]:
    yield
    await world.close()
