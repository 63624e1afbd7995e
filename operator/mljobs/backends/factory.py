"""Opens the clients from plain values, so that Google's types stay inside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
LONGEST_WAIT = 2.0
"""Seconds that a call waits for the project's quota, unless it is sent in the background."""

VERTEX_LIMITS = Limits(creates_per_minute=60, others_per_minute=600)
"""Vertex AI's own quotas, for each project in a region: 60 submissions of all kinds of jobs together, and 600
other calls (documentation of quotas)."""


@dataclass(frozen=True)
class Access:
    """How to reach a service.

    Attributes:
        endpoint: URL of its API, for a region or the emulator; empty for its usual one.
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
        background: whether every call waits for its quota as long as it takes, as commands do.
        credentials: whose tokens are sent, of `Identities`; None for the operator's own.
    """

    endpoint: str = ""
    anonymous: bool = False
    timeout: float = DEFAULT_TIMEOUT
    threads: int = DEFAULT_THREADS
    limits: Limits | None = None
    on_request: OnRequest | None = None
    on_wait: OnWait | None = None
    guard: Callable[[], None] | None = None
    background: bool = False
    credentials: SharedCredentials | None = None


def open_job_service(access: Access) -> MlV1Client:
    """Open the `ml` v1 job service. Nothing is sent, and no credentials are looked up, before the first call.

    Raises:
        ValueError: an argument that cannot work, with its value and the rule.
    """
    sender = _open_sender(access, Limits())
    return MlV1Client(open_api("ml", "v1", access.endpoint).projects().jobs(), sender)


def open_vertex(access: Access) -> VertexClient:
    """Open Vertex AI. Nothing is sent, and no credentials are looked up, before the first call.

    An endpoint is that of all regions; a quota is that of a project in a region.

    Raises:
        ValueError: an argument that cannot work, with its value and the rule.
    """
    return VertexClient(_open_sender(access, VERTEX_LIMITS), access.endpoint)


def _open_sender(access: Access, limits: Limits) -> Sender:
    check_endpoint(access.endpoint, anonymous=access.anonymous)
    sent = (
        None if access.anonymous else access.credentials or _own_credentials(access.endpoint, access.timeout)
    )
    threads = _open_threads(
        access.endpoint, sent, timeout=access.timeout, threads=access.threads, guard=access.guard
    )
    quotas = ProjectLimits(access.limits or limits, longest_wait=LONGEST_WAIT, longest_pause=access.timeout)
    return Sender(
        Api(access.on_request),
        threads,
        quotas,
        access.on_wait,
        background=access.background,
        credentials=sent,
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
