"""Answers of create calls are lost on Vertex AI, before and after jobs are made: one job a resource."""

import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mljobs.domain.job import naming
from tests.e2e.support_stack import SPEED, Emulator
from tests.faults.backend import ENDING, Backend
from tests.faults.checks import broken
from tests.faults.gate import Call, Moment, no_answer
from tests.faults.groups import ALL
from tests.faults.lab import Lab
from tests.faults.test_crowd import LOST, SLOW, create_all, open_world
from tests.faults.vertex import VERTEX, lagging

GRACE, LAG = (60, 30) if ALL else (2, 1)
"""Seconds for which an operator is in doubt, and those for which a new job is in no list: real ones."""

FATES: list[list[Moment]] = [["after"], ["before"], ["before", "after"], ["before", "before"]]
"""When the connection breaks, at each call for a resource: before or after its job is made."""


@pytest.fixture
def backend() -> Backend:
    return VERTEX


@pytest.fixture(autouse=True)
def _lists_lag(service: Emulator) -> Iterator[None]:
    with lagging(service, LAG * SPEED):
        yield


def fates_of(name: str) -> list[Moment]:
    return FATES[zlib.crc32(name.encode()) % len(FATES)]


class Losses:
    """Which create calls get no answer."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._fates: dict[int, Moment | None] = {}

    def before(self, call: Call) -> bool:
        return self._fate(call) == "before"

    def after(self, call: Call) -> bool:
        return self._fate(call) == "after"

    def _fate(self, call: Call) -> Moment | None:
        if call.step.name != "create":
            return None
        if call.number not in self._fates:
            name = call.body["labels"][naming.NAME_LABEL]
            fates = fates_of(name)[self.calls[name] :]
            self._fates[call.number] = fates[0] if fates else None
            self.calls[name] += 1
        return self._fates[call.number]


@pytest.mark.timeout(1200)
async def test_answers_of_create_calls_are_lost(lab: Lab, figures: dict[str, Any]) -> None:
    world = await open_world(lab)
    world.settings |= {**SLOW, "MLJOBS_UNKNOWN_OUTCOME_GRACE": str(GRACE)}
    operator = await world.start()
    losses = Losses()
    before = operator.gate.fail(losses.before, no_answer)
    after = operator.gate.fail(losses.after, no_answer, after=True)
    names = await create_all(world, LOST)
    await world.until(
        lambda: all(world.status(name).get("state") for name in names), "all are submitted", within=900
    )
    jobs = world.truth.jobs()
    alive = [job for job in jobs if job.state not in ENDING]
    figures["answers lost on Vertex AI"] = {
        "resources": LOST,
        "seconds for which lists lag": LAG,
        "lost before": before.hits,
        "lost after": after.hits,
        "jobs made": len(jobs),
        "jobs alive": len(alive),
    }
    fates = [moment for name in names for moment in fates_of(name)]
    assert (before.hits, after.hits) == (fates.count("before"), fates.count("after"))
    # a job was made by the call whose answer was lost, and then there is none after it
    assert losses.calls == {name: len(fates_of(name)) + (fates_of(name)[-1] == "before") for name in names}
    assert len(jobs) == len(alive) == len({job.labels[naming.UID_LABEL] for job in alive}) == LOST
    assert not broken(world)
    await world.close()
