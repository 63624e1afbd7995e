"""Keys and certificates of one control plane, made when it starts. Only their owner can read the files."""

import base64
import datetime
import ipaddress
import json
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_DAYS = 3650
_LEAF_DAYS = 365
_SERVER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
SERVICE_RANGE = "10.0.0.0/24"
_FIRST_SERVICE_IP = "10.0.0.1"


def write_private(path: Path, content: bytes) -> Path:
    """Write a file that only its owner can read, at once and whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)
    return path


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(common_name: str, organizations: Sequence[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


class Authority:
    """The certificate authority of a control plane, and the key that signs service-account tokens.

    Args:
        folder: where its files are; what is there already is used again, so that clients stay valid.

    Attributes:
        certificate_file: the authority's certificate (`ca.crt`).
        token_key_file: private key for service-account tokens (`sa.key`).
        token_public_file: its public half (`sa.pub`).
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.certificate_file = folder / "ca.crt"
        self.token_key_file = folder / "sa.key"
        self.token_public_file = folder / "sa.pub"
        self._key = self._load_or_make_key(folder / "ca.key")
        if not self.certificate_file.exists():
            write_private(self.certificate_file, self._self_signed())
        self._certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        token_key = self._load_or_make_key(self.token_key_file)
        write_private(
            self.token_public_file,
            token_key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
        )

    @property
    def certificate(self) -> bytes:
        """The authority's certificate as PEM."""
        return self.certificate_file.read_bytes()

    def server(self, name: str, address: str) -> tuple[Path, Path]:
        """Write a new serving certificate for `address` and the usual names; return it and its key."""
        names: list[x509.GeneralName] = [x509.DNSName(dns) for dns in _SERVER_NAMES]
        names += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in (address, _FIRST_SERVICE_IP)]
        certificate, key = self._leaf(
            _name(name), ExtendedKeyUsageOID.SERVER_AUTH, x509.SubjectAlternativeName(names)
        )
        return (
            write_private(self.folder / f"{name}.crt", certificate),
            write_private(self.folder / f"{name}.key", key),
        )

    def client(self, user: str, groups: Sequence[str]) -> tuple[bytes, bytes]:
        """Make a client certificate and its key (PEM): user as common name, groups as organizations."""
        return self._leaf(_name(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _leaf(
        self, subject: x509.Name, usage: x509.ObjectIdentifier, names: x509.SubjectAlternativeName | None
    ) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(subject, self._certificate.subject, _LEAF_DAYS)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key)

    def _self_signed(self) -> bytes:
        public_key = self._key.public_key()
        name = _name("mljobs-devcluster")
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            _builder(name, name, _CA_DAYS)
            .public_key(public_key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    @staticmethod
    def _load_or_make_key(path: Path) -> ec.EllipticCurvePrivateKey:
        if path.exists():
            loaded = serialization.load_pem_private_key(path.read_bytes(), password=None)
            if not isinstance(loaded, ec.EllipticCurvePrivateKey):
                raise ValueError(
                    f"{path}: not a key that this program made; remove the folder to start afresh"
                )
            return loaded
        key = ec.generate_private_key(ec.SECP256R1())
        write_private(path, _key_pem(key))
        return key


def kubeconfig(
    url: str, ca: Path | bytes, user: str, credentials: dict[str, str], namespace: str = "default"
) -> bytes:
    """Return a kubeconfig (YAML that happens to be JSON).

    It names files where it can: data inside a kubeconfig, clients in Python write into temporary
    files, which stay behind when the process is killed.

    Args:
        url: the API server's address.
        ca: file with the PEM of the authority to trust; or that PEM, where no other file shall be needed.
        user: what the kubeconfig calls the user.
        credentials: the user's entry, `{"token": …}` or what `certificate_credentials` returns.
        namespace: the namespace of the only context.
    """
    if isinstance(ca, Path):
        trust = {"certificate-authority": str(ca.absolute())}
    else:
        trust = {"certificate-authority-data": base64.b64encode(ca).decode()}
    context = {"cluster": "mljobs", "user": user, "namespace": namespace}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "mljobs", "cluster": {"server": url, **trust}}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "mljobs", "context": context}],
        "current-context": "mljobs",
    }
    return json.dumps(document, indent=2).encode()  # quoted, so that a namespace `n` stays a text


def certificate_credentials(file: Path) -> dict[str, str]:
    """Return a user's entry in a kubeconfig.

    Args:
        file: the PEM of a client certificate, and that of its key.
    """
    return {"client-certificate": str(file.absolute()), "client-key": str(file.absolute())}
