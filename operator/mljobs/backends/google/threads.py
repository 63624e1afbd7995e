"""Runs blocking calls on a thread pool, one transport a thread, so that the event loop never waits."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import google_auth_httplib2

from mljobs.backends.google.credentials import SharedCredentials
from mljobs.backends.google.transport import OnceHttp
from mljobs.domain.errors import Unavailable

Result = TypeVar("Result")

CLOSE_GRACE = 2.0
"""Seconds for threads to notice that their exchange was aborted at `close`."""


class Transport:
    """One thread's connection, rebuilt after every error of the connection.

    Args:
        open_http: makes an unconnected Http.
        credentials: those of the requests; None for anonymous ones.
    """

    def __init__(self, open_http: Callable[[], OnceHttp], credentials: SharedCredentials | None) -> None:
        self._open_http = open_http
        self._credentials = credentials
        self.raw = open_http()

    @property
    def http(self) -> Any:
        """The Http for googleapiclient: at most one refresh and one repetition, after a 401."""
        if self._credentials is None:
            return self.raw
        return google_auth_httplib2.AuthorizedHttp(self._credentials, self.raw, max_refresh_attempts=1)

    def rebuild(self) -> None:
        """Drop the connection: a new one is opened by the next request."""
        self.raw.close()
        self.raw = self._open_http()


class RequestThreads:
    """A bounded pool of threads that each hold a transport. For one event loop.

    A caller that is cancelled leaves its request running in its thread (a request that waits for a thread is
    dropped): what was sent takes effect.

    Args:
        open_transport: makes a thread's transport.
        threads: the maximum number of concurrent requests.
        timeout: seconds for one exchange, from its first byte to its last.
    """

    def __init__(self, open_transport: Callable[[], Transport], *, threads: int, timeout: float) -> None:
        self._open_transport = open_transport
        self._timeout = timeout
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="mljobs-request")
        self._background = asyncio.Semaphore(max(1, threads // 2))
        self._local = threading.local()
        self._transports: list[Transport] = []
        self._running: set[Future[Any]] = set()
        self._begun: dict[int, float] = {}
        self._watch: asyncio.TimerHandle | None = None
        self._closing = False

    async def run(self, call: Callable[[Transport], Result], *, background: bool = False) -> Result:
        """Run a blocking call on a thread, with its transport.

        Args:
            call: what is run.
            background: whether it leaves half of the threads to others, however many such calls there are.

        Raises:
            Unavailable: the pool is closed; nothing was sent.
        """
        if background:
            async with self._background:
                return await self.run(call)
        if self._closing:
            raise Unavailable("the client is closed: nothing was sent")
        future = self._executor.submit(self._on_thread, call)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        if self._watch is None:
            self._schedule_watch()
        return await asyncio.wrap_future(future)

    def longest(self) -> float:
        """Seconds for which the oldest request has held its thread; 0 without requests."""
        return max((time.monotonic() - begun for begun in list(self._begun.values())), default=0.0)

    async def close(self) -> None:
        """Accept no more calls, wait for running ones for at most `timeout`, abort the rest."""
        self._closing = True
        await asyncio.to_thread(wait, set(self._running), self._timeout)
        for transport in list(self._transports):
            transport.raw.abort()
        late = await asyncio.to_thread(wait, set(self._running), CLOSE_GRACE)
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self._watch is not None:
            self._watch.cancel()
        if not late.not_done:
            for transport in self._transports:
                transport.raw.close()

    def _on_thread(self, call: Callable[[Transport], Result]) -> Result:
        if self._closing:
            raise Unavailable("the client was closed before the request was sent")
        transport: Transport | None = getattr(self._local, "transport", None)
        if transport is None:
            transport = self._local.transport = self._open_transport()
            self._transports.append(transport)
        me = threading.get_ident()
        self._begun[me] = time.monotonic()
        try:
            return call(transport)
        finally:
            del self._begun[me]

    def _schedule_watch(self) -> None:
        loop = asyncio.get_running_loop()
        self._watch = loop.call_later(min(1.0, self._timeout / 4), self._break_overdue)

    def _break_overdue(self) -> None:
        for transport in list(self._transports):
            transport.raw.abort_overdue()
        self._watch = None
        if self._running:
            self._schedule_watch()
