"""The composition root of the operator: makes its parts from the settings and runs them."""

import gc
import json
import linecache
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import uvloop

from mljobs.api.jobclass import Adoption
from mljobs.backends import (
    Access,
    AccountTokens,
    Identities,
    Limits,
    OpenBackend,
    Terms,
    check_endpoint,
    facts_of_class,
    open_identities,
    service_named,
)
from mljobs.config import Settings
from mljobs.controller.kube.lease import Fence, LeaseOptions
from mljobs.controller.loop import lanes
from mljobs.controller.process.health import LivenessCheck
from mljobs.controller.process.logs import configure
from mljobs.controller.process.metrics import Metrics
from mljobs.controller.process.run import Opener, Options, Port, run
from mljobs.domain.classes.job_class import OWN, JobClass
from mljobs.domain.decide import AdminPolicy
from mljobs.domain.port import OPERATOR

COLLECT_AFTER = (20_000, 20, 50)
"""How many more objects of each generation start a collection. Python's own 700 cost a tenth of the CPU of a
burst, and whole collections stop the loop; what the operator holds are trees of JSON, without cycles."""

EXCHANGES = 4.0
"""Time-outs after which a thread counts as stuck: a call with two tokens and two requests has this many."""


def operate(settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
    """Run the operator in the foreground until SIGTERM or SIGINT.

    Args:
        settings: all of them.
        ready: called with the URL of metrics and health once they are served.

    Raises:
        KubeError: no API server is known.
        ValueError: the endpoint cannot work, or metrics and health cannot be served.
    """
    configure(sys.stderr, form=settings.log_format, level=settings.log_level)
    linecache.clearcache()  # a megabyte of our own sources: pydantic has read their docstrings
    gc.freeze()  # the modules stay: no collection has to look at them again
    gc.set_threshold(*COLLECT_AFTER)
    uvloop.run(_operate(settings, ready))


async def _operate(settings: Settings, ready: Callable[[str], None] | None) -> None:
    check_endpoint(settings.endpoint, anonymous=settings.anonymous)  # before the first job needs it
    check_endpoint(settings.token_endpoint, anonymous=False)
    metrics = Metrics()
    fence = Fence()
    access = replace(
        access_of(settings), on_request=metrics.cloud_request, on_wait=metrics.throttled, guard=fence
    )
    backends = Backends(settings, access)
    threads = LivenessCheck("a call of a job service", backends.longest, EXCHANGES * settings.request_timeout)
    facts = partial(facts_of_class, console_path=settings.console_path)
    port = Port(backends.opener, facts, own_class(settings), settings.identity_provider)
    await run(port, metrics, _options(settings), fence=fence, service_check=threads, ready=ready)


class Backends:
    """Opens the backends of classes, and of the settings' own.

    Args:
        settings: all of them.
        access: how services are reached, but for what a class says.
    """

    def __init__(self, settings: Settings, access: Access) -> None:
        self._settings = settings
        self._access = access
        self._open: list[OpenBackend] = []

    def opener(self, account_tokens: AccountTokens) -> Opener:
        """What opens a backend, given what requests tokens of ServiceAccounts."""
        settings = self._settings
        identities = open_identities(
            account_tokens, endpoint=settings.token_endpoint, timeout=settings.request_timeout
        )
        return lambda terms: self._opened(terms, identities)

    def longest(self) -> float:
        """Seconds that the oldest call of any of them has taken so far."""
        return max((backend.longest() for backend in self._open), default=0.0)

    def _opened(self, terms: lanes.Terms, identities: Identities) -> OpenBackend:
        caller = terms.route.caller
        own = caller == OPERATOR
        access = replace(
            self._access,
            endpoint=terms.route.endpoint,
            anonymous=self._access.anonymous and own,
            limits=self._limits(terms),
            credentials=None if own else identities.credentials(caller),
        )
        service = service_named(terms.route.service)
        backend = service.open(access, Terms(tables=json.loads(terms.tables)))
        self._open.append(backend)
        return backend

    def _limits(self, terms: lanes.Terms) -> Limits:
        standard, shards = limits_of(self._settings, terms.route.service), self._settings.shards
        return Limits(
            standard.creates_per_minute if terms.creates is None else terms.creates / shards,
            standard.others_per_minute if terms.others is None else terms.others / shards,
        )


def own_class(settings: Settings) -> JobClass:
    """The class that the settings make: for everybody, where there is no other.

    Raises:
        ValueError: the file of tables cannot be read, or makes no sense; with its name.
    """
    terms = terms_of(settings)
    return JobClass(
        name=OWN,
        service=settings.service,
        endpoint=settings.endpoint,
        default_project=settings.project_id,
        locations=terms.locations,
        adoption=Adoption(settings.adoption),
        tables=terms.tables,
        is_default=True,
        own=True,
    )


def access_of(settings: Settings) -> Access:
    """How the job service is reached."""
    return Access(
        endpoint=settings.endpoint,
        anonymous=settings.anonymous,
        timeout=settings.request_timeout,
        threads=settings.threads,
        limits=limits_of(settings),
    )


def limits_of(settings: Settings, service: str | None = None) -> Limits:
    """The calls that this process may make: as the settings say, else as many as the service takes.

    With shards, each makes its part of them.

    Args:
        settings: all of them.
        service: its name; None for the one of the settings.
    """
    own = service_named(service or settings.service).limits.others_per_minute
    others = settings.others_per_minute
    creates, others = settings.creates_per_minute, own if others is None else others
    return Limits(creates / settings.shards, None if others is None else others / settings.shards)


def terms_of(settings: Settings) -> Terms:
    """What the administrator says about the service.

    Raises:
        ValueError: the file of tables cannot be read; with its name.
    """
    return Terms.read(settings.locations, Path(settings.tables) if settings.tables else None)


def policy_of(settings: Settings) -> AdminPolicy:
    """The administrator's settings for all resources."""
    return AdminPolicy(
        default_project=settings.project_id,
        grace=timedelta(seconds=settings.unknown_outcome_grace),
        adoption=Adoption(settings.adoption),
        lost_after=timedelta(seconds=settings.lost_after),
    )


def _options(settings: Settings) -> Options:
    if settings.shards > 1 and not settings.leader_election:
        raise ValueError(
            f"shards: {settings.shards}: needs leaderElection, since each shard has a Lease of its own; set "
            f"it to true, or shards to 1"
        )
    return Options(
        policy=policy_of(settings),
        namespaces=settings.namespaces,
        schedules=settings.schedules,
        poll_interval=settings.poll_interval,
        lost_interval=settings.lost_interval,
        believe_missing=settings.believe_missing,
        gauge_interval=settings.gauge_interval,
        resync_interval=settings.resync_interval,
        workers=settings.workers,
        connections=settings.kubernetes_connections,
        host=settings.host,
        port=settings.port,
        drain=settings.drain_seconds,
        slowest_call=settings.request_timeout * (1 + settings.workers / settings.threads),
        lease=LeaseOptions(settings.lease_namespace, settings.lease_name)
        if settings.leader_election
        else None,
        shards=settings.shards,
    )
