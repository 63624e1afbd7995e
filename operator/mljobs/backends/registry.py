"""The services that can run jobs, by the names that settings give them. A new backend is one line here."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, Self

from mljobs.backends.factory import open_job_service
from mljobs.backends.google.calls import OnRequest
from mljobs.backends.google.limits import Limits
from mljobs.backends.google.sender import OnWait
from mljobs.backends.mlv1 import translate
from mljobs.backends.mlv1.backend import MlV1
from mljobs.backends.mlv1.facts import MlV1Facts
from mljobs.domain.port import Backend, Facts, JobDocument, Order


@dataclass(frozen=True)
class Access:
    """How a service is reached.

    Attributes:
        endpoint: URL of its API; empty for its usual one.
        anonymous: whether to send no credentials.
        timeout: seconds for one call.
        threads: calls at once, at the most.
        limits: quotas of each project; None for the service's own.
        on_request: told of each call: method id, HTTP status as text or `none`, seconds; on any thread.
        on_wait: told of each call that a quota held back: method id, seconds.
        guard: called as the last thing before a request is written; where it must not be sent, the guard
            raises an error of the port or ends the process.
        patient: whether every call waits for its quota as long as it takes.
    """

    endpoint: str = ""
    anonymous: bool = False
    timeout: float = 30.0
    threads: int = 8
    limits: Limits | None = None
    on_request: OnRequest | None = None
    on_wait: OnWait | None = None
    guard: Callable[[], None] | None = None
    patient: bool = False


class OpenBackend(Backend, AbstractAsyncContextManager["OpenBackend"], Protocol):
    """A backend that is closed by whoever has opened it."""

    async def __aenter__(self) -> Self:
        """Open it."""

    def longest(self) -> float:
        """Seconds for which the oldest call has gone on; far above its time-out, it is stuck."""


@dataclass(frozen=True)
class Service:
    """A service that can run jobs.

    Attributes:
        facts: what is known of it without asking.
        open: opens its backend. Nothing is sent, and no credentials are looked up, before the first call.
        request: the call that submits an order: the line of the HTTP request, and its body.
    """

    facts: Facts
    open: Callable[[Access], OpenBackend]
    request: Callable[[Order], tuple[str, JobDocument]]


MLV1 = "MLv1"

SERVICES: dict[str, Service] = {
    MLV1: Service(MlV1Facts(), lambda access: MlV1(open_job_service(**vars(access))), translate.request),
}
"""By the names that settings give them."""


def service_named(name: str) -> Service:
    """Find a service.

    Raises:
        ValueError: there is none; with the value and the rule.
    """
    if name not in SERVICES:
        raise ValueError(f"service: {name!r} is none of {', '.join(SERVICES)}")
    return SERVICES[name]
