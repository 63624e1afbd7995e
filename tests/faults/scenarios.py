"""What users and the service do, as stories that a crash at any point must not change the end of.

Each step waits for what it needs, so that it can be told with an operator that dies and comes back. The last
wait of a story is for its end.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mljobs.api.resources import TRAINING_JOB
from tests.e2e.support import of_kind
from tests.faults.gate import Json, no_answer, refusing
from tests.faults.world import NAME, World

Story = Callable[[World], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """A story.

    Attributes:
        name: for test ids.
        tell: does it.
        default_project: whether the operator has a default project.
        may_say: reasons of events that come of a crash alone: a new process knows less than the old one did.
        elected: whether the operator acts only while it holds a Lease.
        prepare: done before the operator starts.
    """

    name: str
    tell: Story
    default_project: bool = True
    may_say: frozenset[str] = frozenset()
    elected: bool = False
    prepare: Story | None = None


SCENARIOS: list[Scenario] = []


def scenario(**options: Any) -> Callable[[Story], Story]:
    """Add a story to the list."""

    def add(story: Story) -> Story:
        SCENARIOS.append(Scenario(story.__name__, story, **options))
        return story

    return add


async def queued(world: World) -> None:
    """The job waits, and its place in the queue, if there is one, has been read."""
    await world.until_state(*world.lab.backend.waiting)
    if world.lab.backend.queue:
        await world.until_status("jobPosition")


async def running(world: World) -> None:
    await queued(world)
    for state in ("PREPARING", "RUNNING"):
        world.force(state)
        await world.until_state(state)


async def to_end(world: World, state: str = "SUCCEEDED", error: str = "") -> None:
    world.force(state, error)
    await world.until_state(state)


@scenario()
async def success(world: World) -> None:
    await world.create({"labels": {"team": "a"}})
    await running(world)
    await to_end(world)


@scenario()
async def failure(world: World) -> None:
    await world.create()
    await running(world)
    await to_end(world, "FAILED", "The replica master 0 exited with a non-zero status of 1.")


@scenario()
async def delete_queued(world: World) -> None:
    await world.create()
    await queued(world)
    await world.delete()
    await world.until_gone()


@scenario()
async def delete_running(world: World) -> None:
    await world.create()
    await running(world)
    await world.delete()
    await world.until_gone()


@scenario()
async def delete_finishing(world: World) -> None:
    """The job ends at the moment at which it is to be cancelled."""
    await world.create()
    await running(world)
    world.before("cancel", lambda: world.force("SUCCEEDED"))
    await world.delete()
    await world.until_gone()


@scenario()
async def delete_cancelling(world: World) -> None:
    """Somebody else has cancelled the job already."""
    await world.create()
    await running(world)
    world.truth.cancel(str(world.status()["jobId"]))
    await world.delete()
    await world.until_gone()


@scenario()
async def delete_ended(world: World) -> None:
    await world.create()
    await running(world)
    await to_end(world)
    await world.delete()
    await world.until_gone()


@scenario()
async def delete_orphan(world: World) -> None:
    await world.create({"deletionPolicy": "Orphan"})
    await running(world)
    await world.delete()
    await world.until_gone()


@scenario()
async def labels(world: World) -> None:
    await world.create({"labels": {"team": "a", "tier": "low"}})
    await queued(world)
    await world.patch_spec(labels={"team": "b", "tier": None})
    await world.until(lambda: world.status().get("labels", {}).get("team") == "b", "the labels are shown")
    await running_from_queued(world)
    await to_end(world)


async def running_from_queued(world: World) -> None:
    for state in ("PREPARING", "RUNNING"):
        world.force(state)
        await world.until_state(state)


@scenario()
async def suspended_at_first(world: World) -> None:
    await world.create({"suspend": True})
    await world.until_condition("Suspended", "True", "Suspended")
    await world.patch_spec(suspend=False)
    await running(world)
    await to_end(world)


async def cancelled(world: World) -> None:
    """The service has ended the job because it was told to."""
    await world.until_state("CANCELLING")
    world.force("CANCELLED", "Job is cancelled by the user.")
    await world.until_state("CANCELLED")


@scenario()
async def suspend_and_resume(world: World) -> None:
    await world.create()
    await running(world)
    await world.patch_spec(suspend=True)
    await cancelled(world)
    await world.until_condition("Suspended", "True", "Suspended")
    await world.patch_spec(suspend=False)
    await world.until(lambda: world.status().get("attempt") == 2, "a second attempt")
    await running(world)
    await to_end(world)


@scenario()
async def retried(world: World) -> None:
    """The next attempt follows after 10 s."""
    await world.create({"backoffLimit": 1})
    await running(world)
    await to_end(world, "FAILED", "The replica master 0 exited with a non-zero status of 1.")
    await world.until(lambda: world.status().get("attempt") == 2, "a second attempt", timed=False)
    await running(world)
    await to_end(world)


@scenario(may_say=frozenset({"OutcomeUnknown", "Waiting", "Watching"}))
async def placed(world: World) -> None:
    """It fails in the first placement, is refused in the second one, and runs in the third.

    A batch prediction has to be where its model is, and runs in the second.
    """
    world.exhaust("europe-west4")
    apart = world.kind is TRAINING_JOB
    regions = ("us-central1", "europe-west4", "us-east1") if apart else ("us-central1",) * 3
    rules = [{"onCauses": ["UserCode", "Unknown"], "action": "NextPlacement"}]
    ladder = [{"region": region} for region in regions]
    await world.create({"placements": ladder, "failurePolicy": {"rules": rules}})
    await running(world)
    await to_end(world, "FAILED", "The replica master 0 exited with a non-zero status of 1.")
    await world.until(lambda: world.status().get("attempt") == 2, "a second attempt", timed=False)
    assert world.status()["placement"]["number"] == (3 if apart else 2)
    await running(world)
    await to_end(world)


@scenario(
    may_say=frozenset({"DeadlineExceeded"})
)  # which the old process would have counted on the first one
async def late(world: World) -> None:
    """Its time is over before it runs."""
    await world.create({"activeDeadlineSeconds": 1})
    await cancelled(world)
    await world.until_condition("Succeeded", "False", "DeadlineExceeded")


@scenario()
async def cleaned_up(world: World) -> None:
    """It goes by itself once it has ended."""
    await world.create({"ttlSecondsAfterFinished": 0})
    await running(world)
    world.force("SUCCEEDED")
    await world.until_gone()


@scenario()
async def suspended_and_deleted(world: World) -> None:
    await world.create()
    await running(world)
    await world.patch_spec(suspend=True)
    await world.until_state("CANCELLING")
    await world.delete()
    await world.until_gone()


def foreign_job(world: World, job_id: str, labels: Json) -> None:
    """A job that somebody has submitted without the operator."""
    field = world.kind.input_field
    job = {"jobId": job_id, "labels": labels, field: of_kind(world.kind, NAME)["spec"][field]}
    world.truth.create(job)


@scenario()
async def adoption(world: World) -> None:
    foreign_job(world, "nightly", {"owner": "bob"})
    await world.create({"jobId": "nightly", "labels": {"team": "a"}}, adopt="true")
    await running(world)
    await to_end(world)


@scenario()
async def adoption_of_nothing(world: World) -> None:
    await world.create({"jobId": "nightly"}, adopt="true")
    await world.until_condition("Stalled", "True", "NothingToAdopt")
    await world.patch(
        {"metadata": {"annotations": {"mljobs.dev/adopt": None}}, "spec": {"labels": {"a": "b"}}}
    )
    await running(world)
    await to_end(world)


@scenario()
async def id_of_somebody_else(world: World) -> None:
    foreign_job(world, "nightly", {"owner": "bob"})
    await world.create({"jobId": "nightly"})
    await world.until_condition("Stalled", "True", "JobIdTaken")
    await world.patch_spec(jobId="nightly_2")
    await running(world)
    await to_end(world)


@scenario()
async def id_of_somebody_else_deleted(world: World) -> None:
    foreign_job(world, "nightly", {"owner": "bob"})
    await world.create({"jobId": "nightly"})
    await world.until_condition("Stalled", "True", "JobIdTaken")
    await world.delete()
    await world.until_gone()


@scenario(default_project=False)
async def invalid_then_fixed(world: World) -> None:
    await world.create()
    await world.until_condition("Stalled", "True", "InvalidSpec")
    await world.patch_spec(projectId=world.project)
    await running(world)
    await to_end(world)


@scenario(may_say=frozenset({"OutcomeUnknown", "Waiting"}))
async def rejected_then_fixed(world: World) -> None:
    """The service has a rule that the operator does not know."""
    world.fail("create", refusing(400, "Field: job Error: No."), only="bad")
    await world.create({"jobId": "bad"})
    await world.until_condition("Stalled", "True", "Rejected")
    await world.patch_spec(jobId="good")
    await running(world)
    await to_end(world)


def reader(user: str) -> Json:
    return {"role": "roles/viewer", "members": [f"user:{user}@example.com"]}


@scenario()
async def bindings(world: World) -> None:
    await world.create({"iamBindings": [reader("ann")]})
    await world.until(lambda: world.status().get("record", {}).get("iamBindings") == [reader("ann")], "bound")
    await running(world)
    await world.patch_spec(iamBindings=[reader("bob")])
    await world.until(
        lambda: world.status().get("record", {}).get("iamBindings") == [reader("bob")], "bound again"
    )
    await to_end(world)


@scenario()
async def lost(world: World) -> None:
    await world.create()
    await running(world)
    world.truth.vanish(str(world.status()["jobId"]))
    await world.until_condition("Stalled", "True", "Lost")


@scenario()
async def lost_and_deleted(world: World) -> None:
    await world.create()
    await running(world)
    world.truth.vanish(str(world.status()["jobId"]))
    await world.until_condition("Stalled", "True", "Lost")
    await world.delete()
    await world.until_gone()


@scenario()
async def answer_lost(world: World) -> None:
    """The service has made the job, and the operator is not told."""
    world.fail("create", no_answer, times=1, after=True)
    await world.create()
    await running(world)
    await to_end(world)


@scenario(may_say=frozenset({"OutcomeUnknown", "ServiceUnavailable"}))
async def answer_lost_and_deleted(world: World) -> None:
    """Deleted while nobody knows whether there is a job."""
    world.fail("get", refusing(503))
    world.fail("create", no_answer, after=True)
    await world.create()
    await world.until(lambda: world.truth.jobs(), "the service has the job")
    await world.delete()
    world.fix()
    await world.until_gone()


@scenario(may_say=frozenset({"LeftBehind"}))
async def force_released(world: World) -> None:
    await world.create()
    await running(world)
    world.fail("get", refusing(503))
    world.fail("cancel", refusing(503))
    await world.delete()
    await world.until_condition("Reconciling", "True", "ServiceUnavailable")
    await world.force_release()
    await world.until_gone()
