"""A proxy before the API server: by CONNECT or by SOCKS 5, and to the API server whatever it is asked for."""

import base64
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

_BLOCK = 65536


class Tunnel:
    """One proxy, of both kinds, told apart by the first byte.

    Args:
        target: URL of the API server.
        password: what CONNECT has to bring, as `user:password`; empty for nothing.

    Attributes:
        asked: the host and port of each tunnel that somebody wanted.
    """

    def __init__(self, target: str, password: str = "") -> None:
        parts = urlsplit(target)
        self.asked: list[str] = []
        self._target = (parts.hostname or "", parts.port or 443)
        self._password = password
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = "{}:{}".format(*self._server.server_address)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        tunnel = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                client: socket.socket = self.request
                greeted = tunnel._socks(client) if client.recv(1, socket.MSG_PEEK) == b"\x05" else None
                if tunnel._connect(client) if greeted is None else greeted:
                    tunnel._join(client)

        return Handler

    def _connect(self, client: socket.socket) -> bool:
        """Take a CONNECT request (RFC 9110)."""
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := client.recv(_BLOCK)):
                return False
            head += more
        lines = head.decode("latin-1").split("\r\n")
        wanted = base64.b64encode(self._password.encode()).decode()
        given = [line.partition(": ")[2] for line in lines if line.lower().startswith("proxy-authorization:")]
        if self._password and given != [f"Basic {wanted}"]:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return False
        self.asked.append(lines[0].split()[1])
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return True

    def _socks(self, client: socket.socket) -> bool:
        """Take a request to connect (RFC 1928), which has to name the host: only the proxy knows it."""
        methods = client.recv(2)[1]
        client.recv(methods)
        client.sendall(b"\x05\x00")
        _version, command, _reserved, kind = client.recv(4)
        if (command, kind) != (1, 3):
            client.sendall(b"\x05\x08\x00\x01" + bytes(6))
            return False
        name = client.recv(client.recv(1)[0]).decode()
        self.asked.append(f"{name}:{int.from_bytes(client.recv(2))}")
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        return True

    def _join(self, client: socket.socket) -> None:
        with socket.create_connection(self._target) as server:
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    _quietly(lambda: _copy(source, sink))
    _quietly(lambda: sink.shutdown(socket.SHUT_WR))


def _copy(source: socket.socket, sink: socket.socket) -> None:
    while block := source.recv(_BLOCK):
        sink.sendall(block)


def _quietly(act: Callable[[], None]) -> None:
    with suppress(OSError):  # the other side has gone, which ends the tunnel
        act()
