"""The periodic list: repairs what the watch has missed, and drops what went away unseen."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from mljobs.api.resources import KINDS
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import KubeError
from mljobs.controller.loop.store import Key, Store

logger = logging.getLogger(__name__)


class Resync:
    """Compares the store with complete lists.

    Args:
        kube: the API server.
        store: what is compared.
        changed: called with each key whose object is new, newer or gone.
        interval: seconds between lists.
        clock: the time, with a zone.
        listed: called with kind, namespace and resourceVersion of each list, once it has been compared.
        namespaces: those that are watched; none: all.
    """

    def __init__(
        self,
        kube: Kube,
        store: Store,
        changed: Callable[[Key], None],
        *,
        interval: float,
        clock: Callable[[], datetime],
        listed: Callable[[str, str | None, str], None],
        namespaces: Sequence[str] = (),
    ) -> None:
        self._kube = kube
        self._store = store
        self._changed = changed
        self._interval = interval
        self._clock = clock
        self._listed = listed
        self._namespaces = namespaces

    async def run(self) -> None:
        """List at every interval until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.once()
            except KubeError as error:
                logger.warning("listing the resources failed; tried again in %s s: %s", self._interval, error)

    async def once(self) -> None:
        """List both kinds once.

        Raises:
            KubeError: a list failed.
        """
        for kind in KINDS:
            for namespace in self._namespaces or (None,):
                await self._compare(kind, namespace)

    async def _compare(self, kind: str, namespace: str | None) -> None:
        bodies, version = await self._kube.list(kind, namespace)
        living = set()
        for body in bodies:
            key = Key.of(body)
            living.add((key, body["metadata"]["uid"]))
            if left := self._store.displaced(body, self._clock()):
                self._changed(left)
            known = self._store.body(key)
            same = known and known["metadata"]["resourceVersion"] == body["metadata"]["resourceVersion"]
            if not same and self._store.put(body):
                self._changed(key)
        scope = None if namespace is None else frozenset({namespace})
        for key in self._store.ghosts(kind, scope, living, version):
            logger.info("%s %s/%s went away unseen", *key)
            left = self._store.gone(key, self._store.uid(key), self._clock())
            for one in (key, *([left] if left else [])):
                self._changed(one)
        self._listed(kind, namespace, version)
