"""Lets the next leader find deletions that nobody saw: the Lease records how far the watches have come.

A resource that bypasses our finalizer (see `Store.forget_deleted`) leaves nothing but one watch event. If the
process dies at that moment, its successor learns of the job only by reading the events again.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime

from mljobs.api.base import JsonObject
from mljobs.api.resources import KINDS
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import KubeError, NotServed, Unreachable
from mljobs.controller.loop.store import Key, Store, number
from mljobs.controller.process.clock import seconds

logger = logging.getLogger(__name__)

LAG = 10.0
"""Seconds by which the recorded versions lag: what an event has caused to be done takes a moment."""

PAUSE = 2.0
"""Seconds between retries."""

Place = tuple[str, str | None]
"""A kind and a namespace; None if the whole cluster is watched."""


class WatchCheckpoint:
    """The resourceVersion that the watch of each place has reached.

    Args:
        kube: the API server.
        store: gets what is found; the recorded versions do not advance while it holds a deleted resource.
        changed: called with the key of each resource whose deletion nobody saw.
        namespaces: the watched ones; none: the whole cluster.
        now: the time, with a zone.
        passed: seconds by a clock that never jumps.
    """

    def __init__(
        self,
        kube: Kube,
        store: Store,
        changed: Callable[[Key], None],
        *,
        namespaces: Sequence[str],
        now: Callable[[], datetime],
        passed: Callable[[], float] = seconds,
    ) -> None:
        self._kube = kube
        self._store = store
        self._changed = changed
        self._places: Sequence[Place] = [(kind, one) for kind in KINDS for one in namespaces or (None,)]
        self._clusterwide = not namespaces
        self._now = now
        self._passed = passed
        self._newest: dict[Place, int] = {}
        self._past: deque[tuple[float, dict[Place, int]]] = deque()
        self._written: dict[Place, int] = {}
        self._recovered = False

    def saw(self, body: JsonObject) -> None:
        """The watch has delivered this object, and the store has it."""
        key = Key.of(body)
        if key.kind not in KINDS:  # others leave no job behind
            return
        place = key.kind, None if self._clusterwide else key.namespace
        self._reached(place, number(body["metadata"].get("resourceVersion")))

    def listed(self, kind: str, namespace: str | None, version: str) -> None:
        """Record the version of a complete list: the last event of a quiet kind would be too old by now."""
        if kind not in KINDS:
            return
        self._reached((kind, namespace), number(version))

    def encoded(self) -> str:
        """What to write to the Lease now."""
        if self._recovered and not self._store.any_deleted:
            at = self._passed()
            self._past.append((at, {**self._newest}))
            while self._past and self._past[0][0] <= at - LAG:
                for place, version in self._past.popleft()[1].items():
                    # a watch starts with objects that have not changed for a long time
                    self._written[place] = max(version, self._written.get(place, 0))
        return json.dumps({_name(place): version for place, version in self._written.items()})

    async def resume(self, found: str) -> None:
        """Continue from the versions of the previous process; without them, from the current ones.

        Args:
            found: in the Lease.
        """
        self._written = dict(_parsed(found, self._places))
        for place in self._places:
            if place not in self._written:
                await self._start_now(place)

    async def recover(self, write: Callable[[], Awaitable[None]]) -> None:
        """Read the events since the recorded versions, and find resources that bypassed our finalizer.

        Args:
            write: renews the Lease at once, since a new version has replaced an expired one.
        """
        for (kind, namespace), version in tuple(self._written.items()):
            deleted = await self._deletions(kind, namespace, version)
            if deleted is None:
                await self._start_now((kind, namespace))
                await write()
            for body in deleted or ():
                left = self._store.recover(body, self._now())
                if left:
                    logger.warning(
                        "%s %s/%s was deleted in spite of its finalizer: its job is cancelled", *Key.of(body)
                    )
                    self._changed(left)
        self._recovered = True

    def _reached(self, place: Place, version: int) -> None:
        self._newest[place] = max(version, self._newest.get(place, 0))

    async def _start_now(self, place: Place) -> None:
        kind, namespace = place
        try:
            version = await self._kube.version(kind, namespace)
        except NotServed:
            return  # the watch reports it
        except KubeError as error:
            logger.warning("the watch checkpoint of %s cannot be recorded yet: %s", kind, error)
        else:
            self._written[place] = number(version)

    async def _deletions(self, kind: str, namespace: str | None, version: int) -> Sequence[JsonObject] | None:
        """What was deleted since a version; None if the API server no longer knows."""
        while True:
            try:
                return await self._kube.deletions(kind, namespace, str(version))
            except Unreachable as error:
                logger.warning(
                    "reading what was deleted before this process started failed, it is retried: %s", error
                )
                await asyncio.sleep(PAUSE)
            except NotServed:
                return ()
            except KubeError as error:
                logger.warning(
                    "what was deleted before this process started is unknown; if an operator was killed "
                    "meanwhile, `mljobs leftovers` finds the jobs it may have left behind: %s",
                    error,
                )
                return None


def _name(place: Place) -> str:
    kind, namespace = place
    return f"{kind}/{namespace}" if namespace else kind


def _parsed(text: str, places: Sequence[Place]) -> Iterator[tuple[Place, int]]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = {}
    for place in places:
        version = found.get(_name(place)) if isinstance(found, Mapping) else None
        if isinstance(version, int):
            yield place, version
