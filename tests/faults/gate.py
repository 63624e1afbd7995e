"""Everything that one operator process sends passes a gate, which counts it, and can let it go wrong.

A gate stands in front of the API server and of the job service. It numbers the requests in the order in which
they came, and may do away with the process at one of them: before the request is passed on, or after it has
taken effect and before the answer is. It knows the operator by nothing but its requests.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp
from aiohttp import web
from yarl import URL

from mljobs_dev.controlplane.pki import Authority, kubeconfig, write_private
from mljobs_dev.emulator.errors import ApiError

Json = dict[str, Any]
Side = Literal["kubernetes", "service"]
Moment = Literal["before", "after"]

NO_ANSWER = -1
"""The status of a call whose connection was closed."""

BODY_LIMIT = 16 * 1024 * 1024
_HOP = frozenset(
    {"host", "connection", "transfer-encoding", "content-length", "keep-alive", "accept-encoding", "date"}
)


@dataclass(frozen=True)
class Step:
    """What a request is, in words that are the same in every run.

    Attributes:
        name: without names, uids and times.
        effect: whether it may change something.
    """

    name: str
    effect: bool


@dataclass
class Call:
    """One request.

    Attributes:
        number: its place in the order of all requests of the process, from 1.
        side: where it goes.
        verb: the HTTP method.
        path: with the query.
        body: parsed JSON; None if there is none.
        step: what it is.
        status: of the answer; 0 until there is one.
        answer: parsed JSON, of a call of the job service.
        time: the loop's time at which it came.
    """

    number: int
    side: Side
    verb: str
    path: str
    body: Any
    step: Step
    status: int = 0
    answer: Any = None
    time: float = 0.0

    @property
    def watch(self) -> bool:
        return self.side == "kubernetes" and "watch=true" in self.path

    @property
    def write(self) -> bool:
        return self.step.effect


@dataclass
class Trap:
    """The point at which the process is killed, or asked to end.

    Attributes:
        name: of the step; for a read of the service, `answered` gives it. Empty: any write.
        nth: the ordinal number among those of that name, from 1.
        moment: before it is passed on, or after it was answered.
        gentle: whether it gets a SIGTERM and everything goes on, as in a rolling update.
        sprung: whether it has happened.
    """

    name: str
    nth: int
    moment: Moment
    gentle: bool = False
    sprung: asyncio.Event = field(default_factory=asyncio.Event)
    seen: int = 0

    def catches(self, name: str, moment: Moment) -> bool:
        if self.sprung.is_set() or self.name not in ("", name) or moment != self.moment:
            return False
        self.seen += 1
        return self.seen == self.nth


Fault = Callable[[Call], Awaitable[web.StreamResponse | None]]
"""Answers instead of the server; None closes the connection without an answer."""


@dataclass
class FaultRule:
    """A fault of requests.

    Attributes:
        matches: which.
        answer: instead of the true one.
        times: how many requests; None for all.
        after: whether the request is passed on, so that it takes effect and only its answer is replaced.
        late: whether even the true answer is passed on, once `answer` has ended; with `after`.
        hits: requests so far.
    """

    matches: Callable[[Call], bool]
    answer: Fault
    times: int | None = None
    after: bool = False
    late: bool = False
    hits: int = 0

    def befalls(self, call: Call) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        return self.matches(call)


def answering(status: int, reason: str = "", message: str = "", **headers: str) -> Fault:
    """Answer as the API server does when it refuses."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message or f"a test wants {status}",
        "code": status,
    }

    async def answer(_: Call) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return answer


def refusing(status: int, message: str = "") -> Fault:
    """Answer as the job service does when it refuses."""
    error = ApiError(status, message)

    async def answer(_: Call) -> web.StreamResponse:
        return web.json_response(error.as_json(2), status=status)

    return answer


async def no_answer(_: Call) -> web.StreamResponse | None:
    """Close the connection."""
    return None


async def hang(_: Call) -> web.StreamResponse | None:
    """Never answer."""
    await asyncio.Event().wait()
    return None


Namer = Callable[[str, str, Any], Step]
Observer = Callable[[Call], Awaitable[None]]


@dataclass(frozen=True)
class Upstream:
    """A server that requests are passed on to.

    Attributes:
        side: which of the two.
        url: its address.
        namer: names a request by verb, path and body.
        trust: for TLS towards it.
        serve: for TLS towards the operator.
    """

    side: Side
    url: str
    namer: Namer
    trust: ssl.SSLContext | None = None
    serve: ssl.SSLContext | None = None


class _Door:
    """A port that can be shut and opened again."""

    def __init__(self, runner: web.ServerRunner, serve: ssl.SSLContext | None, port: int = 0) -> None:
        self._runner = runner
        self._serve = serve
        self._site: web.TCPSite | None = None
        self._port = port
        self._shared = bool(port)

    async def open(self) -> int:
        self._site = web.TCPSite(
            self._runner,
            "127.0.0.1",
            self._port,
            ssl_context=self._serve,
            backlog=512,
            reuse_port=self._shared,
        )
        await self._site.start()
        self._port = self._runner.addresses[0][1]
        return self._port

    async def shut(self) -> None:
        assert self._site is not None
        await self._site.stop()
        server = self._runner.server
        for connection in list(server.connections) if server else ():
            if connection.transport is not None:
                connection.transport.abort()


class Gate:
    """The two servers that one operator process knows.

    Args:
        session: for requests upstream.
        trap: where the process is killed; None for nowhere.
        observer: awaited with each write before it is passed on.

    Attributes:
        calls: all requests, in the order in which they came.
        rules: the faults; the first that fits befalls a request.
        kill: ends the process.
        stop: asks it to end.
        watched: the plurals that a watch has been opened for.
        edit: turns each line of a watch into those that the operator gets.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        trap: Trap | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.calls: list[Call] = []
        self.rules: list[FaultRule] = []
        self.trap = trap
        self.kill: Callable[[], Awaitable[None]] | None = None
        self.stop: Callable[[], None] = lambda: None
        self.watched: set[str] = set()
        self.edit: Callable[[bytes], list[bytes]] = lambda line: [line]
        self._doors: dict[Side, _Door] = {}
        self._session = session
        self._observer = observer
        self._streams: dict[asyncio.Task[Any], Call] = {}

    def writes(self, after: int = 0) -> list[Call]:
        """The writes that have come, from a number on."""
        return [call for call in self.calls if call.write and call.number > after]

    def fail(
        self,
        matches: Callable[[Call], bool],
        answer: Fault,
        *,
        times: int | None = None,
        after: bool = False,
        late: bool = False,
    ) -> FaultRule:
        """Let requests go wrong from now on."""
        rule = FaultRule(matches, answer, times, after, late)
        self.rules.append(rule)
        return rule

    def fix(self) -> None:
        """End all faults."""
        self.rules.clear()

    def cut(self, matches: Callable[[Call], bool]) -> None:
        """Break the connections of requests that are in progress."""
        for task, call in list(self._streams.items()):
            if matches(call):
                task.cancel()

    def cut_watches(self) -> int:
        """Close the watches that are open; how many these were."""
        streams = [task for task, call in self._streams.items() if call.watch]
        for task in streams:
            task.cancel()
        return len(streams)

    @contextlib.asynccontextmanager
    async def serving(self, upstream: Upstream, port: int = 0) -> AsyncIterator[str]:
        """Serve one side, at any port or one that a `PortReservation` holds; gives the operator's URL."""

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await self._handle(upstream, request)

        loop = asyncio.get_running_loop()

        def make(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
            return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_LIMIT)

        server = web.Server(handle, request_factory=make, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.05)
        await runner.setup()
        try:
            door = self._doors[upstream.side] = _Door(runner, upstream.serve, port)
            yield f"{'https' if upstream.serve else 'http'}://127.0.0.1:{await door.open()}"
        finally:
            for task in list(self._streams):
                task.cancel()
            await runner.cleanup()

    async def shut(self, side: Side) -> None:
        """Let a server be down: connections break, and new ones are refused."""
        await self._doors[side].shut()

    async def open(self, side: Side) -> None:
        """Let a server be back."""
        await self._doors[side].open()

    async def _handle(self, upstream: Upstream, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        path = request.raw_path
        body = _parsed(raw)
        step = upstream.namer(request.method, path, body)
        call = Call(len(self.calls) + 1, upstream.side, request.method, path, body, step)
        call.time = asyncio.get_running_loop().time()
        self.calls.append(call)
        task = asyncio.current_task()
        assert task is not None
        self._streams[task] = call
        try:
            return await self._pass(upstream, request, call, raw)
        except (aiohttp.ClientError, ConnectionError):
            return _dropped(request)
        except asyncio.CancelledError:
            _dropped(request)
            raise
        finally:
            call.status = call.status or NO_ANSWER
            self._streams.pop(task, None)

    async def _pass(
        self, upstream: Upstream, request: web.BaseRequest, call: Call, raw: bytes
    ) -> web.StreamResponse:
        if await self._spring(call.step.name, "before", only=call.write):
            return _dropped(request)
        rule = next((rule for rule in self.rules if rule.befalls(call)), None)
        if rule:
            rule.hits += 1
        response: web.StreamResponse | None
        if rule and not rule.after:
            response = await rule.answer(call)
            call.status = response.status if response else NO_ANSWER
        else:
            response = await self._forward(upstream, request, call, raw)
        if call.watch:
            return response or _dropped(request)
        named = call.write or self.trap is None or self.trap.name  # a trap for any write lets reads pass
        if named and await self._spring(answered(call), "after"):
            return _dropped(request)
        if rule and rule.after:
            instead = await rule.answer(call)
            response = response if rule.late else instead
        return response or _dropped(request)

    async def _forward(
        self, upstream: Upstream, request: web.BaseRequest, call: Call, raw: bytes
    ) -> web.StreamResponse:
        if call.write and self._observer:
            await self._observer(call)
        url = URL(upstream.url + call.path, encoded=True)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        async with self._session.request(
            request.method, url, data=raw or None, headers=headers, ssl=upstream.trust or True
        ) as answer:
            call.status = answer.status
            if call.watch and answer.status == 200:
                self.watched.add(call.path.split("?")[0].rsplit("/", 1)[-1])
                return await self._streamed(request, answer)
            content = await answer.read()
        if upstream.side == "service":
            call.answer = _parsed(content)
        return web.Response(status=answer.status, headers=_passed(answer.headers), body=content)

    async def _streamed(self, request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        stream = web.StreamResponse(status=answer.status, headers=_passed(answer.headers))
        await stream.prepare(request)
        async for line in answer.content:
            for edited in self.edit(line):
                await stream.write(edited)
        await stream.write_eof()
        return stream

    async def _spring(self, name: str, moment: Moment, *, only: bool = True) -> bool:
        trap = self.trap
        if trap is None or not only or self.kill is None or not trap.catches(name, moment):
            return False
        if trap.gentle:
            self.stop()
        else:
            await self.kill()
        trap.sprung.set()
        return not trap.gentle


SHOWN = " → "
"""Between a read and what it showed, in the name of a point."""


def answered(call: Call) -> str:
    """The name of an answered call: a read is told apart by the state that it showed."""
    if call.write or call.side == "kubernetes":
        return call.step.name
    state = call.answer.get("state") if isinstance(call.answer, dict) and call.status == 200 else call.status
    return f"{call.step.name}{SHOWN}{state}"


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return None


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP}


def _dropped(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


class Certificates:
    """An authority of the gates' own, and TLS contexts by it.

    Args:
        folder: where its files are.
    """

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        certificate, key = self.authority.server("gate", "127.0.0.1")
        self.serve = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.serve.load_cert_chain(certificate, key)

    def kubeconfig(self, url: str, token: str, path: Path) -> Path:
        """Write a kubeconfig whose server is a gate."""
        content = kubeconfig(url, self.authority.certificate_file, "operator", {"token": token})
        return write_private(path, content)
