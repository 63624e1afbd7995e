"""The API server over asyncio: the official client, and sessions for kopf, with the same credentials."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import aiohttp
from aiohttp_socks import ProxyConnector
from kubernetes.aio import client

from mljobs import __version__
from mljobs.controller.kube.access import Access
from mljobs.controller.kube.credentials import Credentials, Identity, Keys
from mljobs.controller.kube.errors import NoCredentials
from mljobs.controller.kube.tls import tls_context

USER_AGENT = f"mljobs-operator/{__version__}"

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
    ) -> aiohttp.ClientSession:
        """Open a session whose requests carry the identity of the time they are sent; the caller closes it.

        Args:
            keys: for TLS; other keys need another session.
            connections: open at once, at most.
            middlewares: applied to each request first.
            traces: called for each request.
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


class Client(client.ApiClient):
    """The official client, which renews refused credentials and reconnects with new keys.

    Args:
        connection: how to reach the API server.
        connections: open at once, at most.
    """

    def __init__(self, connection: Connection, *, connections: int) -> None:
        super().__init__(client.Configuration(host=connection.access.server.url))
        self.user_agent = USER_AGENT
        self._connection = connection
        self._connections = connections
        self._keys: Keys | None = None
        self._left: aiohttp.ClientSession | None = None

    async def call_api(self, *arguments: Any, **options: Any) -> Any:
        """Send a request, and once more if it is refused (401) and there are new credentials.

        Raises:
            NoCredentials: there are none.
        """
        identity = await self._connection.identity()
        await self._open(identity.keys)
        answer = await super().call_api(*arguments, **options)
        if answer.status == 401:
            renewed = await self._connection.renewed(identity)
            if renewed != identity:
                answer.response.release()
                await self._open(renewed.keys)
                return await super().call_api(*arguments, **options)
        return answer

    async def close(self) -> None:
        """Close all connections."""
        await super().close()  # type: ignore[no-untyped-call]
        if self._left:
            await self._left.close()

    async def _open(self, keys: Keys) -> None:
        """Use these keys from now on. Requests in progress with the previous ones continue."""
        if keys == self._keys:
            return
        self._keys, before = keys, self._left
        rest: Any = self.rest_client
        self._left = rest.pool_manager
        rest.pool_manager = self._connection.session(keys, connections=self._connections)
        if before:
            await before.close()
