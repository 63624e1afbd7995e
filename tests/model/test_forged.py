"""Stories of users who write another submission annotation before there is a status."""

import pytest

from mljobs.domain.job.resource import SUBMISSION, Resource
from tests.model.forging import FORGERIES, forged
from tests.model.one import A, jobs
from tests.model.process import POLICY
from tests.model.specs import spec_of
from tests.model.world import World

GRACE = POLICY.grace.total_seconds()


@pytest.fixture
def world(each_world: World) -> World:
    return each_world


def forge(world: World, how: str | None) -> None:
    text = forged(how, world.cluster.objects[A]) if how else None
    world.cluster.edit(A, annotations={SUBMISSION: text})


def submit(world: World) -> None:
    """The intent is recorded and the create call is on its way."""
    world.cluster.create(A.kind, A.name, spec_of(A))
    assert world.process is not None
    world.process.receive()
    world.process.handle()
    world.wire.answer(world.only("patch_metadata"), "ok")


@pytest.mark.parametrize("delete", [False, True], ids=["kept", "deleted"])
@pytest.mark.parametrize("how", [*FORGERIES, None])
def test_before_the_first_status_and_after_a_crash(world: World, how: str | None, delete: bool) -> None:
    submit(world)
    world.kill()
    (late,) = [late for late in world.wire.late if late.call.method == "create"]
    world.wire.land(late)
    forge(world, how)
    if delete:
        world.cluster.delete(A)
    world.start()
    world.work(3 * GRACE)
    (job,) = jobs(world)
    if delete:
        assert A not in world.cluster.objects
        assert not job.active
    else:
        assert Resource.parse(world.cluster.objects[A]).submitted
        assert job.active


@pytest.mark.parametrize("delete", [False, True], ids=["kept", "deleted"])
@pytest.mark.parametrize("how", [*FORGERIES, None])
def test_while_a_create_call_without_an_answer_may_take_effect(
    world: World, how: str | None, delete: bool
) -> None:
    submit(world)
    world.wire.answer(world.only("create"), "late")
    forge(world, how)
    if delete:
        world.cluster.delete(A)
    world.work(3 * GRACE)
    if delete:
        assert A not in world.cluster.objects
        assert [job for job in jobs(world) if job.active] == []
    else:
        assert Resource.parse(world.cluster.objects[A]).submitted
        assert len([job for job in jobs(world) if job.active]) == 1


@pytest.mark.parametrize("how", [*FORGERIES, None])
def test_before_the_status_of_a_later_attempt(world: World, how: str | None) -> None:
    """A suspension has ended the first attempt; the operator dies while it submits the second one."""
    world.cluster.create(A.kind, A.name, spec_of(A))
    world.work()
    world.cluster.edit(A, spec={"suspend": True})
    world.work(30)
    (first,) = jobs(world)
    world.service.progress(first, "CANCELLED")
    world.work(30)
    world.kill()
    world.start()
    world.work(GRACE)
    before = world.cluster.objects[A]["metadata"]["annotations"][SUBMISSION]
    world.cluster.edit(A, spec={"suspend": False})
    assert world.process is not None
    world.process.receive()
    world.process.handle()
    world.wire.answer(world.only("patch_metadata"), "ok")
    for look in [call for call in world.wire.calls if call.method == "find"]:
        world.wire.answer(look, "ok")
    while looks := [call for call in world.wire.calls if call.method == "find"]:
        world.wire.answer(looks[0], "ok")
    world.kill()
    (late,) = [late for late in world.wire.late if late.call.method == "create"]
    world.wire.land(late)
    if how == "attempt":
        world.cluster.edit(A, annotations={SUBMISSION: before})
    else:
        forge(world, how)
    world.cluster.delete(A)
    world.start()
    world.work(3 * GRACE)
    assert len(jobs(world)) == 2
    assert A not in world.cluster.objects
    assert [job for job in jobs(world) if job.active] == []
