"""The operator is killed at every effect of every story, before and after it: the end is the same."""

import asyncio
from functools import partial
from itertools import cycle
from typing import Any

import pytest
from tests.faults.crash import Outcome, Point, Reference, crash_run, gathered, reference_run
from tests.faults.gate import Moment
from tests.faults.groups import ALL, grouped, together
from tests.faults.lab import Lab
from tests.faults.scenarios import SCENARIOS, Scenario

from mljobs.api.resources import KINDS, Kind

AT_ONCE = 10 if ALL else 6
"""Runs at the same time."""

SLOWEST = 30.0
"""Seconds in which a new process has to bring everything to where it would be."""

Case = tuple[Scenario, Kind]

CASES: list[Case] = [
    (scenario, kind)
    for number, scenario in enumerate(SCENARIOS)
    for kind in KINDS.values()
    if ALL or kind is list(KINDS.values())[number % len(KINDS)]
]


def name_of(case: Case) -> str:
    return f"{case[0].name}-{case[1].short_name}"


def sampled(points: list[Point], number: int) -> list[Point]:
    """Of all points two that differ from scenario to scenario, so that together they cover every kind."""
    if ALL:
        return points
    return [points[(number * 5 + 3) % len(points)], points[(number * 11 + 7) % len(points)]]


@pytest.mark.parametrize("cases", grouped(CASES, name_of, size=8, apart=True))
async def test_a_crash_changes_nothing(lab: Lab, cases: list[Case], figures: dict[str, Any]) -> None:
    slots = asyncio.Semaphore(AT_ONCE)
    possible = [case for case in cases if case[0].name not in lab.backend.without]
    await together(lambda case: crash_everywhere(lab, *case, slots, figures), possible, name_of)


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
    runs = [partial(crash_run, lab, *case, point, reference, again) for point in reference.points]
    outcomes = await gathered(list(runs), asyncio.Semaphore(AT_ONCE))
    figures["killed twice"] = figures.get("killed twice", 0) + len(outcomes)
    judge(outcomes)


async def crash_everywhere(
    lab: Lab, scenario: Scenario, kind: Kind, slots: asyncio.Semaphore, figures: dict[str, Any]
) -> None:
    async with slots:
        reference = await reference_run(lab, scenario, kind)
    points = sampled(reference.points, SCENARIOS.index(scenario))
    runs = [partial(crash_run, lab, scenario, kind, point, reference) for point in points]
    outcomes = await gathered(list(runs), slots)
    note(figures, reference, outcomes)
    judge(outcomes)


def judge(outcomes: list[Outcome]) -> None:
    """Fail with the problems of all runs, and with everything about the first."""
    failed = [outcome for outcome in outcomes if outcome.problems]
    said = [f"crash {outcome.point}: {problem}" for outcome in failed for problem in outcome.problems]
    if failed:
        raise AssertionError("\n".join([*said, failed[0].report]))
    missed = [str(outcome.point) for outcome in outcomes if not outcome.reached]
    assert not missed, f"never came up: {missed}"
    assert max(outcome.convergence for outcome in outcomes) < SLOWEST


def note(figures: dict[str, Any], reference: Reference, outcomes: list[Outcome]) -> None:
    """Add a story to the figures."""
    row = figures.setdefault(
        "crashes",
        {"scenarios": 0, "effects": 0, "points": 0, "run": 0, "doubles": 0, "orphans": 0, "diverging": 0}
        | {"invariants": 0, "slowest": 0.0},
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
    row["slowest"] = round(max(row["slowest"], *(outcome.convergence for outcome in outcomes)), 2)
