from typing import Any

from mljobs.controller.loop.store import Key, Store, take
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
    assert store.unlisted("TrainingJob", None, {(KEY, "u1")}, "10") == []
    assert store.unlisted("TrainingJob", None, set(), "4") == []
    assert store.unlisted("TrainingJob", frozenset({"other"}), set(), "10") == []
    assert store.unlisted("PredictionJob", None, set(), "10") == []
    assert store.unlisted("TrainingJob", None, set(), "10") == [KEY]
    assert store.unlisted("TrainingJob", frozenset({"team-a"}), {(KEY, "u0")}, "10") == [KEY]


def test_what_is_gone_does_not_come_back_with_a_list_that_was_under_way() -> None:
    store = Store(START)
    store.put(body(7))
    assert store.drop(KEY, "u1")
    assert not store.put(body(7))
    assert store.put(body(9, uid="u2"))
    assert not store.put(body(8))


def owned(name: str, owner: str, version: int, *, controller: bool = True) -> dict[str, Any]:
    made = body(version, uid=name)
    reference = {"kind": "JobSchedule", "name": owner, "uid": owner, "controller": controller}
    made["metadata"] |= {"name": name, "ownerReferences": [reference]}
    return made


def test_children_are_found_by_their_owner() -> None:
    store = Store(START)
    store.put(owned("a", "nightly", 1))
    store.put(owned("b", "nightly", 2))
    store.put(owned("c", "weekly", 3))
    store.put(owned("d", "nightly", 4, controller=False))
    store.put(body(5))
    a, b = KEY._replace(name="a"), KEY._replace(name="b")
    assert store.children("nightly") == [a, b]
    store.drop(b, "b")
    assert store.children("nightly") == [a]
    store.put(owned("a", "weekly", 6))
    assert store.children("nightly") == []
    assert store.children("weekly") == [a, KEY._replace(name="c")]


def test_a_successor_of_the_same_name_leaves_the_owner_of_the_one_before() -> None:
    store = Store(START)
    store.put(owned("a", "nightly", 1))
    successor = owned("a", "weekly", 2)
    successor["metadata"]["uid"] = "another"
    store.put(successor)
    assert (store.children("nightly"), store.children("weekly")) == ([], [KEY._replace(name="a")])


def test_the_watch_of_what_was_decided_on_wakes_nobody() -> None:
    store, changed = Store(START), list[Key]()

    def bring(version: int, event: str = "MODIFIED", uid: str = "u1") -> list[Key]:
        changed.clear()
        take(event, body(version, uid=uid), store, changed.append, NOW)
        return [*changed]

    assert bring(7, "ADDED") == [KEY]
    store.begin(KEY)
    store.put(body(8))  # the answer to a write of the worker's own
    assert bring(7) == bring(8) == []
    store.settle(KEY, 8)
    assert bring(7) == bring(8) == []
    assert bring(9) == [KEY]
    assert bring(9) == [KEY], "nobody has decided on it yet"
    store.settle(KEY, 9)
    assert bring(9) == []
    assert bring(9, "DELETED") == [KEY]
    assert bring(12, uid="u2") == [KEY]
    assert bring(12, uid="u2") == [KEY]


def test_what_a_worker_has_left_undone_wakes_the_next_one() -> None:
    store, changed = Store(START), list[Key]()
    store.put(body(7))
    store.begin(KEY)
    store.settle(KEY, None)
    take("MODIFIED", body(7), store, changed.append, NOW)
    assert changed == [KEY]


def test_what_is_put_by_somebody_else_is_still_taken_from_the_watch() -> None:
    """A run that its schedule has made: nobody has decided on it."""
    store, changed = Store(START), list[Key]()
    store.put(body(7))
    take("ADDED", body(7), store, changed.append, NOW)
    assert changed == [KEY]
