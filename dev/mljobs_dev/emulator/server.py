"""The HTTP side: one handler for the API and the control surface, faults included."""

import asyncio
import contextlib
import functools
import json
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from mljobs_dev.emulator.aiplatform.service import VertexService
from mljobs_dev.emulator.control import PREFIX, Emulator, control
from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.exchange import Exchange, Outcome, carry_out, json_outcome, page
from mljobs_dev.emulator.routes import Options, Route, find_route, read_options
from mljobs_dev.emulator.schema import parse_json
from mljobs_dev.emulator.service import Call, JobsService
from mljobs_dev.emulator.settings import Settings
from mljobs_dev.emulator.storage import OBJECT_LIMIT
from mljobs_dev.emulator.storage_api import StorageCall, find_storage_call
from mljobs_dev.emulator.storage_errors import StorageError, storage_json, too_large
from mljobs_dev.emulator.subjects import Subject, identity
from mljobs_dev.emulator.tokens.services import TokenCall, find_token_call

BODY_LIMIT = 10 * 1024 * 1024
"""Bytes of a request's body that are read."""

UPLOAD_LIMIT = OBJECT_LIMIT + BODY_LIMIT
"""The same for a request that brings an object of Cloud Storage."""


class Handler:
    """Answers HTTP requests.

    Args:
        emulator: whose API it is.
    """

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = request.rel_url.raw_path
        storage_call = find_storage_call(request.method, path)
        if storage_call is not None:
            return await self._storage(request, storage_call)
        body = await _read(request, BODY_LIMIT)
        if body is None:
            error = ApiError(400, f"Request payload size exceeds the limit: {BODY_LIMIT} bytes.")
            return _refusal(2)(error).response()
        if path.startswith(PREFIX):
            return self._control(request, path, body)
        token_call = find_token_call(request.method, unquote(path))
        if token_call is not None:
            return await self._token(request, token_call, body)
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
            return page(404)
        return await self._api(request, route, pairs, body)

    def _control(self, request: web.BaseRequest, path: str, body: bytes) -> web.Response:
        try:
            answer = control(self.emulator, request.method, unquote(path), request.query, body)
        except ApiError as error:
            return _refusal(2)(error).response()
        return Outcome(answer).response()

    async def _api(
        self, request: web.BaseRequest, route: Route, pairs: list[tuple[str, str]], body: bytes
    ) -> web.StreamResponse:
        options, parsed, problem = _understand(route.method, pairs, body)
        call = Call(route.method, route.project, route.job_id, options.query, parsed, route.location)
        subject = self._service(call).subject(call)

        def answer() -> Outcome:
            self.emulator.tokens.check(route.method, request.headers)
            if problem is not None:
                raise problem
            if not self.emulator.tokens.may_use(request.headers, subject.project):
                raise self._service(call).forbidden(call)
            return self._answer(call, options)

        caller = self.emulator.tokens.caller(request.headers)
        exchange = Exchange(route.method, answer, _refusal(options.error_format), subject, caller)
        return await carry_out(self.emulator, request, exchange)

    async def _token(self, request: web.BaseRequest, call: TokenCall, body: bytes) -> web.StreamResponse:
        tokens = self.emulator.tokens

        def answer() -> Outcome:
            found, caller = tokens.answer(call, request.headers, body)
            return Outcome(json.dumps(found).encode(), applied=True, identity=caller)

        subject, caller = tokens.subject(call, body), tokens.caller(request.headers)
        return await carry_out(
            self.emulator, request, Exchange(call.method, answer, _refusal(2), subject, caller)
        )

    def _answer(self, call: Call, options: Options) -> Outcome:
        service = self._service(call)
        if self.emulator.settings.quota:
            service.take_quota(self.emulator.quota, call, self.emulator.monotonic())
        answer = service.call(call)
        body = answer.body
        if options.pretty:
            body = json.dumps(json.loads(body), indent=2, ensure_ascii=False).encode()
        return Outcome(body, applied=answer.applied, job_id=answer.job_id)

    def _service(self, call: Call) -> JobsService | VertexService:
        vertex = call.method.startswith("aiplatform.")
        return self.emulator.vertex if vertex else self.emulator.service

    async def _storage(self, request: web.BaseRequest, call: StorageCall) -> web.StreamResponse:
        body = await _read(request, UPLOAD_LIMIT)
        if body is None:
            return _storage_refusal(too_large(OBJECT_LIMIT)).response()
        call = replace(
            call,
            url=f"{request.scheme}://{request.host}",
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        )
        api = self.emulator.storage_api

        def answer() -> Outcome:
            reply = api.call(call)
            return Outcome(reply.body, reply.status, reply.headers, reply.applied)

        exchange = Exchange(
            call.method,
            answer,
            _storage_refusal,
            Subject(stored=api.names_of(call)),
            identity(request.headers),
        )
        return await carry_out(self.emulator, request, exchange)


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
    loop: asyncio.AbstractEventLoop,
) -> web.BaseRequest:
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_LIMIT)


async def _read(request: web.BaseRequest, limit: int) -> bytes | None:
    """The body, or None if it is longer than `limit` bytes."""
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > limit:
            return None
    return bytes(body)


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


def _refusal(error_format: int) -> Callable[[ApiError], Outcome]:
    """What makes an answer of an error of the jobs API."""
    return lambda error: json_outcome(error, error.as_json(error_format))


def _storage_refusal(error: ApiError) -> Outcome:
    if isinstance(error, StorageError) and error.plain:
        text = {"Content-Type": "text/plain; charset=utf-8"}
        return Outcome(error.message.encode(), error.code, {**text, **error.headers})
    return json_outcome(error, storage_json(error))


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
        announce: called with the base URL once it answers.

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
