"""The operator is killed at every effect of every story, before and after it: the end is the same."""

from functools import partial
from typing import Any

import pytest
from tests.faults.conftest import ALL
from tests.faults.crash import Outcome, Point, Reference, crash_run, gathered, reference_run
from tests.faults.lab import Lab
from tests.faults.scenarios import SCENARIOS, Scenario

from mljobs.api.resources import KINDS, Kind

AT_ONCE = 6
SLOWEST = 30.0
"""Seconds in which a new process has to bring everything to where it would be."""

CASES = [
    pytest.param(scenario, kind, id=f"{scenario.name}-{kind.short_name}")
    for number, scenario in enumerate(SCENARIOS)
    for kind in KINDS.values()
    if ALL or kind is list(KINDS.values())[number % len(KINDS)]
]


def sampled(points: list[Point], number: int) -> list[Point]:
    """Of all points two that differ from scenario to scenario, so that together they cover every kind."""
    if ALL:
        return points
    return [points[(number * 5 + 3) % len(points)], points[(number * 11 + 7) % len(points)]]


@pytest.mark.parametrize(("scenario", "kind"), CASES)
async def test_a_crash_changes_nothing(
    lab: Lab, scenario: Scenario, kind: Kind, figures: dict[str, Any]
) -> None:
    reference = await reference_run(lab, scenario, kind)
    points = sampled(reference.points, SCENARIOS.index(scenario))
    runs = [partial(crash_run, lab, scenario, kind, point, reference) for point in points]
    outcomes = await gathered(list(runs), at_once=AT_ONCE)
    note(figures, reference, outcomes)
    missed = [str(outcome.point) for outcome in outcomes if not outcome.reached]
    assert not missed, f"never came up: {missed}"
    failed = [outcome for outcome in outcomes if outcome.problems]
    said = [f"crash {outcome.point}: {problem}" for outcome in failed for problem in outcome.problems]
    if failed:
        pytest.fail("\n".join([*said, failed[0].report]), pytrace=False)
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
