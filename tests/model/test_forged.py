"""Stories of users who write another submission annotation before there is a status."""

from collections.abc import Iterator

import pytest

from mljobs.domain.job.resource import SUBMISSION, Resource
from tests.model.forging import FORGERIES, forged
from tests.model.process import POLICY, BackendType
from tests.model.service import CloudJob, ModelBackend, UnnamedBackend
from tests.model.specs import KEYS, spec_of
from tests.model.vertex import VertexBackend
from tests.model.world import World

A = KEYS[0]
GRACE = POLICY.grace.total_seconds()


@pytest.fixture(params=[ModelBackend, UnnamedBackend, VertexBackend], ids=["ml v1", "tiny", "Vertex AI"])
def world(_small_pages: None, request: pytest.FixtureRequest) -> Iterator[World]:
    backend: BackendType = request.param
    made = World(backend)
    yield made
    try:
        made.converge()
    finally:
        made.close()


def jobs(world: World) -> list[CloudJob]:
    return [job for job in world.service.jobs.values() if job.maker]


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
