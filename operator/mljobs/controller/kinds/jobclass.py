"""Reports of a JobClass whether jobs can use it, and how many do."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Conflict, ObjectNotFound
from mljobs.controller.loop.classes import Classes
from mljobs.controller.loop.status import merge_patch
from mljobs.controller.loop.store import Key, Store
from mljobs.controller.loop.turns import TurnKeeper
from mljobs.domain.classes.turns import Used
from mljobs.domain.show.classes import class_status, used_by_class

logger = logging.getLogger(__name__)

INTERVAL = 60.0
"""Seconds between two counts of a class's jobs."""


class ClassHandler:
    """Writes the status of classes.

    Args:
        kube: the API server.
        classes: as last read.
        store: the resources, which are counted.
        turns: who waits in the classes with limits.
        clock: the time, with a zone.
    """

    def __init__(
        self,
        kube: Kube,
        classes: Classes,
        store: Store,
        turns: TurnKeeper,
        clock: Callable[[], datetime],
    ) -> None:
        self._kube = kube
        self._classes = classes
        self._store = store
        self._turns = turns
        self._clock = clock
        self._counted: tuple[datetime, Mapping[str, Used]] | None = None

    async def reconcile(self, key: Key) -> float | None:
        """Write the status of a class if it has changed.

        Returns:
            Seconds after which to count again; None once the class is gone.

        Raises:
            KubeError: the API server did not accept the write.
        """
        body = self._classes.body(key.name)
        if body is None:
            return None
        made = class_status(
            body,
            problem=self._classes.problem(key.name),
            ignored_default=self._classes.other_default(key.name),
            used=self._used().get(key.name, Used()),
            waiting=self._turns.waiting(key.name),
            now=self._clock(),
        )
        patch = merge_patch(_known(body), made)
        if patch:
            try:
                self._classes.put(await self._kube.patch_class_status(body, patch))
            except (Conflict, ObjectNotFound):
                logger.debug("JobClass %s has changed meanwhile; the watch brings it", key.name)
        return INTERVAL

    def _used(self) -> Mapping[str, Used]:
        """What the active jobs of each class use, counted once for all of them."""
        now = self._clock()
        if self._counted is None or (now - self._counted[0]).total_seconds() >= INTERVAL / 2:
            self._counted = now, used_by_class(self._store.bodies())
        return self._counted[1]


def _known(body: JsonObject) -> Mapping[str, Any]:
    status = body.get("status")
    return status if isinstance(status, Mapping) else {}
