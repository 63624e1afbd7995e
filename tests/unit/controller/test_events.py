"""Events of one object are bounded as client-go's EventCorrelator bounds them."""

import tracemalloc
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mljobs.controller.kube.errors import Refused
from mljobs.controller.kube.events import (
    BURST,
    COMBINED,
    INTERVAL,
    OBJECTS,
    REFILL,
    Correlator,
    ObjectReference,
)
from mljobs.controller.loop.recorder import EventRecorder
from mljobs.controller.process.metrics import Metrics
from mljobs.domain.job.resource import Resource
from mljobs.domain.reasons import Reason
from mljobs.domain.show.events import Event
from tests.unit.controller.recording import EventServer, Idle
from tests.unit.domain.world import NOW, resource

BUSY = Event(Reason.THROTTLED, "Quota exceeded.")
AWAY = Event(Reason.SERVICE_UNAVAILABLE, "It is down.")


class Rig:
    def __init__(self) -> None:
        self.server = EventServer()
        self.passed = 0.0
        self.recorder = EventRecorder(self.server, Metrics(), Idle(), lambda: self.passed)  # type: ignore[arg-type]

    def now(self) -> Any:
        return NOW + timedelta(seconds=self.passed)

    async def post(self, event: Event, subject: Resource | None = None) -> None:
        await self.recorder.record_now(ObjectReference.of(subject or resource()), event, self.now())


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_what_happens_again_is_counted_on_the_same_event(rig: Rig) -> None:
    for event in (BUSY, AWAY, BUSY, BUSY):
        await rig.post(event)
        rig.passed += 1
    assert rig.server.counts == [("Quota exceeded.", 3), ("It is down.", 1)]
    assert rig.server.calls == ["create", "create", "patch", "patch"]
    assert [one.first for one in rig.server.events.values()] == [NOW, NOW + timedelta(seconds=1)]


async def test_an_event_that_the_api_server_has_forgotten_is_posted_again(rig: Rig) -> None:
    await rig.post(BUSY)
    rig.server.events.clear()
    await rig.post(BUSY)
    await rig.post(BUSY)
    assert rig.server.calls == ["create", "patch", "create", "patch"]
    assert rig.server.counts == [("Quota exceeded.", 3)]


async def test_an_event_that_is_not_taken_is_not_counted(rig: Rig) -> None:
    rig.server.refusal = Refused("no")
    await rig.post(BUSY)
    rig.server.refusal = None
    await rig.post(BUSY)
    assert rig.server.counts == [("Quota exceeded.", 1)]


async def test_an_object_has_so_many_at_once_and_then_one_now_and_then(rig: Rig) -> None:
    for number in range(100):
        await rig.post([BUSY, AWAY][number % 2])
    assert len(rig.server.calls) == BURST
    await rig.post(BUSY, replace(resource(), uid="another"))
    assert len(rig.server.calls) == BURST + 1
    for seconds in (REFILL - 1, 1, REFILL - 1, 1):
        rig.passed += seconds
        await rig.post(BUSY)
    assert len(rig.server.calls) == BURST + 3


async def test_what_differs_in_its_message_alone_is_combined(rig: Rig) -> None:
    for number in range(20):
        await rig.post(Event(Reason.THROTTLED, f"request {number}"))
    plain, (combined,) = rig.server.counts[:9], rig.server.counts[9:]
    assert plain == [(f"request {number}", 1) for number in range(9)]
    assert combined == (f"{COMBINED}request 19", 11)
    rig.passed += INTERVAL + 1
    await rig.post(Event(Reason.THROTTLED, "request 20"))
    assert rig.server.counts[-1] == ("request 20", 1)


async def test_memory_is_bounded(rig: Rig) -> None:
    correlator = Correlator(lambda: rig.passed)
    for number in range(OBJECTS + 100):
        assert correlator.correlate(str(number), BUSY, NOW)
    assert len(correlator._objects) == OBJECTS
    for number in range(10 * BURST):
        rig.passed += INTERVAL + REFILL
        posting = correlator.correlate("one", replace(BUSY, message=str(number)), NOW)
        assert posting
        correlator.posted("one", posting, str(number))
    assert len(correlator._objects["one"].posted) == BURST


def test_little_is_remembered_of_each_object() -> None:
    """Names, times, and hashes of the messages; not their text."""
    correlator = Correlator(lambda: 0.0)
    uids = [f"uid-{number}" for number in range(200)]
    tracemalloc.start()
    try:
        for uid in uids:
            for reason in (Reason.ACCEPTED, Reason.RETRYING, Reason.JOB_FAILED):
                posting = correlator.correlate(uid, Event(reason, f"{uid} {reason} {'x' * 500}"), NOW)
                assert posting
                correlator.posted(uid, posting, f"census.{uid}-{reason}")
        assert tracemalloc.get_traced_memory()[0] / len(uids) < 1500
    finally:
        tracemalloc.stop()
