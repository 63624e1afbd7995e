"""The format of a kubeconfig (client-go's `clientcmd/api/v1`), as far as it is needed to reach a server."""

import base64
import binascii
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, model_validator
from pydantic.alias_generators import to_camel

EXTENSION = "client.authentication.k8s.io/exec"
"""The extension of a cluster for credential plugins."""

EXEC_BETA = "client.authentication.k8s.io/v1beta1"
EXEC_VERSIONS = ("client.authentication.k8s.io/v1", EXEC_BETA)
"""The versions of the protocol between kubectl and a credential plugin."""


def _decoded(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return base64.b64decode(text, validate=False).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("it must be PEM in base64") from None


Pem = Annotated[str, BeforeValidator(_decoded)]


class _Part(BaseModel):
    """Part of a kubeconfig; unknown fields are ignored, and null counts as absent."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return (
            {key: value for key, value in data.items() if value is not None}
            if isinstance(data, dict)
            else data
        )


class Extension(_Part):
    """Data of other programs in the file."""

    name: str = ""
    extension: Any = None


class Cluster(_Part):
    """An API server."""

    server: str = ""
    ca_file: str = Field("", alias="certificate-authority")
    ca_data: Pem = Field("", alias="certificate-authority-data")
    insecure: bool = Field(False, alias="insecure-skip-tls-verify")
    tls_server_name: str = Field("", alias="tls-server-name")
    proxy_url: str = Field("", alias="proxy-url")
    extensions: tuple[Extension, ...] = ()


class EnvVar(_Part):
    """An environment variable."""

    name: Annotated[str, Field(min_length=1)]
    value: str = ""


class Exec(_Part):
    """A credential plugin."""

    model_config = ConfigDict(alias_generator=to_camel)

    command: str = ""
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    api_version: str = ""
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: Literal["", "Never", "IfAvailable", "Always"] = ""


class AuthProvider(_Part):
    """A built-in login method of kubectl."""

    name: str = ""
    config: dict[str, str] = Field(default_factory=dict)


class User(_Part):
    """Who calls."""

    token: str = ""
    token_file: str = Field("", alias="tokenFile")
    username: str = ""
    password: str = ""
    cert_file: str = Field("", alias="client-certificate")
    cert_data: Pem = Field("", alias="client-certificate-data")
    key_file: str = Field("", alias="client-key")
    key_data: Pem = Field("", alias="client-key-data")
    exec: Exec | None = None
    auth_provider: AuthProvider | None = Field(None, alias="auth-provider")
    act_as: str = Field("", alias="as")
    act_as_uid: str = Field("", alias="as-uid")
    act_as_groups: tuple[str, ...] = Field((), alias="as-groups")
    act_as_extra: dict[str, tuple[str, ...]] = Field(default_factory=dict, alias="as-user-extra")


class Context(_Part):
    """A cluster and a user."""

    cluster: str = ""
    user: str = ""
    namespace: str = ""


class _Entry(_Part):
    """An entry of one of the three lists. It remembers its file, which its paths are relative to."""

    name: str
    _origin: Path = PrivateAttr(default=Path())

    @property
    def origin(self) -> Path:
        """The file that contains it."""
        return self._origin

    def place(self, origin: Path) -> None:
        """Set the file that contains it."""
        self._origin = origin

    def path(self, text: str) -> Path | None:
        """A path of the entry, made absolute; None for an empty text."""
        return self._origin.parent / text if text else None


class ClusterEntry(_Entry):
    """A named cluster."""

    cluster: Cluster = Cluster()


class UserEntry(_Entry):
    """A named user."""

    user: User = User()


class ContextEntry(_Entry):
    """A named context."""

    context: Context = Context()


EntryT = TypeVar("EntryT", ClusterEntry, UserEntry, ContextEntry)


class Config(_Part):
    """A kubeconfig, or several that are merged."""

    current_context: str = Field("", alias="current-context")
    clusters: tuple[ClusterEntry, ...] = ()
    users: tuple[UserEntry, ...] = ()
    contexts: tuple[ContextEntry, ...] = ()

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        for entries in (self.clusters, self.users, self.contexts):
            names = [entry.name for entry in entries]
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"there are two entries with the name {min(twice)!r}")
        return self

    def placed(self, origin: Path) -> Self:
        """Let each entry remember the file."""
        for entry in (*self.clusters, *self.users, *self.contexts):
            entry.place(origin)
        return self

    def under(self, other: "Config") -> "Config":
        """This config merged with another: entries and values of this one take precedence."""
        return Config.model_construct(
            current_context=self.current_context or other.current_context,
            clusters=_joined(self.clusters, other.clusters),
            users=_joined(self.users, other.users),
            contexts=_joined(self.contexts, other.contexts),
        )


def _joined(first: tuple[EntryT, ...], second: tuple[EntryT, ...]) -> tuple[EntryT, ...]:
    names = {entry.name for entry in first}
    more = tuple(entry for entry in second if entry.name not in names)
    return first + more
