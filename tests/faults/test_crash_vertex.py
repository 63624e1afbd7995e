"""The operator is killed at every effect on Vertex AI, whose every create call makes a job: no second one."""

from collections.abc import Iterator
from typing import Any

import pytest

from mljobs.api.resources import KINDS
from tests.e2e.support_stack import Emulator
from tests.faults.backend import Backend
from tests.faults.groups import ALL, grouped
from tests.faults.lab import Lab
from tests.faults.scenarios import SCENARIOS
from tests.faults.test_crash import Case, crash_everywhere, name_of
from tests.faults.vertex import VERTEX, lagging

CASES: list[Case] = [
    (scenario, kind)
    for number, scenario in enumerate(SCENARIOS)
    for kind in KINDS.values()
    if scenario.name not in VERTEX.without
    if ALL or kind is list(KINDS.values())[number % len(KINDS)]
]


@pytest.fixture
def backend() -> Backend:
    return VERTEX


@pytest.fixture(autouse=True)
def _lists_lag(service: Emulator) -> Iterator[None]:
    with lagging(service):
        yield


@pytest.mark.parametrize("cases", grouped(CASES, name_of, size=8, apart=True))
async def test_a_crash_makes_no_second_job(lab: Lab, cases: list[Case], figures: dict[str, Any]) -> None:
    await crash_everywhere(lab, cases, figures)
