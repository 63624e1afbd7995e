"""A proxy before the emulator: refuses connections, changes answers as a bad service would, or is wrong."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3

NOT_FOUND = b'{"error": {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND"}}'
"""What a service of Google says about a project that it does not know."""

Tamper = Callable[[str, str, bytes], bytes]
"""Gets verb, path and the answer's body, and gives the body that is sent instead."""

Last = Callable[[str, str, int], bool]
"""Gets verb, path and status of an answer, and says whether it is the last: then connections are refused."""


def honest(_verb: str, _path: str, body: bytes) -> bytes:
    """Change nothing."""
    return body


def _never(_verb: str, _path: str, _status: int) -> bool:
    return False


class Proxy:
    """Forwards requests while it is up; while it is down, connections are refused.

    Args:
        target: the URL that requests are forwarded to.

    Attributes:
        tamper: changes answers of status 200.
        last: ends the connections; see `Last`.
        wrong: whether it is another service that answers, which knows no project.
        denied: how many answers that service has given.
    """

    def __init__(self, target: str) -> None:
        self.tamper: Tamper = honest
        self.last: Last = _never
        self.wrong = False
        self.denied = 0
        self._target = target
        self._http = urllib3.PoolManager(retries=False, maxsize=16)
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def up(self) -> None:
        """Take connections, at the same port as before."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections."""
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            # one request a connection, so that none outlives `down`
            protocol_version = "HTTP/1.0"

            def _forward(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                if proxy.wrong:
                    self.rfile.read(length)
                    self._answer(404, "application/json", NOT_FOUND)
                    proxy.denied += 1
                    return
                answer = proxy._http.request(
                    self.command, proxy._target + self.path, body=self.rfile.read(length), timeout=10
                )
                body = answer.data
                if answer.status == 200:
                    body = proxy.tamper(self.command, self.path, body)
                if proxy.last(self.command, self.path, answer.status):
                    proxy.last = _never
                    proxy.down()  # before the answer, which may bring the next call at once
                self._answer(answer.status, answer.headers.get("Content-Type", ""), body)

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = _forward  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        return Handler
