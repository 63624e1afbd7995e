"""Lets the next leader see what went away unseen: the Lease says how far the watches have come.

A resource that goes past our finalizer (see `Store.gone`) leaves nothing but one event of the watch. Where
the process dies right then, its successor learns of the job only by asking for the events again.
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
"""Seconds by which the written marks stay behind: kopf hands events of different objects on in any order."""

PAUSE = 2.0
"""Seconds between tries."""

Place = tuple[str, str | None]
"""A kind and a namespace; None where the whole cluster is watched."""


class Recall:
    """How far the watch of each place has come.

    Args:
        kube: the API server.
        store: gets what is found; while anything in it has departed, the written marks stay where they are.
        changed: called with the key of each resource that had gone away unseen.
        namespaces: those that are watched; none: the whole cluster.
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
        self._recalled = False

    def saw(self, body: JsonObject) -> None:
        """The watch has brought this object, and it has been taken in."""
        key = Key.of(body)
        place = key.kind, None if self._clusterwide else key.namespace
        self._came_to(place, number(body["metadata"].get("resourceVersion")))

    def listed(self, kind: str, namespace: str | None, version: str) -> None:
        """A complete list has been compared with the store: a mark that only events move grows too old."""
        self._came_to((kind, namespace), number(version))

    def marks(self) -> str:
        """What belongs into the Lease now."""
        if self._recalled and not self._store.any_departed:
            at = self._passed()
            self._past.append((at, {**self._newest}))
            while self._past and self._past[0][0] <= at - LAG:
                for place, version in self._past.popleft()[1].items():
                    # a watch begins with objects that have not changed for long
                    self._written[place] = max(version, self._written.get(place, 0))
        return json.dumps({_name(place): version for place, version in self._written.items()})

    async def begin(self, found: str) -> None:
        """Go on from the marks of the process before; where there are none, from how it is now.

        Args:
            found: in the Lease.
        """
        self._written = dict(_parsed(found, self._places))
        for place in self._places:
            if place not in self._written:
                await self._begin_now(place)

    async def look_back(self, write: Callable[[], Awaitable[None]]) -> None:
        """Ask for the events since the marks, and find what went past our finalizer.

        Args:
            write: has the marks in the Lease at once, since one that began anew replaces one of no use.
        """
        for (kind, namespace), version in tuple(self._written.items()):
            deleted = await self._deletions(kind, namespace, version)
            if deleted is None:
                await self._begin_now((kind, namespace))
                await write()
            for body in deleted or ():
                left = self._store.recall(body, self._now())
                if left:
                    logger.warning("%s %s/%s went past the finalizer: its job is ended", *Key.of(body))
                    self._changed(left)
        self._recalled = True

    def _came_to(self, place: Place, version: int) -> None:
        self._newest[place] = max(version, self._newest.get(place, 0))

    async def _begin_now(self, place: Place) -> None:
        kind, namespace = place
        try:
            version = await self._kube.version(kind, namespace)
        except NotServed:
            return  # whoever watches it tells of it
        except KubeError as error:
            logger.warning("how far the watch of %s has come cannot be noted yet: %s", kind, error)
        else:
            self._written[place] = number(version)

    async def _deletions(self, kind: str, namespace: str | None, version: int) -> Sequence[JsonObject] | None:
        """What was deleted since a mark; None where the API server does not tell."""
        while True:
            try:
                return await self._kube.deletions(kind, namespace, str(version))
            except Unreachable as error:
                logger.warning("what was deleted before this process began is asked again: %s", error)
                await asyncio.sleep(PAUSE)
            except NotServed:
                return ()
            except KubeError as error:
                logger.warning(
                    "what was deleted before this process began is not known; if an operator was killed "
                    "meanwhile, `mljobs leftovers` finds what it may have left: %s",
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
