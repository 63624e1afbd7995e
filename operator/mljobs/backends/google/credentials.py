"""Google credentials: looked up with the API's scope, and shared by all request threads.

Requests go only to the token service of their type, and to the source of the token to exchange: the metadata
server, an identity provider. docs/install.md has the list of hosts.
"""

import logging
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import google.auth
import google_auth_httplib2
import httplib2
from google.auth.credentials import TokenState, with_scopes_if_required
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError

from mljobs.backends.google.answers import ErrorBody
from mljobs.backends.google.transport import OnceHttp
from mljobs.domain.errors import Denial

OAUTH_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""The one scope with which every method of the API can be called (discovery document)."""


class TokenRequest:
    """google-auth's transport for tokens: a new connection each time, since tokens are fetched rarely.

    Args:
        open_http: makes the Http of one request.
    """

    def __init__(self, open_http: Callable[[], OnceHttp]) -> None:
        self._open_http = open_http

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: Any = None,
        headers: Any = None,
        timeout: float | None = None,  # noqa: ARG002  # the Http has its own bound
        **kwargs: Any,
    ) -> Any:
        """Send one request.

        Raises:
            google.auth.exceptions.TransportError: there was no answer, or one that is not about the
                credentials: 429 and 5xx.
        """
        http = self._open_http()
        if "cert" in kwargs:  # of google-auth's, for workload identity federation with X.509 certificates
            certificate, key = kwargs.pop("cert")
            http.add_certificate(key, certificate, domain="")
        try:
            response = google_auth_httplib2.Request(http)(
                url, method=method, body=body, headers=headers, **kwargs
            )
        except (OSError, HTTPException, httplib2.HttpLib2Error) as error:
            raise TransportError(f"{_host(url)}: {error}") from error  # type: ignore[no-untyped-call]
        finally:
            http.close()
        if response.status == 429 or response.status >= 500:
            raise TransportError(f"{_host(url)} answered HTTP {response.status}")  # type: ignore[no-untyped-call]
        return response


def application_default() -> Any:
    """Look up the application default credentials with the scope of the API.

    A request is sent only on Google Cloud, to the metadata server. If it got the scope at once, google-auth
    would exchange a token of a workload identity pool over its own transport, and ask Cloud Resource Manager
    for the name of a project that is not needed.

    Raises:
        google.auth.exceptions.GoogleAuthError: there are none, or they cannot be read.
    """
    try:
        credentials, _ = google.auth.default()
        return with_scopes_if_required(credentials, [OAUTH_SCOPE])  # type: ignore[no-untyped-call]
    except GoogleAuthError:
        raise
    except Exception as error:  # a key file may contain anything, and the library does not check it
        raise DefaultCredentialsError(f"they cannot be read: {error}") from error  # type: ignore[no-untyped-call]


class _NoProject(logging.Filter):
    """Drops google-auth's advice to set a project, which would mislead: each job has its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.msg.startswith("No project ID could be determined")


logging.getLogger("google.auth._default").addFilter(_NoProject())


def fetch_token(credentials: Any, request: TokenRequest) -> None:
    """Fetch a new token.

    Raises:
        google.auth.exceptions.GoogleAuthError: no token was issued.
    """
    try:
        credentials.refresh(request)
    except GoogleAuthError:
        raise
    except Exception as error:  # google-auth checks neither the format of answers nor that of files
        text = f"a token cannot be fetched with them: {type(error).__name__}: {error}"
        raise RefreshError(text) from error  # type: ignore[no-untyped-call]


def is_transient(error: GoogleAuthError) -> bool:
    """Whether the failure says nothing about the credentials, so that a retry may succeed."""
    return isinstance(error, TransportError) or bool(getattr(error, "retryable", False))


def denial_of(error: GoogleAuthError) -> Denial:
    """Whether there are no credentials at all, or none that yield a token."""
    return Denial.NO_CREDENTIALS if isinstance(error, DefaultCredentialsError) else Denial.CREDENTIALS


def message_of(error: GoogleAuthError) -> str:
    """The message of an error, with the token service's own, which google-auth keeps separate."""
    words = [word for word in error.args if isinstance(word, str)] or [str(error)]
    bodies = (ErrorBody.parse(word.encode("utf-8", "replace")) for word in words[1:])
    return ": ".join([words[0], *(body.message for body in bodies if body and body.message not in words[0])])


class SharedCredentials:
    """Application default credentials behind a lock, as `google_auth_httplib2.AuthorizedHttp` uses them.

    They are looked up at the first request, on its thread. A failed look-up is not cached: the next
    request finds a Secret that has been fixed. Threads that meet a 401 with the same token refresh it once,
    and threads that wait for an attempt that fails fail, too.

    Args:
        token_request: the transport for tokens.
    """

    def __init__(self, token_request: TokenRequest) -> None:
        self._token_request = token_request
        self._lock = threading.Lock()
        self._used = threading.local()
        self._credentials: Any = None
        self._failures = 0
        self._failure: GoogleAuthError | None = None

    def before_request(
        self, _request: object, _method: str, _url: str, headers: MutableMapping[str, str]
    ) -> None:
        """Set the authorization in a request's headers, with a valid token.

        Raises:
            google.auth.exceptions.GoogleAuthError: there are no credentials, or no token for them.
        """
        with self._one_try():
            if self._credentials is None:
                self._credentials = application_default()
            self._renew()
            self._used.token = self._credentials.token
            # Not before_request: it may start a thread of google-auth with a look-up of its own.
            self._credentials.apply(headers)

    def refresh(self, _request: object) -> None:
        """Fetch a new token after a 401, unless another thread already has.

        Raises:
            google.auth.exceptions.GoogleAuthError: no token was issued.
        """
        with self._one_try():
            if self._credentials.token == self._used.token:
                fetch_token(self._credentials, self._token_request)

    @contextmanager
    def _one_try(self) -> Iterator[None]:
        """Serialize threads; those that have waited for a failed attempt fail, too."""
        before = self._failures
        with self._lock:
            if self._failure is not None and self._failures != before:
                raise self._failure
            try:
                yield
            except GoogleAuthError as error:
                self._failure, self._failures = error, self._failures + 1
                raise

    def _renew(self) -> None:
        state = self._credentials.token_state
        if state is TokenState.FRESH:
            return
        try:
            fetch_token(self._credentials, self._token_request)
        except GoogleAuthError:
            if state is TokenState.INVALID:  # a stale token is still valid for minutes
                raise


def _host(url: str) -> str:
    """The server of a URL, for messages: its path may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
