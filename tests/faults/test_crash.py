"""The operator is killed at every effect of every story, before and after it: the end is the same."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import Any

import pytest

from mljobs.api.resources import KINDS, JobKind
from tests.faults.crash import Outcome, Point, Reference, crash_run, gathered, is_renewal, reference_run
from tests.faults.gate import Moment
from tests.faults.groups import ALL, grouped, together
from tests.faults.lab import Lab
from tests.faults.sample import sampled
from tests.faults.scenarios import SCENARIOS, Scenario

AT_ONCE = 10 if ALL else 6
"""Runs at the same time."""

SLOWEST = 30.0
"""Seconds in which a new process has to bring everything to where it would be."""

DRAINED = 25.0
"""Seconds in which a process that is asked to end does so; the default setting allows 20 for its work."""

Case = tuple[Scenario, JobKind]

CASES: list[Case] = [
    (scenario, kind)
    for number, scenario in enumerate(SCENARIOS)
    for kind in KINDS.values()
    if ALL or kind is list(KINDS.values())[number % len(KINDS)]
]


def name_of(case: Case) -> str:
    return f"{case[0].name}-{case[1].short_name}"


@pytest.mark.parametrize("cases", grouped(CASES, name_of, size=8, apart=True))
async def test_a_crash_changes_nothing(lab: Lab, cases: list[Case], figures: dict[str, Any]) -> None:
    await crash_everywhere(lab, cases, figures)


ELECTED: list[Case] = [
    (replace(scenario, elected=True), kind)
    for scenario, kind in zip(SCENARIOS, cycle(KINDS.values()), strict=False)
    if scenario.name in (("success", "suspend_and_resume", "delete_running") if ALL else ("delete_running",))
]


@pytest.mark.parametrize("cases", grouped(ELECTED, name_of, size=1))
async def test_a_crash_of_the_leader_changes_nothing(
    lab: Lab, cases: list[Case], figures: dict[str, Any]
) -> None:
    """Each write of the Lease is a point too. The next process waits until the Lease is over."""

    def choose(points: list[Point]) -> list[Point]:
        return points if ALL else [point for point in points if is_renewal(point.name)]

    await crash_everywhere(lab, cases, figures, choose)


TWICE: list[Case] = [
    (scenario, kind)
    for scenario, kind in zip(SCENARIOS, cycle(KINDS.values()), strict=False)
    if scenario.name in ("success", "delete_running", "suspend_and_resume", "adoption", "answer_lost")
]


@pytest.mark.faults
@pytest.mark.parametrize("again", ["before", "after"])
@pytest.mark.parametrize("case", TWICE, ids=map(name_of, TWICE))
async def test_the_next_process_is_killed_too(
    lab: Lab, case: Case, again: Moment, figures: dict[str, Any]
) -> None:
    """At its first write, whatever it is."""
    reference = await reference_run(lab, *case)
    runs = [partial(crash_run, lab, *case, point, reference, again=again) for point in reference.points]
    outcomes = await gathered(list(runs), asyncio.Semaphore(AT_ONCE))
    figures["killed twice"] = figures.get("killed twice", 0) + len(outcomes)
    judge(outcomes)


@pytest.mark.parametrize("case", TWICE if ALL else TWICE[2:3], ids=name_of)
async def test_a_graceful_stop_at_any_moment_changes_nothing(
    lab: Lab, case: Case, figures: dict[str, Any]
) -> None:
    """As in a rolling update: it ends what it is at, in its time, and the next process goes on."""
    reference = await reference_run(lab, *case)
    points = sampled([reference.points], each=2)[0]
    runs = [partial(crash_run, lab, *case, point, reference, gentle=True) for point in points]
    outcomes = await gathered(list(runs), asyncio.Semaphore(AT_ONCE))
    row = figures.setdefault("graceful stops", {"points": 0, "slowest end": 0.0, "slowest convergence": 0.0})
    row["points"] += sum(outcome.reached for outcome in outcomes)
    row["slowest end"] = round(max(row["slowest end"], *(outcome.stopping for outcome in outcomes)), 2)
    row["slowest convergence"] = round(
        max(row["slowest convergence"], *(outcome.convergence for outcome in outcomes)), 2
    )
    judge(outcomes)
    assert row["slowest end"] < DRAINED


async def crash_everywhere(
    lab: Lab,
    cases: list[Case],
    figures: dict[str, Any],
    choose: Callable[[list[Point]], list[Point]] = lambda points: points,
    *,
    at_once: int = AT_ONCE,
) -> None:
    """Tell stories without a crash, and then once for each of their points, or of those that are chosen."""
    slots = asyncio.Semaphore(at_once)

    async def refer(case: Case) -> Reference:
        async with slots:
            return await reference_run(lab, *case)

    async def crash(number: int) -> None:
        case, reference = possible[number], references[number]
        runs = [partial(crash_run, lab, *case, point, reference) for point in points[number]]
        outcomes = await gathered(list(runs), slots)
        note(figures, reference, outcomes, elected=case[0].elected)
        judge(outcomes)

    possible = [case for case in cases if case[0].name not in lab.backend.without]
    references = await asyncio.gather(*map(refer, possible))
    points = sampled([choose(reference.points) for reference in references], each=2, every_kind=True)
    await together(crash, range(len(possible)), lambda number: name_of(possible[number]))


def judge(outcomes: list[Outcome]) -> None:
    """Fail with the problems of all runs, and with everything about the first."""
    failed = [outcome for outcome in outcomes if outcome.problems]
    said = [f"crash {outcome.point}: {problem}" for outcome in failed for problem in outcome.problems]
    if failed:
        raise AssertionError("\n".join([*said, failed[0].report]))
    missed = [f"{outcome.point}" for outcome in outcomes if outcome.point.certain and not outcome.reached]
    assert not missed, f"never came up: {missed}"
    assert 2 * sum(outcome.reached for outcome in outcomes) >= len(outcomes), "most points never came up"
    assert max(outcome.convergence for outcome in outcomes) < SLOWEST


def note(figures: dict[str, Any], reference: Reference, outcomes: list[Outcome], *, elected: bool) -> None:
    """Add a story to the figures; the wait for a dead leader's Lease is told apart."""
    row = figures.setdefault(
        "crashes",
        {"scenarios": 0, "effects": 0, "points": 0, "run": 0, "doubles": 0, "orphans": 0, "diverging": 0}
        | {"invariants": 0, "slowest": 0.0, "slowest under a Lease": 0.0},
    )
    said = [problem for outcome in outcomes for problem in outcome.problems]
    row["scenarios"] += 1
    row["effects"] += reference.effects
    row["points"] += len(reference.points)
    row["run"] += sum(outcome.reached for outcome in outcomes)
    row["doubles"] += sum(problem.startswith("I1") for problem in said)
    row["orphans"] += sum(problem.startswith("I2") for problem in said)
    row["invariants"] += sum(problem[:1] == "I" and problem[2:3] == ":" for problem in said)
    row["diverging"] += sum("reference run" in problem for problem in said)
    slowest = "slowest under a Lease" if elected else "slowest"
    row[slowest] = round(max(row[slowest], *(outcome.convergence for outcome in outcomes)), 2)
