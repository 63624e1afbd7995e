"""An API server and the user that calls it: the contents of a kubeconfig's context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Server:
    """An API server.

    Attributes:
        url: with its scheme, without a slash at its end.
        ca_file: certificates of the authorities to trust.
        ca_data: the same as PEM; wins over the file. Without both, those of the system are trusted.
        insecure: whether any certificate is accepted.
        tls_name: the name in its certificate; empty: the one in the URL.
        proxy: the URL of the proxy to use; empty for none.
        extension: the cluster entry's extension for credential plugins.
    """

    url: str
    ca_file: Path | None = None
    ca_data: str = ""
    insecure: bool = False
    tls_name: str = ""
    proxy: str = ""
    extension: Any = None

    @property
    def secure(self) -> bool:
        """Whether credentials may be sent: over TLS only."""
        return self.url.startswith("https://")


@dataclass(frozen=True)
class Plugin:
    """A program that returns credentials (client.authentication.k8s.io).

    Attributes:
        command: a path, or a name that is searched in PATH.
        args: its arguments.
        env: more variables for it.
        api_version: of its input and output.
        interactive: `Never`, `IfAvailable` or `Always`: whether it gets the standard input.
        wants_server: whether its input includes the API server.
        install_hint: what to print if the program is missing.
    """

    command: str
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    api_version: str = "client.authentication.k8s.io/v1"
    interactive: str = "IfAvailable"
    wants_server: bool = False
    install_hint: str = ""


@dataclass(frozen=True)
class Impersonation:
    """The user to act as.

    Attributes:
        user: the name; empty: act as oneself.
        uid: its uid.
        groups: its groups.
        extra: additional attributes.
    """

    user: str = ""
    uid: str = ""
    groups: Sequence[str] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Oidc:
    """Tokens of an OpenID Connect provider in a kubeconfig.

    Attributes:
        origin: the file in which renewed tokens are kept.
        user: the name of the user's entry in it.
        config: issuer, client and tokens.
    """

    origin: Path
    user: str
    config: Mapping[str, str]


@dataclass(frozen=True)
class User:
    """Who calls.

    Attributes:
        token: a bearer token.
        token_file: a file with one, which is read periodically and wins over `token`.
        username: for HTTP basic authentication.
        password: the same.
        cert_file: a client certificate.
        cert_data: the same as PEM; wins over the file.
        key_file: its key.
        key_data: the same as PEM; wins over the file.
        plugin: returns credentials.
        oidc: returns a token.
        impersonation: whom to act as.
    """

    token: str = ""
    token_file: Path | None = None
    username: str = ""
    password: str = ""
    cert_file: Path | None = None
    cert_data: str = ""
    key_file: Path | None = None
    key_data: str = ""
    plugin: Plugin | None = None
    oidc: Oidc | None = None
    impersonation: Impersonation = Impersonation()


@dataclass(frozen=True)
class Access:
    """How to access an API server.

    Attributes:
        server: the API server.
        user: the user.
        namespace: the default namespace.
        origin: where this was configured, for messages.
    """

    server: Server
    user: User
    namespace: str
    origin: str
