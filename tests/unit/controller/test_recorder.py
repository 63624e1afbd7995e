"""Events are posted after the work, in the order of each object, and in bounded time and memory."""

import asyncio
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from mljobs.controller.kube.errors import KubeError, Refused, Unreachable
from mljobs.controller.kube.events import MESSAGE, ObjectReference
from mljobs.controller.loop import recorder as module
from mljobs.controller.loop.queue import WorkQueue
from mljobs.controller.loop.recorder import AT_ONCE, CALM, FLUSH, LONGEST_WAIT, ROOM, EventRecorder
from mljobs.controller.process.metrics import Metrics
from mljobs.domain.reasons import Reason
from mljobs.domain.show.events import Event
from tests.model.loop import VirtualLoop
from tests.unit.controller.recording import EventServer
from tests.unit.domain.world import NOW

ACCEPTED = Event(Reason.ACCEPTED, "accepted")
ENDED = Event(Reason.JOB_SUCCEEDED, "ended")


def about(name: str = "census") -> ObjectReference:
    return ObjectReference("TrainingJob", "team-a", name, f"uid of {name}")


class Rig:
    """A recorder whose time a test moves, beside a queue that a test works on."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.server = EventServer()
        self.queue: WorkQueue[str] = WorkQueue()
        self.metrics = Metrics()
        self.recorder = EventRecorder(self.server, self.metrics, self.queue, self.loop.time)  # type: ignore[arg-type]
        self.tasks: list[asyncio.Task[Any]] = [self.loop.create_task(self.recorder.run())]
        self.loop.settle()

    def record(self, *events: Event, name: str = "census") -> None:
        now = NOW + timedelta(seconds=self.loop.now)
        self.tasks += [
            self.loop.create_task(self.recorder.record(about(name), event, now)) for event in events
        ]
        self.loop.settle()

    def begin(self, *keys: str) -> None:
        """Workers take keys."""
        for key in keys:
            self.loop.do(partial(self.queue.add, key))
            self.tasks.append(self.loop.create_task(self.queue.get()))
        self.loop.settle()

    def end(self, key: str) -> None:
        """The work on a key has ended."""
        self.loop.do(lambda: self.queue.done(key))

    def close(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.settle()
        failed = [task.exception() for task in self.tasks if task.done() and not task.cancelled()]
        self.loop.close()
        assert not any(failed), failed


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


def test_without_work_an_event_is_posted_at_once(rig: Rig) -> None:
    rig.record(ACCEPTED)
    assert rig.server.messages == ["accepted"]
    assert len(rig.recorder) == 0


def test_an_event_waits_while_there_is_work_and_until_there_has_been_none_for_a_moment(rig: Rig) -> None:
    rig.begin("a", "b")
    rig.record(ACCEPTED)
    assert rig.server.calls == []
    rig.end("a")
    rig.loop.advance(1)
    assert rig.server.calls == []
    rig.end("b")
    rig.loop.advance(CALM / 2)
    assert rig.server.calls == []
    rig.loop.advance(CALM / 2)
    assert rig.server.messages == ["accepted"]


def test_pauses_between_the_resources_of_a_burst_are_not_for_events(rig: Rig) -> None:
    rig.record(ACCEPTED, name="before")
    for key in ("a", "b", "c"):
        rig.begin(key)
        rig.record(ACCEPTED, name=key)
        rig.end(key)
        rig.loop.advance(CALM / 2)
    assert rig.server.order == [("before", "accepted")]
    rig.loop.advance(CALM / 2)
    assert [name for name, _ in rig.server.order] == ["before", "a", "b", "c"]


def test_an_event_waits_for_work_that_waits_for_a_worker(rig: Rig) -> None:
    rig.begin("a")
    rig.loop.do(lambda: rig.queue.add("b"))
    rig.record(ACCEPTED)
    rig.end("a")
    assert rig.server.calls == []


def test_no_further_event_is_posted_once_work_comes(rig: Rig) -> None:
    rig.server.answering.clear()
    for number in range(2 * AT_ONCE):
        rig.record(ACCEPTED, name=f"job-{number}")
    assert len(rig.server.calls) == AT_ONCE
    rig.begin("a")
    rig.loop.do(rig.server.answering.set)
    assert len(rig.server.calls) == AT_ONCE
    rig.end("a")
    rig.loop.advance(CALM)
    assert len(rig.server.calls) == 2 * AT_ONCE


def test_work_without_an_end_does_not_starve_events(rig: Rig) -> None:
    rig.begin("a")
    rig.record(ACCEPTED, name="first")
    rig.loop.advance(1)
    rig.record(ACCEPTED, name="second")
    rig.loop.advance(LONGEST_WAIT - 1.5)
    assert rig.server.calls == []
    rig.loop.advance(0.5)
    assert rig.server.order == [("first", "accepted")]
    rig.loop.advance(1)
    assert rig.server.order == [("first", "accepted"), ("second", "accepted")]


def test_its_times_are_those_of_when_it_happened(rig: Rig) -> None:
    rig.begin("a")
    rig.record(ACCEPTED)
    rig.loop.advance(2)
    rig.record(ACCEPTED)
    rig.loop.advance(2)
    rig.end("a")
    rig.loop.advance(CALM)
    (times,) = rig.server.times.values()
    assert times == (NOW, NOW + timedelta(seconds=2))
    assert rig.server.counts == [("accepted", 2)]


def test_the_events_of_an_object_are_posted_one_after_the_other(rig: Rig) -> None:
    """However slowly the API server answers; what happens again is counted on the Event before."""
    rig.server.answering.clear()
    rig.record(ACCEPTED, ENDED)
    rig.record(ACCEPTED)
    rig.record(ENDED)
    assert rig.server.calls == ["create"]
    rig.loop.do(rig.server.answering.set)
    assert rig.server.messages == ["accepted", "ended", "accepted", "ended"]
    assert rig.server.counts == [("accepted", 2), ("ended", 2)]


def test_few_are_posted_at_once(rig: Rig) -> None:
    rig.server.answering.clear()
    for number in range(20):
        rig.record(ACCEPTED, name=f"job-{number}")
    rig.loop.do(rig.server.answering.set)
    assert len(rig.server.events) == 20
    assert rig.server.most == AT_ONCE


@pytest.mark.parametrize("error", [Refused("no"), Unreachable("no answer")])
def test_one_that_is_refused_keeps_up_no_other(rig: Rig, error: KubeError) -> None:
    rig.server.refusal = error
    rig.record(ACCEPTED)
    rig.server.refusal = None
    rig.record(ACCEPTED, ENDED)
    assert rig.server.counts == [("accepted", 1), ("ended", 1)]
    assert len(rig.recorder) == 0
    posted = rig.metrics.events.labels("Normal", "Accepted")
    assert posted._value.get() == 1


def test_an_event_that_must_not_wait_is_posted_after_those_of_its_object(rig: Rig) -> None:
    rig.begin("a")
    rig.record(ACCEPTED, name="other")
    rig.record(ACCEPTED, ENDED)
    left = Event(Reason.LEFT_BEHIND, "left")
    released = rig.loop.create_task(rig.recorder.record_now(about(), left, NOW))
    rig.loop.settle()
    assert released.done()
    assert rig.server.order == [("census", "accepted"), ("census", "ended"), ("census", "left")]


def test_an_event_that_must_not_wait_comes_after_one_that_is_on_its_way(rig: Rig) -> None:
    rig.server.answering.clear()
    rig.record(ACCEPTED)
    released = rig.loop.create_task(rig.recorder.record_now(about(), ENDED, NOW))
    rig.loop.settle()
    assert rig.server.messages == ["accepted"]
    rig.loop.do(rig.server.answering.set)
    assert released.done()
    assert rig.server.messages == ["accepted", "ended"]


def test_with_a_full_queue_who_has_an_event_posts_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOM", 3)
    rig.begin("a")
    for number in range(5):
        rig.record(ACCEPTED, name=f"job-{number}")
    assert [name for name, _ in rig.server.order] == ["job-3", "job-4"]
    assert len(rig.recorder) == 3
    rig.end("a")
    rig.loop.advance(CALM)
    assert len(rig.server.events) == 5


def test_at_a_stop_the_rest_is_posted(rig: Rig) -> None:
    """Although a worker is still busy: no work is to come that it could hold up."""
    rig.begin("a")
    rig.record(ACCEPTED, ENDED)
    rig.loop.do(rig.queue.close)
    flushed = rig.loop.create_task(rig.recorder.flush())
    rig.loop.settle()
    assert flushed.done()
    assert rig.server.messages == ["accepted", "ended"]


def test_a_stop_waits_only_so_long_for_an_api_server(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.server.answering.clear()
    rig.record(ACCEPTED, ENDED)
    flushed = rig.loop.create_task(rig.recorder.flush())
    rig.loop.advance(FLUSH - 0.1)
    assert not flushed.done()
    rig.loop.advance(0.1)
    assert flushed.done()
    assert "2 Events were not posted" in caplog.text


async def test_what_waits_is_small() -> None:
    server, queue = EventServer(), WorkQueue[str]()
    queue.add("a")
    recorder = EventRecorder(server, Metrics(), queue)  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        for number in range(200):
            event = replace(ACCEPTED, message=f"{number} {'x' * 50_000}")
            await recorder.record(about(f"job-{number}"), event, NOW)
        assert tracemalloc.get_traced_memory()[0] / 200 < MESSAGE + 1500
    finally:
        tracemalloc.stop()
    assert len(recorder) == 200 < ROOM
