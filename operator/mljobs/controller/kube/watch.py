"""The kopf side: a registry of its own, settings that write nothing by themselves, and one thin handler.

kopf lists and watches, survives cut streams and expired versions, and logs in. What its
change-handlers would add are writes of its own for each object; the reconciler needs none of their
bookkeeping, because it compares levels instead of remembering changes.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any

import aiohttp
import kopf

from mljobs.api.base import JsonObject
from mljobs.api.resources import GROUP, KINDS, VERSION
from mljobs.controller.kube.credentials import Identity
from mljobs.controller.kube.errors import NoCredentials
from mljobs.controller.kube.session import Connection
from mljobs.controller.loop.store import Key, Store
from mljobs.controller.process.health import Pulse

logger = logging.getLogger(__name__)

LOGIN_LIFETIME = timedelta(minutes=10)
"""After this connections are opened anew, with the certificates of then; tokens are renewed earlier."""

LOGIN_PAUSE = 5.0
"""Seconds from one login to the next, where the API server refuses whatever there is."""


WATCH_SECONDS = 300
"""After this a watch is begun anew from where it was, which shows that it is alive."""


BACKOFFS = (1, 1, 2, 3, 5, 8, 13, 21, 30)
"""Seconds between the tries of a request that the API server fails or forbids; the last one for ever."""


class Backoffs(Iterable[float]):
    """A list without end: one with an end would be the end of the process in a long outage."""

    def __iter__(self) -> Iterator[float]:
        return chain(BACKOFFS, repeat(BACKOFFS[-1]))


def settings() -> kopf.OperatorSettings:
    """How kopf behaves here."""
    chosen = kopf.OperatorSettings()
    # a finalizer of kopf's own name would be removed by kopf, since no handler of its asks for one
    chosen.persistence.finalizer = "mljobs.dev/kopf"
    chosen.persistence.progress_storage = kopf.StatusProgressStorage(field="status.operator.progress")
    chosen.persistence.diffbase_storage = kopf.StatusDiffBaseStorage(field="status.operator.lastHandled")
    chosen.posting.enabled = False
    chosen.scanning.disabled = True
    chosen.watching.chunk_size = 500
    chosen.watching.server_timeout = WATCH_SECONDS
    chosen.networking.error_backoffs = Backoffs()
    chosen.queueing.worker_limit = None
    return chosen


def take(
    event: str | None, body: JsonObject, store: Store, changed: Callable[[Key], None], now: datetime
) -> None:
    """Take in one event of the watch.

    Args:
        event: `DELETED`, or anything else for an object that is there.
        body: the object.
        store: keeps it.
        changed: called with each key that there is something new of.
        now: the time.
    """
    key = Key.of(body)
    if event == "DELETED":
        left = store.gone(key, body["metadata"]["uid"], now, body)
    else:
        left = store.displaced(body, now)
        store.put(body)
    for one in (key, *([left] if left else [])):
        changed(one)


def registry(
    store: Store,
    changed: Callable[[Key], None],
    *,
    clock: Callable[[], datetime],
    login: "Login",
    seen: Callable[[JsonObject], None],
) -> kopf.OperatorRegistry:
    """Register the handlers.

    Args:
        store: gets each object that the watch brings.
        changed: called with the key of each resource that the watch speaks of.
        clock: the time, with a zone.
        login: opens sessions for kopf.
        seen: called with each object that the watch has brought, once it is taken in.
    """
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def log_in(**_: Any) -> kopf.AiohttpSession:
        return await login.session()

    async def observe(event: kopf.RawEvent, **_: Any) -> None:
        body = {**event["object"]}
        take(event["type"], body, store, changed, clock())
        seen(body)

    for kind in KINDS.values():
        kopf.on.event(GROUP, VERSION, kind.plural, registry=handlers, id="observe")(observe)
    return handlers


def watched(namespaces: Sequence[str]) -> dict[str, str]:
    """What is listed and watched: paths at the API server, and names for people.

    Args:
        namespaces: those to watch; none: the whole cluster.
    """
    places = {f"namespaces/{name}/": f" in {name}" for name in namespaces} or {"": ""}
    return {
        f"{GROUP}/{VERSION}/{place}{kind.plural}": f"the watch of {kind.plural}{said}"
        for kind in KINDS.values()
        for place, said in places.items()
    }


def _trace(pulses: Mapping[str, Pulse]) -> aiohttp.TraceConfig:
    """Take each request for a list or a watch for a sign of life."""

    def pulse_of(path: str) -> Pulse | None:
        return pulses.get(path.rpartition("/apis/")[2])

    async def started(_session: Any, _context: Any, request: aiohttp.TraceRequestStartParams) -> None:
        if pulse := pulse_of(request.url.path):
            pulse.beat()

    async def ended(_session: Any, _context: Any, request: aiohttp.TraceRequestEndParams) -> None:
        if pulse := pulse_of(request.url.path):
            pulse.answered = pulse.answered or request.response.ok

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(started)
    trace.on_request_end.append(ended)
    return trace


class Login:
    """Opens sessions for kopf, which asks for one at its start, after an end, and after a refusal (401).

    Args:
        connection: the way to the API server.
        connections: open at once, at the most.
        pulses: by path; each beats when that list or watch is asked for, and notes when it is answered.
        clock: seconds, by a clock that never jumps.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        connections: int,
        pulses: Mapping[str, Pulse],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._connections = connections
        self._trace = _trace(pulses)
        self._clock = clock
        self._last: Identity | None = None
        self._at = float("-inf")

    async def session(self) -> kopf.AiohttpSession:
        """Open a session as who we are now; waits for credentials where there are none."""
        await asyncio.sleep(max(0.0, self._at + LOGIN_PAUSE - self._clock()))
        refused = self._clock() - self._at < LOGIN_LIFETIME.total_seconds()
        identity = await self._identity(self._last if refused else None)
        self._last, self._at = identity, self._clock()
        session = self._connection.session(identity.keys, connections=self._connections, traces=[self._trace])
        return kopf.AiohttpSession(
            server=self._connection.access.server.url,
            default_namespace=self._connection.access.namespace,
            aiohttp_session=session,
            expiration=datetime.now(UTC) + LOGIN_LIFETIME,
        )

    async def _identity(self, refused: Identity | None) -> Identity:
        while True:
            try:
                return await (self._connection.renewed(refused) if refused else self._connection.identity())
            except NoCredentials as error:
                logger.error("nothing is watched until there are credentials: %s", error)
                await asyncio.sleep(LOGIN_PAUSE)
