"""Sessions for kopf, which asks for one at its start, after its end, and after a refusal (401)."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp

from mljobs.controller.kube.credentials import Identity
from mljobs.controller.kube.errors import NoCredentials
from mljobs.controller.kube.session import Connection
from mljobs.controller.process.health import Heartbeat

logger = logging.getLogger(__name__)

LIFETIME = 600.0
"""Seconds after which connections are reopened, with the certificates of that time; tokens are renewed
earlier."""

PAUSE = 5.0
"""Seconds from one login to the next, if the API server refuses all credentials."""


class Login:
    """Opens sessions, one after the other.

    Args:
        connection: how to reach the API server.
        connections: open at once, at most.
        heartbeats: by path; each beats on every request of that list or watch, and records its first answer.
        middlewares: applied to each request first.
        response: the class of the answers.
        clock: seconds, by a clock that never jumps.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        connections: int,
        heartbeats: Mapping[str, Heartbeat],
        middlewares: Sequence[aiohttp.ClientMiddlewareType] = (),
        response: type[aiohttp.ClientResponse] = aiohttp.ClientResponse,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._connections = connections
        self._trace = _trace(heartbeats)
        self._middlewares = middlewares
        self._response = response
        self._clock = clock
        self._last: Identity | None = None
        self._at = float("-inf")

    async def session(self) -> aiohttp.ClientSession:
        """Open a session with the current identity; waits for credentials if there are none."""
        await asyncio.sleep(max(0.0, self._at + PAUSE - self._clock()))
        refused = self._clock() - self._at < LIFETIME
        identity = await self._identity(self._last if refused else None)
        self._last, self._at = identity, self._clock()
        return self._connection.session(
            identity.keys,
            connections=self._connections,
            middlewares=self._middlewares,
            traces=[self._trace],
            response=self._response,
        )

    async def _identity(self, refused: Identity | None) -> Identity:
        while True:
            try:
                return await (self._connection.renewed(refused) if refused else self._connection.identity())
            except NoCredentials as error:
                logger.error("nothing is watched until there are credentials: %s", error)
                await asyncio.sleep(PAUSE)


def _trace(heartbeats: Mapping[str, Heartbeat]) -> aiohttp.TraceConfig:
    """Count each request of a list or a watch as a heartbeat."""

    def heartbeat_of(path: str) -> Heartbeat | None:
        return heartbeats.get(path.rpartition("/apis/")[2])

    async def started(_session: Any, _context: Any, request: aiohttp.TraceRequestStartParams) -> None:
        if heartbeat := heartbeat_of(request.url.path):
            heartbeat.beat()

    async def ended(_session: Any, _context: Any, request: aiohttp.TraceRequestEndParams) -> None:
        if heartbeat := heartbeat_of(request.url.path):
            heartbeat.answered = heartbeat.answered or request.response.ok

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(started)
    trace.on_request_end.append(ended)
    return trace
