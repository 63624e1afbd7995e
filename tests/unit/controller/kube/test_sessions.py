"""Requests over real TLS: by the operator, by commands with the official client, and by kopf."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kubernetes import client as blocking_client

from mljobs.controller.kube import blocking, credentials, login
from mljobs.controller.kube.access import Access, Impersonation, User
from mljobs.controller.kube.errors import NoCredentials
from mljobs.controller.kube.session import Connection, Requests
from tests.unit.controller.kube.support_access import FakeApiServer, FakePlugin

Ask = Callable[[], Awaitable[int]]
"""Sends a request and gives the status of the answer."""


class Caller:
    """Something that calls an API server, kept for several requests."""

    async def ask(self) -> int:
        """Send a request, and give the status of the answer."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close all connections."""


class Asynchronous(Caller):
    def __init__(self, access: Access) -> None:
        self._api = Requests(Connection(access), connections=2)

    async def ask(self) -> int:
        return (await self._api.send("GET", "/apis/g/v/things")).status

    async def close(self) -> None:
        await self._api.close()


class Blocking(Caller):
    def __init__(self, access: Access) -> None:
        self._api = blocking.Client(access, "test")

    async def ask(self) -> int:
        def call() -> int:
            try:
                blocking_client.CustomObjectsApi(self._api).list_cluster_custom_object("g", "v", "things")
            except blocking_client.ApiException as error:
                return int(error.status)
            return 200

        return await asyncio.to_thread(call)


class Kopf(Caller):
    """As kopf does it: one session for many requests, and another after a refusal."""

    def __init__(self, access: Access) -> None:
        self._login = login.Login(Connection(access), connections=2, heartbeats={})
        self._session: aiohttp.ClientSession | None = None
        self._url = access.server.url

    async def ask(self) -> int:
        for _ in range(2):
            if self._session is None:
                self._session = await self._login.session()
            async with self._session.get(f"{self._url}/things") as answer:
                if answer.status != 401:
                    return answer.status
            await self.close()
        return 401

    async def close(self) -> None:
        if self._session:
            await self._session.close()
        self._session = None


async def until(come: Callable[[], bool]) -> None:
    """Wait until something has come true."""
    async with asyncio.timeout(10):
        while not come():  # noqa: ASYNC110 (a log record sets no event)
            await asyncio.sleep(0.01)


CALLERS: dict[str, Callable[[Access], Caller]] = {
    "asynchronous": Asynchronous,
    "blocking": Blocking,
    "kopf": Kopf,
}


@pytest.fixture(params=CALLERS)
def call(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Access], Caller]:
    """Each way to call, with no time between refusals."""
    monkeypatch.setattr(credentials, "PAUSE", 0.0)
    monkeypatch.setattr(login, "PAUSE", 0.0)
    return CALLERS[request.param]


async def test_a_token_that_is_refused_is_asked_for_again(
    call: Callable[[Access], Caller], server: FakeApiServer, plugin: FakePlugin
) -> None:
    plugin.gives(token="a")
    server.tokens = {"a"}
    caller = call(server.access(User(plugin=plugin.spec)))
    assert await caller.ask() == 200
    server.tokens = {"b"}
    assert await caller.ask() == 401
    plugin.gives(token="b")
    assert await caller.ask() == 200
    await caller.close()


async def test_a_client_certificate_is_renewed_on_connections_that_are_opened_again(
    call: Callable[[Access], Caller], server: FakeApiServer, plugin: FakePlugin
) -> None:
    def certify(user: str) -> None:
        certificate, key = server.authority.client(user, [])
        plugin.gives(clientCertificateData=certificate.decode(), clientKeyData=key.decode())

    certify("old")
    server.tokens = {"old"}
    caller = call(server.access(User(plugin=plugin.spec)))
    assert await caller.ask() == 200
    server.tokens = {"new"}
    certify("new")
    assert await caller.ask() == 200
    assert server.users == {"old": 2, "new": 1}
    await caller.close()


async def test_the_user_to_act_as_is_in_each_request(
    call: Callable[[Access], Caller], server: FakeApiServer
) -> None:
    server.tokens = {"t"}
    user = User(token="t", impersonation=Impersonation("kim", groups=("a", "b")))
    caller = call(server.access(user))
    for _ in range(2):
        assert await caller.ask() == 200
        assert (server.header("Impersonate-User"), server.header("Impersonate-Group")) == (
            ["kim"],
            ["a", "b"],
        )
        assert server.header("Authorization") == ["Bearer t"]
    await caller.close()


async def test_the_environment_s_proxies_are_not_looked_at_again(
    call: Callable[[Access], Caller], server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts has been found once, by kubectl's rules: here, that this machine needs no proxy."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.tokens = {"t"}
    caller = call(server.access(User(token="t")))
    assert await caller.ask() == 200
    await caller.close()


@pytest.mark.parametrize(
    ("options", "trusted"),
    [
        ({}, True),
        ({"ca_file": None}, False),
        ({"ca_file": None, "insecure": True}, True),
        ({"tls_name": "kubernetes.default"}, True),
        ({"tls_name": "somebody.else"}, False),
    ],
    ids=["its authority", "the system's", "insecure", "its other name", "another's name"],
)
async def test_whom_to_trust(
    call: Callable[[Access], Caller], server: FakeApiServer, options: dict[str, Any], trusted: bool
) -> None:
    server.tokens = {"t"}
    caller = call(server.access(User(token="t"), **options))
    if trusted:
        assert await caller.ask() == 200
    else:
        with pytest.raises(Exception, match=r"(?i)certificate.verify.failed|certificate verify failed"):
            await caller.ask()
    await caller.close()


@pytest.mark.parametrize("caller", [Asynchronous, Blocking])
async def test_without_credentials_nothing_is_sent(
    caller: Callable[[Access], Caller], server: FakeApiServer, plugin: FakePlugin
) -> None:
    plugin.prints("")
    opened = caller(server.access(User(plugin=plugin.spec)))
    with pytest.raises(NoCredentials, match="printed no JSON"):
        await opened.ask()
    assert server.seen == []
    await opened.close()


async def test_kopf_waits_for_credentials_and_does_not_end(
    server: FakeApiServer,
    plugin: FakePlugin,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(login, "PAUSE", 0.01)
    plugin.prints("")
    server.tokens = {"t"}
    caller = Kopf(server.access(User(plugin=plugin.spec)))
    with caplog.at_level(logging.ERROR):
        asking = asyncio.create_task(caller.ask())
        await until(lambda: bool(caplog.records))
        plugin.gives(token="t")
        assert await asyncio.wait_for(asking, 10) == 200
    assert "nothing is watched until there are credentials: exec: " in caplog.records[0].getMessage()
    await caller.close()


async def test_kopf_takes_a_session_without_credentials_for_a_connection_that_fails(
    server: FakeApiServer, tmp_path: Path, plugin: FakePlugin
) -> None:
    """It knows what to do then: try again, forever."""
    plugin.gives(token="t", expirationTimestamp="2000-01-01T00:00:00Z")
    connection = Connection(server.access(User(plugin=plugin.spec)))
    identity = await connection.identity()
    async with connection.session(identity.keys, connections=1) as session:
        plugin.prints("")
        with pytest.raises(aiohttp.ClientConnectionError, match="printed no JSON"):
            await session.get(server.url)


async def test_what_is_under_way_survives_a_renewed_certificate(
    server: FakeApiServer, tmp_path: Path
) -> None:
    """The connections of the keys before stay open until the next renewal."""
    server.tokens = {"t"}
    api = Requests(Connection(server.access(User(token="t"))), connections=2)
    await api.send("GET", "/apis/g/v/things")
    before = api._session
    assert before is not None
    after = await api._open(credentials.Keys(server.authority.certificate_file.read_text() + "\n"))
    assert after is not before
    assert not before.closed
    await api.close()
    assert before.closed
