"""A TCP server on loopback: answers each HTTP request by the next step of a script, breakage included."""

import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Received:
    """One request: the number of its connection (from 0), and its parts."""

    connection: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Step = Callable[[socket.socket, Received], bool]
"""Answers a request; says whether the connection stays open."""


@dataclass
class RawServer:
    """Runs `steps` in order, then `rest` forever; all threads and sockets end with it. `tls`: https."""

    steps: list[Step] = field(default_factory=list)
    rest: Step = field(default_factory=lambda: answer(200, {"jobId": "j", "state": "QUEUED"}))

    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self.received: list[Received] = []
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in (self._listener, *self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    @property
    def connections(self) -> int:
        return len(self._sockets)

    def join_connection(self, number: int) -> None:
        """Wait until the server has closed its end of a connection."""
        deadline = time.monotonic() + 10
        while self._sockets[number].fileno() != -1:
            assert time.monotonic() < deadline, "the connection is still open"
            time.sleep(0.001)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                if self.tls:
                    sock = self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                self._sockets.append(sock)
                self._start(self._serve, sock, len(self._sockets) - 1)

    def _serve(self, sock: socket.socket, number: int) -> None:
        with suppress(OSError), sock:
            stream = sock.makefile("rb")
            while request := _read(stream, number):
                with self._lock:
                    self.received.append(request)
                    step = self.steps.pop(0) if self.steps else self.rest
                if not step(sock, request):
                    stream.close()
                    return


def _read(stream: Any, number: int) -> Received | None:
    line = stream.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers: dict[str, str] = {}
    while (header := stream.readline().decode("latin-1").strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return Received(number, line[0], line[1], headers, body)


def answer(
    status: int, body: object = b"", *, close: bool = False, headers: Mapping[str, str] | None = None
) -> Step:
    """A whole answer; what is not bytes is sent as JSON. `close` ends the connection unannounced."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/html" if isinstance(body, bytes) else "application/json"
    fields = {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}
    head = f"HTTP/1.1 {status} Words\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items())
    return raw(head.encode() + b"\r\n" + content, close=close)


def raw(content: bytes, *, close: bool = True) -> Step:
    """Bytes as they are."""

    def step(sock: socket.socket, _request: Received) -> bool:
        sock.sendall(content)
        return not close

    return step


def drop(_sock: socket.socket, _request: Received) -> bool:
    """Close without a word, after the whole request was read."""
    return False


def reset(sock: socket.socket, _request: Received) -> bool:
    """Break the connection with RST, after the whole request was read."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def hang(sock: socket.socket, _request: Received) -> bool:
    """Say nothing until the client goes away or the server ends."""
    sock.recv(1)
    return False


def trickle(sock: socket.socket, _request: Received) -> bool:
    """Send one byte after another, never an end, each well within any time-out of the socket."""
    sock.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"jobId": "')
    pause = threading.Event()
    while True:  # ends with an OSError once the client is gone
        pause.wait(0.01)
        sock.sendall(b"a")


def gate(opened: threading.Event, then: Step) -> Step:
    """Answer only once `opened` is set."""

    def step(sock: socket.socket, request: Received) -> bool:
        assert opened.wait(30)
        return then(sock, request)

    return step


def error(status: int, word: str, message: str, *details: object, v1_reason: str = "") -> dict[str, object]:
    """An error body in format 2, or in format 1 where a reason is given."""
    body: dict[str, object] = {"code": status, "message": message, "status": word}
    if v1_reason:
        body["errors"] = [{"message": message, "domain": "global", "reason": v1_reason}]
    if details:
        body["details"] = list(details)
    return {"error": body}


def on_compute_engine(
    home: Path, metadata: RawServer, program: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a Python program in a process whose only credentials are those of a metadata server."""
    host = f"127.0.0.1:{metadata.port}"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "GCE_METADATA_HOST": host,
            "GCE_METADATA_IP": host,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
