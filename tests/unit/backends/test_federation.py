"""Workload identity federation: real credential files, a token service on loopback, and no other way out.

Whatever is not on loopback would have to go through the proxy of the environment, which writes down who was
to be reached.
"""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from mljobs.backends import Access, Limits, open_job_service
from mljobs.backends.google.credentials import OAUTH_SCOPE
from mljobs.backends.google.probe import identify
from mljobs.backends.mlv1.client import MlV1Client
from mljobs.domain.errors import Denied, JobServiceError, Unavailable
from tests.unit.backends.raw_server import RawServer, Received, Step, answer, drop, error

STS = "/v1/token"
JOB = {"jobId": "j", "state": "QUEUED"}
POOL = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/clusters/providers/k8s"
ACCOUNT = "trainer@my-project.iam.gserviceaccount.com"
IMPERSONATE = f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
EXPIRED = error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
IAM_SCOPE = "https://www.googleapis.com/auth/iam"


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """The way to everything that is not on loopback; nothing gets through."""
    with RawServer(rest=answer(502)) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "127.0.0.1,localhost")
        yield proxy


def exchange(sock: socket.socket, request: Received) -> bool:
    """What STS, IAM Credentials and an identity provider answer: tokens that tell what they were made of."""
    if request.path == STS:
        subject = parse_qs(request.body.decode())["subject_token"][0]
        body: object = {"access_token": f"of-{subject}", "expires_in": 3600, "token_type": "Bearer"}
    elif request.path == IMPERSONATE:
        source = request.headers["authorization"].removeprefix("Bearer ")
        body = {"accessToken": f"for-{source}", "expireTime": "2100-01-01T00:00:00Z"}
    else:
        body = {"id_token": "from-the-provider"}
    return answer(200, body)(sock, request)


@pytest.fixture
def tokens() -> Iterator[RawServer]:
    with RawServer(rest=exchange) as server:
        yield server


@dataclass
class Federation:
    """A credential file and the projected token that it names."""

    file: Path
    subject: Path

    def change(self, **fields: Any) -> None:
        self.file.write_text(json.dumps(json.loads(self.file.read_text()) | fields))


@pytest.fixture
def federation(tokens: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Federation:
    subject, file = tmp_path / "token", tmp_path / "credentials.json"
    subject.write_text("pod-1")
    document = {
        "type": "external_account",
        "audience": POOL,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{tokens.url}v1/token",
        "credential_source": {"file": str(subject)},
    }
    file.write_text(json.dumps(document))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    return Federation(file, subject)


@pytest.fixture
def impersonating(federation: Federation, tokens: RawServer) -> Federation:
    federation.change(service_account_impersonation_url=f"{tokens.url[:-1]}{IMPERSONATE}")
    return federation


def service(server: RawServer) -> MlV1Client:
    return open_job_service(Access(endpoint=server.url, timeout=10, threads=1, limits=Limits(0, 0)))


def asked(server: RawServer) -> list[str]:
    return [request.path for request in server.received]


def form(request: Received) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


async def test_only_the_token_service_is_asked(
    federation: Federation, tokens: RawServer, outside: RawServer
) -> None:
    with RawServer(rest=answer(200, JOB)) as server:
        async with service(server) as client:
            await client.create("p", JOB)
            await client.get("p", "j")
        assert [request.headers["authorization"] for request in server.received] == ["Bearer of-pod-1"] * 2
    assert outside.received == []
    assert asked(tokens) == [STS]
    sent = form(tokens.received[0])
    assert sent == sent | {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": POOL,
        "scope": OAUTH_SCOPE,
        "subject_token": "pod-1",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    }


async def test_an_impersonated_account(
    impersonating: Federation, tokens: RawServer, outside: RawServer
) -> None:
    with RawServer(rest=answer(200, JOB)) as server:
        async with service(server) as client:
            await client.create("p", JOB)
        assert server.received[0].headers["authorization"] == "Bearer for-of-pod-1"
    assert outside.received == []
    assert asked(tokens) == [STS, IMPERSONATE]
    exchanged, impersonated = tokens.received
    assert form(exchanged)["scope"] == IAM_SCOPE
    assert impersonated.json["scope"] == [OAUTH_SCOPE]


async def test_a_provider_that_is_asked_by_url(
    federation: Federation, tokens: RawServer, outside: RawServer
) -> None:
    provider = {"url": f"{tokens.url}id", "format": {"type": "json", "subject_token_field_name": "id_token"}}
    federation.change(credential_source=provider)
    with RawServer(rest=answer(200, JOB)) as server:
        async with service(server) as client:
            await client.create("p", JOB)
        assert server.received[0].headers["authorization"] == "Bearer of-from-the-provider"
    assert outside.received == []
    assert asked(tokens) == ["/id", STS]


async def test_a_pods_token_is_read_anew_each_time(federation: Federation, outside: RawServer) -> None:
    """The kubelet replaces it within the hour."""

    def step(sock: socket.socket, request: Received) -> bool:
        good = request.headers["authorization"] == "Bearer of-pod-2"
        return (answer(200, JOB) if good else answer(401, EXPIRED))(sock, request)

    with RawServer(rest=step) as server:
        async with service(server) as client:
            federation.subject.write_text("pod-2")
            assert (await client.get("p", "j"))["jobId"] == "j"
            federation.subject.write_text("pod-3")
            assert (await client.get("p", "j"))["jobId"] == "j"
    assert outside.received == []


@pytest.mark.parametrize("impersonated", [False, True])
def test_who_the_operator_is(
    federation: Federation, tokens: RawServer, outside: RawServer, impersonated: bool
) -> None:
    if impersonated:
        federation.change(service_account_impersonation_url=f"{tokens.url[:-1]}{IMPERSONATE}")
    found = identify(endpoint="http://127.0.0.1:1", timeout=10)
    assert found.account == (ACCOUNT if impersonated else "an unnamed account")
    assert found.kind == "external account credentials"
    assert found.source.startswith(str(federation.file))
    assert outside.received == []
    assert asked(tokens) == [STS, *([IMPERSONATE] if impersonated else [])]


REFUSED = {"error": "invalid_grant", "error_description": "The audience does not match."}
DENIED = error(403, "PERMISSION_DENIED", "Permission 'iam.serviceAccounts.getAccessToken' denied")
BUSY = error(503, "UNAVAILABLE", "The service is currently unavailable.")


def failing(path: str, step: Step) -> Step:
    """Fail at one path only."""
    return lambda sock, request: (step if request.path == path else exchange)(sock, request)


@pytest.mark.parametrize(
    ("path", "step", "kind", "words"),
    [
        (
            STS,
            answer(400, REFUSED),
            Denied,
            r"no Google credentials: Error code invalid_grant: The audience does not match\.",
        ),
        (
            STS,
            answer(503, BUSY),
            Unavailable,
            "no access token for now: .*0.1:[0-9]+ answered HTTP 503",
        ),
        (STS, answer(429, BUSY), Unavailable, "no access token for now: .*HTTP 429"),
        (
            STS,
            answer(200, b"<html>sign in</html>"),
            Denied,
            "no Google credentials: .*cannot be fetched",
        ),
        (
            STS,
            answer(200, {"access_token": "t"}),
            Denied,
            "no Google credentials: .*cannot be fetched",
        ),
        (STS, drop, Unavailable, "no access token for now: http://127.0.0.1:"),
        (
            IMPERSONATE,
            answer(403, DENIED),
            Denied,
            "no Google credentials: Unable to acquire impersonated credentials: "
            "Permission 'iam.serviceAccounts.getAccessToken' denied.",
        ),
        (IMPERSONATE, answer(503, BUSY), Unavailable, "no access token for now: .*HTTP 503"),
        (IMPERSONATE, drop, Unavailable, "no access token for now"),
    ],
)
@pytest.mark.usefixtures("at_once")
async def test_without_a_token_nothing_is_sent(
    impersonating: Federation,
    tokens: RawServer,
    path: str,
    step: Step,
    kind: type[JobServiceError],
    words: str,
) -> None:
    tokens.rest = failing(path, step)
    with RawServer(rest=answer(200, JOB)) as server:
        async with service(server) as client:
            with pytest.raises(kind, match=words) as caught:
                await client.create("p", JOB)
            if isinstance(caught.value, Denied):
                assert "`mljobs check` shows which credentials" in caught.value.remedy
            with pytest.raises(kind, match=words.partition(": ")[0]):
                identify(endpoint=server.url, timeout=5)
            assert server.received == []
            tokens.rest = exchange
            assert (await client.create("p", JOB))["jobId"] == "j"  # fixed


@pytest.mark.parametrize("step", [answer(400, REFUSED), answer(503, BUSY), answer(200, b"no JSON"), drop])
async def test_a_token_about_to_expire_is_used_while_there_is_no_other(
    federation: Federation, tokens: RawServer, step: Step
) -> None:
    tokens.steps = [answer(200, {"access_token": "t1", "expires_in": 60, "token_type": "Bearer"})]
    tokens.rest = step
    with RawServer(rest=answer(200, JOB)) as server:
        async with service(server) as client, asyncio.timeout(30):
            while len(tokens.received) < 2:
                await client.get("p", "j")
            await client.get("p", "j")
        assert {request.headers["authorization"] for request in server.received} == {"Bearer t1"}
    assert len(tokens.received) == 2


BROKEN: dict[str, Callable[[Federation], None]] = {
    "no token of the pod": lambda federation: federation.subject.unlink(),
    "a folder in its place": lambda federation: federation.change(credential_source={"file": "/"}),
    "a token that is no text": lambda federation: _write(federation.subject, b"\xff\xfe"),
    "no token service": lambda federation: federation.change(token_url=""),
    "no audience": lambda federation: federation.change(audience=None),
    "a source of no kind": lambda federation: federation.change(credential_source={}),
}


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_configuration_that_cannot_work_is_denied(
    federation: Federation, outside: RawServer, fault: str
) -> None:
    BROKEN[fault](federation)
    with RawServer() as server:
        async with service(server) as client:
            with pytest.raises(Denied, match="was not sent: no Google credentials"):
                await client.create("p", JOB)
        with pytest.raises(Denied, match="Google credentials"):
            identify(endpoint=server.url, timeout=5)
        assert server.received == []
    assert outside.received == []


ALONE = """
import asyncio, sys
from mljobs.backends import Access, open_job_service

async def main():
    async with open_job_service(Access(endpoint=sys.argv[1], timeout=10)) as client:
        print((await client.get("p", "j"))["jobId"])

asyncio.run(main())
"""


def test_a_command_says_nothing_of_projects(federation: Federation, outside: RawServer) -> None:
    """google-auth's advice to set one would mislead: each resource names its own."""
    with RawServer(rest=answer(200, JOB)) as server:
        done = subprocess.run(
            [sys.executable, "-c", ALONE, server.url], capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.stdout, done.stderr) == ("j\n", "")
    assert outside.received == []
