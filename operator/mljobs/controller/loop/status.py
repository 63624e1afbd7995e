"""The only writer of statuses: one merge-patch of what has changed, then an Event a changed condition."""

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
from mljobs.domain.show.fit import barest

logger = logging.getLogger(__name__)


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> JsonObject:
    """The JSON merge-patch (RFC 7396) that turns one object into another; empty where they are equal.

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
    "The object has no room left: shorten its annotations, or make a resource with a smaller spec instead. "
    "What it shows leaves out outputs, earlier attempts and long messages."
)


class StatusWriter:
    """Writes statuses and posts their Events.

    Args:
        kube: the API server.
        clock: the machine's time, with a zone: it is for people, who compare it with their own.
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
        self._told: OrderedDict[str, str] = OrderedDict()
        self._kube = kube
        self._metrics = metrics

    async def write(self, resource: Resource, status: JsonObject) -> JsonObject | None:
        """Make a resource's status so, unless it is so already.

        One that is refused is written in its smallest form, which says what has happened at least, and an
        Event tells why.

        Returns:
            The object after the write; None where there was nothing to write.

        Raises:
            KubeError: it was not written, or not as it should be and may be later.
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
        self._told.pop(resource.uid, None)
        return await self._written(resource, status, body)

    async def refused(self, resource: Resource, error: Refused) -> None:
        """Tell by an Event, once for each wording, that what was written about a resource is not stored."""
        said = str(error)
        if self._told.get(resource.uid) == said:
            return
        self._told[resource.uid] = said
        if len(self._told) > OBJECTS:
            self._told.popitem(last=False)
        hint = f" {_NO_ROOM}" if isinstance(error, TooLarge) else ""
        await self.post(resource, Event(Reason.NOT_STORED, f"{MEANING[Reason.NOT_STORED]}{hint} {said}"))

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
        """Post an Event, or count it on one that is there.

        One that is not taken, or is one too many of its object, is let go: the condition says the same.
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
                logger.debug("the Event %s is gone, and posted anew", posting.name)
            else:
                return posting.name
        return await self._kube.create_event(resource, posting, now)
