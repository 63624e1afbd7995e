"""Whom and what a request is about, as far as it says so itself: for faults, denials and the ledger."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request is about.

    Attributes:
        project: its id; empty where there is none.
        location: of the path; empty where it has none.
        job_id: of the path or, in ml v1's `create`, of the body.
        display_name: of a job of Vertex AI.
        stored: the object of Cloud Storage, as `BUCKET/OBJECT`.
        labels: of the job.
        account: whose token is asked for: the address of a service account, or the subject of the token that
            is to be exchanged.
    """

    project: str = ""
    location: str = ""
    job_id: str = ""
    display_name: str = ""
    stored: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    account: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """What a pattern for a job is compared with: its id, or its id and its display name."""
        return (self.job_id, self.display_name) if self.display_name else (self.job_id,)


def identity(headers: Mapping[str, str]) -> str:
    """Who calls, as far as the `Authorization` header tells; nothing is verified.

    Returns:
        The `email`, else the `sub`, of a JSON Web Token; a digest of another token, so that it cannot be
        used by whoever reads the ledger; nothing without a token.
    """
    token = bearer(headers)
    if not token:
        return ""
    claims = _claims(token)
    named = claims.get("email") or claims.get("sub")
    if isinstance(named, str) and named:
        return named
    return f"token:{hashlib.blake2b(token.encode(), digest_size=6).hexdigest()}"


def bearer(headers: Mapping[str, str]) -> str:
    """The token of the `Authorization` header; empty without one."""
    kind, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def text_labels(value: object) -> Mapping[str, str]:
    """The labels of a body that nobody has checked: those that are texts."""
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str)}


def _claims(token: str) -> Mapping[str, object]:
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}
