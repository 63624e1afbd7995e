"""Events of one object are bounded as client-go's EventCorrelator bounds them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mljobs.controller.kube.errors import KubeError, ObjectNotFound, Refused
from mljobs.controller.kube.events import BURST, COMBINED, INTERVAL, OBJECTS, REFILL, Correlator, Posting
from mljobs.controller.loop.status import StatusWriter
from mljobs.controller.process.metrics import Metrics
from mljobs.domain.job.resource import Resource
from mljobs.domain.reasons import Reason
from mljobs.domain.show.events import Event
from tests.unit.domain.world import NOW, resource

BUSY = Event(Reason.THROTTLED, "Quota exceeded.")
AWAY = Event(Reason.SERVICE_UNAVAILABLE, "It is down.")


class Server:
    """Stands for the API server's Events: name, count and message of each."""

    def __init__(self) -> None:
        self.events: dict[str, Posting] = {}
        self.calls: list[str] = []
        self.refusal: KubeError | None = None

    async def create_event(self, _: Resource, posting: Posting, _now: Any) -> str:
        self._note("create")
        name = f"event-{len(self.calls)}"
        self.events[name] = posting
        return name

    async def count_event(self, _: Resource, posting: Posting, _now: Any) -> None:
        self._note("patch")
        if posting.name not in self.events:
            raise ObjectNotFound("not found")
        self.events[posting.name] = posting

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if self.refusal:
            raise self.refusal


class Rig:
    def __init__(self) -> None:
        self.server = Server()
        self.passed = 0.0
        self.writer = StatusWriter(self.server, self.now, Metrics(), lambda: self.passed)  # type: ignore[arg-type]

    def now(self) -> Any:
        return NOW + timedelta(seconds=self.passed)

    async def post(self, event: Event, subject: Resource | None = None) -> None:
        await self.writer.post(subject or resource(), event)

    @property
    def counts(self) -> list[tuple[str, int]]:
        return [(one.event.message, one.count) for one in self.server.events.values()]


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_what_happens_again_is_counted_on_the_same_event(rig: Rig) -> None:
    for event in (BUSY, AWAY, BUSY, BUSY):
        await rig.post(event)
        rig.passed += 1
    assert rig.counts == [("Quota exceeded.", 3), ("It is down.", 1)]
    assert rig.server.calls == ["create", "create", "patch", "patch"]
    assert [one.first for one in rig.server.events.values()] == [NOW, NOW + timedelta(seconds=1)]


async def test_an_event_that_the_api_server_has_forgotten_is_posted_again(rig: Rig) -> None:
    await rig.post(BUSY)
    rig.server.events.clear()
    await rig.post(BUSY)
    await rig.post(BUSY)
    assert rig.server.calls == ["create", "patch", "create", "patch"]
    assert rig.counts == [("Quota exceeded.", 3)]


async def test_an_event_that_is_not_taken_is_not_counted(rig: Rig) -> None:
    rig.server.refusal = Refused("no")
    await rig.post(BUSY)
    rig.server.refusal = None
    await rig.post(BUSY)
    assert rig.counts == [("Quota exceeded.", 1)]


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
    plain, (combined,) = rig.counts[:9], rig.counts[9:]
    assert plain == [(f"request {number}", 1) for number in range(9)]
    assert combined == (f"{COMBINED}request 19", 11)
    rig.passed += INTERVAL + 1
    await rig.post(Event(Reason.THROTTLED, "request 20"))
    assert rig.counts[-1] == ("request 20", 1)


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
