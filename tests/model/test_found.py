"""Stories in which the model has found mistakes of the operator, kept by name."""

import pytest

from mljobs.controller.loop.store import Key
from mljobs.domain.job.resource import ADOPT, SUBMISSION, Resource
from mljobs.domain.reasons import ConditionType, Reason
from tests.conditions import condition_of, stalled_by
from tests.model.specs import KEYS, spec_of
from tests.model.vertex import VertexBackend
from tests.model.world import FOREIGN, World

A, B, C = KEYS


def apply(world: World, key: Key = A, **spec: object) -> None:
    world.cluster.create(key.kind, key.name, spec_of(key, **spec))


def resource(world: World, key: Key = A) -> Resource:
    return Resource.parse(world.cluster.objects[key])


def submit_without_answer(world: World, key: Key = A, **spec: object) -> None:
    """The intent is recorded and the create call is on its way."""
    apply(world, key, **spec)
    assert world.process is not None
    world.process.receive()
    world.process.handle()
    world.wire.answer(world.only("patch_metadata"), "ok")


def test_a_copy_with_all_annotations_is_a_resource_of_its_own(world: World) -> None:
    apply(world)
    world.work()
    original = world.cluster.objects[A]["metadata"]
    kept = {name: original[name] for name in ("annotations", "finalizers")}
    world.cluster.create(C.kind, C.name, spec_of(C), **kept)
    world.work()
    assert resource(world, C).submitted
    assert resource(world, C).recorded != resource(world).recorded


def test_a_spec_that_became_invalid_does_not_hide_a_job_that_may_run(world: World) -> None:
    submit_without_answer(world)
    world.kill()
    world.wire.land(world.wire.late[0])
    world.cluster.edit(A, spec={"trainingInput": {"region": None}})
    world.start()
    world.work(5)
    assert resource(world).submitted


def test_taking_the_wish_to_adopt_back_submits_a_new_job(world: World) -> None:
    apply(world, jobId="chosen")
    world.cluster.edit(A, annotations={ADOPT: "true"})
    world.work()
    assert stalled_by(resource(world), Reason.NOTHING_TO_ADOPT)
    world.cluster.edit(A, annotations={ADOPT: None})
    world.work()
    assert resource(world).submitted


def test_nobodys_job_can_be_adopted_after_it_was_in_the_way(world: World) -> None:
    apply(world, jobId="foreign")
    world.work()
    assert stalled_by(resource(world), Reason.JOB_ID_TAKEN)
    world.cluster.edit(A, annotations={ADOPT: "true"})
    world.work()
    assert resource(world).submitted
    assert world.service.jobs[FOREIGN].document["labels"]["mljobs-uid"] == resource(world).uid


def test_an_id_that_is_taken_by_a_job_that_cannot_be_read_is_not_asked_for_without_end(world: World) -> None:
    apply(world, jobId="chosen")
    world.work()
    world.service.vanish(world.service.jobs["proj", "chosen"])
    apply(world, C, jobId="chosen")
    before = world.wire.counts["create"]
    world.work(120)
    assert 3 <= world.wire.counts["create"] - before <= 12
    shown = condition_of(resource(world, C), ConditionType.SUBMITTED)
    assert (shown["status"], shown["reason"]) == ("Unknown", Reason.OUTCOME_UNKNOWN)


def test_a_list_that_was_under_way_does_not_bring_a_deleted_resource_back(world: World) -> None:
    apply(world)
    world.plan("service", "effects", "throttled long", times=100)
    world.work(299)
    world.wait(1)
    world.wire.planned.clear()
    listing = world.only("list")
    answer = listing.take_effect()
    listing.take_effect = lambda: answer  # what the API server has read before the deletion
    world.cluster.delete(A)
    world.work(20, but=listing)
    assert A not in world.cluster.objects
    world.wire.answer(listing, "ok")
    world.work(300)
    assert not any(job.maker for job in world.service.jobs.values())


@pytest.mark.parametrize("stripped", [False, True])
def test_a_create_of_an_earlier_process_is_waited_for_whatever_was_written_since(
    world: World, stripped: bool
) -> None:
    submit_without_answer(world)
    world.kill()
    world.plan("service", "effects", "throttled long", times=2)
    world.start()
    world.work(1)
    world.cluster.edit(A, spec={"labels": {"team": "b"}})
    if stripped:
        world.cluster.edit(A, annotations={SUBMISSION: None})
    world.work(45)
    world.cluster.delete(A)
    world.work(5)
    assert A in world.cluster.objects
    world.wire.land(world.wire.late[0])
    world.work(60)
    assert A not in world.cluster.objects
    assert [job.state for job in world.service.jobs.values() if job.maker] == ["CANCELLING"]


@pytest.mark.parametrize("annotations", [False, True])
def test_a_job_ends_although_our_finalizer_is_off_and_another_one_holds_its_resource(
    world: World, annotations: bool
) -> None:
    apply(world)
    world.work()
    world.cluster.hold(A, True)
    world.kill()
    world.cluster.delete(A)
    world.cluster.strip(A, annotations=annotations, others=False)
    world.start()
    world.work(10)
    (job,) = [job for job in world.service.jobs.values() if job.maker]
    assert job.state == "CANCELLING"
    world.service.progress(job, "")
    world.work(20)
    assert resource(world).state == "CANCELLED"
    assert resource(world).status["observedGeneration"] == resource(world).generation
    assert world.service.cancelled == [("proj", job.job_id)]


def test_what_others_hold_goes_on_to_say_how_its_job_is(world: World) -> None:
    apply(world)
    world.work()
    world.cluster.hold(A, True)
    world.cluster.delete(A)
    world.cluster.edit(A, spec={"labels": {"team": "b"}})
    world.work()
    assert not resource(world).held
    (job,) = [job for job in world.service.jobs.values() if job.maker]
    world.service.progress(job, "")
    world.work(20)
    assert resource(world).state == "CANCELLED"
    shown = {row["type"]: (row["status"], row["reason"]) for row in resource(world).status["conditions"]}
    assert shown["Succeeded"] == ("False", Reason.JOB_CANCELLED)
    assert {row["observedGeneration"] for row in resource(world).status["conditions"]} == {
        resource(world).generation
    }
    world.cluster.hold(A, False)
    assert A not in world.cluster.objects


def test_the_finalizer_comes_back_after_it_was_replaced_away(world: World) -> None:
    apply(world)
    world.work()
    world.waive(A, for_good=False)
    world.cluster.strip(A, annotations=True)
    world.work()
    assert resource(world).held
    world.cluster.delete(A)
    world.work()
    assert A not in world.cluster.objects
    assert [job.state for job in world.service.jobs.values() if job.maker] == ["CANCELLING"]


def test_a_spec_can_be_changed_again_once_its_job_is_known_not_to_exist(world: World) -> None:
    world.plan("service", "effects", "failed")
    apply(world)
    world.work()
    assert resource(world).status["jobId"]
    world.cluster.edit(A, spec={"suspend": True})
    world.work(120)
    assert condition_of(resource(world), ConditionType.SUSPENDED)["status"] == "True"
    assert world.cluster.edit(A, spec={"projectId": "other"})


def test_a_create_without_an_answer_stays_unknown_whatever_the_next_one_meets(world: World) -> None:
    world.plan("service", "effects", "lost")
    world.plan("service", "effects", "throttled")
    apply(world)
    world.work(2)
    shown = condition_of(resource(world), ConditionType.SUBMITTED)
    assert (shown["status"], shown["reason"]) == ("Unknown", Reason.OUTCOME_UNKNOWN)


def test_a_refused_spec_is_submitted_once_it_is_mended(world: World) -> None:
    world.plan("service", "effects", "rejected")
    apply(world)
    world.work()
    assert stalled_by(resource(world), Reason.REJECTED)
    world.cluster.edit(A, spec={"trainingInput": {"region": "us-east1"}})
    world.work()
    assert resource(world).submitted


def test_a_job_that_never_came_does_not_fix_the_spec_once_another_was_chosen(world: World) -> None:
    world.plan("service", "effects", "denied")
    apply(world)
    world.work()
    assert world.cluster.edit(A, spec={"jobId": "foreign"})
    world.wait(60)  # the operator hears of it when the call for the first id has got no answer
    world.wire.late.clear()
    world.work(200)
    assert stalled_by(resource(world), Reason.JOB_ID_TAKEN)
    assert world.cluster.edit(A, spec={"jobId": "mine"})
    world.work()
    assert resource(world).submitted


def adoption_changed(world: World, wish: str | None, method: str) -> None:
    """The wish to adopt changes after a refusal; what follows takes effect, and nobody hears of it."""
    world.cluster.edit(A, annotations={ADOPT: wish})
    assert world.process is not None
    world.process.receive()
    world.process.handle()
    while world.wire.calls[0].method != method:
        world.wire.answer(world.wire.calls[0], "ok")
    world.kill()
    world.wire.land(world.wire.late[0])
    world.cluster.delete(A)
    world.start()


def test_a_job_made_after_there_was_nothing_to_adopt_ends_with_its_resource(world: World) -> None:
    world.cluster.create(A.kind, A.name, spec_of(A, jobId="chosen"), annotations={ADOPT: "true"})
    world.work()
    assert stalled_by(resource(world), Reason.NOTHING_TO_ADOPT)
    adoption_changed(world, None, "create")
    world.work(120)
    assert A not in world.cluster.objects
    assert world.service.jobs["proj", "chosen"].state == "CANCELLING"


def test_a_job_adopted_after_it_was_in_the_way_ends_with_its_resource(world: World) -> None:
    apply(world, jobId="foreign")
    world.work()
    assert stalled_by(resource(world), Reason.JOB_ID_TAKEN)
    adoption_changed(world, "true", "patch")
    world.work(120)
    assert A not in world.cluster.objects
    assert world.service.jobs[FOREIGN].state == "CANCELLING"


def test_a_job_that_was_taken_over_is_not_cancelled_with_its_first_owner(world: World) -> None:
    """The deletion comes before the next poll, which would have told."""
    apply(world)
    world.work()
    (place,) = [place for place, job in world.service.jobs.items() if job.maker]
    old = resource(world)
    named = {ADOPT: old.uid}
    world.cluster.create(C.kind, C.name, spec_of(C, jobId=place[1]), annotations=named)
    world.work(2)
    assert resource(world, C).submitted
    world.cluster.delete(A)
    world.work(30)
    assert A not in world.cluster.objects
    assert world.service.cancelled == []
    assert world.service.jobs[place].document["labels"]["mljobs-uid"] == resource(world, C).uid


def test_whose_job_was_taken_over_says_so_and_takes_part_no_more(world: World) -> None:
    apply(world, labels={"team": "a"})
    world.work()
    (place,) = [place for place, job in world.service.jobs.items() if job.maker]
    named = {ADOPT: resource(world).uid}
    world.cluster.create(C.kind, C.name, spec_of(C, jobId=place[1], labels={"team": "c"}), annotations=named)
    world.work(30)
    assert stalled_by(resource(world), Reason.TAKEN)
    world.cluster.edit(A, spec={"labels": {"team": "z"}, "suspend": True})
    world.work(30)
    job = world.service.jobs[place]
    assert (job.state, job.document["labels"]["team"]) == ("QUEUED", "c")
    world.service.change(job, labels=resource(world).labels)  # given back
    world.work(30)
    assert not stalled_by(resource(world), Reason.TAKEN)
    assert stalled_by(resource(world, C), Reason.TAKEN)
    assert job.state == "CANCELLING"


@pytest.mark.parametrize("crash", [False, True])
def test_an_adoption_without_an_answer_is_waited_for_before_its_resource_goes(
    world: World, crash: bool
) -> None:
    world.cluster.create(A.kind, A.name, spec_of(A, jobId="foreign"), annotations={ADOPT: "true"})
    assert world.process is not None
    world.process.receive()
    world.process.handle()
    while world.wire.calls[0].method != "patch":
        world.wire.answer(world.wire.calls[0], "ok")
    if crash:
        world.kill()
        world.start()
    else:
        world.wire.answer(world.wire.calls[0], "late")
    world.cluster.delete(A)
    world.work(40)
    assert A in world.cluster.objects
    world.wire.land(world.wire.late[0])
    world.work(60)
    assert A not in world.cluster.objects
    assert world.service.jobs[FOREIGN].state == "CANCELLING"


def test_writes_that_are_refused_are_tried_again_ever_more_slowly(world: World) -> None:
    world.plan("kube", "effects", "rejected", times=1000)
    apply(world)
    world.work(600)
    assert 600 / 30 <= world.wire.counts["patch_metadata"] <= 600 / 30 + 10
    world.wire.planned.clear()


def test_a_submission_that_cannot_be_recorded_is_told(world: World) -> None:
    """By an Event: nothing else of the resource may be written, and only the log would know."""
    world.plan("kube", "effects", "rejected")
    apply(world)
    world.work(5)
    said = [event for _, event, _ in world.cluster.events]
    assert [event.reason for event in said] == [Reason.NOT_STORED, Reason.ACCEPTED]
    assert "a webhook says no" in said[0].message
    assert resource(world).submitted


def test_bindings_taken_out_without_an_answer_come_back_when_they_are_wanted_again(world: World) -> None:
    binding = {"role": "roles/viewer", "members": ["user:a@example.com"]}
    apply(world, iamBindings=[binding])
    world.work()
    (job,) = [job for job in world.service.jobs.values() if job.maker]
    assert job.members
    world.plan("service", "effects", "lost")
    world.cluster.edit(A, spec={"iamBindings": []})
    world.work()
    assert not job.members
    world.cluster.edit(A, spec={"iamBindings": [binding]})
    world.work(60)
    assert job.members == {("roles/viewer", "user:a@example.com")}


@pytest.mark.usefixtures("_small_pages")
def test_a_search_that_began_before_the_doubt_ended_does_not_end_it() -> None:
    """Its pages take longer than the doubt, and the first of them was read before lists had the job."""
    world = World(VertexBackend)
    world.service.lag = 30.0
    submit_without_answer(world)
    world.wire.answer(world.only("create"), "lost")
    for _ in ("customJobs", "hyperparameterTuningJobs", "batchPredictionJobs"):
        world.wait(25)
        world.wire.answer(world.only("find"), "ok")
    world.work(5)
    assert world.wire.counts["create"] == 1
    world.converge()
    world.close()
