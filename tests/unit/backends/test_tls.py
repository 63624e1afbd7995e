"""The same promises over TLS, with a certificate made for the run."""

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httplib2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mljobs.backends import Access, Limits, open_job_service
from mljobs.backends.google.probe import identify
from mljobs.backends.mlv1.client import MlV1Client
from mljobs.domain.errors import Unavailable
from tests.unit.backends.raw_server import RawServer, answer, drop, hang, trickle

JOB = {"jobId": "j", "state": "QUEUED"}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and its self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mljobs test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server(certificate: Path) -> Iterator[RawServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with RawServer(rest=answer(200, JOB), tls=context) as running:
        yield running


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httplib2, "CA_CERTS", str(certificate))


def service(server: RawServer, timeout: float = 10) -> MlV1Client:
    return open_job_service(
        Access(endpoint=server.url, anonymous=True, timeout=timeout, threads=1, limits=Limits(0, 0))
    )


async def test_a_certificate_that_nobody_knows(server: RawServer) -> None:
    async with service(server) as client:
        with pytest.raises(Unavailable, match=r"was not sent: .*certificate"):
            await client.create("p", JOB)
    assert server.received == []


@pytest.mark.usefixtures("trusted")
async def test_the_connection_is_kept_until_the_server_closes_it(server: RawServer) -> None:
    server.steps = [answer(200, JOB), answer(200, JOB, close=True)]
    async with service(server) as client:
        await client.get("p", "j")
        await client.get("p", "j")
        server.join_connection(0)
        await client.create("p", JOB)
    assert [request.connection for request in server.received] == [0, 0, 1]


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("kept_alive", [False, True])
async def test_a_create_whose_answer_is_lost_is_sent_once(server: RawServer, kept_alive: bool) -> None:
    server.steps = [answer(200, JOB), drop] if kept_alive else [drop]
    async with service(server) as client:
        if kept_alive:
            await client.get("p", "j")
        with pytest.raises(Unavailable, match="not known"):
            await client.create("p", JOB)
    assert [request.method for request in server.received].count("POST") == 1


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("step", [hang, trickle])
async def test_a_slow_exchange_ends_with_the_time_out(server: RawServer, step: object) -> None:
    server.steps = [step]  # type: ignore[list-item]
    async with service(server, timeout=0.4) as client:
        with pytest.raises(Unavailable, match="not known"):
            await client.create("p", JOB)
        assert (await client.get("p", "j"))["jobId"] == "j"
    assert [request.connection for request in server.received] == [0, 1]


def test_a_workload_certificate_is_shown_to_the_token_service(
    certificate: Path, trusted: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workload identity federation with X.509: the certificate is the credential."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    workload = {"cert_path": str(certificate), "key_path": str(certificate)}
    located = tmp_path / "certificates.json"
    located.write_text(json.dumps({"cert_configs": {"workload": workload}}))
    token = {"access_token": "t1", "expires_in": 3600, "token_type": "Bearer"}
    with RawServer(rest=answer(200, token), tls=context) as tokens, RawServer(rest=answer(200, JOB)) as plain:
        credentials = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/x",
            "subject_token_type": "urn:ietf:params:oauth:token-type:mtls",
            "token_url": f"{tokens.url}v1/token",
            "credential_source": {"certificate": {"certificate_config_location": str(located)}},
        }
        file = tmp_path / "credentials.json"
        file.write_text(json.dumps(credentials))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        found = identify(endpoint=plain.url, timeout=10)
        assert found.source.startswith(str(file))
        assert [request.path for request in tokens.received] == ["/v1/token"]
