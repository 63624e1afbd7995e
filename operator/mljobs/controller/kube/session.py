"""The API server over asyncio: plain requests, and sessions for kopf, with the same credentials."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Self

import aiohttp
from aiohttp_socks import ProxyConnector
from yarl import URL

from mljobs import __version__
from mljobs.api.base import JsonObject
from mljobs.api.json_text import encoded
from mljobs.controller.kube.access import Access
from mljobs.controller.kube.credentials import Credentials, Identity, Keys
from mljobs.controller.kube.errors import NoCredentials
from mljobs.controller.kube.tls import tls_context

USER_AGENT = f"mljobs-operator/{__version__}"

JSON = "application/json"

_LARGEST_LINE = 2**21
"""Bytes of an event of a watch, which is one line: more than etcd holds in an object."""


OnRequest = Callable[[str, str, str, float], None]


class Connection:
    """How to reach an API server, and as which user.

    Args:
        access: both.
        on_request: called after each request with its method, its code or `<error>`, the server's host and
            port, and the seconds until the answer began.

    Attributes:
        access: both.
    """

    def __init__(self, access: Access, on_request: OnRequest = lambda *_: None) -> None:
        self.access = access
        self._on_request = on_request
        self._credentials = Credentials(access)
        self._making = asyncio.Lock()

    async def identity(self) -> Identity:
        """The current identity.

        Raises:
            NoCredentials: there is none.
        """
        ready = self._credentials.ready()
        return ready if ready is not None else await self._off_loop(self._credentials.current)

    async def renewed(self, refused: Identity) -> Identity:
        """The identity after the API server has refused one (401); it may be the same.

        Raises:
            NoCredentials: there is none.
        """
        return await self._off_loop(partial(self._credentials.renew, refused))

    async def _off_loop(self, make: Callable[[threading.Event], Identity]) -> Identity:
        """Make an identity on a thread, which stops when the caller is cancelled."""
        async with self._making:
            stop = threading.Event()
            try:
                return await asyncio.to_thread(make, stop)
            finally:
                stop.set()

    def session(
        self,
        keys: Keys,
        *,
        connections: int,
        middlewares: Sequence[aiohttp.ClientMiddlewareType] = (),
        traces: Sequence[aiohttp.TraceConfig] = (),
        response: type[aiohttp.ClientResponse] = aiohttp.ClientResponse,
    ) -> aiohttp.ClientSession:
        """Open a session whose requests carry the identity of the time they are sent; the caller closes it.

        Args:
            keys: for TLS; other keys need another session.
            connections: open at once, at most.
            middlewares: applied to each request first.
            traces: called for each request.
            response: the class of the answers.
        """
        server = self.access.server
        options: dict[str, Any] = {"limit": connections, "ssl": tls_context(server, keys)}
        socks = server.proxy.startswith("socks5")
        connector = (
            ProxyConnector.from_url(server.proxy, rdns=True, **options)
            if socks
            else aiohttp.TCPConnector(**options)
        )
        return aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": USER_AGENT},
            middlewares=[*middlewares, self._sign],
            # reading the environment for each request costs a fifth of the operator's CPU
            trust_env=False,
            proxy=server.proxy if server.proxy and not socks else None,
            trace_configs=[*traces],
            response_class=response,
            read_bufsize=_LARGEST_LINE,
        )

    async def _sign(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        try:
            identity = await self.identity()
        except NoCredentials as error:  # for the sender it is a connection that cannot be opened now
            raise aiohttp.ClientConnectionError(str(error)) from error
        for name, _ in identity.headers:
            request.headers.popall(name, None)
        request.headers.extend(identity.headers)
        began, code = time.monotonic(), "<error>"
        try:
            answer = await send(request)
            code = str(answer.status)
        finally:
            self._on_request(request.method, code, request.url.authority, time.monotonic() - began)
        return answer


class Answer(NamedTuple):
    """What an API server has answered.

    Attributes:
        status: the HTTP status.
        reason: its words for it.
        body: as it came.
    """

    status: int
    reason: str
    body: bytes


class Requests:
    """Requests to an API server; renews refused credentials, and reconnects with new keys.

    Args:
        connection: how to reach the API server.
        connections: open at once, at most.
        timeout: seconds for one request with its answer.
    """

    def __init__(self, connection: Connection, *, connections: int, timeout: float = 30) -> None:
        self._connection = connection
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._keys: Keys | None = None
        self._session: aiohttp.ClientSession | None = None
        self._left: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(
        self, method: str, path: str, body: JsonObject | None = None, *, content_type: str = JSON
    ) -> Answer:
        """Send a request, and once more if it is refused (401) and there are new credentials.

        Args:
            method: HTTP's.
            path: with the query, as it goes over the wire.
            body: sent as JSON; None: no body.
            content_type: of the body.

        Raises:
            NoCredentials: there are none.
            aiohttp.ClientError: there is no answer.
            TimeoutError: there was none in time.
        """
        content = None if body is None else encoded(body)
        identity = await self._connection.identity()
        answer = await self._send(method, path, content, content_type, identity.keys)
        if answer.status == 401:
            renewed = await self._connection.renewed(identity)
            if renewed != identity:
                return await self._send(method, path, content, content_type, renewed.keys)
        return answer

    async def close(self) -> None:
        """Close all connections."""
        for session in (self._session, self._left):
            if session:
                await session.close()

    async def _send(
        self, method: str, path: str, content: bytes | None, content_type: str, keys: Keys
    ) -> Answer:
        session = await self._open(keys)
        headers = {"Accept": JSON} if content is None else {"Accept": JSON, "Content-Type": content_type}
        url = URL(f"{self._connection.access.server.url}{path}", encoded=True)
        async with session.request(
            method, url, data=content, headers=headers, timeout=self._timeout, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.reason or "", await answer.read())

    async def _open(self, keys: Keys) -> aiohttp.ClientSession:
        """Use these keys from now on. Requests in progress with the previous ones continue."""
        if self._session is not None and keys == self._keys:
            return self._session
        self._keys, before = keys, self._left
        self._left = self._session
        self._session = self._connection.session(keys, connections=self._connections)
        if before:
            await before.close()
        return self._session
