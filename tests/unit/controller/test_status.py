"""A status that is refused is written as small as it can be, and an Event tells why."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from mljobs.api.base import JsonObject
from mljobs.controller.kube.errors import Conflict, Forbidden, KubeError, Refused, TooLarge
from mljobs.controller.loop.recorder import EventRecorder
from mljobs.controller.loop.status import StatusWriter
from mljobs.controller.process.metrics import Metrics
from mljobs.domain.job.resource import Resource
from mljobs.domain.show.size import barest
from tests.unit.controller.recording import EventServer, Idle, posted
from tests.unit.domain.world import NOW, condition, intent, resource, status

FULL: JsonObject = status(
    "RUNNING",
    condition("Reconciling", "False", "Watching", "x" * 4000),
    trainingOutput={"trials": [{"trialId": "1"}]},
)


class Server:
    """Takes patches that are small enough, and refuses the others.

    Attributes:
        patches: of statuses, refused ones too.
    """

    def __init__(self, refusal: Callable[[Mapping[str, Any]], KubeError | None]) -> None:
        self.refusal = refusal
        self.patches: list[Mapping[str, Any]] = []
        self._events = EventServer()
        self.create_event, self.count_event = self._events.create_event, self._events.count_event
        self.recorder = EventRecorder(self, Metrics(), Idle(), lambda: 0.0)  # type: ignore[arg-type]

    async def patch_status(self, subject: Resource, patch: Mapping[str, Any]) -> JsonObject:
        self.patches.append(patch)
        error = self.refusal(patch)
        if error:
            raise error
        return {"status": {**subject.status, **patch}}

    async def events(self) -> list[tuple[str, str]]:
        """Reasons and messages of those that were posted."""
        await posted(self.recorder)
        return [(one.event.reason.value, one.event.message) for one in self._events.events.values()]


def refusing(error: KubeError, *, all_of_them: bool = False) -> tuple[Server, StatusWriter]:
    server = Server(lambda patch: error if all_of_them or "trainingOutput" in patch else None)
    return server, StatusWriter(server, lambda: NOW, Metrics(), server.recorder)  # type: ignore[arg-type]


SUBJECT = resource(intended=intent(), status={"observedGeneration": -1})
NO_ROOM = TooLarge("TrainingJob team-a/census: 500: etcdserver: request is too large")


async def test_what_does_not_fit_is_left_out_and_told() -> None:
    server, writer = refusing(NO_ROOM)
    body = await writer.write(SUBJECT, FULL)
    assert body
    assert body["status"]["state"] == "RUNNING"
    assert server.patches[1] == barest(FULL)
    assert "trainingOutput" not in body["status"]
    (told, accepted) = await server.events()
    assert told[0] == "NotStored"
    assert "etcdserver: request is too large" in told[1]
    assert "shorten its annotations" in told[1]
    assert accepted[0] == "Accepted"


async def test_it_is_told_once_and_nothing_is_written_again() -> None:
    server, writer = refusing(NO_ROOM)
    body = await writer.write(SUBJECT, FULL)
    assert body
    small = replace(SUBJECT, status=body["status"])
    assert await writer.write(small, FULL) is None
    assert [reason for reason, _ in await server.events()] == ["NotStored", "Accepted"]


async def test_where_nothing_fits_an_event_tells() -> None:
    server, writer = refusing(NO_ROOM, all_of_them=True)
    for _ in range(3):
        with pytest.raises(TooLarge):
            await writer.write(SUBJECT, FULL)
    assert [reason for reason, _ in await server.events()] == ["NotStored"]


async def test_what_is_refused_for_another_reason_is_tried_again() -> None:
    server, writer = refusing(Refused("TrainingJob team-a/census: 422 Invalid: status.trainingOutput"))
    with pytest.raises(Refused, match="422"):
        await writer.write(SUBJECT, FULL)
    assert server.patches[1] == barest(FULL)
    assert "422 Invalid: status.trainingOutput" in (await server.events())[0][1]
    server.refusal = lambda _: None
    assert await writer.write(SUBJECT, FULL)
    server.refusal = lambda patch: Refused("no") if "trainingOutput" in patch else None
    with pytest.raises(Refused):
        await writer.write(SUBJECT, FULL)
    assert [reason for reason, _ in await server.events()].count(
        "NotStored"
    ) == 2  # it had been stored in between


@pytest.mark.parametrize("error", [Forbidden("no"), Conflict("changed")])
async def test_nothing_smaller_helps_against_a_missing_right_or_an_old_view(error: KubeError) -> None:
    server, writer = refusing(error)
    with pytest.raises(type(error)):
        await writer.write(SUBJECT, FULL)
    assert len(server.patches) == 1
