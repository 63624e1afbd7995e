"""The periodic list tells how far it has come, and only once what it shows has been taken in."""

from collections.abc import Callable
from typing import Any

import pytest

from mljobs.api.resources import KINDS
from mljobs.controller.kube.errors import KubeError, NotServed, Unreachable
from mljobs.controller.loop.resync import Resync
from mljobs.controller.loop.store import Key, Store
from tests.unit.domain.world import NOW, START

BODY: dict[str, Any] = {
    "kind": "TrainingJob",
    "metadata": {"namespace": "team-a", "name": "census", "uid": "u1", "resourceVersion": "90"},
    "spec": {},
}


class Lists:
    """Stands for the API server: one TrainingJob, nothing else."""

    async def each(self, kind: str, _namespace: str | None, bring: Callable[[dict[str, Any]], object]) -> str:
        if kind != "TrainingJob":
            return "110"
        bring(BODY)
        return "100"


async def test_each_list_is_told_after_it_was_compared() -> None:
    store, told = Store(START), []
    kube: Any = Lists()
    resync = Resync(
        kube,
        store,
        lambda _: None,
        interval=1,
        clock=lambda: NOW,
        listed=lambda *place: told.append((*place, store.body(Key.of(BODY)) is not None)),
    )
    await resync.once()
    assert told == [("TrainingJob", None, "100", True), ("PredictionJob", None, "110", True)]
    assert [row[0] for row in told] == list(KINDS)


@pytest.mark.parametrize(("error", "said"), [(NotServed("404"), 0), (Unreachable("503"), 1)])
async def test_a_kind_that_cannot_be_listed_hides_no_other_and_loses_nothing(
    error: KubeError, said: int, caplog: pytest.LogCaptureFixture
) -> None:
    store, told = Store(START), []
    store.put(BODY)

    class Half(Lists):
        async def each(
            self, kind: str, namespace: str | None, bring: Callable[[dict[str, Any]], object]
        ) -> str:
            if kind == "TrainingJob":
                raise error
            return await super().each(kind, namespace, bring)

    kube: Any = Half()
    resync = Resync(
        kube, store, lambda _: None, interval=1, clock=lambda: NOW, listed=lambda *place: told.append(place)
    )
    await resync.once()
    assert told == [("PredictionJob", None, "110")]
    assert store.body(Key.of(BODY)) is not None
    assert len(caplog.records) == said
