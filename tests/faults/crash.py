"""Kills the operator at one point of a story, starts another, and compares the end with that of no crash."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.faults.checks import End, broken, end_of
from tests.faults.gate import Call, Moment, Trap, answered
from tests.faults.lab import Lab
from tests.faults.scenarios import Scenario
from tests.faults.world import World

from mljobs.api.resources import Kind

TRIES = 3
"""Runs in which a point must come up once: what is polled may be seen a round earlier or later."""


@dataclass(frozen=True)
class Point:
    """Where a process is killed: the nth call of a name, before or after it takes effect."""

    name: str
    nth: int
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment} {self.name} #{self.nth}"


@dataclass
class Reference:
    """What a story comes to without a crash, and the points that it passes."""

    end: End
    points: list[Point]
    effects: int


@dataclass
class Outcome:
    """One run with a crash.

    Attributes:
        point: where.
        reached: whether the point came up.
        problems: what was wrong, in words.
        convergence: seconds that the slowest wait took after the new process was started.
        report: everything, of a run with problems.
    """

    point: Point
    reached: bool = False
    problems: list[str] = field(default_factory=list)
    convergence: float = 0.0
    report: str = ""


def points_of(calls: list[Call]) -> list[Point]:
    """The points of a run: each write before and after, each distinct answer to a read after."""
    seen: Counter[str] = Counter()
    points: list[Point] = []
    for call in calls:
        if call.side == "kubernetes" and not call.write:
            continue
        name = answered(call)
        seen[name] += 1
        if call.write:
            points += [Point(name, seen[name], "before"), Point(name, seen[name], "after")]
        elif seen[name] == 1:
            points.append(Point(name, 1, "after"))
    return points


async def open_world(lab: Lab, scenario: Scenario, kind: Kind) -> World:
    namespace = await lab.namespace()
    return World(lab, kind, namespace, lab.truth(namespace), scenario.default_project)


async def reference_run(lab: Lab, scenario: Scenario, kind: Kind) -> Reference:
    """Tell a story without a crash."""
    world = await open_world(lab, scenario, kind)
    operator = await world.start()
    await scenario.tell(world)
    await world.settle()
    problems = broken(world)
    assert not problems, f"{problems}\n{world.report()}"
    calls = list(operator.gate.calls)
    reference = Reference(await end_of(world), points_of(calls), sum(call.write for call in calls))
    await world.close()
    return reference


Act = Callable[[World], Awaitable[None]]


async def crash_run(
    lab: Lab,
    scenario: Scenario,
    kind: Kind,
    point: Point,
    reference: Reference,
    again: Moment | None = None,
) -> Outcome:
    """Tell a story with a crash; a point that does not come up is tried again.

    Args:
        lab: the servers.
        scenario: the story.
        kind: of the resource.
        point: where the process is killed.
        reference: the end without a crash.
        again: kill the second process too, before or after its first write.
    """
    outcome = Outcome(point)
    for _ in range(TRIES):
        world = await open_world(lab, scenario, kind)
        trap = Trap(point.name, point.nth, point.moment)
        await world.start(trap)
        successor = asyncio.create_task(_succeed(world, trap, again))
        try:
            outcome = await _tell(world, scenario, point, trap, reference)
        finally:
            successor.cancel()
            await asyncio.gather(successor, return_exceptions=True)
            await world.close()
        if outcome.reached or outcome.problems:
            return outcome
    return outcome


async def _succeed(world: World, trap: Trap, again: Moment | None) -> None:
    """Start the next process as soon as the one before is dead."""
    await trap.sprung.wait()
    if again:
        trap = Trap("", 1, again)
        await world.start(trap)
        await trap.sprung.wait()
    await world.start()


async def _tell(world: World, scenario: Scenario, point: Point, trap: Trap, reference: Reference) -> Outcome:
    outcome = Outcome(point)
    try:
        await scenario.tell(world)
        await world.settle()
        outcome.reached = trap.sprung.is_set()
        if not outcome.reached:
            return outcome
        outcome.problems += (await end_of(world)).differences(reference.end, scenario.may_say)
    except AssertionError as error:
        outcome.reached = trap.sprung.is_set()
        outcome.problems.append(str(error).partition("\n")[0])
    outcome.problems += broken(world)
    outcome.convergence = max(world.waits, default=0.0)
    if outcome.problems:
        outcome.report = world.report()
    return outcome


async def crash_and_act(
    lab: Lab, scenario: Scenario, kind: Kind, point: Point, act: Act, finish: Act
) -> Outcome:
    """Kill the operator at a point of a story, let the user act while there is none, and see how it ends."""
    outcome = Outcome(point)
    for _ in range(TRIES):
        world = await open_world(lab, scenario, kind)
        trap = Trap(point.name, point.nth, point.moment)
        await world.start(trap)
        story = asyncio.ensure_future(scenario.tell(world))
        sprung = asyncio.ensure_future(trap.sprung.wait())
        try:
            await asyncio.wait([story, sprung], return_when=asyncio.FIRST_COMPLETED)
            if not trap.sprung.is_set():
                story.result()
                await asyncio.wait([sprung], timeout=1)
            if trap.sprung.is_set():
                story.cancel()
                outcome = await _act(world, point, act, finish)
        except AssertionError as error:
            outcome.problems, outcome.report = [str(error).partition("\n")[0]], world.report()
        finally:
            story.cancel()
            sprung.cancel()
            await asyncio.gather(story, sprung, return_exceptions=True)
            await world.close()
        if outcome.reached or outcome.problems:
            return outcome
    return outcome


async def _act(world: World, point: Point, act: Act, finish: Act) -> Outcome:
    outcome = Outcome(point, reached=True)
    world.waits.clear()
    try:
        await act(world)
        await world.start()
        await finish(world)
        await world.settle()
    except AssertionError as error:
        outcome.problems.append(str(error).partition("\n")[0])
    outcome.problems += broken(world)
    outcome.convergence = max(world.waits, default=0.0)
    if outcome.problems:
        outcome.report = world.report()
    return outcome


async def gathered(runs: list[Callable[[], Awaitable[Outcome]]], slots: asyncio.Semaphore) -> list[Outcome]:
    """Do runs, each when there is a slot."""

    async def one(run: Callable[[], Awaitable[Outcome]]) -> Outcome:
        async with slots:
            return await run()

    return await asyncio.gather(*(one(run) for run in runs))
