"""The only writer of statuses: one merge patch of the changes, and an Event for each changed condition."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Forbidden, Refused, TooLarge
from mljobs.controller.kube.events import OBJECTS, ObjectReference
from mljobs.controller.loop.recorder import EventRecorder
from mljobs.controller.process.metrics import Metrics
from mljobs.domain.job.resource import Resource
from mljobs.domain.reasons import MEANING, Reason
from mljobs.domain.show.events import Event, transitions
from mljobs.domain.show.size import barest

logger = logging.getLogger(__name__)


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> JsonObject:
    """The JSON merge-patch (RFC 7396) that turns one object into another; empty if they are equal.

    Neither object may hold nulls, which a merge-patch cannot set.
    """
    patch: JsonObject = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if inner := merge_patch(before, value):
                patch[key] = inner
        elif key not in old or value != before:
            patch[key] = value
    return patch


_NO_ROOM = (
    "The object is too large: shorten its annotations, or create a resource with a smaller spec instead. "
    "Outputs, earlier attempts and long messages are left out of its status."
)


class StatusWriter:
    """Writes statuses and records their Events.

    Args:
        kube: the API server.
        clock: the machine's time, with a zone, for timestamps that people read.
        metrics: counts what is written.
        recorder: posts the Events.

    Attributes:
        clock: the same.
    """

    def __init__(
        self,
        kube: Kube,
        clock: Callable[[], datetime],
        metrics: Metrics,
        recorder: EventRecorder,
    ) -> None:
        self.clock = clock
        self._recorder = recorder
        self._reported: OrderedDict[str, str] = OrderedDict()
        self._kube = kube
        self._metrics = metrics

    async def write(self, resource: Resource, status: JsonObject) -> JsonObject | None:
        """Write a resource's status if it has changed.

        One that is refused is written in its smallest form, and an Event reports why.

        Returns:
            The object after the write; None if there was nothing to write.

        Raises:
            KubeError: it was not written, or only in its smallest form.
        """
        patch = merge_patch(resource.status, status)
        if not patch:
            return None
        try:
            body = await self._kube.patch_status(resource, patch)
        except Forbidden:
            raise
        except Refused as error:
            await self.refused(resource, error)
            less = await self._write_barely(resource, barest(status))
            if not isinstance(error, TooLarge):
                raise
            return less
        self._reported.pop(resource.uid, None)
        return await self._written(resource, status, body)

    async def refused(self, resource: Resource, error: Refused) -> None:
        """Report by an Event, once for each message, that a write to a resource was refused."""
        message = str(error)
        if self._reported.get(resource.uid) == message:
            return
        self._reported[resource.uid] = message
        if len(self._reported) > OBJECTS:
            self._reported.popitem(last=False)
        hint = f" {_NO_ROOM}" if isinstance(error, TooLarge) else ""
        await self.post(resource, Event(Reason.NOT_STORED, f"{MEANING[Reason.NOT_STORED]}{hint} {message}"))

    async def _write_barely(self, resource: Resource, status: JsonObject) -> JsonObject | None:
        patch = merge_patch(resource.status, status)
        if not patch:
            return None
        return await self._written(resource, status, await self._kube.patch_status(resource, patch))

    async def _written(self, resource: Resource, status: JsonObject, body: JsonObject) -> JsonObject:
        self._metrics.status_writes.labels(resource.kind).inc()
        for event in transitions(resource.status, status):
            await self.post(resource, event)
        return body

    async def post(self, resource: Resource, event: Event, *, at_once: bool = False) -> None:
        """Report by an Event.

        Args:
            resource: what it is about.
            event: the Event.
            at_once: whether to return only once it is posted or refused.
        """
        logger.info("%s: %s", event.reason, event.message)
        record = self._recorder.record_now if at_once else self._recorder.record
        await record(ObjectReference.of(resource), event, self.clock())
