"""Stories of attempts that fail: on each service, with crashes and lost answers at every step."""

import pytest

from mljobs.domain.job import naming
from mljobs.domain.reasons import ConditionType, Reason
from tests.conditions import condition_of
from tests.model.one import A, fail, jobs, resource
from tests.model.specs import spec_of
from tests.model.wire import Outcome
from tests.model.world import World

WAIT = 400.0
"""More seconds than any attempt waits for."""


@pytest.fixture
def world(each_world: World) -> World:
    return each_world


def apply(world: World, **spec: object) -> None:
    world.cluster.create(A.kind, A.name, spec_of(A, **spec))
    world.work()


def test_as_many_attempts_follow_as_the_limit_says(world: World) -> None:
    apply(world, backoffLimit=2)
    for attempt in (1, 2, 3):
        assert resource(world).status["attempt"] == attempt
        fail(world)
        world.work(WAIT)
    assert [job.state for job in jobs(world)] == ["FAILED"] * 3
    labels = [job.document["labels"][naming.ATTEMPT_LABEL] for job in jobs(world)]
    assert labels == ["1", "2", "3"]
    succeeded = condition_of(resource(world), ConditionType.SUCCEEDED)
    assert (succeeded["status"], succeeded["reason"]) == ("False", Reason.BACKOFF_LIMIT_EXCEEDED)
    assert resource(world).record["countedFailures"] == 2


def test_each_one_waits_longer(world: World) -> None:
    apply(world, backoffLimit=3)
    world.work(WAIT)  # a service that names jobs itself is searched for those of an earlier process before
    waits = []
    for _ in range(3):
        fail(world)
        failed = world.loop.now
        before = len(jobs(world))
        while len(jobs(world)) == before:
            world.work(1)
        waits.append(world.loop.now - failed)
    assert waits[0] < waits[1] < waits[2]


@pytest.mark.parametrize("outcome", ["ok", "lost", "failed", "late"])
@pytest.mark.parametrize("step", range(8))
def test_a_crash_makes_no_attempt_twice(world: World, step: int, outcome: Outcome) -> None:
    apply(world, backoffLimit=1)
    (job,) = jobs(world)
    world.service.progress(job, "FAILED")
    for _ in range(step):  # call by call, until the process dies
        world.loop.advance(30, to_timer=True)
        if world.wire.calls:
            call = world.wire.calls[0]
            world.wire.answer(call, outcome if call.method == "create" else "ok")
        if world.process:
            world.process.receive()
            world.process.handle()
    world.kill()
    world.start()
    world.work(WAIT)
    attempts = [job.document["labels"][naming.ATTEMPT_LABEL] for job in jobs(world) if job.active]
    assert attempts == ["2"]


def test_a_suspension_counts_for_nothing(world: World) -> None:
    apply(world, backoffLimit=1)
    for _ in range(2):
        world.cluster.edit(A, spec={"suspend": True})
        world.work(15)
        (job,) = [job for job in jobs(world) if job.state == "CANCELLING"]
        world.service.progress(job, "")
        world.work(15)
        world.cluster.edit(A, spec={"suspend": False})
        world.work(WAIT)
    assert "failures" not in resource(world).record
    fail(world)
    world.work(WAIT)
    assert [job.state for job in jobs(world)] == ["CANCELLED", "CANCELLED", "FAILED", "QUEUED"]


def test_a_suspension_holds_the_next_attempt_back(world: World) -> None:
    apply(world, backoffLimit=1)
    fail(world)
    world.cluster.edit(A, spec={"suspend": True})
    world.work(WAIT)
    assert len(jobs(world)) == 1
    assert condition_of(resource(world), ConditionType.SUSPENDED)["status"] == "True"
    world.cluster.edit(A, spec={"suspend": False})
    world.work(WAIT)
    assert [job.state for job in jobs(world)] == ["FAILED", "QUEUED"]
    assert resource(world).record["countedFailures"] == 1


def test_what_does_not_count_is_retried_beyond_the_limit(world: World) -> None:
    rules = [{"onCauses": ["UserCode"], "action": "RetryIgnoringLimit"}]
    apply(world, failurePolicy={"rules": rules})
    for _ in range(4):
        fail(world)
        world.work(WAIT)
    assert [job.state for job in jobs(world)] == [*["FAILED"] * 4, "QUEUED"]
    assert resource(world).record["failures"] == 4


def test_a_rule_ends_it_at_once(world: World) -> None:
    rules = [{"onExitCodes": [1], "action": "Fail"}]
    apply(world, backoffLimit=5, failurePolicy={"rules": rules})
    fail(world)
    world.work(WAIT)
    assert [job.state for job in jobs(world)] == ["FAILED"]
    assert resource(world).status["outcome"] == "Failed"
    assert resource(world).status["exitCode"] == 1


def test_what_has_finished_is_not_followed_by_a_longer_limit(world: World) -> None:
    apply(world)
    fail(world)
    world.cluster.edit(A, spec={"backoffLimit": 5})
    world.kill()
    world.start()
    world.work(WAIT)
    assert len(jobs(world)) == 1


def test_a_job_that_is_lost_counts_for_nothing_and_is_not_submitted_again(world: World) -> None:
    apply(world, backoffLimit=3)
    (job,) = jobs(world)
    world.service.vanish(job)
    world.work(WAIT)
    assert len(jobs(world)) == 1
    assert resource(world).status["outcome"] == "Lost"
    world.service.reappear(job)
    world.work(WAIT)
    assert "failures" not in resource(world).record


def test_deleted_while_it_waits(world: World) -> None:
    apply(world, backoffLimit=3)
    fail(world)
    world.cluster.delete(A)
    world.work(WAIT)
    assert A not in world.cluster.objects
    assert len(jobs(world)) == 1


def test_a_deadline_ends_the_wait(world: World) -> None:
    apply(world, backoffLimit=3, activeDeadlineSeconds=12)
    fail(world)
    world.work(WAIT)
    succeeded = condition_of(resource(world), ConditionType.SUCCEEDED)
    assert (succeeded["status"], succeeded["reason"]) == ("False", Reason.DEADLINE_EXCEEDED)
    assert len(jobs(world)) == 1
