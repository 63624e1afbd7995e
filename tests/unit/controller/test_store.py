from typing import Any

from mljobs.controller.loop.store import Key, Store
from mljobs.domain.job.observation import Observation
from tests.unit.domain.world import NOW, START, observed

KEY = Key("TrainingJob", "team-a", "census")


def body(version: int, *, uid: str = "u1", **spec: Any) -> dict[str, Any]:
    meta = {"namespace": "team-a", "name": "census", "uid": uid, "resourceVersion": str(version)}
    return {"kind": "TrainingJob", "metadata": meta, "spec": spec}


def test_an_older_object_does_not_replace_a_newer_one() -> None:
    store = Store(START)
    assert store.put(body(7, suspend=True))
    assert not store.put(body(6))
    assert store.put(body(8))
    assert store.body(KEY) == body(8)


def test_an_observation_outlives_newer_objects_but_not_the_resource() -> None:
    store = Store(START)
    store.put(body(1))
    known = observed(absences=1)
    store.observe(KEY, "u1", known)
    store.put(body(2))
    assert store.observation(KEY) is known
    store.put(body(9, uid="u2"))
    assert store.observation(KEY) == Observation(since=START)


def test_what_was_seen_of_a_predecessor_is_not_kept() -> None:
    store = Store(START)
    store.put(body(9, uid="u2"))
    store.observe(KEY, "u1", observed(absent_at=NOW))
    assert store.observation(KEY) == Observation(since=START)


def test_a_late_event_of_a_predecessor_changes_nothing() -> None:
    store = Store(START)
    store.put(body(9, uid="u2"))
    assert not store.put(body(5, uid="u1"))
    assert not store.drop(KEY, "u1")
    assert store.body(KEY) == body(9, uid="u2")
    assert store.drop(KEY, "u2")
    assert store.body(KEY) is None


def test_ghosts_are_what_a_later_list_does_not_have() -> None:
    store = Store(START)
    store.put(body(5))
    assert store.ghosts("TrainingJob", None, {(KEY, "u1")}, "10") == []
    assert store.ghosts("TrainingJob", None, set(), "4") == []
    assert store.ghosts("TrainingJob", frozenset({"other"}), set(), "10") == []
    assert store.ghosts("PredictionJob", None, set(), "10") == []
    assert store.ghosts("TrainingJob", None, set(), "10") == [KEY]
    assert store.ghosts("TrainingJob", frozenset({"team-a"}), {(KEY, "u0")}, "10") == [KEY]


def test_what_is_gone_does_not_come_back_with_a_list_that_was_under_way() -> None:
    store = Store(START)
    store.put(body(7))
    assert store.drop(KEY, "u1")
    assert not store.put(body(7))
    assert store.put(body(9, uid="u2"))
    assert not store.put(body(8))
