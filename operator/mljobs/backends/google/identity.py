"""As whom a service is called: the operator itself, an account that it acts as, or an account of a tenant."""

import threading
from collections import OrderedDict
from typing import Any, Protocol
from urllib.parse import quote

from google.auth import identity_pool, impersonated_credentials
from google.auth.exceptions import GoogleAuthError, OAuthError, TransportError

from mljobs.backends.google.calls import check_endpoint
from mljobs.backends.google.credentials import (
    OAUTH_SCOPE,
    IdentityRefused,
    SharedCredentials,
    TokenRequest,
    application_default,
    denial_of,
    is_transient,
)
from mljobs.domain.errors import Denial, Denied, JobServiceError
from mljobs.domain.port import OPERATOR, Caller

STS = "https://sts.googleapis.com"
IAM_CREDENTIALS = "https://iamcredentials.googleapis.com"
IMPERSONATION_REFUSED = "Unable to acquire impersonated credentials"
"""How google-auth says that IAM Credentials has refused."""

JWT = "urn:ietf:params:oauth:token-type:jwt"

KEPT = 4096
"""Identities whose tokens are kept, the most recently used ones."""


class AccountTokens(Protocol):
    """Gives tokens of Kubernetes' ServiceAccounts."""

    def __call__(self, namespace: str, name: str, audience: str, /) -> str:
        """Make a token for an audience. Called on a thread that may wait.

        Raises:
            Denied: there is no such account, or the operator may not have its tokens.
            Unavailable: there was no answer.
        """


class Identities:
    """Google credentials by identity: each fetches and keeps its tokens by itself. Thread-safe.

    Args:
        token_request: the transport for tokens.
        account_tokens: of ServiceAccounts; None where there are none to be had.
        endpoint: the URL of the token services, STS and IAM Credentials; empty for Google's own.

    Raises:
        ValueError: the endpoint cannot work, or would carry tokens over the network in clear text.
    """

    def __init__(
        self,
        token_request: TokenRequest,
        account_tokens: AccountTokens | None = None,
        endpoint: str = "",
    ) -> None:
        check_endpoint(endpoint, anonymous=False)
        self._token_request = token_request
        self._account_tokens = account_tokens
        self._endpoint = endpoint.rstrip("/")
        self._lock = threading.Lock()
        self._kept: OrderedDict[Caller, SharedCredentials] = OrderedDict()

    def credentials(self, caller: Caller) -> SharedCredentials:
        """The credentials of a caller. Nothing is looked up or sent before their first use."""
        with self._lock:
            found = self._kept.get(caller)
            if found is None:
                found = self._kept[caller] = self._made(caller)
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(caller)
            return found

    def _made(self, caller: Caller) -> SharedCredentials:
        if caller == OPERATOR:
            return SharedCredentials(self._token_request)
        source = Delegated(caller, self._account_tokens, self._endpoint)
        return SharedCredentials(self._token_request, source.look_up, source.refused, str(caller))


class Delegated:
    """Makes google-auth's credentials of an identity other than the operator's own.

    Args:
        caller: whose.
        account_tokens: see `Identities`.
        endpoint: see there.
    """

    def __init__(self, caller: Caller, account_tokens: AccountTokens | None, endpoint: str) -> None:
        self._caller = caller
        self._account_tokens = account_tokens
        self._sts = endpoint or STS
        self._iam = endpoint or IAM_CREDENTIALS

    def look_up(self) -> Any:
        """Make the credentials, with the scope of the APIs; no request is sent but on Google Cloud.

        Raises:
            google.auth.exceptions.GoogleAuthError: the operator has no credentials of its own to act with.
        """
        base = self._federated() if self._caller.account else application_default()
        if not self._caller.impersonate:
            return base
        account = quote(self._caller.impersonate, safe="@")
        return impersonated_credentials.Credentials(  # type: ignore[no-untyped-call]
            base,
            self._caller.impersonate,
            [OAUTH_SCOPE],
            iam_endpoint_override=f"{self._iam}/v1/projects/-/serviceAccounts/{account}:generateAccessToken",
        )

    def refused(self, error: GoogleAuthError) -> GoogleAuthError:
        """An error with whose token it is about, and with what is missing."""
        first, *rest = error.args or (str(error),)
        words = (f"{self._caller}: {first}", *rest)
        if is_transient(error):
            return TransportError(*words)  # type: ignore[no-untyped-call]
        cause = denial_of(error)
        if isinstance(error, OAuthError) and self._caller.account:
            cause = Denial.FEDERATION
        elif str(first).startswith(IMPERSONATION_REFUSED):
            cause = Denial.IMPERSONATION
        return IdentityRefused(*words, cause=cause)

    def _federated(self) -> Any:
        caller = self._caller
        provider = caller.provider
        return identity_pool.Credentials(  # type: ignore[no-untyped-call]
            audience=f"//iam.googleapis.com/{provider}" if provider.startswith("projects/") else provider,
            subject_token_type=JWT,
            token_url=f"{self._sts}/v1/token",
            subject_token_supplier=_Supplier(caller, self._account_tokens),
            scopes=[OAUTH_SCOPE],
        )


def audience_of(caller: Caller) -> str:
    """The audience that a ServiceAccount's token has to have.

    A provider expects by default its own full name with `https:` (IAM API, `Oidc.allowedAudiences`), and that
    of a fleet the name of the pool (GKE documentation, fleet Workload Identity).
    """
    if caller.audience:
        return caller.audience
    if caller.provider.startswith("identitynamespace:"):
        return caller.provider.split(":")[1]
    return f"https://iam.googleapis.com/{caller.provider}"


class _Supplier(identity_pool.SubjectTokenSupplier):
    """Gives google-auth the token that it is to exchange."""

    def __init__(self, caller: Caller, account_tokens: AccountTokens | None) -> None:
        self._caller = caller
        self._account_tokens = account_tokens

    def get_subject_token(self, context: object, request: object) -> str:  # noqa: ARG002
        """Request a token for the ServiceAccount."""
        caller = self._caller
        if not caller.provider:
            raise IdentityRefused(
                "no provider of a workload identity pool is named for it; set "
                "spec.identity.serviceAccountRef.provider of the class, or the operator's setting "
                "identityProvider",
                cause=Denial.FEDERATION,
            )
        if self._account_tokens is None:
            raise IdentityRefused(
                "tokens of ServiceAccounts are to be had in a cluster only", cause=Denial.SERVICE_ACCOUNT
            )
        try:
            return self._account_tokens(caller.namespace, caller.account, audience_of(caller))
        except Denied as error:
            raise IdentityRefused(error.message, cause=Denial.SERVICE_ACCOUNT) from error
        except JobServiceError as error:
            raise TransportError(error.message) from error  # type: ignore[no-untyped-call]
