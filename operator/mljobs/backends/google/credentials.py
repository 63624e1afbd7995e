"""Google credentials, shared by all request threads."""

import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

import google.auth
import google_auth_httplib2
import httplib2
from google.auth.credentials import TokenState
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError

from mljobs.backends.google.transport import OnceHttp

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""The one scope with which every method of the API can be called (discovery document)."""


class TokenRequest:
    """google-auth's transport for tokens: a connection of its own each time, since tokens are fetched rarely.

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
            google.auth.exceptions.TransportError: there was no answer.
        """
        http = self._open_http()
        try:
            return google_auth_httplib2.Request(http)(
                url, method=method, body=body, headers=headers, **kwargs
            )
        except (OSError, HTTPException, httplib2.HttpLib2Error) as error:
            raise TransportError(str(error)) from error  # type: ignore[no-untyped-call]
        finally:
            http.close()


class SharedCredentials:
    """Application default credentials behind a lock, as `google_auth_httplib2.AuthorizedHttp` uses them.

    They are looked up at the first request, on its thread. A failed look-up is not kept: a Secret that is
    mended is found by the next request. Threads that meet a 401 with the same token refresh it once, and
    threads that wait for a try that fails fail with it.

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
        """Put the authorization into a request's headers, with a token that still holds.

        Raises:
            google.auth.exceptions.GoogleAuthError: there are no credentials, or no token for them.
        """
        with self._one_try():
            if self._credentials is None:
                self._credentials = _application_default()
            self._renew()
            self._used.token = self._credentials.token
            # Not before_request: it may start a thread of google-auth's own with a look-up that is not ours.
            self._credentials.apply(headers)

    def refresh(self, _request: object) -> None:
        """Fetch a new token after a 401, unless another thread already has.

        Raises:
            google.auth.exceptions.GoogleAuthError: there is no token to be had.
        """
        with self._one_try():
            if self._credentials.token == self._used.token:
                self._credentials.refresh(self._token_request)

    @contextmanager
    def _one_try(self) -> Iterator[None]:
        """Let one thread in after the other, but none that has waited for a try that failed."""
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
            self._credentials.refresh(self._token_request)
        except (RefreshError, TransportError):
            if state is TokenState.INVALID:  # a stale token still holds for minutes
                raise


def _application_default() -> Any:
    try:
        credentials, _ = google.auth.default(scopes=[SCOPE])
    except GoogleAuthError:
        raise
    except Exception as error:  # a key file may hold anything, and the library trusts its shape
        raise DefaultCredentialsError(f"they cannot be read: {error}") from error  # type: ignore[no-untyped-call]
    return credentials
