"""Stories of a service that names jobs itself: a second create call makes a second job."""

from collections.abc import Iterator

import pytest

from mljobs.domain.job.resource import Resource
from mljobs.domain.reasons import ConditionType, Reason
from tests.conditions import condition_of
from tests.model.process import POLICY
from tests.model.service import CloudJob, UnnamedBackend
from tests.model.specs import KEYS, spec_of
from tests.model.world import OTHERS_MEMBER, World

A = KEYS[0]
GRACE = POLICY.grace.total_seconds()
BINDING = {"role": "roles/viewer", "members": [OTHERS_MEMBER]}


@pytest.fixture
def world(_small_pages: None) -> Iterator[World]:
    made = World(UnnamedBackend)
    yield made
    try:
        made.converge()
    finally:
        made.close()


def jobs(world: World) -> list[CloudJob]:
    return [job for job in world.service.jobs.values() if job.maker]


def apply(world: World, **spec: object) -> None:
    world.cluster.create(A.kind, A.name, spec_of(A, **spec))


def resource(world: World) -> Resource:
    return Resource.parse(world.cluster.objects[A])


def test_a_lost_answer_is_looked_for_and_nothing_is_made_again(world: World) -> None:
    world.plan("service", "effects", "lost")
    apply(world)
    world.work(1)
    assert condition_of(resource(world), ConditionType.SUBMITTED)["status"] == "Unknown"
    world.work(GRACE)
    assert len(jobs(world)) == 1
    assert condition_of(resource(world), ConditionType.SUBMITTED)["status"] == "True"
    assert resource(world).status["jobName"] == "projects/proj/jobs/run-1"


def test_after_a_crash_the_job_is_looked_for_before_another_is_made(world: World) -> None:
    world.plan("service", "effects", "lost")
    apply(world)
    world.kill()
    world.start()
    world.work(2 * GRACE)
    assert len(jobs(world)) == 1
    assert world.wire.counts["create"] == 1


def test_a_call_that_came_to_nothing_is_made_again_once_that_is_sure(world: World) -> None:
    world.plan("service", "effects", "failed")
    apply(world)
    world.work(GRACE - 1)
    assert jobs(world) == []
    world.work(10)
    assert len(jobs(world)) == 1


@pytest.mark.parametrize("delete", [False, True], ids=["stays", "deleted"])
def test_a_job_that_shows_too_late_is_cancelled_and_told(world: World, delete: bool) -> None:
    world.service.lag = 1.5 * GRACE  # more than anybody waits for
    world.plan("service", "effects", "lost")
    apply(world)
    world.work(GRACE + 10)
    assert [job.active for job in jobs(world)] == [True, True]
    if delete:
        world.cluster.delete(A)
    world.work(GRACE)
    if delete:
        assert A not in world.cluster.objects
        assert [job.active for job in jobs(world)] == [False, False]
    else:
        assert [job.active for job in jobs(world)] == [False, True]
    assert any(Reason.EXTRA_JOB in line for line in world.told)


@pytest.mark.parametrize("forced", [False, True], ids=["orphaned", "given up"])
def test_a_resource_that_leaves_its_job_behind_is_let_go_after_a_doubt(world: World, forced: bool) -> None:
    """The search is made before that, but for a user who gives up on the job, whatever its state."""
    world.plan("service", "effects", "lost")
    apply(world, deletionPolicy="Orphan")
    world.work(GRACE)
    assert len(jobs(world)) == 1
    if forced:
        world.cluster.edit(A, annotations={"mljobs.dev/force-release": "true"})
    world.cluster.delete(A)
    world.work(1)
    assert (A in world.cluster.objects) is not forced
    world.work(2 * GRACE)
    assert A not in world.cluster.objects
    assert [job.active for job in jobs(world)] == [True]


def test_a_job_that_shows_too_late_is_cancelled_although_the_first_has_ended(world: World) -> None:
    world.service.lag = 1.5 * GRACE
    world.plan("service", "effects", "lost")
    apply(world)
    world.work(GRACE + 10)
    late, known = jobs(world)
    world.service.change(known, state="SUCCEEDED")
    world.work(20)
    assert resource(world).state == "SUCCEEDED"
    assert late.active
    world.work(GRACE)
    assert not late.active


def test_a_job_of_such_a_service_is_not_adopted(world: World) -> None:
    world.cluster.create(A.kind, A.name, spec_of(A, jobId="x"), annotations={"mljobs.dev/adopt": "true"})
    world.work()
    stalled = condition_of(resource(world), ConditionType.STALLED)
    assert (stalled["status"], stalled["reason"]) == ("True", Reason.NOT_ALLOWED)
    assert "cannot change labels" in stalled["message"]
    assert world.wire.counts["create"] == 0


def test_bindings_that_the_service_does_not_have_are_refused(world: World) -> None:
    apply(world, iamBindings=[BINDING])
    world.work()
    stalled = condition_of(resource(world), ConditionType.STALLED)
    assert (stalled["status"], stalled["reason"]) == ("True", Reason.INVALID_SPEC)
    assert "spec.iamBindings" in stalled["message"]
    assert world.wire.counts["create"] == 0
    world.cluster.edit(A, spec={"iamBindings": []})
    world.work()
    assert len(jobs(world)) == 1
