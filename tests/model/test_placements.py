"""Stories of a ladder of placements: on each service, with crashes and lost answers at every step."""

from collections.abc import Callable
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mljobs.api.base import JsonObject
from mljobs.domain.job import naming
from mljobs.domain.job.resource import Resource
from mljobs.domain.reasons import ConditionType, Reason
from tests.conditions import condition_of
from tests.model.one import A, fail, jobs, resource
from tests.model.process import BackendType
from tests.model.service import ModelBackend, UnnamedBackend, region_of
from tests.model.specs import spec_of
from tests.model.vertex import VertexBackend
from tests.model.wire import Outcome
from tests.model.world import World

WAIT = 400.0
"""More seconds than anything waits for, but for a quota that no placement is left for."""

REGIONS = ("us-central1", "europe-west4", "us-east1")
LADDER = [{"region": region} for region in REGIONS]
MOVES = {"rules": [{"onCauses": ["UserCode"], "action": "NextPlacement"}]}
"""Since the model's jobs fail by their programs."""

OUTCOMES: list[Outcome] = ["lost", "failed", "late"]
"""Of calls that are not answered."""

Step = Callable[[World], object]

BACKENDS: list[BackendType] = [ModelBackend, UnnamedBackend, VertexBackend]


@pytest.fixture
def world(each_world: World) -> World:
    return each_world


def apply(world: World, **spec: object) -> None:
    ladder: JsonObject = {"placements": LADDER, "failurePolicy": MOVES, **spec}
    world.cluster.create(A.kind, A.name, spec_of(A, **ladder))
    world.work()


def regions(world: World) -> list[str]:
    return [region_of(job.document) for job in jobs(world)]


def succeeded(world: World) -> tuple[str, str]:
    row = condition_of(resource(world), ConditionType.SUCCEEDED)
    return row["status"], row["reason"]


def test_each_failed_attempt_is_followed_in_the_next_placement_and_round(world: World) -> None:
    apply(world, placementPolicy={"rounds": 1})
    for _ in range(6):
        fail(world)
        world.work(WAIT)
    assert regions(world) == [*REGIONS, *REGIONS]
    assert succeeded(world) == ("False", Reason.PLACEMENTS_EXHAUSTED)
    shown = [*resource(world).status["attempts"], resource(world).status]
    assert [(row["placement"]["number"], row["placement"]["round"]) for row in shown] == [
        (number, round_) for round_ in (1, 2) for number in (1, 2, 3)
    ]
    assert "countedFailures" not in resource(world).record


def test_within_a_round_nothing_is_waited_for(world: World) -> None:
    apply(world)
    world.work(WAIT)  # a service that names jobs itself is searched for those of an earlier process before
    fail(world)
    assert regions(world) == list(REGIONS[:2])


def test_a_placement_that_refuses_the_job_has_no_attempt(world: World) -> None:
    world.service.exhausted = set(REGIONS[:2])
    apply(world)
    world.work(WAIT)
    assert regions(world) == [REGIONS[2]]
    status = resource(world).status
    assert (status["attempt"], status["placement"]["number"]) == (1, 3)
    assert "attempts" not in status


def test_what_all_placements_refuse_is_refused_until_something_changes(world: World) -> None:
    world.service.exhausted = set(REGIONS)
    apply(world, placementPolicy={"rounds": 1})
    world.work(3 * WAIT)
    assert resource(world).status["outcome"] == "Refused"
    creates = world.wire.counts["create"]
    assert creates == 6
    world.kill()
    world.start()
    world.work(3 * WAIT)
    assert world.wire.counts["create"] == creates
    world.service.exhausted = set()
    world.cluster.edit(A, spec={"placementPolicy": {"rounds": 2}})
    world.work(WAIT)
    assert regions(world) == [REGIONS[2]]


@pytest.mark.parametrize("outcome", ["ok", *OUTCOMES])
@pytest.mark.parametrize("step", range(8))
def test_a_crash_between_two_placements_makes_no_second_job(
    world: World, step: int, outcome: Outcome
) -> None:
    apply(world)
    (job,) = jobs(world)
    world.service.progress(job, "FAILED")
    until_death(world, step, outcome)
    world.work(WAIT)
    running = [job for job in jobs(world) if job.active]
    assert [job.document["labels"][naming.ATTEMPT_LABEL] for job in running] == ["2"]
    assert [region_of(job.document) for job in running] == [REGIONS[1]]


@pytest.mark.parametrize("outcome", ["ok", *OUTCOMES])
@pytest.mark.parametrize("step", range(10))
def test_a_crash_between_two_refusals_makes_no_second_job(world: World, step: int, outcome: Outcome) -> None:
    world.service.exhausted = {REGIONS[0]}
    ladder: JsonObject = {"placements": LADDER, "failurePolicy": MOVES}
    world.cluster.create(A.kind, A.name, spec_of(A, **ladder))
    until_death(world, step, outcome)
    world.work(WAIT)
    running = [job for job in jobs(world) if job.active]
    assert [job.document["labels"][naming.ATTEMPT_LABEL] for job in running] == ["1"]
    assert [region_of(job.document) for job in running] == [REGIONS[1]]
    assert resource(world).status["placement"]["number"] == 2


def until_death(world: World, steps: int, outcome: Outcome) -> None:
    """Go on call by call, each create call with this outcome, until the process dies, and start another."""
    for _ in range(steps):
        world.loop.advance(30, to_timer=True)
        if world.wire.calls:
            call = world.wire.calls[0]
            world.wire.answer(call, outcome if call.method == "create" else "ok")
        if world.process:
            world.process.receive()
            world.process.handle()
    world.kill()
    world.start()


def test_a_job_that_appears_late_where_the_next_call_is_refused_is_the_one(world: World) -> None:
    world.plan("service", "effects", "late")
    apply(world)
    world.service.exhausted = {REGIONS[0]}
    world.work(40)
    assert world.wire.late
    world.wire.land(world.wire.late[0])  # the call that was made before the quota was used up
    world.work(WAIT)


def test_nothing_is_tried_elsewhere_before_an_unanswered_call_can_make_no_job(world: World) -> None:
    world.plan("service", "effects", "late")
    apply(world)
    world.service.exhausted = {REGIONS[0]}
    world.work(100)
    if not world.can.client_names_jobs:
        assert jobs(world) == []
    world.work(WAIT)
    assert regions(world) == [REGIONS[1]]


def test_a_job_that_does_not_start_in_time_goes_on_to_the_next_placement(world: World) -> None:
    apply(world, placements=[{**LADDER[0], "startDeadlineSeconds": 60}, *LADDER[1:]])
    world.work(90)
    (job,) = [job for job in jobs(world) if job.state == "CANCELLING"]
    assert len(jobs(world)) == 1
    world.service.progress(job, "")
    world.work(WAIT)
    assert regions(world) == list(REGIONS[:2])
    (earlier,) = resource(world).status["attempts"]
    assert (earlier["cause"], earlier["placement"]["number"]) == ("StartDeadline", 1)


def test_a_suspension_keeps_to_the_placement(world: World) -> None:
    apply(world)
    fail(world)
    world.work(WAIT)
    world.cluster.edit(A, spec={"suspend": True})
    world.work(15)
    (job,) = [job for job in jobs(world) if job.state == "CANCELLING"]
    world.service.progress(job, "")
    world.work(15)
    world.cluster.edit(A, spec={"suspend": False})
    world.work(WAIT)
    assert regions(world) == [REGIONS[0], REGIONS[1], REGIONS[1]]


def test_deleted_while_all_placements_refuse(world: World) -> None:
    world.service.exhausted = set(REGIONS)
    apply(world, placementPolicy={"rounds": 3})
    world.cluster.delete(A)
    world.work(WAIT)
    assert A not in world.cluster.objects
    assert jobs(world) == []


def fail_all(world: World) -> None:
    for job in jobs(world):
        if job.active:
            world.service.progress(job, "FAILED")
        elif job.state == "CANCELLING":
            world.service.progress(job, "")


def exhaust(*named: str) -> Step:
    return lambda world: setattr(world.service, "exhausted", set(named))


def crash(world: World) -> None:
    world.kill()
    world.start()


def answer(outcome: Outcome) -> Step:
    return lambda world: world.plan("service", "effects", outcome)


def edit(**spec: object) -> Step:
    return lambda world: world.cluster.edit(A, spec=spec)


STEPS: list[Step] = [
    *[fail_all] * 4,
    *(exhaust(*named) for named in ((), REGIONS[:1], REGIONS[1:], REGIONS)),
    *[lambda world: world.work(60), lambda world: world.work(WAIT), crash],
    *(answer(outcome) for outcome in OUTCOMES),
    *(edit(placementPolicy={"rounds": rounds}) for rounds in (0, 2)),
    *(edit(placements=LADDER[:count]) for count in (1, 3)),
    *(edit(suspend=wanted) for wanted in (True, False)),
]
"""What may happen."""


@pytest.mark.parametrize("backend", BACKENDS, ids=["ml v1", "unnamed", "Vertex AI"])
@pytest.mark.usefixtures("_small_pages")
@given(steps=st.lists(st.sampled_from(STEPS), min_size=5, max_size=30))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_histories_have_one_job_at_a_time_and_go_on_in_order(
    backend: BackendType, steps: list[Step]
) -> None:
    with closing(World(backend)) as world:
        apply(world)
        for step in steps:
            step(world)
            world.work(5)
            world.check()
            in_order(resource(world))
        world.service.exhausted = set()
        # what all placements have refused is tried again when its spec has changed
        world.cluster.edit(A, spec={"suspend": False, "labels": {"again": "yes"}})
        world.converge()


def in_order(one: Resource) -> None:
    """No attempt is in an earlier placement than the one before it."""
    rows = [*one.status.get("attempts", ()), one.status]
    there = [(row["placement"]["round"], row["placement"]["number"]) for row in rows if "placement" in row]
    assert there == sorted(there)
