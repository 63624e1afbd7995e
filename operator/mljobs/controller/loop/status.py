"""The only writer of statuses: one merge patch of the changes, then an Event for each changed condition."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Forbidden, KubeError, ObjectNotFound, Refused, TooLarge
from mljobs.controller.kube.events import OBJECTS, Correlator, Posting
from mljobs.controller.process.clock import seconds
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
    """Writes statuses and posts their Events.

    Args:
        kube: the API server.
        clock: the machine's time, with a zone, for timestamps that people read.
        metrics: counts what is written.
        passed: seconds by a clock that never jumps.

    Attributes:
        clock: the same.
    """

    def __init__(
        self,
        kube: Kube,
        clock: Callable[[], datetime],
        metrics: Metrics,
        passed: Callable[[], float] = seconds,
    ) -> None:
        self.clock = clock
        self._correlator = Correlator(passed)
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

    async def post(self, resource: Resource, event: Event) -> None:
        """Post an Event, or increase the count of an existing one.

        One that is refused, or exceeds the limit of its object, is dropped: the condition says the same.
        """
        logger.info("%s: %s", event.reason, event.message)
        now = self.clock()
        posting = self._correlator.correlate(resource.uid, event, now)
        if posting is None:
            return
        try:
            name = await self._put(resource, posting, now)
        except KubeError as error:
            logger.warning("an Event was not posted: %s", error)
        else:
            self._correlator.posted(resource.uid, posting, name)
            self._metrics.events.labels(event.type, event.reason).inc()

    async def _put(self, resource: Resource, posting: Posting, now: datetime) -> str:
        if posting.name:
            try:
                await self._kube.count_event(resource, posting, now)
            except ObjectNotFound:
                logger.debug("the Event %s has expired, and is posted again", posting.name)
            else:
                return posting.name
        return await self._kube.create_event(resource, posting, now)
