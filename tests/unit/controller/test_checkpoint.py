"""The marks in the Lease: how far they go, and when they stay where they are."""

import json
from typing import Any

import pytest

from mljobs.controller.kube.errors import NotServed, Refused, Unreachable
from mljobs.controller.loop.checkpoint import LAG, WatchCheckpoint
from mljobs.controller.loop.store import Key, Store
from mljobs.domain.job.resource import FINALIZER
from tests.unit.controller.conftest import Turned
from tests.unit.domain.world import NOW, START

KEY = Key("TrainingJob", "team-a", "census")


def body(version: int, *finalizers: str, namespace: str = "team-a", uid: str = "u1") -> dict[str, Any]:
    meta = {"namespace": namespace, "name": "census", "uid": uid, "resourceVersion": str(version)}
    return {"kind": "TrainingJob", "metadata": {**meta, "finalizers": list(finalizers)}, "spec": {}}


class Events:
    """Stands for the API server's memory, whose real one is met end to end."""

    def __init__(self, *deleted: dict[str, Any], error: Exception | None = None) -> None:
        self.deleted = deleted
        self.error = error
        self.asked: list[tuple[str, str | None, str]] = []

    async def version(self, _kind: str, _namespace: str | None) -> str:
        return "100"

    async def deletions(self, kind: str, namespace: str | None, since: str) -> list[dict[str, Any]]:
        self.asked.append((kind, namespace, since))
        if self.error:
            error, self.error = self.error, None
            raise error
        return [row for row in self.deleted if row["kind"] == kind]


class World:
    def __init__(self, events: Events | None = None, *namespaces: str) -> None:
        self.clock = Turned()
        self.store = Store(START)
        self.changed: list[Key] = []
        self.written: list[dict[str, int]] = []
        kube: Any = events or Events()
        self.checkpoint = WatchCheckpoint(
            kube, self.store, self.changed.append, namespaces=namespaces, now=lambda: NOW, passed=self.clock
        )

    async def recover(self) -> None:
        await self.checkpoint.recover(self.write)

    async def write(self) -> None:
        self.written.append(self.marks())

    def marks(self) -> dict[str, int]:
        found: dict[str, int] = json.loads(self.checkpoint.encoded())
        return found

    def later(self) -> dict[str, int]:
        """The marks once what is known now may be written."""
        self.marks()
        self.clock.seconds += LAG
        return self.marks()


async def test_without_a_note_it_starts_from_how_things_are() -> None:
    world = World()
    await world.checkpoint.resume("")
    assert world.marks() == {"TrainingJob": 100, "PredictionJob": 100}


@pytest.mark.parametrize("note", ["no JSON", "[]", '{"TrainingJob": "x", "Other": 3}'])
async def test_a_note_that_cannot_be_read_is_none(note: str) -> None:
    world = World()
    await world.checkpoint.resume(note)
    assert world.marks() == {"TrainingJob": 100, "PredictionJob": 100}


async def test_marks_stay_behind_what_the_watch_has_brought() -> None:
    world = World()
    await world.checkpoint.resume('{"TrainingJob": 50}')
    await world.recover()
    world.checkpoint.saw(body(120))
    world.checkpoint.saw(body(110))
    assert world.marks()["TrainingJob"] == 50
    world.clock.seconds += LAG - 1
    assert world.marks()["TrainingJob"] == 50
    world.clock.seconds += 1
    assert world.marks() == {"TrainingJob": 120, "PredictionJob": 100}


async def test_before_it_has_looked_back_the_marks_are_those_of_the_process_before() -> None:
    world = World()
    await world.checkpoint.resume('{"TrainingJob": 50}')
    world.checkpoint.saw(body(120))
    assert world.later()["TrainingJob"] == 50


async def test_each_watched_namespace_has_a_mark() -> None:
    world = World(None, "team-a", "team-b")
    await world.checkpoint.resume("")
    await world.recover()
    world.checkpoint.saw(body(120, namespace="team-b"))
    found = world.later()
    assert (found["TrainingJob/team-a"], found["TrainingJob/team-b"]) == (100, 120)


async def test_what_went_past_the_finalizer_is_found_once_and_holds_the_marks() -> None:
    events = Events(body(60, FINALIZER), body(61, uid="u2"))
    world = World(events)
    await world.checkpoint.resume('{"TrainingJob": 50, "PredictionJob": 40}')
    await world.recover()
    assert events.asked == [("TrainingJob", None, "50"), ("PredictionJob", None, "40")]
    (left,) = world.changed
    assert left.deleted
    assert world.store.uid(left) == "u1"
    world.checkpoint.saw(body(120))
    assert world.later()["TrainingJob"] == 50
    world.store.drop(left, "u1")
    assert world.later()["TrainingJob"] == 120
    await world.recover()
    assert world.changed == [left]


async def test_what_has_the_name_now_is_left_alone() -> None:
    world = World(Events(body(60, FINALIZER)))
    world.store.put(body(70, FINALIZER, uid="u9"))
    await world.checkpoint.resume('{"TrainingJob": 50}')
    await world.recover()
    assert world.store.uid(KEY) == "u9"
    assert [world.store.uid(key) for key in world.changed] == ["u1"]


async def test_no_answer_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mljobs.controller.loop.checkpoint.PAUSE", 0)
    world = World(Events(body(60, FINALIZER), error=Unreachable("down")))
    await world.checkpoint.resume('{"TrainingJob": 50}')
    await world.recover()
    assert len(world.changed) == 1


async def test_what_the_api_server_has_forgotten_holds_nothing_up() -> None:
    """A mark of no use is replaced at once: the next process could not look back to it either."""
    world = World(Events(error=Refused("410: too old resource version")))
    await world.checkpoint.resume('{"TrainingJob": 50, "PredictionJob": 60}')
    await world.recover()
    assert world.written == [{"TrainingJob": 100, "PredictionJob": 60}]
    world.checkpoint.saw(body(120))
    assert world.later()["TrainingJob"] == 120


async def test_objects_that_have_not_changed_for_long_put_no_mark_back() -> None:
    world = World()
    await world.checkpoint.resume('{"TrainingJob": 50}')
    await world.recover()
    world.checkpoint.saw(body(30))
    assert world.later()["TrainingJob"] == 50


async def test_lists_move_the_marks_where_nothing_happens() -> None:
    world = World()
    await world.checkpoint.resume('{"TrainingJob": 50}')
    await world.recover()
    world.checkpoint.listed("TrainingJob", None, "300")
    assert world.marks()["TrainingJob"] == 50
    assert world.later() == {"TrainingJob": 300, "PredictionJob": 100}


async def test_a_kind_that_is_away_has_nothing_to_look_back_at(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever watches it says that it is away."""
    world = World(Events(error=NotServed("404")))
    await world.checkpoint.resume("")
    before = world.marks()
    await world.recover()
    assert (world.marks(), world.written, caplog.records) == (before, [], [])
