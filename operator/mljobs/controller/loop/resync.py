"""The periodic list: finds changes and deletions that the watch has missed."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime

from mljobs.api.base import JsonObject
from mljobs.api.resources import KINDS
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Forbidden, KubeError, NotServed, ObjectNotFound
from mljobs.controller.loop.store import Key, Store, keep, remove

logger = logging.getLogger(__name__)

NEW = "status.state="
"""The field selector of resources without a state: no service has accepted a job for them yet."""


class Resync:
    """Compares the store with complete lists.

    Args:
        kube: the API server.
        store: what is compared.
        changed: called with each key whose object is new, newer or deleted.
        interval: seconds between lists.
        clock: the time, with a zone.
        listed: called with kind, namespace and resourceVersion of each list, once it has been compared.
        kinds: the names of those to list.
        namespaces: the watched ones; none: all.
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
        kinds: Collection[str] = tuple(KINDS),
        namespaces: Sequence[str] = (),
    ) -> None:
        self._kube = kube
        self._store = store
        self._changed = changed
        self._interval = interval
        self._clock = clock
        self._listed = listed
        self._kinds = kinds
        self._namespaces = namespaces

    async def run(self) -> None:
        """List at every interval until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            await self.once()

    async def once(self) -> None:
        """List all kinds once; a list that fails, as of a deleted namespace, does not affect the others."""
        for kind in self._kinds:
            for namespace in self._namespaces or (None,):
                try:
                    await self._resync(kind, namespace)
                except NotServed:  # the watch reports it; whether its resources are deleted is not known
                    continue
                except KubeError as error:
                    self._failed(error)

    async def new(self) -> None:
        """List what has no job yet, before the watches list all: it need not wait for what has ended.

        What fails here the watches report, and bring later: an API server before 1.31 cannot select by it.
        """
        for kind in self._kinds:
            if kind in KINDS:
                for namespace in self._namespaces or (None,):
                    with suppress(KubeError):
                        await self._kube.each(kind, namespace, self._keep, where=NEW)

    async def complete(self, kinds: Collection[str]) -> None:
        """List some kinds once, so that nothing of them is missing from the store.

        Raises:
            KubeError: a list has failed.
        """
        for kind in kinds:
            for namespace in self._namespaces or (None,):
                try:
                    await self._compare(kind, namespace)
                except NotServed:  # it has no resources
                    continue

    async def _resync(self, kind: str, namespace: str | None) -> None:
        """Compare a list; if listing is forbidden, read the known objects."""
        try:
            await self._compare(kind, namespace)
        except Forbidden as error:
            self._failed(error)
            await self._read_known(kind, namespace)

    async def _compare(self, kind: str, namespace: str | None) -> None:
        living = set()

        def keep_one(body: JsonObject) -> None:
            living.add((Key.of(body), body["metadata"]["uid"]))
            self._keep(body)

        version = await self._kube.each(kind, namespace, keep_one)
        scope = None if namespace is None else frozenset({namespace})
        for key in self._store.unlisted(kind, scope, living, version):
            self._drop(key)
        self._listed(kind, namespace, version)

    async def _read_known(self, kind: str, namespace: str | None) -> None:
        """Read one by one the objects that were known before the right to list was revoked."""
        known = [key for key in self._store if key.kind == kind and namespace in (None, key.namespace)]
        for key in known:
            if key.deleted:
                continue
            try:
                self._keep(await self._kube.get(*key))
            except ObjectNotFound:
                self._drop(key)
            except Forbidden:
                return

    def _keep(self, body: JsonObject) -> None:
        if keep(body, self._store, self._changed, self._clock()):
            self._changed(Key.of(body))

    def _drop(self, key: Key) -> None:
        logger.info("%s %s/%s was deleted unseen by the watch", *key)
        remove(key, self._store.uid(key), self._store, self._changed, self._clock())

    def _failed(self, error: KubeError) -> None:
        logger.warning("listing the resources failed; tried again in %s s: %s", self._interval, error)
