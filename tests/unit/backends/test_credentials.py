"""Application default credentials, with a key made for the run and a token endpoint on loopback."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError

from mljobs import __version__
from mljobs.backends import Access, Limits, open_job_service
from mljobs.backends.google.answers import Method
from mljobs.backends.google.calls import no_token
from mljobs.backends.mlv1.client import MlV1Client
from mljobs.domain.errors import Denied, JobServiceError, Unavailable
from tests.unit.backends.raw_server import (
    RawServer,
    Received,
    Step,
    answer,
    drop,
    error,
    hang,
    on_compute_engine,
)

JOB = {"jobId": "j", "state": "QUEUED"}
EXPIRED = error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")


@pytest.fixture(scope="session")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def tokens() -> Iterator[RawServer]:
    """A token endpoint that gives t1, t2, …"""
    with RawServer() as server:
        server.rest = lambda sock, request: answer(200, _token(len(server.received)))(sock, request)
        yield server


@pytest.fixture
def key_file(tokens: RawServer, private_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "key.json"
    key = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": private_key,
        "client_email": "operator@p.example",
        "token_uri": f"{tokens.url}token",
    }
    path.write_text(json.dumps(key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    return path


def _token(number: int, seconds: int = 3600) -> dict[str, object]:
    return {"access_token": f"t{number}", "expires_in": seconds, "token_type": "Bearer"}


def accepts(*tokens: str) -> Step:
    def step(sock: socket.socket, request: Received) -> bool:
        known = request.headers.get("authorization") in {f"Bearer {token}" for token in tokens}
        return (answer(200, JOB) if known else answer(401, EXPIRED))(sock, request)

    return step


def service(server: RawServer, threads: int = 1) -> MlV1Client:
    return open_job_service(Access(endpoint=server.url, timeout=10, threads=threads, limits=Limits(0, 0)))


async def test_a_token_is_fetched_once_and_kept(key_file: Path, tokens: RawServer) -> None:
    with RawServer(rest=accepts("t1")) as server:
        async with service(server) as client:
            assert tokens.received == []
            await client.create("p", JOB)
            await client.get("p", "j")
        assert [request.headers["authorization"] for request in server.received] == ["Bearer t1"] * 2
        assert server.received[0].headers["user-agent"].startswith(f"mljobs-operator/{__version__} ")
    assert len(tokens.received) == 1
    form = parse_qs(tokens.received[0].body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]


async def test_a_401_brings_one_new_token_and_one_repetition(key_file: Path, tokens: RawServer) -> None:
    with RawServer(rest=accepts("t2")) as server:
        async with service(server) as client:
            assert (await client.create("p", JOB))["jobId"] == "j"
        assert [r.headers["authorization"] for r in server.received] == ["Bearer t1", "Bearer t2"]
        assert server.received[0].body == server.received[1].body
    assert len(tokens.received) == 2


async def test_a_second_401_is_denied(key_file: Path, tokens: RawServer) -> None:
    with RawServer(rest=accepts()) as server:
        async with service(server) as client:
            with pytest.raises(Denied, match="invalid authentication") as caught:
                await client.create("p", JOB)
        assert caught.value.status == 401
        assert len(server.received) == 2
    assert len(tokens.received) == 2


async def test_threads_that_meet_a_401_together_refresh_once(key_file: Path, tokens: RawServer) -> None:
    all_sent = threading.Barrier(8)

    def step(sock: socket.socket, request: Received) -> bool:
        if request.headers["authorization"] == "Bearer t1":
            all_sent.wait(20)
        return accepts("t2")(sock, request)

    with RawServer(rest=step) as server:
        async with service(server, threads=8) as client:
            await asyncio.gather(*(client.get("p", f"j{n}") for n in range(8)))
        assert len(server.received) == 16
    assert len(tokens.received) == 2


async def test_a_token_about_to_expire_is_renewed_while_it_is_used(key_file: Path, tokens: RawServer) -> None:
    tokens.steps = [answer(200, _token(1, seconds=60))]
    with RawServer(rest=accepts("t1", "t2")) as server:
        async with service(server) as client, asyncio.timeout(30):
            while not server.received or server.received[-1].headers["authorization"] == "Bearer t1":
                await client.get("p", "j")
        used = [request.headers["authorization"] for request in server.received]
    assert used[:2] == ["Bearer t1"] * 2  # nobody waits for the new one
    assert sorted(used) == used
    assert len(tokens.received) == 2


async def test_a_token_about_to_expire_is_used_while_there_is_no_other(
    key_file: Path, tokens: RawServer
) -> None:
    tokens.steps = [answer(200, _token(1, seconds=60))]
    tokens.rest = answer(400, {"error": "invalid_grant"})
    with RawServer(rest=accepts("t1")) as server:
        async with service(server) as client, asyncio.timeout(30):
            while len(tokens.received) < 2:
                await client.get("p", "j")
            await client.get("p", "j")
        assert {request.headers["authorization"] for request in server.received} == {"Bearer t1"}
    assert len(tokens.received) == 2


@pytest.mark.parametrize(
    ("step", "kind", "words"),
    [
        (answer(400, {"error": "invalid_grant"}), Denied, "no Google credentials: .*invalid_grant"),
        (answer(200, {"token_type": "Bearer"}), Denied, "no Google credentials: .*access token"),
        (drop, Unavailable, "no access token for now"),
    ],
)
@pytest.mark.usefixtures("at_once")
async def test_without_a_token_nothing_is_sent(
    key_file: Path, tokens: RawServer, step: Step, kind: type[JobServiceError], words: str
) -> None:
    tokens.rest = step
    with RawServer() as server:
        async with service(server) as client:
            with pytest.raises(kind, match=words):
                await client.create("p", JOB)
            assert server.received == []
            tokens.rest = answer(200, _token(1))
            assert (await client.create("p", JOB))["jobId"] == "j"  # fixed


@pytest.mark.usefixtures("at_once")
async def test_threads_that_wait_for_a_token_in_vain_wait_once(key_file: Path, tokens: RawServer) -> None:
    """Else the last of them waits eight time-outs long, and so does the resource that it works for."""
    tokens.rest = hang
    with RawServer() as server:
        async with open_job_service(
            Access(endpoint=server.url, timeout=1, threads=8, limits=Limits(0, 0))
        ) as client:
            calls = [client.create("p", {**JOB, "jobId": f"j{n}"}) for n in range(8)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {Unavailable}
            assert len(tokens.received) == 1
            tokens.rest = answer(200, _token(1))
            assert (await client.create("p", JOB))["jobId"] == "j"


@pytest.mark.usefixtures("at_once")
async def test_missing_credentials_are_looked_for_again(key_file: Path, tokens: RawServer) -> None:
    hidden = key_file.rename(key_file.with_suffix(".hidden"))  # noqa: ASYNC240
    with RawServer() as server:
        async with service(server) as client:
            for _ in range(2):
                with pytest.raises(Denied, match=r"was not sent: no Google credentials: ") as caught:
                    await client.create("p", JOB)
                assert "Workload Identity" in caught.value.remedy
            assert server.received == []
            hidden.rename(key_file)
            await client.create("p", JOB)
        assert len(server.received) == 1


@pytest.mark.usefixtures("at_once")
async def test_a_key_file_of_garbage_is_denied(key_file: Path) -> None:
    with RawServer() as server:
        async with service(server) as client:
            for garbage in ("", "{", "[]", '{"type": "service_account"}', '{"type": "unheard of"}'):
                key_file.write_text(garbage)  # noqa: ASYNC240
                with pytest.raises(Denied, match="no Google credentials"):
                    await client.create("p", JOB)
        assert server.received == []


@pytest.mark.parametrize(
    ("error", "options", "kind"),
    [
        (RefreshError, {}, Denied),
        (RefreshError, {"retryable": True}, Unavailable),
        (TransportError, {}, Unavailable),
        (GoogleAuthError, {}, Denied),
    ],
)
def test_what_the_loss_of_a_token_means(
    error: Callable[..., GoogleAuthError], options: dict[str, bool], kind: type[JobServiceError]
) -> None:
    assert type(no_token(Method("m"), error("words", **options))) is kind


ON_COMPUTE_ENGINE = """
import asyncio, sys
from mljobs.backends import Access, open_job_service

async def main():
    async with open_job_service(Access(endpoint=sys.argv[1], timeout=10)) as client:
        print((await client.get("p", "j"))["jobId"])

asyncio.run(main())
"""


def test_the_metadata_server_gives_tokens(tmp_path: Path) -> None:
    """As on GKE with Workload Identity. A process of its own: google-auth reads the address at import."""

    def metadata(sock: socket.socket, request: Received) -> bool:
        assert request.headers["metadata-flavor"] == "Google"
        body: object = {"email": "a@b.example", "scopes": [], "aliases": []}
        if "token" in request.path:
            body = {"access_token": "t1", "expires_in": 3600, "token_type": "Bearer"}
        flavor = {"Metadata-Flavor": "Google"}
        if "project" in request.path:
            return answer(200, b"p", headers=flavor)(sock, request)
        return answer(200, body, headers=flavor)(sock, request)

    with RawServer(rest=accepts("t1")) as server, RawServer(rest=metadata) as metadata_server:
        done = on_compute_engine(tmp_path, metadata_server, ON_COMPUTE_ENGINE, server.url)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "j\n"
        assert done.stderr == ""
        assert len(server.received) == 1
