"""Opens the clients from plain values, so that Google's types stay inside."""

from collections.abc import Callable, Sequence
from functools import partial

from mljobs import __version__
from mljobs.backends.google.calls import Api, OnRequest, check_endpoint, open_api
from mljobs.backends.google.credentials import SharedCredentials, TokenRequest
from mljobs.backends.google.identity import AccountTokens, Identities
from mljobs.backends.google.limits import Limits, ProjectLimits
from mljobs.backends.google.log_entries import JobLogs
from mljobs.backends.google.sender import OnWait, Sender
from mljobs.backends.google.storage import PAUSES, ObjectStorage, api_root
from mljobs.backends.google.threads import RequestThreads, Transport
from mljobs.backends.google.transport import OnceHttp, is_loopback
from mljobs.backends.mlv1.client import MlV1Client
from mljobs.backends.vertex.client import VertexClient

USER_AGENT = f"mljobs-operator/{__version__}"
DEFAULT_THREADS = 8
DEFAULT_TIMEOUT = 30.0
PATIENCE = 2.0
"""Seconds that a call waits for the project's quota, unless it is patient."""

VERTEX_LIMITS = Limits(creates_per_minute=60, others_per_minute=600)
"""Vertex AI's own quotas, for each project in a region: 60 submissions of all kinds of jobs together, and 600
other calls (documentation of quotas)."""


def open_job_service(
    *,
    endpoint: str = "",
    anonymous: bool = False,
    timeout: float = DEFAULT_TIMEOUT,
    threads: int = DEFAULT_THREADS,
    limits: Limits | None = None,
    on_request: OnRequest | None = None,
    on_wait: OnWait | None = None,
    guard: Callable[[], None] | None = None,
    patient: bool = False,
    credentials: SharedCredentials | None = None,
) -> MlV1Client:
    """Open the `ml` v1 job service. Nothing is sent, and no credentials are looked up, before the first call.

    Args:
        endpoint: URL of the API, for a region or the emulator; empty for the global one.
        anonymous: whether to send no credentials, as for the emulator; otherwise Google's application
            default credentials with the cloud-platform scope.
        timeout: seconds for each wait on the network and for a whole exchange.
        threads: the maximum number of concurrent requests.
        limits: quotas of each project; None for the service's own.
        on_request: called after each call: method id, HTTP status as text or `none`, seconds; on any thread.
        on_wait: called after each call that waited for a quota: method id, seconds.
        guard: called on the request's thread, its connection open and its token fetched, as the last thing
            before it is written; if it must not be sent, the guard raises an error of the port or ends the
            process.
        patient: whether every call waits for its quota as long as it takes, as commands do.
        credentials: whose tokens are sent; None for the operator's own.

    Raises:
        ValueError: an argument that cannot work, with its value and the rule.
    """
    check_endpoint(endpoint, anonymous=anonymous)
    sent = None if anonymous else credentials or _own_credentials(endpoint, timeout)
    request_threads = _open_threads(endpoint, sent, timeout=timeout, threads=threads, guard=guard)
    quotas = ProjectLimits(limits or Limits(), patience=PATIENCE, longest_pause=timeout)
    sender = Sender(Api(on_request), request_threads, quotas, on_wait, patient=patient, credentials=sent)
    return MlV1Client(open_api("ml", "v1", endpoint).projects().jobs(), sender)


def open_vertex(
    *,
    endpoint: str = "",
    anonymous: bool = False,
    timeout: float = DEFAULT_TIMEOUT,
    threads: int = DEFAULT_THREADS,
    limits: Limits | None = None,
    on_request: OnRequest | None = None,
    on_wait: OnWait | None = None,
    guard: Callable[[], None] | None = None,
    patient: bool = False,
    credentials: SharedCredentials | None = None,
) -> VertexClient:
    """Open Vertex AI. Nothing is sent, and no credentials are looked up, before the first call.

    Args:
        endpoint: URL of the API for all regions, such as the emulator's; empty for the regions' own.
        anonymous: see `open_job_service`, as for all that follow.
        timeout: see there.
        threads: see there.
        limits: quotas of each project in a region; None for the service's own.
        on_request: see there.
        on_wait: see there.
        guard: see there.
        patient: see there.
        credentials: see there.

    Raises:
        ValueError: an argument that cannot work, with its value and the rule.
    """
    check_endpoint(endpoint, anonymous=anonymous)
    sent = None if anonymous else credentials or _own_credentials(endpoint, timeout)
    request_threads = _open_threads(endpoint, sent, timeout=timeout, threads=threads, guard=guard)
    quotas = ProjectLimits(limits or VERTEX_LIMITS, patience=PATIENCE, longest_pause=timeout)
    return VertexClient(
        Sender(Api(on_request), request_threads, quotas, on_wait, patient=patient, credentials=sent), endpoint
    )


def open_job_logs(
    *, endpoint: str = "", anonymous: bool = False, timeout: float = DEFAULT_TIMEOUT
) -> JobLogs:
    """Open Cloud Logging for the lines of jobs. Nothing is sent before the first call.

    Args:
        endpoint: URL of the API; the emulator's own serves it too. Empty for the global one.
        anonymous: whether to send no credentials.
        timeout: seconds for each wait on the network and for a whole exchange.

    Raises:
        ValueError: an argument that cannot work, with its value and the rule.
    """
    check_endpoint(endpoint, anonymous=anonymous)
    credentials = None if anonymous else _own_credentials(endpoint, timeout)
    threads = _open_threads(endpoint, credentials, timeout=timeout, threads=1)
    return JobLogs(open_api("logging", "v2", endpoint).entries(), Api(None), threads)


def open_object_storage(
    *,
    endpoint: str = "",
    anonymous: bool = False,
    timeout: float = 2 * DEFAULT_TIMEOUT,
    pauses: Sequence[float] = PAUSES,
) -> ObjectStorage:
    """Open Cloud Storage. Nothing is sent before the first call.

    Args:
        endpoint: URL of the API, with or without `/storage/v1`; the emulator's own serves it too. Empty for
            Google's.
        anonymous: whether to send no credentials.
        timeout: seconds for each wait on the network and for a whole exchange, such as a chunk of an upload.
        pauses: seconds before each new try of a chunk that was not answered.

    Raises:
        ValueError: an argument that cannot work, with its value and the rule.
    """
    root = api_root(endpoint)
    check_endpoint(root, anonymous=anonymous)
    credentials = None if anonymous else _own_credentials(root, timeout)
    threads = _open_threads(root, credentials, timeout=timeout, threads=1)
    return ObjectStorage(open_api("storage", "v1", root).objects(), Api(None), threads, pauses)


def open_identities(
    account_tokens: AccountTokens | None = None, *, endpoint: str = "", timeout: float = DEFAULT_TIMEOUT
) -> Identities:
    """Open the token services. Nothing is sent, and no credentials are looked up, before the first use.

    Args:
        account_tokens: gives tokens of ServiceAccounts; None where there are none to be had.
        endpoint: URL of STS and of IAM Credentials, such as the emulator's; empty for Google's own.
        timeout: seconds for each wait on the network.

    Raises:
        ValueError: the endpoint cannot work, with its value and the rule.
    """
    return Identities(_token_request(endpoint, timeout), account_tokens, endpoint)


def _own_credentials(endpoint: str, timeout: float) -> SharedCredentials:
    """The operator's own; a service on loopback is reached without a proxy, and so are tokens."""
    return SharedCredentials(_token_request(endpoint, timeout))


def _token_request(endpoint: str, timeout: float) -> TokenRequest:
    return TokenRequest(
        partial(OnceHttp, timeout=timeout, user_agent=USER_AGENT, proxied=not is_loopback(endpoint))
    )


def _open_threads(
    endpoint: str,
    credentials: SharedCredentials | None,
    *,
    timeout: float,
    threads: int,
    guard: Callable[[], None] | None = None,
) -> RequestThreads:
    if not timeout > 0:
        raise ValueError(f"timeout: {timeout!r} must be a number of seconds above 0")
    if threads < 1:
        raise ValueError(f"threads: {threads!r} must be at least 1")
    open_http = partial(
        OnceHttp, timeout=timeout, user_agent=USER_AGENT, proxied=not is_loopback(endpoint), guard=guard
    )
    return RequestThreads(lambda: Transport(open_http, credentials), threads=threads, timeout=timeout)
