"""What is packed at rest comes back as it was, whatever was packed before."""

import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from mljobs.api.json_text import encoded
from mljobs.controller.loop.rest import LARGE, WINDOW, Shelf
from mljobs.controller.loop.store import Key, Store
from tests.unit.controller.test_store import body
from tests.unit.domain.world import SPEC, START, status

TEXTS = st.binary() | st.sampled_from([b"", b"x" * LARGE, bytes(range(256)) * 20, b"{}" * 2**WINDOW])


@given(st.lists(TEXTS, min_size=1))
def test_every_text_comes_back(texts: list[bytes]) -> None:
    shelf = Shelf()
    packed = [shelf.pack(text) for text in texts]
    assert [shelf.unpack(one) for one in packed] == texts


def test_those_like_the_first_take_a_fifth() -> None:
    shelf, chance = Shelf(), random.Random(1)
    uids = [f"{chance.getrandbits(128):032x}" for _ in range(20)]
    texts = [encoded({**body(n, uid=uid, **SPEC), "status": status()}) for n, uid in enumerate(uids)]
    packed = [shelf.pack(text) for text in texts]
    assert max(map(len, packed)) < len(texts[0]) / 5


def test_a_resource_at_rest_is_what_was_put() -> None:
    store = Store(START)
    bodies = {Key("TrainingJob", "team-a", f"job-{number}"): number for number in range(30)}
    for key, number in bodies.items():
        made = body(100 + number, uid=f"u{number}", args=["é\u2028\N{GRINNING FACE}"] * number)
        made["metadata"]["name"] = key.name
        store.put(made)
        store.begin(key)
        store.settle(key, 100 + number)
    for key, number in bodies.items():
        found = store.body(key)
        assert found is not None
        assert found["spec"] == {"args": ["é\u2028\N{GRINNING FACE}"] * number}
        assert store.version(key) == 100 + number
        assert store.put({**found, "spec": {}})
        assert store.body(key) == found, "what is kept in this version is not written again"
        newer = {**found, "spec": {"suspend": True}}
        newer["metadata"] = {**found["metadata"], "resourceVersion": "500"}
        assert store.put(newer)
        assert store.body(key) == newer


def test_many_at_rest_take_a_third_less_at_least() -> None:
    taken = {}
    for rests in (False, True):
        store = Store(START)
        tracemalloc.start()
        for number in range(500):
            made = {**body(number, uid=f"u{number}", **SPEC), "status": status()}
            made["metadata"]["name"] = f"job-{number}"
            store.put(made)
            store.settle(Key.of(made), number if rests else None)
        taken[rests] = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert len(store) == 500
    assert taken[True] < taken[False] * 2 / 3
