"""The operator is killed, and before the next one starts, the user changes his mind."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from mljobs.api.resources import KINDS, JobKind
from tests.faults.backend import ENDED, ENDING
from tests.faults.crash import Act, Point, Reference, crash_and_act, gathered, reference_run
from tests.faults.groups import grouped, together
from tests.faults.lab import Lab
from tests.faults.sample import sampled
from tests.faults.scenarios import SCENARIOS, queued, reader
from tests.faults.test_crash import AT_ONCE, judge
from tests.faults.world import World

STORIES = {scenario.name: scenario for scenario in SCENARIOS}


async def delete(world: World) -> None:
    await world.delete()


async def gone(world: World) -> None:
    await world.until_gone()


async def gone_and_made_again(world: World) -> None:
    await world.until_gone()
    await world.create()
    await queued(world)


async def suspend(world: World) -> None:
    await world.patch_spec(suspend=True)


async def stopped(world: World) -> None:
    """No job runs, and the resource says why."""

    def there() -> bool:
        for job in world.truth.jobs():
            if job.state == "CANCELLING":
                world.truth.force(job.job_id, "CANCELLED")
        status = world.status()
        said = {row["type"]: row["reason"] for row in status.get("conditions") or ()}
        return (status.get("state") in ENDED or said.get("Suspended") == "Suspended") and all(
            job.state in ENDED for job in world.truth.jobs()
        )

    await world.until(there, "no job runs")


async def relabel(world: World) -> None:
    await world.patch_spec(labels={"team": "z"})


async def relabelled(world: World) -> None:
    """The job has the spec's labels, unless it ended before anybody could give them."""

    def there() -> bool:
        body, jobs = world.object(), [job for job in world.truth.jobs() if job.owned(world.uid())]
        wanted = (body or {}).get("spec", {}).get("labels")
        return bool(jobs) and (jobs[-1].state in ENDING or jobs[-1].user_labels == wanted)

    await world.until(there, "the labels")


async def bind(world: World) -> None:
    await world.patch_spec(iamBindings=[reader("eve")])


async def bound(world: World) -> None:
    """Whoever was bound by us before is bound no more."""

    def there() -> bool:
        jobs = world.truth.jobs()
        if not jobs:
            return False
        return jobs[-1].state in ENDING or world.truth.policy(jobs[-1].job_id) == [reader("eve")]

    await world.until(there, "the bindings")


async def release(world: World) -> None:
    await world.force_release()
    await world.delete()


@dataclass(frozen=True)
class Change:
    """What a user does while there is no operator.

    Attributes:
        name: for test ids.
        story: what had happened before.
        act: the change.
        finish: waits for what must come of it.
    """

    name: str
    story: str
    act: Act
    finish: Act


CHANGES = [
    Change("deletes", "suspend_and_resume", delete, gone),
    Change("deletes and makes again", "success", delete, gone_and_made_again),
    Change("deletes what is adopted", "adoption", delete, gone),
    Change("deletes what is bound", "bindings", delete, gone),
    Change("deletes what nobody knows", "answer_lost", delete, gone),
    Change("suspends", "answer_lost", suspend, stopped),
    Change("suspends and resumes otherwise", "suspend_and_resume", suspend, stopped),
    Change("relabels", "labels", relabel, relabelled),
    Change("binds others", "bindings", bind, bound),
    Change("forces the release", "success", release, gone),
]


def name_of(change: Change) -> str:
    return change.name


@pytest.mark.parametrize("changes", grouped(CHANGES, name_of, size=5, apart=True))
async def test_the_user_changes_his_mind_meanwhile(
    lab: Lab, changes: list[Change], figures: dict[str, Any]
) -> None:
    slots = asyncio.Semaphore(AT_ONCE)

    async def refer(change: Change) -> Reference:
        async with slots:
            return await reference_run(lab, STORIES[change.story], kind_of(change))

    possible = [change for change in changes if change.story not in lab.backend.without]
    references = await asyncio.gather(*map(refer, possible))
    points = sampled([reference.points for reference in references], each=2)
    chosen = list(zip(possible, points, strict=True))
    await together(
        lambda each: change_everywhere(lab, *each, slots, figures), chosen, lambda each: each[0].name
    )


def kind_of(change: Change) -> JobKind:
    """Kinds take turns."""
    return list(KINDS.values())[CHANGES.index(change) % len(KINDS)]


async def change_everywhere(
    lab: Lab, change: Change, points: list[Point], slots: asyncio.Semaphore, figures: dict[str, Any]
) -> None:
    case = (STORIES[change.story], kind_of(change))
    runs = [partial(crash_and_act, lab, *case, point, change.act, change.finish) for point in points]
    outcomes = await gathered(list(runs), slots)
    row = figures.setdefault("changes while no operator runs", {"points": 0, "failed": 0, "slowest": 0.0})
    row["points"] += sum(outcome.reached for outcome in outcomes)
    row["failed"] += sum(bool(outcome.problems) for outcome in outcomes)
    row["slowest"] = round(max(row["slowest"], *(outcome.convergence for outcome in outcomes)), 2)
    judge(outcomes)
