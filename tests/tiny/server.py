"""The tiny service over HTTP, on loopback, in the process of whoever starts it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.tiny.service import Missing, Over, TinyService


@asynccontextmanager
async def serving(service: TinyService) -> AsyncIterator[str]:
    """Serve it at a free port; gives its URL."""
    app = web.Application()

    async def create(request: web.Request) -> web.Response:
        return web.json_response(service.create(request.match_info["project"], await request.json()))

    async def page(request: web.Request) -> web.Response:
        start, size = int(request.query.get("start", 0)), int(request.query.get("size", 10))
        return web.json_response(service.list(request.match_info["project"], start, size))

    async def get(request: web.Request) -> web.Response:
        return web.json_response(service.get(request.match_info["project"], int(request.match_info["run"])))

    async def stop(request: web.Request) -> web.Response:
        service.stop(request.match_info["project"], int(request.match_info["run"]))
        return web.json_response({})

    @web.middleware
    async def worded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Missing:
            return web.json_response({"error": "no such run"}, status=404)
        except Over:
            return web.json_response({"error": "the run has ended"}, status=400)

    app.middlewares.append(worded)
    app.router.add_post("/projects/{project}/runs", create)
    app.router.add_get("/projects/{project}/runs", page)
    app.router.add_get("/projects/{project}/runs/{run:[0-9]+}", get)
    app.router.add_post("/projects/{project}/runs/{run:[0-9]+}/stop", stop)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert runner.addresses
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
