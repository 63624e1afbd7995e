"""Keys, certificates and kubeconfigs of a control plane, as TLS and kubectl read them."""

import base64
import socket
import ssl
import threading
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from mljobs_dev.controlplane.pki import Authority, certificate_credentials, kubeconfig, write_private


def names_of(pem: bytes, oid: x509.ObjectIdentifier) -> list[str]:
    subject = x509.load_pem_x509_certificate(pem).subject
    return [str(attribute.value) for attribute in subject.get_attributes_for_oid(oid)]


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    authority.server("kube-apiserver", "127.0.0.1")
    files = list((tmp_path / "pki").iterdir())
    assert {file.name for file in files} == {
        *("ca.crt", "ca.key", "sa.key", "sa.pub", "kube-apiserver.crt", "kube-apiserver.key")
    }
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700


def test_a_second_run_in_the_same_folder_keeps_authority_and_token_key(tmp_path: Path) -> None:
    first = Authority(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    client = first.client("kim", [])
    again = Authority(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    authority = x509.load_pem_x509_certificate(again.certificate)
    x509.load_pem_x509_certificate(client[0]).verify_directly_issued_by(authority)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    (tmp_path / "ca.key").write_bytes(
        ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(ValueError, match=r"ca\.key: not a key that this program made"):
        Authority(tmp_path)


def test_user_and_groups_are_where_kubernetes_reads_them(tmp_path: Path) -> None:
    certificate, _ = Authority(tmp_path).client("kim", ["team-a", "system:masters"])
    assert names_of(certificate, NameOID.COMMON_NAME) == ["kim"]
    assert names_of(certificate, NameOID.ORGANIZATION_NAME) == ["team-a", "system:masters"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "kubernetes.default.svc"])
def test_tls_trusts_the_server_under_its_names_and_the_server_its_clients(tmp_path: Path, host: str) -> None:
    authority = Authority(tmp_path)
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate_file)
    server_context.load_cert_chain(*authority.server("kube-apiserver", "127.0.0.1"))
    server_context.verify_mode = ssl.CERT_REQUIRED
    certificate, key = authority.client("kim", [])
    pair = write_private(tmp_path / "client.pem", certificate + key)
    client_context = ssl.create_default_context(cafile=authority.certificate_file)
    client_context.load_cert_chain(pair)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with server_context.wrap_socket(listener.accept()[0], server_side=True) as served:
                served.sendall(served.recv(5)[::-1])

        thread = threading.Thread(target=serve)
        thread.start()
        connection = socket.create_connection(listener.getsockname(), timeout=20)
        with client_context.wrap_socket(connection, server_hostname=host) as secured:
            secured.sendall(b"hello")
            assert secured.recv(5) == b"olleh"
        thread.join()


@pytest.mark.parametrize("namespace", ["default", "n", "on", "0x1", "1e3", "null"])
def test_a_kubeconfig_names_its_files_and_keeps_odd_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, namespace: str
) -> None:
    monkeypatch.chdir(tmp_path)
    authority = Authority(Path("pki"))
    credentials = certificate_credentials(Path("kim.pem"))
    content = kubeconfig("https://127.0.0.1:1", authority.certificate_file, "kim", credentials, namespace)
    config = yaml.safe_load(content)
    assert f'"namespace": "{namespace}"'.encode() in content
    context = next(item for item in config["contexts"] if item["name"] == config["current-context"])[
        "context"
    ]
    assert context == {"cluster": "mljobs", "user": "kim", "namespace": namespace}
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    assert cluster == {
        "server": "https://127.0.0.1:1",
        "certificate-authority": str(tmp_path / "pki" / "ca.crt"),
    }
    pair = str(tmp_path / "kim.pem")
    assert user == {"client-certificate": pair, "client-key": pair}


def test_a_kubeconfig_may_hold_the_authority_itself(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    content = kubeconfig("https://127.0.0.1:1", authority.certificate, "kim", {"token": "t"})
    cluster = yaml.safe_load(content)["clusters"][0]["cluster"]
    assert base64.b64decode(cluster["certificate-authority-data"]) == authority.certificate


def test_a_private_file_replaces_an_open_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
