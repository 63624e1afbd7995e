"""Kills the operator at one point of a story, starts another, and compares the end with that of no crash."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from mljobs.api.resources import JobKind
from tests.faults.checks import End, broken, end_of
from tests.faults.gate import SHOWN, Call, Moment, Trap, answered
from tests.faults.lab import Lab, until
from tests.faults.scenarios import Scenario
from tests.faults.world import World

TRIES = 3
"""Runs in which a point must come up once: what is polled may be seen a round earlier or later."""


RENEWALS = 3
"""Writes of the Lease that a story is long enough for: the one that takes it, and two more."""


def is_renewal(step: str) -> bool:
    """Whether a write takes, renews or gives up the Lease."""
    return step.endswith(" lease")


@dataclass(frozen=True)
class Point:
    """Where a process is killed: the nth call of a name, before or after it takes effect."""

    name: str
    nth: int
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment} {self.name} #{self.nth}"

    @property
    def certain(self) -> bool:
        """Whether every run of the story passes it.

        Which answers a poll sees depends on when it asks, and so does what is written of them in between.
        """
        return SHOWN not in self.name and not self.name.startswith(("status ", "event "))


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
        stopping: seconds from the SIGTERM to the end of a process that was asked to end.
        report: everything, of a run with problems.
    """

    point: Point
    reached: bool = False
    problems: list[str] = field(default_factory=list)
    convergence: float = 0.0
    stopping: float = 0.0
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


async def open_world(lab: Lab, scenario: Scenario, kind: JobKind) -> World:
    namespace = await lab.namespace()
    world = World(lab, kind, namespace, lab.truth(namespace), scenario.default_project)
    if scenario.elected:
        world.settings |= await lab.elect(namespace)
    if scenario.prepare:
        await scenario.prepare(world)
    return world


async def reference_run(lab: Lab, scenario: Scenario, kind: JobKind) -> Reference:
    """Tell a story without a crash."""
    world = await open_world(lab, scenario, kind)
    operator = await world.start()
    await scenario.tell(world)
    if scenario.elected:
        await until(
            lambda: sum(is_renewal(call.step.name) for call in operator.gate.calls) >= RENEWALS,
            what="renewals",
            report=world.report,
        )
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
    kind: JobKind,
    point: Point,
    reference: Reference,
    *,
    again: Moment | None = None,
    gentle: bool = False,
) -> Outcome:
    """Tell a story with a crash; a point that does not come up is tried again.

    Args:
        lab: the servers.
        scenario: the story.
        kind: of the resource.
        point: where the process is killed.
        reference: the end without a crash.
        again: kill the second process too, before or after its first write.
        gentle: ask the process to end, instead of killing it, and start the next one when it has ended.
    """
    outcome = Outcome(point)
    for _ in range(TRIES):
        world = await open_world(lab, scenario, kind)
        trap = Trap(point.name, point.nth, point.moment, gentle)
        await world.start(trap)
        successor = asyncio.create_task(_succeed(world, trap, again))
        try:
            outcome = await _tell(world, scenario, point, trap, reference)
            if outcome.reached and gentle:
                outcome.stopping = await successor
        except AssertionError as error:
            outcome.problems.append(f"{error}".partition("\n")[0])
        finally:
            successor.cancel()
            await asyncio.gather(successor, return_exceptions=True)
            await world.close()
        if outcome.reached or outcome.problems:
            return outcome
    return outcome


async def _succeed(world: World, trap: Trap, again: Moment | None) -> float:
    """Start the next process as soon as the one before is dead; gives the seconds that it took to end."""
    await trap.sprung.wait()
    loop = asyncio.get_running_loop()
    began = loop.time()
    code = await world.operator.process.ended(30)
    stopping = loop.time() - began
    assert not trap.gentle or code == 0, world.operator.process.tail()
    if again:
        trap = Trap("", 1, again)
        await world.start(trap)
        await trap.sprung.wait()
    await world.start()
    return stopping


async def _tell(world: World, scenario: Scenario, point: Point, trap: Trap, reference: Reference) -> Outcome:
    outcome = Outcome(point)
    try:
        await scenario.tell(world)
        if is_renewal(point.name):  # these do not end with the story
            await until(trap.sprung.is_set, what=str(point), report=world.report)
        if trap.gentle and trap.sprung.is_set():
            await until(lambda: len(world.operators) > 1, what="the next process", report=world.report)
        await world.settle()
        outcome.reached = trap.sprung.is_set()
        if not outcome.reached:
            return outcome
        may_say = scenario.may_say | world.lab.backend.may_say
        outcome.problems += (await end_of(world)).differences(reference.end, may_say, lossless=trap.gentle)
    except AssertionError as error:
        outcome.reached = trap.sprung.is_set()
        outcome.problems.append(str(error).partition("\n")[0])
    outcome.problems += broken(world)
    outcome.convergence = max(world.waits, default=0.0)
    if outcome.problems:
        outcome.report = world.report()
    return outcome


async def crash_and_act(
    lab: Lab, scenario: Scenario, kind: JobKind, point: Point, act: Act, finish: Act
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
