"""The HTTP side: one handler for the API and the control surface, faults included."""

import asyncio
import contextlib
import functools
import json
import logging
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from mljobs_dev.emulator.control import PREFIX, Emulator, control
from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.ledger import NO_ANSWER
from mljobs_dev.emulator.routes import Options, Route, find_route, read_options
from mljobs_dev.emulator.schema import parse_json
from mljobs_dev.emulator.scripting import Action, Fault
from mljobs_dev.emulator.service import Answer, Call, names_of
from mljobs_dev.emulator.settings import Settings

logger = logging.getLogger(__name__)

BODY_LIMIT = 10 * 1024 * 1024
"""Bytes of a request's body that are read."""

_JSON = "application/json; charset=UTF-8"
_HTML = "text/html; charset=UTF-8"


class Handler:
    """Answers HTTP requests.

    Args:
        emulator: whose API it is.
    """

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        body = await _read(request)
        if body is None:
            error = ApiError(400, f"Request payload size exceeds the limit: {BODY_LIMIT} bytes.")
            return _error_response(error, 2)
        path = request.rel_url.raw_path
        if path.startswith(PREFIX):
            return self._control(request, path, body)
        verb, pairs = request.method, list(request.query.items())
        override = request.headers.get("X-HTTP-Method-Override")
        if override and verb == "POST":
            verb = override.upper()
            if verb == "GET":
                # Clients send a query that is too long for a URL as a form.
                pairs += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
                body = b""
        route = find_route(verb, path)
        if route is None:
            return web.Response(status=404, body=_page(404), headers={"Content-Type": _HTML})
        return await self._api(request, route, pairs, body)

    def _control(self, request: web.BaseRequest, path: str, body: bytes) -> web.Response:
        try:
            answer = control(self.emulator, request.method, unquote(path), request.query, body)
        except ApiError as error:
            return _error_response(error, 2)
        return web.Response(body=answer, headers={"Content-Type": _JSON})

    async def _api(
        self, request: web.BaseRequest, route: Route, pairs: list[tuple[str, str]], body: bytes
    ) -> web.StreamResponse:
        method, project, job_id = route
        options, parsed, problem = _understand(method, pairs, body)
        if isinstance(parsed, dict):
            project, job_id = names_of(method, parsed, project, job_id)
        fault = self.emulator.faults.take(method, project, job_id)
        if fault is not None and fault.action is Action.DELAY:
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.action in (Action.ERROR, Action.DROP_BEFORE):
            return self._fail(request, Route(method, project, job_id), fault, options)
        call = Call(method, project, job_id, options.query, parsed)
        answer, error = self._answer(call, problem)
        applied = answer is not None and answer.applied
        status = error.code if error else 200
        dropped = fault is not None and fault.action is Action.DROP_AFTER
        self.emulator.ledger.add(method, project, job_id, NO_ANSWER if dropped else status, applied=applied)
        if dropped:
            return _drop(request)
        response = _response(answer, error, options)
        if fault is not None and fault.action is Action.TRUNCATE:
            return await _truncate(request, response)
        return response

    def _answer(self, call: Call, problem: ApiError | None) -> tuple[Answer | None, ApiError | None]:
        try:
            if problem is not None:
                raise problem
            if self.emulator.settings.quota:
                self.emulator.quota.take(call.method, call.project, self.emulator.monotonic())
            return self.emulator.service.call(call), None
        except ApiError as error:
            return None, error
        except Exception:
            logger.exception("%s failed by a fault of the emulator itself; the client is told 500", call)
            return None, ApiError(500)

    def _fail(
        self, request: web.BaseRequest, route: Route, fault: Fault, options: Options
    ) -> web.StreamResponse:
        drop = fault.action is Action.DROP_BEFORE
        status = NO_ANSWER if drop else fault.status
        self.emulator.ledger.add(route.method, route.project, route.job_id, status, applied=False)
        if drop:
            return _drop(request)
        error = fault.error()
        if fault.html:
            headers = {"Content-Type": _HTML, **error.headers}
            return web.Response(status=error.code, body=_page(error.code), headers=headers)
        return _error_response(error, options.error_format)


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
    loop: asyncio.AbstractEventLoop,
) -> web.BaseRequest:
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_LIMIT)


async def _read(request: web.BaseRequest) -> bytes | None:
    """The body, or None if it is too long."""
    try:
        return await request.read() if request.can_read_body else b""
    except web.HTTPRequestEntityTooLarge:
        return None


def _understand(
    method: str, pairs: list[tuple[str, str]], body: bytes
) -> tuple[Options, Any, ApiError | None]:
    """Query and body of a request; what is wrong with them is told after the faults have had their turn."""
    options, parsed = Options({}), None
    try:
        options = read_options(method, pairs)
        parsed = parse_json(body)
    except ApiError as error:
        return options, parsed, error
    return options, parsed, None


def _response(answer: Answer | None, error: ApiError | None, options: Options) -> web.Response:
    if error is not None or answer is None:
        return _error_response(error or ApiError(500), options.error_format)
    body = answer.body
    if options.pretty:
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False).encode()
    return web.Response(body=body, headers={"Content-Type": _JSON})


def _error_response(error: ApiError, error_format: int) -> web.Response:
    # The service indents errors whatever prettyPrint says, and people read them.
    body = json.dumps(error.as_json(error_format), indent=2, ensure_ascii=False).encode()
    return web.Response(status=error.code, body=body, headers={"Content-Type": _JSON, **error.headers})


def _page(status: int) -> bytes:
    return (
        f"<!DOCTYPE html>\n<html lang=en>\n<title>Error {status}</title>\n<p><b>{status}.</b> "
        "That's an error.\n"
    ).encode()


def _drop(request: web.BaseRequest) -> web.StreamResponse:
    """Close the connection; the response that is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _truncate(request: web.BaseRequest, whole: web.Response) -> web.StreamResponse:
    """Promise the whole body, send half of it and close the connection."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    cut = web.StreamResponse(status=whole.status, headers=whole.headers)
    cut.content_length = len(body)
    await cut.prepare(request)
    await cut.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return cut


@contextlib.asynccontextmanager
async def serving(emulator: Emulator, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve an emulator while the context lasts.

    Args:
        emulator: what to serve.
        host: the address to listen on.
        port: the port; 0 takes a free one.

    Yields:
        The base URL.

    Raises:
        OSError: the address cannot be listened on.
    """
    make_request = functools.partial(_request, loop=asyncio.get_running_loop())
    server = web.Server(Handler(emulator), request_factory=make_request, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        name = runner.addresses[0]
        shown = f"[{name[0]}]" if ":" in name[0] else name[0]
        yield f"http://{shown}:{name[1]}"
    finally:
        await runner.cleanup()


async def run(settings: Settings, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: the emulator's settings.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        announce: is told the base URL once it answers.

    Raises:
        OSError: the address cannot be listened on.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with serving(Emulator(settings), host, port) as url:
        announce(url)
        await stopped.wait()
