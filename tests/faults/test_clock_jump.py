"""Somebody sets the clock of the operator's machine by an hour: nothing waits, nothing is forgotten."""

from collections.abc import AsyncIterator

import pytest

from mljobs.api.resources import TRAINING_JOB
from tests.faults.checks import broken
from tests.faults.clock import Clock
from tests.faults.gate import no_answer, refusing
from tests.faults.lab import Lab, until
from tests.faults.scenarios import running
from tests.faults.world import World


@pytest.fixture
async def world(lab: Lab) -> AsyncIterator[World]:
    """A namespace."""
    namespace = await lab.namespace()
    opened = World(lab, TRAINING_JOB, namespace, lab.truth(namespace))
    yield opened
    await opened.settle()
    assert not broken(opened), opened.report()
    await opened.close()


@pytest.fixture
def clock(world: World) -> Clock:
    """The one that its operators have."""
    return Clock(world)


@pytest.mark.parametrize("hours", [-1, 1])
async def test_the_clock_is_set_while_calls_are_tried_again(world: World, clock: Clock, hours: int) -> None:
    """The next try is due after what has passed, not at a time of the day."""
    await world.start()
    await world.create()
    await running(world)
    refused = world.fail("get", refusing(503))
    await until(lambda: refused.hits, what="a poll that fails", report=world.report)
    clock.set(hours)
    world.fix()
    world.force("SUCCEEDED")
    await world.until_state("SUCCEEDED")


@pytest.mark.parametrize("hours", [-1, 1])
async def test_the_clock_is_set_while_a_create_call_is_in_doubt(
    world: World, clock: Clock, hours: int
) -> None:
    """Deletion ends, and not before the job that was made is cancelled."""
    await world.start()
    world.fail("get", refusing(503))
    world.fail("create", no_answer, after=True)
    await world.create()
    await until(lambda: world.truth.jobs(), what="the job", report=world.report)
    await world.delete()
    clock.set(hours)
    world.fix()
    await world.until_gone()
    assert [method for method, _ in world.truth.applied()] == ["create", "cancel"]


@pytest.mark.parametrize("hours", [-1, 1])
async def test_the_next_process_has_another_clock(world: World, clock: Clock, hours: int) -> None:
    """A standby's machine need not agree with the leader's: what that one intended is in doubt."""
    world.settings["MLJOBS_UNKNOWN_OUTCOME_GRACE"] = "4"
    operator = await world.start()
    held = world.fail("create", no_answer, times=1)
    await world.create()
    await until(lambda: held.hits, what="a create call", report=world.report)
    await operator.process.kill()
    clock.set(hours)
    await world.delete()
    successor = await world.start()
    await until(
        lambda: any(call.step.name == "get" and call.status == 404 for call in successor.gate.calls),
        what="it has looked",
        report=world.report,
    )
    assert world.object(), "it was released although the create call may still take effect"
    await world.until_gone()
