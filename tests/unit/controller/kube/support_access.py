"""A plugin, and an API server of a few lines that knows its users by tokens and certificates."""

import json
import ssl
import stat
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.x509.oid import NameOID

from mljobs.controller.kube.access import Access, Plugin, Server, User
from mljobs.controller.kube.client import Kube, connect
from mljobs.controller.kube.session import Connection
from mljobs_dev.controlplane.pki import Authority

V1 = "client.authentication.k8s.io/v1"


@dataclass
class FakePlugin:
    """A credential plugin that gives what a file holds, and counts how often it was asked."""

    folder: Path

    def __post_init__(self) -> None:
        self._answer = self.folder / "answer"
        self._calls = self.folder / "calls"
        self._info = self.folder / "info"
        self._program = self.folder / "plugin"
        self._program.write_text(
            f'#!/bin/sh\necho >> "{self._calls}"\n'
            f'printf %s "$KUBERNETES_EXEC_INFO" > "{self._info}"\ncat "{self._answer}"\n'
        )
        self._program.chmod(self._program.stat().st_mode | stat.S_IXUSR)

    @property
    def spec(self) -> Plugin:
        return Plugin(str(self._program), api_version=V1, interactive="Never", wants_server=True)

    @property
    def calls(self) -> int:
        return len(self._calls.read_text().splitlines()) if self._calls.exists() else 0

    @property
    def told(self) -> dict[str, object]:
        told: dict[str, object] = json.loads(self._info.read_text())
        return told

    def gives(self, **status: object) -> None:
        self.prints(json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": status}))

    def prints(self, text: str) -> None:
        self._answer.write_text(text)


@dataclass
class FakeApiServer:
    """An API server over TLS.

    Attributes:
        authority: whose certificates it knows.
        url: where it serves.
        tokens: those that it takes.
        seen: the headers of each request.
        users: how often each common name of a client certificate was seen.
    """

    authority: Authority
    url: str = ""
    tokens: set[str] = field(default_factory=set)
    seen: list[list[tuple[str, str]]] = field(default_factory=list)
    users: Counter[str] = field(default_factory=Counter)

    def access(self, user: User, **server: object) -> Access:
        """The way to it."""
        where = Server(self.url, ca_file=self.authority.certificate_file)
        return Access(Server(**{**vars(where), **server}), user, "default", "a test")

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append([(name.lower(), value) for name, value in request.headers.items()])
        certificate = request.transport and request.transport.get_extra_info("ssl_object").getpeercert(True)
        if certificate:
            subject = x509.load_der_x509_certificate(certificate).subject
            self.users[str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)] += 1
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        known = (scheme == "Bearer" and token in self.tokens) or (certificate and self.known(certificate))
        body = {"kind": "Status", "metadata": {"resourceVersion": "1"}, "items": [], "code": 401}
        return web.json_response(body, status=200 if known else 401)

    def known(self, certificate: bytes) -> bool:
        """Whether a client certificate is one of a user that may do something."""
        subject = x509.load_der_x509_certificate(certificate).subject
        return subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value in self.tokens

    def header(self, name: str) -> list[str]:
        """The values of a header in the last request."""
        return [value for key, value in self.seen[-1] if key == name.lower()]


@asynccontextmanager
async def api_server(folder: Path) -> AsyncIterator[FakeApiServer]:
    """Run one."""
    authority = Authority(folder / "pki")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server("api", "127.0.0.1"))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(authority.certificate_file)
    server = FakeApiServer(authority)
    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", server.answer)])
    running = TestServer(app, scheme="https")
    await running.start_server(ssl=context)
    server.url = f"https://127.0.0.1:{running.port}"
    try:
        yield server
    finally:
        await running.close()


def opened(url: str) -> AbstractAsyncContextManager[Kube]:
    """The operator's connection to a server without TLS, which gets no credentials."""
    server = Server(url)
    return connect(Connection(Access(server, User(), "default", "a test")))
