"""Liveness, readiness and metrics over HTTP, all on one port."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler as WebHandler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from mljobs.controller.process.metrics import Metrics


class Pulse:
    """The sign of life of one part.

    Args:
        clock: seconds, by a clock that never jumps.

    Attributes:
        answered: whether what it asks for was ever given.
        excused: whether it cannot be given now, and nobody shall wait for it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.answered = False
        self.excused = False
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """Show life."""
        self._last = self._clock()

    def silence(self) -> float:
        """Seconds since the last beat, or since the start."""
        return self._clock() - self._last


@dataclass(frozen=True)
class Part:
    """What has to show life.

    Attributes:
        name: for the message.
        silence: seconds for which it has shown none so far.
        limit: seconds after which it counts as stuck.
    """

    name: str
    silence: Callable[[], float]
    limit: float


class Health:
    """What the probes ask.

    Args:
        parts: that have to show life from the start.

    Attributes:
        standby: whether this process waits for the Lease, which is healthy.
        watching: set once the operator has logged in and begins to watch.
        watches: one for each list and watch. All that are not excused have to be answered before this process
            does its work, and one at least.
        parts: that have to show life.
    """

    def __init__(self, *parts: Part) -> None:
        self.standby = False
        self.watching = asyncio.Event()
        self.watches: list[Pulse] = []
        self.parts = list(parts)

    @property
    def ready(self) -> bool:
        """Whether this process does its work, or could take it over."""
        given = [watch.answered for watch in self.watches if not watch.excused]
        return self.standby or (self.watching.is_set() and all(given) and (bool(given) or not self.watches))

    def ailment(self) -> str:
        """Why a restart would help; empty while the operator is alive.

        An API server or a service that does not answer is no reason: calls to them end by their time-outs,
        and each try is a sign of life.
        """
        for part in self.parts:
            silence = part.silence()
            if silence > part.limit:
                return f"{part.name} has shown no life for {silence:.0f} s"
        return ""


@web.middleware
async def _close_after(request: web.Request, handler: WebHandler) -> web.StreamResponse:
    """Keep no connection open: the end of the process would wait for it."""
    response = await handler(request)
    response.force_close()
    return response


@asynccontextmanager
async def serve_health(health: Health, metrics: Metrics, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve `/healthz`, `/readyz` and `/metrics`.

    Yields:
        The URL that the paths are under.
    """

    async def healthz(_: web.Request) -> web.Response:
        ailment = health.ailment()
        return web.Response(text=f"{ailment or 'ok'}\n", status=500 if ailment else 200)

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(
            text="ok\n" if health.ready else "not watching yet\n", status=200 if health.ready else 503
        )

    async def show(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app = web.Application(middlewares=[_close_after])
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", show)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound = runner.addresses[0][1]
        yield f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{bound}"  # noqa: S104
    finally:
        await runner.cleanup()
