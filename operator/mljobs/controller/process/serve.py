"""Liveness, readiness and metrics over HTTP, all on one port."""

import errno
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client.aiohttp import make_aiohttp_handler

from mljobs.controller.process.health import Health
from mljobs.controller.process.metrics import Metrics

EVERYWHERE = "::"
"""All addresses of this machine, those of IPv4 too."""

_BACKLOG = 128


class CannotServe(ValueError):
    """The address cannot be listened at; the message says which and why."""


@web.middleware
async def _close_after(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keep no connection open: the end of the process would wait for it."""
    response = await handler(request)
    response.force_close()
    return response


@asynccontextmanager
async def serve(health: Health, metrics: Metrics, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve `/healthz`, `/readyz` and `/metrics`.

    Args:
        health: what the probes ask.
        metrics: in each format that Prometheus asks for, compressed where it takes that.
        host: the address to listen at; `::` is all of them.
        port: 0 takes a free one.

    Yields:
        The URL that the paths are under.

    Raises:
        CannotServe: somebody else has the port, or the machine has no such address.
    """

    async def healthz(_: web.Request) -> web.Response:
        failure = health.failure()
        return web.Response(text=f"{failure or 'ok'}\n", status=500 if failure else 200)

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(
            text="ok\n" if health.ready else "not watching yet\n", status=200 if health.ready else 503
        )

    exposed = make_aiohttp_handler(metrics.registry)

    async def show(request: web.Request) -> web.StreamResponse:
        metrics.refresh()
        return await exposed(request)

    app = web.Application(middlewares=[_close_after])
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", show)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        yield _url(host, runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        if host == EVERYWHERE:
            await web.SockSite(runner, _everywhere(port)).start()
        else:
            await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise CannotServe(
            f"metrics and health cannot be served at host {host!r}, port {port}: {error}; set other ones"
        ) from error


def _everywhere(port: int) -> socket.socket:
    """One socket for both families; asyncio would take `::` for IPv6 alone."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                (EVERYWHERE, port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG
            )
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
    return socket.create_server(("", port), backlog=_BACKLOG)  # IPv6 is switched off on this machine


def _url(host: str, port: int) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if address.is_unspecified:
        return f"http://127.0.0.1:{port}"
    return f"http://[{host}]:{port}" if address.version == 6 else f"http://{host}:{port}"
