"""Which of our kinds the API server knows: one whose definition is away holds up nothing but its own watch.

kopf looks once for the definitions, and ends where one of them goes away while it watches. So it is begun for
each kind when that is known, and what it asks for later waits here while it is not.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

import aiohttp

from mljobs.api.resources import GROUP, KINDS, VERSION
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import KubeError
from mljobs.controller.process.health import Pulse

logger = logging.getLogger(__name__)

PAUSE = 2.0
"""Seconds between looks."""

HOLD = 240.0
"""Seconds for which a request waits at the most: less than kopf waits for an answer, which is 300."""


class Definitions:
    """What the API server's answers say of our kinds; tells of each change once.

    Args:
        pulses: by path; those of a kind that is away beat, and hold nobody up.
        shown: called with a kind's name and whether it is there, whenever that is seen.
    """

    def __init__(self, pulses: Mapping[str, Pulse], shown: Callable[[str, bool], None]) -> None:
        self._pulses = pulses
        self._shown = shown
        self._kinds = {kind.plural: kind.name for kind in KINDS.values()}
        self._away: set[str] = set()

    async def wait_for(self, kube: Kube, plural: str) -> None:
        """Wait until a kind can be watched, or nobody can tell, which the watch will do then."""
        while True:
            try:
                missing = await kube.missing()
            except KubeError as error:
                logger.warning("the watch will tell whether %s are defined: %s", plural, error)
                return
            self._see(plural, there=plural not in missing)
            if plural not in missing:
                return
            await asyncio.sleep(PAUSE)

    async def hold(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Let a list or a watch of a kind wait until the kind is defined; for sessions of aiohttp.

        Raises:
            aiohttp.ClientConnectionError: it is still not; whoever sends it tries again.
            aiohttp.ClientPayloadError: the list has become too old (410) between two of its pages. That would
                be kopf's end; one that is cut is begun anew.
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
            raise aiohttp.ClientPayloadError(f"the list of {plural} has become too old; it is begun anew")
        if answer.ok:
            self._see(plural, there=True)
        return answer

    def _plural_of(self, path: str) -> str | None:
        """The plural that a list or a watch at a path is of."""
        place, _, plural = path.rpartition("/")
        return plural if f"/apis/{GROUP}/{VERSION}" in place and plural in self._kinds else None

    def _see(self, plural: str, *, there: bool) -> None:
        for path, pulse in self._pulses.items():
            if self._plural_of(f"/apis/{path}") == plural:
                if pulse.excused or not there:
                    pulse.beat()  # else it has to show life by itself
                pulse.excused = not there
        if there and plural in self._away:
            logger.info("%s.%s is defined now, and is watched", plural, GROUP)
        if not there and plural not in self._away:
            logger.error(
                "%s.%s is not defined in the cluster, so that no %s is worked on; apply `crds/`",
                plural,
                GROUP,
                self._kinds[plural],
            )
        (self._away.discard if there else self._away.add)(plural)
        self._shown(self._kinds[plural], there)
