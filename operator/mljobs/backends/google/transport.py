"""HTTP over httplib2, for requests that must not be sent twice.

httplib2 sends a request a second time when the connection closes before the status line, a POST too
(`Http._conn_request`). Here each exchange sends its request once: the connection classes below raise what
httplib2 does not retry, and find a connection that the server has closed before anything is written to it.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httplib2
from urllib3.util import wait_for_read

IDLE_LIMIT = 60.0
"""Seconds after which a connection is not reused: NAT and load balancers drop idle ones silently."""


class NotConnected(ConnectionError):
    """The connection was not established; nothing was sent."""


class BrokenExchange(ConnectionError):
    """The connection broke after it was opened: the request may have arrived."""


class _OnceConnection(HTTPConnection):
    """Mixed in before httplib2's connection classes. Raises what httplib2 passes on without a second try."""

    _idle_since: float | None = None  # None: no exchange yet
    guard: Callable[[], None] | None = None
    _opened: socket.socket | None = None  # `sock` is unset as soon as an answer without a length begins

    def connect(self) -> None:
        try:
            super().connect()
        except httplib2.ProxiesUnavailableError as error:
            raise NotConnected(
                f"cannot connect to {self.host}:{self.port}: the environment names a proxy, and the package "
                "PySocks is not installed; install it, or put the host into NO_PROXY"
            ) from error
        except OSError as error:
            raise NotConnected(f"cannot connect to {self.host}:{self.port}: {error}") from error
        self._opened, self._idle_since = self.sock, None
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None and self._is_stale(self.sock):
            self.close()
            self.connect()
        if self.guard is not None:
            self.guard()
        try:
            super().request(*args, **kwargs)
        except (TimeoutError, NotConnected):
            raise
        except (OSError, HTTPException) as error:
            raise BrokenExchange(f"{type(error).__name__} while sending: {error}") from error

    def getresponse(self) -> HTTPResponse:
        try:
            response = super().getresponse()
        except TimeoutError:
            raise
        except (OSError, HTTPException) as error:
            raise BrokenExchange(f"{type(error).__name__} instead of an answer: {error}") from error
        self._idle_since = time.monotonic()
        return response

    def abort(self) -> None:
        """From another thread: make everything that waits for this connection fail at once."""
        if self._opened is not None:
            with suppress(OSError):  # it may be closed already
                # The plain socket's method: an SSLSocket's own would race with the thread that reads.
                socket.socket.shutdown(self._opened, socket.SHUT_RDWR)

    def _is_stale(self, sock: socket.socket) -> bool:
        if self._idle_since is None:
            return False
        # Readable without a request: the server has closed it, or has sent unexpected data.
        return time.monotonic() - self._idle_since > IDLE_LIMIT or wait_for_read(sock, timeout=0.0)


class _HttpConnection(_OnceConnection, httplib2.HTTPConnectionWithTimeout):  # type: ignore[misc]
    pass


class _HttpsConnection(_OnceConnection, httplib2.HTTPSConnectionWithTimeout):  # type: ignore[misc]
    pass


class OnceHttp(httplib2.Http):  # type: ignore[misc]  # httplib2 is untyped
    """An `httplib2.Http` for one thread: sends each request once, follows no redirect, can be aborted.

    Args:
        timeout: seconds for each wait on the socket, and for a whole exchange where somebody calls
            `abort_overdue`.
        user_agent: prepended to that of the calling library.
        proxied: whether the environment's proxy settings apply.
        guard: called once a connection is open, before the request is written; what it raises is raised.
    """

    def __init__(
        self,
        *,
        timeout: float,
        user_agent: str,
        proxied: bool = True,
        guard: Callable[[], None] | None = None,
    ) -> None:
        proxy = {} if proxied else {"proxy_info": None}
        super().__init__(timeout=timeout, **proxy)
        self.follow_redirects = False
        self._user_agent = user_agent
        # httplib2 makes the connections, and takes a class: the guard is handed on as its attribute.
        handed_on = {"guard": staticmethod(guard) if guard else None}
        self._connection_types = {
            "http": type("GuardedHttpConnection", (_HttpConnection,), handed_on),
            "https": type("GuardedHttpsConnection", (_HttpsConnection,), handed_on),
        }
        self._lock = threading.Lock()
        self._started: float | None = None
        self._overdue = False

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        redirections: int = 0,
        connection_type: Any = None,
    ) -> tuple[Any, bytes]:
        """Send one request; the arguments are httplib2's.

        Raises:
            NotConnected: nothing was sent.
            BrokenExchange: the connection broke, or the answer was cut.
            TimeoutError: the socket, or the whole exchange, took longer than `timeout`.
            httplib2.HttpLib2Error: the answer cannot be read, or the request cannot be made.
        """
        if connection_type is None:
            connection_type = self._connection_types[urlsplit(uri).scheme]
        named = dict(headers or {})
        named["user-agent"] = f"{self._user_agent} {named.get('user-agent', '')}".strip()
        self._begin()
        try:
            response, content = super().request(uri, method, body, named, redirections, connection_type)
        except HTTPException as error:
            raise BrokenExchange(f"{type(error).__name__} while reading the answer: {error}") from error
        finally:
            if self._end():
                # the error of the connection that was shut down is not its cause
                raise TimeoutError(f"no complete answer within {self.timeout:g} s") from None
        return response, content

    def abort_overdue(self) -> None:
        """From any thread: abort an exchange that has exceeded `timeout`, even one that trickles."""
        with self._lock:
            if self._started is None or time.monotonic() - self._started <= self.timeout:
                return
            self._overdue = True
            self._shut()

    def abort(self) -> None:
        """From any thread: abort the running exchange, if there is one."""
        with self._lock:
            if self._started is not None:
                self._overdue = True
                self._shut()

    def _shut(self) -> None:
        for connection in list(self.connections.values()):
            connection.abort()

    def _begin(self) -> None:
        with self._lock:
            self._started, self._overdue = time.monotonic(), False

    def _end(self) -> bool:
        with self._lock:
            overdue, self._started, self._overdue = self._overdue, None, False
            return overdue


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine, which is never behind a proxy."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
