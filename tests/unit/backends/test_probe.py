"""Who the operator is to Google, with real key files and token servers on loopback."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mljobs.backends.google.probe import identify
from mljobs.domain.errors import Denied, Unavailable
from tests.unit.backends.raw_server import RawServer, Received, answer, drop, hang, on_compute_engine

TOKEN = {"access_token": "t1", "expires_in": 3600, "token_type": "Bearer"}
KeyFile = Callable[[str], Path]


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def key_file(private_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyFile:
    def write(token_url: str) -> Path:
        path = tmp_path / "key.json"
        key = {
            "type": "service_account",
            "project_id": "p",
            "private_key_id": "1",
            "private_key": private_key,
            "client_email": "operator@p.example",
            "token_uri": token_url,
        }
        path.write_text(json.dumps(key))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        return path

    return write


def test_a_key_file(key_file: KeyFile) -> None:
    with RawServer(rest=answer(200, TOKEN)) as tokens:
        path = key_file(f"{tokens.url}token")
        found = identify(endpoint="http://127.0.0.1:1", timeout=10)
        assert len(tokens.received) == 1
    assert found.account == "operator@p.example"
    assert found.kind == "service account credentials"
    assert found.source.startswith(str(path))
    assert "t1" not in repr(found)


def test_a_refused_key(key_file: KeyFile) -> None:
    with RawServer(rest=answer(400, {"error": "invalid_grant"})) as tokens:
        key_file(f"{tokens.url}token")
        with pytest.raises(Denied, match=r"no Google credentials: .*invalid_grant"):
            identify(endpoint="http://127.0.0.1:1", timeout=10)


@pytest.mark.parametrize("step", [drop, hang])
def test_a_token_server_without_an_answer(key_file: KeyFile, step: Callable[..., bool]) -> None:
    with RawServer(rest=step) as tokens:
        key_file(f"{tokens.url}token")
        with pytest.raises(Unavailable, match="no access token for now"):
            identify(endpoint="http://127.0.0.1:1", timeout=0.5)


@pytest.mark.parametrize("garbage", ["", "{", "[]", '{"type": "service_account"}', '{"type": "unheard of"}'])
def test_a_key_file_of_garbage(key_file: KeyFile, garbage: str) -> None:
    key_file("http://127.0.0.1:1/token").write_text(garbage)
    with pytest.raises(Denied, match=r"Google credentials"):
        identify(timeout=1)


def test_a_missing_key_file(key_file: KeyFile) -> None:
    path = key_file("http://127.0.0.1:1/token")
    path.unlink()
    with pytest.raises(Denied, match=str(path)):
        identify(timeout=1)


ON_COMPUTE_ENGINE = """
from mljobs.backends.google.probe import identify

found = identify(endpoint="http://127.0.0.1:1", timeout=10)
print(found.account, found.kind, found.source, sep="|")
"""


def test_the_metadata_server(tmp_path: Path) -> None:
    """As on GKE with Workload Identity. A process of its own: google-auth reads the address at import."""

    def metadata(sock: object, request: Received) -> bool:
        body: object = {"email": "a@b.example", "scopes": [], "aliases": []}
        if "token" in request.path:
            body = TOKEN
        if "project" in request.path:
            body = b"p"
        return answer(200, body, headers={"Metadata-Flavor": "Google"})(sock, request)  # type: ignore[arg-type]

    with RawServer(rest=metadata) as server:
        done = on_compute_engine(tmp_path, server, ON_COMPUTE_ENGINE)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "a@b.example|VM credentials|metadata server\n"
