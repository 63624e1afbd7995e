"""The credentials of each request to the API server, renewed before they expire and when they are refused."""

import base64
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mljobs.controller.kube.access import Access, Impersonation, Oidc
from mljobs.controller.kube.errors import NoCredentials
from mljobs.controller.kube.kubeconfig import as_exec_cluster, refreshed
from mljobs.controller.kube.plugin import Given, run_plugin

logger = logging.getLogger(__name__)

READ_AGAIN = 50.0
"""Seconds after which files are read again: client-go's minute, less its leeway of 10 s."""

PAUSE = 5.0
"""Seconds in which new credentials are not renewed, however often they are refused."""

NOTHING = Given("", None, None)
"""The credentials if there is neither a plugin nor a login."""

OIDC_LEEWAY = 10.0
"""Seconds before its end from which an id token counts as expired (client-go)."""


@dataclass(frozen=True)
class Keys:
    """What TLS needs, as PEM.

    Attributes:
        authorities: certificates to trust; empty: those of the system.
        certificate: our own; empty for none.
        key: its key.
    """

    authorities: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True)
class Identity:
    """The credentials of requests.

    Attributes:
        headers: names and values; a name may come more than once.
        keys: for TLS. Connections may stay open while these do not change.
    """

    headers: tuple[tuple[str, str], ...]
    keys: Keys


class Credentials:
    """The identity of a user at an API server. May be used by several threads.

    Args:
        access: which user, and which server.
        clock: seconds since the epoch.
    """

    def __init__(self, access: Access, *, clock: Callable[[], float] = time.time) -> None:
        self._access = access
        self._clock = clock
        self._lock = threading.Lock()
        self._given: Given | None = None
        self._identity: Identity | None = None
        self._made = 0.0
        self._until: float | None = None

    def ready(self) -> Identity | None:
        """The identity, if it is known and still valid; None if it has to be made. Never blocks."""
        return self._identity if self._until is None or self._clock() < self._until else None

    def current(self, stop: threading.Event | None = None) -> Identity:
        """The identity; blocks while files are read or a plugin runs.

        Args:
            stop: aborts the call once it is set.

        Raises:
            NoCredentials: there is none.
        """
        with self._lock:
            return self.ready() or self._make(stop, force=False)

    def renew(self, refused: Identity, stop: threading.Event | None = None) -> Identity:
        """Renew an identity that the API server has refused (401), unless another thread just did.

        Args:
            refused: which.
            stop: aborts the call once it is set.

        Returns:
            The new one, which may be equal to the refused one.

        Raises:
            NoCredentials: there is none.
        """
        with self._lock:
            fresh = 0 <= self._clock() - self._made < PAUSE
            if self._identity is not None and (self._identity is not refused or fresh):
                return self._identity
            return self._make(stop, force=True)

    def _make(self, stop: threading.Event | None, *, force: bool) -> Identity:
        """Make the identity from the current files.

        Args:
            stop: aborts the call once it is set.
            force: whether to replace a plugin's credentials although they have not expired.
        """
        self._made = self._clock()
        expired = self._given is None or not _is_valid(self._given, self._made)
        try:
            if force or expired:
                self._given = self._ask(stop)
            identity = self._put_together(self._given or NOTHING)
        except NoCredentials as error:
            if self._identity is None or expired:
                raise
            # a file is being replaced, or a plugin has no network for a while: client-go does the same
            logger.warning("the previous credentials stay in use: %s", error)
            identity = self._identity
        self._until = self._valid_until()
        if identity == self._identity:
            return self._identity  # the same object: so `renew` sees what has been replaced
        self._identity = identity
        return identity

    def _valid_until(self) -> float | None:
        user = self._access.user
        files = any((user.token_file, user.cert_file, user.key_file, self._access.server.ca_file))
        ends = [self._given.expires if self._given else None, self._made + READ_AGAIN if files else None]
        return min((end for end in ends if end is not None), default=None)

    def _ask(self, stop: threading.Event | None) -> Given:
        """The credentials of a plugin or a login, unless the kubeconfig has some that take precedence."""
        server, user = self._access.server, self._access.user
        if not server.secure or any(
            (user.token, user.token_file, user.username, user.cert_file, user.cert_data)
        ):
            return NOTHING
        if user.plugin:
            authorities = base64.b64encode(self._authorities().encode()).decode()
            return run_plugin(user.plugin, as_exec_cluster(server, authorities), stop)
        return _oidc(user.oidc, self._made) if user.oidc else NOTHING

    def _put_together(self, given: Given) -> Identity:
        user = self._access.user
        headers = _impersonating(user.impersonation)
        if not self._access.server.secure:  # as kubectl does: credentials go over TLS only
            return Identity(headers, Keys())
        certificate = user.cert_data or _text(user.cert_file), user.key_data or _text(user.key_file)
        if not certificate[0] and given.certificate:
            certificate = given.certificate
        return Identity(
            (*self._authorization(given.token), *headers), Keys(self._authorities(), *certificate)
        )

    def _authorities(self) -> str:
        server = self._access.server
        return server.ca_data or _text(server.ca_file)

    def _authorization(self, given: str) -> tuple[tuple[str, str], ...]:
        user = self._access.user
        token = given or self._token()
        if token:
            return (("Authorization", f"Bearer {token}"),)
        if user.username or user.password:
            pair = base64.b64encode(f"{user.username}:{user.password}".encode()).decode()
            return (("Authorization", f"Basic {pair}"),)
        return ()

    def _token(self) -> str:
        """The token of the file, which takes precedence over the one in the kubeconfig."""
        user = self._access.user
        if user.token_file is None:
            return user.token
        try:
            return _text(user.token_file)
        except NoCredentials:
            if not user.token:
                raise
            return user.token


def _text(path: Path | None) -> str:
    """Read a file; empty if none is named."""
    if path is None:
        return ""
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NoCredentials(f"{path} cannot be read: {error}") from error
    if not text:
        raise NoCredentials(f"{path} is empty")
    return text


def _is_valid(given: Given, now: float) -> bool:
    return given.expires is None or now < given.expires


def _impersonating(whom: Impersonation) -> tuple[tuple[str, str], ...]:
    if not whom.user:
        return ()
    uid = [("Impersonate-Uid", whom.uid)] if whom.uid else []
    groups = [("Impersonate-Group", group) for group in whom.groups]
    extra = [
        (f"Impersonate-Extra-{_escaped(key)}", value)
        for key, values in whom.extra.items()
        for value in values
    ]
    return (("Impersonate-User", whom.user), *uid, *groups, *extra)


def _escaped(key: str) -> str:
    """A key as part of a header's name: illegal characters are percent-encoded (client-go)."""

    def safe(char: str) -> bool:
        return char.isascii() and (char.isalnum() or char in "!#$&'*+-.^_`|~")

    return "".join(char if safe(char) else "".join(f"%{byte:02X}" for byte in char.encode()) for char in key)


def _oidc(oidc: Oidc, now: float) -> Given:
    """The id token in the kubeconfig; kubectl renews it there."""
    for config in (oidc.config, refreshed(oidc)):
        token = config.get("id-token", "")
        expires = _expiry(token)
        if token and (expires is None or now + OIDC_LEEWAY < expires):
            return Given(token, None, None if expires is None else expires - OIDC_LEEWAY)
    raise NoCredentials(
        f"the id-token of user {oidc.user!r} in {oidc.origin} has expired: run any kubectl command, which "
        f"renews it there, or let the kubeconfig name a credential plugin"
    )


def _expiry(token: str) -> float | None:
    """When a JSON web token expires; None if it does not say."""
    try:
        payload = token.split(".")[1]
        expires = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))).get("exp")
    except (IndexError, ValueError, AttributeError):
        return None
    return float(expires) if isinstance(expires, int | float) else None
