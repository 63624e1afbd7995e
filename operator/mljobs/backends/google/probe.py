"""The operator's Google account, found without a call of the job service."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from google.auth.exceptions import GoogleAuthError

from mljobs.backends.google.credentials import (
    TokenRequest,
    application_default,
    denial_of,
    fetch_token,
    is_transient,
    message_of,
)
from mljobs.backends.google.transport import OnceHttp, is_loopback
from mljobs.domain.errors import Denied, Unavailable


@dataclass(frozen=True)
class Identity:
    """The account of the application default credentials.

    Attributes:
        account: its e-mail address or principal; `an unnamed account` if the credentials do not say.
        kind: the type of credentials, in google-auth's words.
        source: the file or server that they came from.
    """

    account: str
    kind: str
    source: str


def identify(*, endpoint: str = "", timeout: float, user_agent: str = "mljobs-operator") -> Identity:
    """Look up the application default credentials and fetch a token, as the first request would. It blocks.

    Args:
        endpoint: of the job service; one on loopback is reached without a proxy, and so are tokens.
        timeout: seconds for each wait on the network.
        user_agent: names us to the token server.

    Raises:
        Denied: there are no credentials, or no token for them.
        Unavailable: the token server does not answer.
    """
    open_http = partial(OnceHttp, timeout=timeout, user_agent=user_agent, proxied=not is_loopback(endpoint))
    return _identify(TokenRequest(open_http))


def _identify(request: TokenRequest) -> Identity:
    try:
        credentials = application_default()
        fetch_token(credentials, request)
    except GoogleAuthError as error:
        if is_transient(error):
            raise Unavailable(f"no access token for now: {message_of(error)}") from error
        raise Denied(f"no Google credentials: {message_of(error)}", cause=denial_of(error)) from error
    return _described(credentials)


def _described(credentials: Any) -> Identity:
    info = credentials.get_cred_info() or {}
    return Identity(
        account=info.get("principal")
        or getattr(credentials, "service_account_email", "")
        or "an unnamed account",
        kind=info.get("credential_type") or type(credentials).__module__.rpartition(".")[2].replace("_", " "),
        source=info.get("credential_source") or "the environment",
    )
