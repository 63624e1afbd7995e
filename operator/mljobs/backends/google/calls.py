"""One call of a Google API: build the request, send it once, parse the answer or raise an error."""

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import httplib2
from google.auth.exceptions import GoogleAuthError
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.errors import HttpError
from googleapiclient.model import JsonModel

from mljobs.api.json_text import decoded
from mljobs.backends.google.answers import Answer, Method, error_of, unreadable
from mljobs.backends.google.credentials import denial_of, is_transient, message_of
from mljobs.backends.google.threads import Transport
from mljobs.backends.google.transport import NotConnected, is_loopback
from mljobs.domain.errors import Denied, JobServiceError, Rejected, Unavailable, Violation

logger = logging.getLogger(__name__)

OnRequest = Callable[[str, str, float], None]
"""Called after each call with the method's id, the HTTP status as text (`none` without an answer), seconds.

It runs on the request's thread, and must be quick and thread-safe.
"""

_NAME = re.compile(r"[A-Za-z0-9][\w.:-]*", re.ASCII)
"""Project ids and numbers, domain-scoped ones (`example.com:p`), and job ids: nothing that changes a URL."""

ApiResource = Any
"""A resource of a googleapiclient service, such as `projects().jobs()`; the library is untyped."""


class _Model(JsonModel):  # type: ignore[misc]  # the library is untyped
    """Reads answers as `json_text` does; none of these APIs has a data wrapper."""

    def deserialize(self, content: bytes | str) -> Any:
        try:
            return decoded(content)
        except ValueError:
            return super().deserialize(content)


def open_api(name: str, version: str, endpoint: str) -> ApiResource:
    """Build a service from the discovery document that ships with the library; no request is sent.

    Args:
        name: the API's name, such as `ml`.
        version: the API's version, such as `v1`.
        endpoint: overrides the document's root URL; empty keeps it.
    """
    return open_document(json.loads(get_static_doc(name, version)), endpoint)


def open_document(document: Mapping[str, Any], endpoint: str) -> ApiResource:
    """Build a service from a discovery document; no request is sent.

    Args:
        document: it is not changed.
        endpoint: overrides the document's root URL; empty keeps it.
    """
    if endpoint:  # the option of `build` does not change the URLs of uploads
        document = {**document, "rootUrl": f"{endpoint.rstrip('/')}/"}
    return build_from_document(
        document,
        http=httplib2.Http(),  # never used: each call passes its thread's own
        model=_Model(),
        client_options={"api_endpoint": document["rootUrl"] + document["servicePath"]} if endpoint else None,
    )


def check_endpoint(endpoint: str, *, anonymous: bool) -> None:
    """Refuse an endpoint that cannot work, or that would expose a token to the network.

    Raises:
        ValueError: with the endpoint and the rule.
    """
    if not endpoint:
        return
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        raise ValueError(f"endpoint: {endpoint!r} must be an http or https URL without a query")
    if url.scheme == "http" and not anonymous and not is_loopback(endpoint):
        raise ValueError(
            f"endpoint: {endpoint!r} would carry credentials in clear text: use https, or anonymous access"
        )


def checked_name(field: str, value: str) -> str:
    """Refuse a name that would change the URL or the filter of the request.

    Raises:
        Rejected: with the field and the rule; nothing was sent.
    """
    if _NAME.fullmatch(value):
        return value
    rule = "must start with a letter or digit and hold only letters, digits, '_', '-', '.' and ':'"
    raise Rejected(f"{field}: {value!r} {rule}", status=0, violations=(Violation(field, rule),))


class Api:
    """Sends calls of one API on the calling thread.

    Args:
        on_request: see `OnRequest`.
    """

    def __init__(self, on_request: OnRequest | None) -> None:
        self._on_request = on_request

    def call(
        self,
        method: Method,
        request_of: Callable[..., Any],
        arguments: Mapping[str, Any],
        transport: Transport,
    ) -> dict[str, Any]:
        """Send one request and read its JSON object.

        Raises:
            JobServiceError: on any failure.
        """
        try:
            request = request_of(**arguments)
        except (TypeError, ValueError) as error:
            raise Rejected(f"{method.id} cannot be written as a request: {error}", status=0) from error
        answers: list[Any] = []
        request.add_response_callback(answers.append)
        began = time.monotonic()
        try:
            return self._send(method, request, transport, answers)
        finally:
            self._report(method, str(answers[0].status) if answers else "none", time.monotonic() - began)

    def _send(self, method: Method, request: Any, transport: Transport, answers: list[Any]) -> dict[str, Any]:
        try:
            document = request.execute(http=transport.http, num_retries=0)
        except HttpError as error:
            raise error_of(method, _answer(error.resp, error.content), datetime.now(UTC)) from error
        except JobServiceError:  # the guard's own
            transport.rebuild()
            raise
        except Exception as error:
            if answers:  # the library could not parse the answer
                raise self._unparsed_answer(method, answers[0]) from error
            transport.rebuild()
            raise _no_answer(method, error) from error
        if isinstance(document, dict):
            return document
        raise unreadable(method, _answer(answers[0], str(document).encode("utf-8", "replace")))

    def _unparsed_answer(self, method: Method, response: Any) -> JobServiceError:
        answer = _answer(response, b"")
        if 200 <= answer.status < 300:
            return unreadable(method, answer)
        return error_of(method, answer, datetime.now(UTC))

    def _report(self, method: Method, code: str, seconds: float) -> None:
        if self._on_request is None:
            return
        try:
            self._on_request(method.id, code, seconds)
        except Exception:  # a metric must never hide the outcome of a request
            logger.exception("The hook for %s failed; its request was not affected", method.id)


def _answer(response: Any, body: bytes) -> Answer:
    return Answer(response.status, response, body)


def _no_answer(method: Method, error: Exception) -> JobServiceError:
    """The error of an exchange that ended without an answer."""
    if isinstance(error, GoogleAuthError):
        return no_token(method, error)
    if isinstance(error, NotConnected | httplib2.ServerNotFoundError):
        return Unavailable(
            f"{method.id} was not sent: {error}. Check the endpoint and the network's policies"
        )
    if isinstance(error, TimeoutError):
        return Unavailable(f"{method.id}: {error}; whether it was applied is not known")
    if not isinstance(error, OSError | HTTPException | httplib2.HttpLib2Error):
        logger.error("%s failed with an unexpected error", method.id, exc_info=error)
    return Unavailable(f"{method.id}: {type(error).__name__}: {error}; whether it was applied is not known")


def no_token(method: Method, error: GoogleAuthError) -> JobServiceError:
    """The error of a call that was not sent for want of a token."""
    if is_transient(error):
        return Unavailable(f"{method.id} was not sent: no access token for now: {message_of(error)}")
    return Denied(
        f"{method.id} was not sent: no Google credentials: {message_of(error)}.", cause=denial_of(error)
    )
