"""Stories of jobs that the service denies: for a while, for good, or because it is the wrong service."""

import pytest

from mljobs.controller.loop.store import Key
from mljobs.domain.job.resource import FORCE_RELEASE, Resource
from mljobs.domain.reasons import ConditionType, Reason
from tests.conditions import condition_of
from tests.model.process import LOST_INTERVAL, POLICY
from tests.model.service import CloudJob
from tests.model.specs import KEYS, spec_of
from tests.model.world import World

A, B, C = KEYS
LONG = POLICY.lost_after.total_seconds() + 30


def running(world: World, *keys: Key) -> list[CloudJob]:
    """Resources whose jobs run; gives the jobs."""
    jobs = []
    for key in keys:
        world.cluster.create(key.kind, key.name, spec_of(key))
        world.work()
        jobs.append(next(job for job in reversed(world.service.jobs.values()) if job.maker))
        for _ in range(2):
            world.service.progress(jobs[-1], "")
    world.work(20)
    return jobs


def resource(world: World, key: Key = A) -> Resource:
    return Resource.parse(world.cluster.objects[key])


def succeeded(world: World, key: Key = A) -> tuple[str, str]:
    shown = condition_of(resource(world, key), ConditionType.SUCCEEDED)
    return shown["status"], shown["reason"]


def test_a_wrong_endpoint_for_a_short_time_changes_nothing(world: World) -> None:
    running(world, A)
    writes = world.cluster.writes
    world.service.misdirect(True)
    world.work(20)
    world.service.misdirect(False)
    world.work(200)
    assert world.cluster.writes == writes
    assert resource(world).state == "RUNNING"


def test_a_lost_job_is_taken_back_when_it_is_there_again(world: World) -> None:
    (job,) = running(world, A)
    world.service.vanish(job)
    world.work(LONG)
    assert resource(world).lost
    assert succeeded(world) == ("False", Reason.LOST)
    world.service.reappear(job)
    world.work(LOST_INTERVAL + 10)
    assert not condition_of(resource(world), ConditionType.STALLED)
    assert succeeded(world) == ("Unknown", Reason.FOUND_AGAIN)
    world.service.progress(job, "SUCCEEDED")
    world.work(20)
    assert succeeded(world) == ("True", Reason.JOB_SUCCEEDED)
    assert world.wire.counts["create"] == 1


def test_a_lost_job_is_looked_for_now_and_then_and_nothing_is_written(world: World) -> None:
    (job,) = running(world, A)
    world.service.vanish(job)
    world.work(LONG)
    writes, reads = world.cluster.writes, world.wire.counts["get"]
    world.work(10 * LOST_INTERVAL)
    assert world.cluster.writes == writes
    assert 9 <= world.wire.counts["get"] - reads <= 11


@pytest.mark.parametrize("restarted", [False, True])
def test_a_lost_job_that_is_there_again_is_cancelled_with_its_resource(world: World, restarted: bool) -> None:
    (job,) = running(world, A)
    world.service.vanish(job)
    world.work(LONG)
    if restarted:
        world.kill()
        world.start()
        world.work(5)
    world.service.reappear(job)
    world.cluster.delete(A)
    world.work(5)
    assert A not in world.cluster.objects
    assert job.state == "CANCELLING"


def test_a_resource_whose_job_is_missing_goes_when_that_has_lasted(world: World) -> None:
    (job,) = running(world, A)
    world.service.vanish(job)
    world.cluster.delete(A)
    world.work(POLICY.lost_after.total_seconds() - 15)
    shown = condition_of(resource(world), ConditionType.RECONCILING)
    assert (shown["status"], shown["reason"]) == ("True", Reason.DELETING)
    assert FORCE_RELEASE in shown["message"]
    writes = world.cluster.writes
    world.work(30)
    assert A not in world.cluster.objects
    assert world.cluster.writes == writes + 1


def test_a_job_that_is_missing_for_a_short_time_is_cancelled_with_its_resource(world: World) -> None:
    (job,) = running(world, A)
    world.service.misdirect(True)
    world.cluster.delete(A)
    world.work(30)
    assert resource(world).held
    world.service.misdirect(False)
    world.work(20)
    assert A not in world.cluster.objects
    assert job.state == "CANCELLING"


def test_where_all_jobs_are_missing_at_once_nothing_changes_and_nothing_goes(world: World) -> None:
    jobs = running(world, A, B, C)
    world.cluster.delete(C)
    world.work()
    assert jobs[2].state == "CANCELLING"
    writes = world.cluster.writes
    world.service.misdirect(True)
    world.work(3600)
    assert world.cluster.writes == writes
    world.cluster.delete(B)
    world.work(3600)
    assert resource(world, B).held
    assert resource(world).state == "RUNNING"
    world.cluster.edit(B, annotations={FORCE_RELEASE: "true"})
    world.work(5)
    assert B not in world.cluster.objects
    assert not resource(world).lost
    world.work(LONG)  # now it is the only one, and lost by itself
    assert resource(world).lost
    world.service.misdirect(False)
    world.work(LOST_INTERVAL + 10)
    assert not resource(world).lost
    world.service.cancel(jobs[1])


def test_deletions_that_wait_for_a_wrong_service_end_with_a_cancel_once_it_is_right(world: World) -> None:
    jobs = running(world, A, B, C)
    world.service.misdirect(True)
    for key in (A, B, C):
        world.cluster.delete(key)
    world.work(3600)
    assert all(resource(world, key).held for key in (A, B, C))
    world.service.misdirect(False)
    world.work(30)
    assert not world.cluster.objects
    assert {job.state for job in jobs} == {"CANCELLING"}
