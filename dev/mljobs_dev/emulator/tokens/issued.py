"""Access tokens that were issued: opaque, and known by a digest only, so that no dump can leak one."""

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

FEDERATED, ACCOUNT = "ya29.d.", "ya29.c."
"""How tokens of principals and of service accounts begin."""

IAM_SCOPES = frozenset(
    {"https://www.googleapis.com/auth/iam", "https://www.googleapis.com/auth/cloud-platform"}
)
"""The scopes with which IAM Credentials can be called (discovery document)."""

CLOUD_SCOPES = frozenset({"https://www.googleapis.com/auth/cloud-platform"})
"""The scope with which the jobs APIs can be called (discovery documents)."""


@dataclass(frozen=True)
class Issued:
    """An access token.

    Attributes:
        identity: whose it is: the address of a service account, or a principal.
        expires: Unix time.
        scopes: what it is good for.
    """

    identity: str
    expires: float
    scopes: frozenset[str]


class AccessTokens:
    """The tokens that were issued.

    Args:
        unix: reads Unix time. Tokens live in real time, as those of an API server do.
    """

    def __init__(self, unix: Callable[[], float] = time.time) -> None:
        self.unix = unix
        self._tokens: dict[str, Issued] = {}

    def issue(
        self, identity: str, scopes: frozenset[str], seconds: float, canary: str = ""
    ) -> tuple[str, Issued]:
        """Make a token that begins and ends with a canary, after its prefix."""
        prefix = FEDERATED if identity.startswith("principal:") else ACCOUNT
        token = prefix + canary + secrets.token_urlsafe(48) + canary
        issued = Issued(identity, self.unix() + seconds, scopes)
        self._forget_expired()
        self._tokens[_digest(token)] = issued
        return token, issued

    def find(self, token: str) -> Issued | None:
        """The token with this text, expired or not; None for one that was never issued, or was revoked."""
        return self._tokens.get(_digest(token))

    def revoke(self, identity: str) -> int:
        """Revoke the tokens of those whose identity matches a pattern; gives their number."""
        pattern = re.compile(identity)
        gone = [key for key, issued in self._tokens.items() if pattern.search(issued.identity)]
        for key in gone:
            del self._tokens[key]
        return len(gone)

    def clear(self) -> None:
        """Forget all."""
        self._tokens.clear()

    def _forget_expired(self) -> None:
        """Forget those that expired an hour ago; until then an answer can tell that they did."""
        limit = self.unix() - 3600
        self._tokens = {key: issued for key, issued in self._tokens.items() if issued.expires > limit}


def _digest(token: str) -> str:
    return hashlib.blake2b(token.encode(), digest_size=16).hexdigest()
