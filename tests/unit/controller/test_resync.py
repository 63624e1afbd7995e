"""The periodic list tells how far it has come, and only once what it shows has been taken in."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from mljobs.api.jobschedule import JOB_SCHEDULE
from mljobs.api.resources import KINDS
from mljobs.controller.kube.errors import KubeError, NotServed, Refused, Unreachable
from mljobs.controller.loop.resync import Resync
from mljobs.controller.loop.store import Key, Store
from tests.unit.domain.world import NOW, START

BODY: dict[str, Any] = {
    "kind": "TrainingJob",
    "metadata": {"namespace": "team-a", "name": "census", "uid": "u1", "resourceVersion": "90"},
    "spec": {},
}


class Lists:
    """Stands for the API server: one TrainingJob in each list of its kind, nothing else.

    Args:
        errors: answer the lists of a kind and namespace.
    """

    def __init__(self, errors: Mapping[tuple[str, str | None], KubeError] = MappingProxyType({})) -> None:
        self.asked: list[tuple[str, str | None, str]] = []
        self._errors = errors

    async def each(
        self,
        kind: str,
        namespace: str | None,
        bring: Callable[[dict[str, Any]], object],
        *,
        where: str = "",
    ) -> str:
        self.asked.append((kind, namespace, where))
        if (kind, namespace) in self._errors:
            raise self._errors[kind, namespace]
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
    assert kube.asked == [(kind, None, "") for kind in KINDS]


@pytest.mark.parametrize(("error", "said"), [(NotServed("404"), 0), (Unreachable("503"), 1)])
async def test_a_kind_that_cannot_be_listed_hides_no_other_and_loses_nothing(
    error: KubeError, said: int, caplog: pytest.LogCaptureFixture
) -> None:
    store, told = Store(START), []
    store.put(BODY)
    kube: Any = Lists({("TrainingJob", None): error})
    resync = Resync(
        kube, store, lambda _: None, interval=1, clock=lambda: NOW, listed=lambda *place: told.append(place)
    )
    await resync.once()
    assert told == [("PredictionJob", None, "110")]
    assert store.body(Key.of(BODY)) is not None
    assert len(caplog.records) == said


async def test_what_has_no_job_yet_is_asked_for_first_and_no_end_of_the_list_is_told() -> None:
    changed: list[Key] = []
    unknown = Refused("400: field label not supported: status.state")
    kube: Any = Lists({("PredictionJob", "team-a"): unknown})
    resync = Resync(
        kube,
        Store(START),
        changed.append,
        interval=1,
        clock=lambda: NOW,
        listed=lambda *place: pytest.fail(f"{place} was not listed"),
        kinds=[*KINDS, JOB_SCHEDULE.name],
        namespaces=["team-a", "team-b"],
    )
    await resync.new()
    assert kube.asked == [(kind, place, "status.state=") for kind in KINDS for place in ("team-a", "team-b")]
    assert set(changed) == {Key.of(BODY)}
