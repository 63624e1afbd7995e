"""Which of our kinds the API server serves: a missing CRD blocks nothing but its own watch.

kopf looks up the CRDs once, and exits if one of them is deleted while it watches. So it is started for each
kind once that is served, and its later requests wait here while it is not.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

import aiohttp

from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import GROUP, VERSION
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import KubeError
from mljobs.controller.process.health import Heartbeat

logger = logging.getLogger(__name__)

PAUSE = 2.0
"""Seconds between two checks."""

HOLD = 240.0
"""Seconds for which a request waits at most: less than kopf's own time-out, which is 300."""


class Definitions:
    """Tracks which of our kinds are served; logs each change once.

    Args:
        heartbeats: by path; those of a kind that is not served are excused.
        shown: called with a kind's name and whether it is served, whenever that is observed.
    """

    def __init__(self, heartbeats: Mapping[str, Heartbeat], shown: Callable[[str, bool], None]) -> None:
        self._heartbeats = heartbeats
        self._shown = shown
        self._kinds = {kind.plural: kind.name for kind in ALL_KINDS.values()}
        self._not_served: set[str] = set()

    async def wait_for(self, kube: Kube, plural: str) -> None:
        """Wait until a kind is served, or that cannot be found out, which is left to the watch."""
        while True:
            try:
                missing = await kube.missing()
            except KubeError as error:
                logger.warning("whether %s are defined is left to the watch: %s", plural, error)
                return
            self._see(plural, there=plural not in missing)
            if plural not in missing:
                return
            await asyncio.sleep(PAUSE)

    async def hold(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Delay a list or a watch of a kind until the kind is served; a middleware of aiohttp sessions.

        Raises:
            aiohttp.ClientConnectionError: it is still not served; the sender retries.
            aiohttp.ClientPayloadError: the list has expired (410) between two of its pages. kopf would exit;
            a
                list that is cut off is started again.
        """
        answer = await send(request)
        plural = self._plural_of(request.url.path)
        if plural is None:
            return answer
        until = asyncio.get_running_loop().time() + HOLD
        while answer.status == 404:
            self._see(plural, there=False)
            answer.release()
            if asyncio.get_running_loop().time() > until:
                raise aiohttp.ClientConnectionError(f"{plural}.{GROUP} is still not defined")
            await asyncio.sleep(PAUSE)
            answer = await send(request)
        if answer.status == 410 and "watch" not in request.url.query:
            answer.release()
            raise aiohttp.ClientPayloadError(f"the list of {plural} has expired; it is started again")
        if answer.ok:
            self._see(plural, there=True)
        return answer

    def _plural_of(self, path: str) -> str | None:
        """The plural of a list's or watch's path."""
        place, _, plural = path.rpartition("/")
        return plural if f"/apis/{GROUP}/{VERSION}" in place and plural in self._kinds else None

    def _see(self, plural: str, *, there: bool) -> None:
        for path, heartbeat in self._heartbeats.items():
            if self._plural_of(f"/apis/{path}") == plural:
                if heartbeat.excused or not there:
                    heartbeat.beat()  # otherwise it has to beat by itself
                heartbeat.excused = not there
        if there and plural in self._not_served:
            logger.info("%s.%s is defined now, and is watched", plural, GROUP)
        if not there and plural not in self._not_served:
            logger.error(
                "%s.%s is not defined in the cluster, so that no %s is reconciled; apply `crds/`",
                plural,
                GROUP,
                self._kinds[plural],
            )
        (self._not_served.discard if there else self._not_served.add)(plural)
        self._shown(self._kinds[plural], there)
