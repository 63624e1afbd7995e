"""Liveness, readiness and metrics over HTTP, all on one port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler as WebHandler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from mljobs.controller.metrics import Metrics
from mljobs.controller.poller import Poller


class Health:
    """What the probes ask.

    Args:
        max_silence: seconds without a finished round of polls after which the operator counts as stuck.

    Attributes:
        standby: whether this process waits for the Lease, which is healthy.
        poller: what has to show life, once there is one.
        watching: set once the operator has logged in and watches.
    """

    def __init__(self, *, max_silence: float) -> None:
        self._max_silence = max_silence
        self.standby = False
        self.poller: Poller | None = None
        self.watching = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether this process does its work, or could take it over."""
        return self.standby or self.watching.is_set()

    def ailment(self) -> str:
        """Why a restart would help; empty while the operator is alive."""
        if self.poller is None:
            return ""
        silence = asyncio.get_running_loop().time() - self.poller.heartbeat
        if silence > self._max_silence:
            return f"no round of polls has ended for {silence:.0f} s"
        return ""


@web.middleware
async def _close_after(request: web.Request, handler: WebHandler) -> web.StreamResponse:
    """Keep no connection open: each would be a task, and kopf waits 5 s for such tasks before it ends."""
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
