"""Google credentials: looked up with the API's scope, and shared by all request threads.

Requests go only to the token service of their type, and to the source of the token to exchange: the metadata
server, an identity provider. docs/install.md has the list of hosts.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
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

LONGEST_WAIT = 2.0
"""Seconds that a few requests wait for a token."""

AT_ONCE = 0.5
"""Seconds after the beginning of a fetch that all requests wait for it: most token services answer sooner."""

WAITING_LIMIT = 8
"""Requests that wait longer than that for the token of one identity: well below the workers."""

AHEAD_PAUSE = 10.0
"""Seconds between two attempts to replace a token that is still valid."""

FAILED_PAUSE = 1.0
"""Seconds for which a failed fetch answers all that ask: a crowd of jobs must not ask one after the other."""


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
    """Whether there are no credentials at all, or none that yield a token, and why."""
    if isinstance(error, IdentityRefused):
        return error.cause
    return Denial.NO_CREDENTIALS if isinstance(error, DefaultCredentialsError) else Denial.CREDENTIALS


def message_of(error: GoogleAuthError) -> str:
    """The message of an error, with the token service's own, which google-auth keeps separate."""
    words = [word for word in error.args if isinstance(word, str)] or [str(error)]
    bodies = (ErrorBody.parse(word.encode("utf-8", "replace")) for word in words[1:])
    return ": ".join([words[0], *(body.message for body in bodies if body and body.message not in words[0])])


class IdentityRefused(RefreshError):
    """An identity other than the operator's own gets no token.

    Attributes:
        cause: what is missing.
    """

    def __init__(self, *args: object, cause: Denial) -> None:
        super().__init__(*args)  # type: ignore[no-untyped-call]
        self.cause = cause


class SharedCredentials:
    """Google credentials behind a lock, as `google_auth_httplib2.AuthorizedHttp` uses them.

    They are looked up at the first request. A token that is about to expire is replaced on a thread of its
    own while it is still used, by one attempt at a time. A failed look-up or fetch is cached for no longer
    than a pause: after it, a request finds a Secret, a binding or an account that has been fixed. Threads
    that meet a 401 with the same token refresh it once, and threads that wait for an attempt that fails
    fail, too.

    Args:
        token_request: the transport for tokens.
        look_up: finds the credentials; by default the application default ones.
        refused: makes of an error of theirs one that says whose they are and what is missing.
        name: whose they are, for messages.
    """

    def __init__(
        self,
        token_request: TokenRequest,
        look_up: Callable[[], Any] = application_default,
        refused: Callable[[GoogleAuthError], GoogleAuthError] = lambda error: error,
        name: str = "the operator",
    ) -> None:
        self.name = name
        self._token_request = token_request
        self._look_up = look_up
        self._refused = refused
        self._lock = threading.Lock()
        self._used = threading.local()
        self._credentials: Any = None
        self._failures = 0
        self._failure: GoogleAuthError | None = None
        self._fetching: asyncio.Future[None] | None = None
        self._waiting = 0
        self._began = 0.0
        self._failed_until = 0.0
        self._ahead_again = 0.0

    async def ready(self, *, background: bool = False) -> bool:
        """Wait until there is a token that is valid, and see to it that there will be one.

        Args:
            background: whether to wait as long as it takes. Otherwise few wait long for a token service that
                does not answer, so that it does not hold up who has nothing to do with it.

        Returns:
            Whether there is one now.

        Raises:
            google.auth.exceptions.GoogleAuthError: there are no credentials, or no token for them.
        """
        state, now = self._state(), asyncio.get_running_loop().time()
        if state is TokenState.FRESH:
            return True
        fetching = self._fetching
        if fetching is None or (fetching.done() and now >= self._failed_until):
            if state is TokenState.STALE:
                if now < self._ahead_again:
                    return True
                self._ahead_again = now + AHEAD_PAUSE
            fetching = self._begin(now)
        if state is TokenState.STALE:
            return True
        longest = LONGEST_WAIT if self._waiting < WAITING_LIMIT else max(0.0, self._began + AT_ONCE - now)
        self._waiting += 1
        try:
            async with asyncio.timeout(None if background else longest):
                await asyncio.shield(fetching)
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True

    def before_request(
        self, _request: object, _method: str, _url: str, headers: MutableMapping[str, str]
    ) -> None:
        """Set the authorization in a request's headers, with a valid token.

        Raises:
            google.auth.exceptions.GoogleAuthError: there are no credentials, or no token for them.
        """
        credentials = self._credentials
        if credentials is None or credentials.token_state is TokenState.INVALID:
            credentials = self._obtain()
        # Not before_request: it may start a thread of google-auth with a look-up of its own.
        credentials.apply(headers)
        self._used.authorization = headers["authorization"]

    def refresh(self, _request: object) -> None:
        """Fetch a new token after a 401, unless another thread already has.

        Raises:
            google.auth.exceptions.GoogleAuthError: no token was issued.
        """
        with self._one_try():
            credentials = self._credentials
            if credentials is None or self._used.authorization == f"Bearer {credentials.token}":
                self._credentials = None  # of no use any more, even if there is no other
                self._fetch(self._look_up())  # what it was exchanged for may have been revoked, too

    def _state(self) -> TokenState:
        credentials = self._credentials
        return TokenState.INVALID if credentials is None else credentials.token_state

    def _begin(self, now: float) -> asyncio.Future[None]:
        """Start to fetch a token on a thread of its own."""
        loop = asyncio.get_running_loop()
        fetching: asyncio.Future[None] = loop.create_future()
        fetching.add_done_callback(self._note)
        self._fetching, self._began = fetching, now

        def run() -> None:
            failure = None
            try:
                self._obtain(ahead=True)
            except GoogleAuthError as error:
                failure = error
            with suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(_settle, fetching, failure)

        threading.Thread(target=run, name="mljobs-token", daemon=True).start()
        return fetching

    def _note(self, fetched: asyncio.Future[None]) -> None:
        """Begin the pause after a failure, of which perhaps nobody else learns."""
        failed = not fetched.cancelled() and fetched.exception() is not None
        self._failed_until = fetched.get_loop().time() + FAILED_PAUSE if failed else 0.0

    def _obtain(self, *, ahead: bool = False) -> Any:
        """Have credentials with a token that is valid, or with a new one if it is about to expire."""
        with self._one_try():
            credentials = self._credentials
            enough = (TokenState.FRESH,) if ahead else (TokenState.FRESH, TokenState.STALE)
            if credentials is not None and credentials.token_state in enough:
                return credentials
            if self._state() is TokenState.INVALID:
                self._credentials = None
            return self._fetch(credentials if self._credentials is not None else self._look_up())

    def _fetch(self, credentials: Any) -> Any:
        fetch_token(credentials, self._token_request)
        self._credentials = credentials
        return credentials

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
                self._failure, self._failures = self._refused(error), self._failures + 1
                raise self._failure from error


def _settle(fetching: asyncio.Future[None], failure: GoogleAuthError | None) -> None:
    if fetching.done():
        return
    if failure is None:
        fetching.set_result(None)
    else:
        fetching.set_exception(failure)


def _host(url: str) -> str:
    """The server of a URL, for messages: its path may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
