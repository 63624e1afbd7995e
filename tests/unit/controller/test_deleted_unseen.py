"""Resources that went past our finalizer: the API server does not see one set during a delete call."""

from typing import Any

import pytest

from mljobs.controller.loop.shard import Shard
from mljobs.controller.loop.store import Key, Store
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import FINALIZER, Resource
from mljobs.domain.job.timestamps import timestamp
from tests.unit.domain.world import NOW, START

KEY = Key("TrainingJob", "team-a", "census")


def body(*finalizers: str, deleting: bool = False, version: int = 7) -> dict[str, Any]:
    meta = {"namespace": "team-a", "name": "census", "uid": "u1", "resourceVersion": str(version)}
    mark = {"deletionTimestamp": timestamp(NOW)} if deleting else {}
    return {"kind": "TrainingJob", "metadata": {**meta, "finalizers": list(finalizers), **mark}, "spec": {}}


def test_one_that_went_past_our_finalizer_goes_on_as_being_deleted() -> None:
    store = Store(START)
    store.put(body())
    left = store.forget_deleted(KEY, "u1", NOW, body(FINALIZER))
    assert left is not None
    assert left.deleted
    found = store.body(left)
    assert found is not None
    resource = Resource.parse(found)
    assert (resource.name, resource.deleting, resource.held) == ("census", True, True)
    assert store.body(KEY) is None
    assert store.observation(left).outcome_unknown_at == NOW


def test_that_of_another_shard_is_the_other_operator_s() -> None:
    mine, other = (Store(START, Shard(number, 2)) for number in (0, 1))
    if not Shard(0, 2).has("team-a"):
        mine, other = other, mine
    for store in (mine, other):
        store.put(body(FINALIZER))
    assert mine.forget_deleted(KEY, "u1", NOW)
    assert other.forget_deleted(KEY, "u1", NOW) is None
    assert not other.any_deleted


ORDERLY: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("never held", body(), body()),
    ("released by us", body(FINALIZER, deleting=True), body(FINALIZER, deleting=True)),
    ("held by others only", body("others/own"), body("others/own")),
    ("released at last", body(FINALIZER), body()),
    ("unseen, never held", body(), None),
]


@pytest.mark.parametrize(("why", "known", "last"), ORDERLY, ids=[row[0] for row in ORDERLY])
def test_an_orderly_end_leaves_nothing(why: str, known: dict[str, Any], last: dict[str, Any] | None) -> None:
    store = Store(START)
    store.put(known)
    assert store.forget_deleted(KEY, "u1", NOW, last) is None
    assert len(store) == 0


def test_the_end_is_told_only_once() -> None:
    store = Store(START)
    store.put(body(FINALIZER))
    left = store.forget_deleted(KEY, "u1", NOW)
    assert left is not None
    assert store.forget_deleted(KEY, "u1", NOW, body(FINALIZER)) is None
    assert not store.put(body(FINALIZER))
    assert list(store) == [left]
    assert store.forget_deleted(left, "u1", NOW) is None
    assert len(store) == 0


def test_it_does_not_stand_in_the_way_of_its_successor() -> None:
    store = Store(START)
    store.put(body(FINALIZER))
    left = store.forget_deleted(KEY, "u1", NOW)
    successor = body(version=9)
    successor["metadata"]["uid"] = "u2"
    assert store.put(successor)
    assert left is not None
    assert store.uid(left) == "u1"
    assert store.uid(KEY) == "u2"
    assert store.forget_deleted(KEY, "u1", NOW) is None
    assert store.uid(KEY) == "u2"


def recreated_body(version: int) -> dict[str, Any]:
    made = body(version=version)
    made["metadata"]["uid"] = "u2"
    return made


def test_one_whose_end_was_missed_shows_by_its_successor() -> None:
    store = Store(START)
    store.put(body(FINALIZER))
    assert store.recreated(body(FINALIZER, version=8), NOW) is None
    assert store.recreated(recreated_body(6), NOW) is None
    left = store.recreated(recreated_body(9), NOW)
    assert left is not None
    assert store.uid(left) == "u1"
    assert store.put(recreated_body(9))
    assert store.recreated(recreated_body(10), NOW) is None
    assert list(store) == [left, KEY]


def test_what_was_seen_of_its_job_is_kept() -> None:
    store = Store(START)
    store.put(body(FINALIZER))
    store.observe(KEY, "u1", Observation(since=START, cancelled=True))
    left = store.forget_deleted(KEY, "u1", NOW)
    assert left is not None
    assert store.observation(left).cancelled


def test_no_list_misses_it() -> None:
    store = Store(START)
    store.put(body(FINALIZER))
    store.forget_deleted(KEY, "u1", NOW)
    assert store.unlisted("TrainingJob", None, set(), "100") == []


def test_annotations_of_one_that_is_gone_are_set_in_memory() -> None:
    store = Store(START)
    store.put(body(FINALIZER))
    store.annotate_deleted(KEY, {"a": "1"})
    assert Resource.parse(store.body(KEY) or {}).annotations == {}
    left = store.forget_deleted(KEY, "u1", NOW)
    assert left is not None
    store.annotate_deleted(left, {"a": "1"})
    store.annotate_deleted(left, {"b": "2"})
    assert Resource.parse(store.body(left) or {}).annotations == {"a": "1", "b": "2"}
