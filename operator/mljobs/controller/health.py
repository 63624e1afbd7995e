"""Liveness, readiness and metrics over HTTP, all on one port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from mljobs.controller.metrics import Metrics
from mljobs.controller.poller import Poller


class Health:
    """What the probes ask.

    Args:
        poller: alive while its rounds end.
        max_silence: seconds without a finished round after which the operator counts as stuck.
    """

    def __init__(self, poller: Poller, *, max_silence: float) -> None:
        self._poller = poller
        self._max_silence = max_silence
        self.watching = asyncio.Event()
        """Set once the operator has logged in and watches."""

    def ailment(self) -> str:
        """Why a restart would help; empty while the operator is alive."""
        silence = asyncio.get_running_loop().time() - self._poller.heartbeat
        if silence > self._max_silence:
            return f"no round of polls has ended for {silence:.0f} s"
        return ""


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
        ready = health.watching.is_set()
        return web.Response(text="ok\n" if ready else "not watching yet\n", status=200 if ready else 503)

    async def show(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app = web.Application()
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
