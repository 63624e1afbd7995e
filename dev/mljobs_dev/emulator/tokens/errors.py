"""Errors in the words of the token services; `sources` says where they are known from."""

from mljobs_dev.emulator.errors import ERROR_INFO_TYPE, GENERIC_TEXT, ApiError

GET_ACCESS_TOKEN = "iam.serviceAccounts.getAccessToken"  # noqa: S105 - a permission

AUDIENCE = (
    'Invalid value for "audience". This value should be the full resource name of the Identity Provider. See '
    "https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list of possible formats."
)
TARGET = (
    'The target service indicated by the "audience" parameters is invalid. This might either be because the '
    "pool or provider is disabled or deleted or because it doesn't exist."
)
MISSING = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or "
    "other valid authentication credential. See https://developers.google.com/identity/sign-in/web/"
    "devconsole-project."
)


class OAuthError(ApiError):
    """A refusal of STS, which has the form of OAuth 2.0 (RFC 6749, section 5.2).

    Args:
        error: the word.
        description: the text for a person.
    """

    def __init__(self, error: str, description: str) -> None:
        super().__init__(400, description)
        self.error = error

    def as_json(self, error_format: int = 2) -> dict[str, object]:  # noqa: ARG002
        """The body of the answer."""
        return {"error": self.error, "error_description": self.message}


class TokenRefused(OAuthError):
    """STS does not accept the token to be exchanged."""

    def __init__(self, description: str) -> None:
        super().__init__("invalid_grant", description)


def invalid_request(description: str) -> OAuthError:
    """A request that STS cannot read."""
    return OAuthError("invalid_request", description)


def invalid_audience() -> OAuthError:
    """An audience that is no provider's name."""
    return invalid_request(AUDIENCE)


def unknown_provider() -> OAuthError:
    """An audience that names a provider that there is not, or that is disabled."""
    return OAuthError("invalid_target", TARGET)


def access_token_denied() -> ApiError:
    """The 403 of a caller who may not get tokens of a service account, or of an account that there is not."""
    info = {
        "@type": ERROR_INFO_TYPE,
        "reason": "IAM_PERMISSION_DENIED",
        "domain": "iam.googleapis.com",
        "metadata": {"permission": GET_ACCESS_TOKEN},
    }
    message = f"Permission '{GET_ACCESS_TOKEN}' denied on resource (or it may not exist)."
    return ApiError(403, message, details=[info])


def unauthenticated(reason: str, method: str) -> ApiError:
    """The 401 of a call without a token that counts.

    Args:
        reason: `CREDENTIALS_MISSING`, `ACCESS_TOKEN_EXPIRED`, `ACCESS_TOKEN_TYPE_UNSUPPORTED` or
            `ACCOUNT_STATE_INVALID`.
        method: which call.
    """
    info = {
        "@type": ERROR_INFO_TYPE,
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"method": method, "service": f"{method.partition('.')[0]}.googleapis.com"},
    }
    text = MISSING if reason == "CREDENTIALS_MISSING" else GENERIC_TEXT[401]
    return ApiError(401, text, details=[info])


def scope_insufficient(method: str) -> ApiError:
    """The 403 of a token whose scopes do not cover the call."""
    info = {
        "@type": ERROR_INFO_TYPE,
        "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "domain": "googleapis.com",
        "metadata": {"method": method, "service": f"{method.partition('.')[0]}.googleapis.com"},
    }
    return ApiError(403, "Request had insufficient authentication scopes.", details=[info])


def lifetime_too_long(seconds: float) -> ApiError:
    """The 400 of a token that is asked for a time that is too long."""
    return ApiError(
        400, f"The token lifetime should be at most 3600 seconds, and {seconds:g} were asked for."
    )
