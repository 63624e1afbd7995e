"""Verifies a token of an OpenID Connect issuer, as an API server makes them for ServiceAccounts."""

import ssl
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import jwt

from mljobs_dev.emulator.tokens.config import Oidc, Provider
from mljobs_dev.emulator.tokens.errors import TokenRefused

ALGORITHMS = ("RS256", "ES256")
REQUIRED = ("iss", "iat", "exp", "sub", "aud")
OLDEST = 24 * 3600
"""Seconds since a token's `iat`, at most."""

SKEW = 10
"""Seconds by which the issuer's clock may be ahead."""

_FETCH_SECONDS = 5
_OPTIONS: Any = {
    "require": list(REQUIRED),
    **dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf"), False),
}


def subject_of(token: str, provider: Provider, now: float) -> str:
    """The subject of a token that is good.

    Args:
        token: a JSON Web Token.
        provider: who has to have issued it, and for whom.
        now: Unix time.

    Raises:
        TokenRefused: it is no such token, or it has expired.
    """
    claims = _claims(token, provider)
    _check_times(claims, now)
    return str(claims["sub"])


def unverified_subject(token: str) -> str:
    """The subject that a token claims to have; empty for what is no token."""
    try:
        subject = jwt.decode(token, options={"verify_signature": False}).get("sub", "")
    except jwt.InvalidTokenError:
        return ""
    return subject if isinstance(subject, str) else ""


def _claims(token: str, provider: Provider) -> Mapping[str, Any]:
    oidc = provider.oidc
    try:
        return jwt.decode(
            token,
            _key(token, oidc),
            algorithms=list(ALGORITHMS),
            audience=provider.audiences,
            issuer=oidc.issuer_uri,
            # Times are compared with the emulator's clock, which tests turn.
            options=_OPTIONS,
        )
    except jwt.InvalidAudienceError as error:
        found = jwt.decode(token, options={"verify_signature": False}).get("aud")
        shown = ", ".join(found) if isinstance(found, list) else found
        raise TokenRefused(
            f"The audience in ID Token [{shown}] does not match the expected audience "
            f"{provider.audiences[0]}."
        ) from error
    except jwt.InvalidIssuerError as error:
        found = jwt.decode(token, options={"verify_signature": False}).get("iss")
        raise TokenRefused(
            f"The issuer in ID Token {found} does not match the expected ones: {oidc.issuer_uri}"
        ) from error
    except jwt.InvalidTokenError as error:
        raise TokenRefused(f"The ID Token is not accepted: {error}.") from error


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    issued = float(claims["iat"])
    if issued > now + SKEW or float(claims.get("nbf", 0)) > now + SKEW:
        raise TokenRefused(f"ID Token issued at {issued:.0f} is not valid yet.")
    if issued < now - OLDEST or float(claims["exp"]) <= now:
        raise TokenRefused(f"ID Token issued at {issued:.0f} is stale to sign-in.")


def _key(token: str, oidc: Oidc) -> Any:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise TokenRefused(f"Unable to parse the ID Token: {error}.") from error
    wanted = header.get("kid")
    try:
        key = next((key for key in _keys(oidc, wanted) if key.key_id == wanted), None)
    except (OSError, jwt.PyJWTError, ValueError) as error:
        raise TokenRefused("Error connecting to the given credential's issuer.") from error
    if key is None:
        raise TokenRefused(f"The ID Token's key {wanted} is none of the issuer's.")
    return key.key


def _keys(oidc: Oidc, wanted: Any) -> list[jwt.PyJWK]:
    if not oidc.jwks_uri:
        text = oidc.jwks_json or Path(oidc.jwks_file).read_text("utf-8")
        return list(jwt.PyJWKSet.from_json(text).keys)
    client = _client(oidc.jwks_uri, oidc.ca_file)
    keys = list(client.get_jwk_set().keys)
    if any(key.key_id == wanted for key in keys):
        return keys
    return list(client.get_jwk_set(refresh=True).keys)  # keys may have been replaced


@lru_cache(maxsize=16)
def _client(uri: str, ca_file: str) -> jwt.PyJWKClient:
    context = ssl.create_default_context(cafile=ca_file or None)
    return jwt.PyJWKClient(uri, timeout=_FETCH_SECONDS, ssl_context=context)
