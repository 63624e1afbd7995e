"""The composition root of the operator: makes its parts from the settings and runs them."""

import asyncio
import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from mljobs.api.jobclass import Adoption
from mljobs.backends import Access, Limits, Terms, service_named
from mljobs.config import Settings
from mljobs.controller.kube.lease import Fence, LeaseOptions
from mljobs.controller.process.health import LivenessCheck
from mljobs.controller.process.logs import configure
from mljobs.controller.process.metrics import Metrics
from mljobs.controller.process.run import Options, run
from mljobs.domain.decide import AdminPolicy

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
    gc.freeze()  # the modules stay: no collection has to look at them again
    gc.set_threshold(*COLLECT_AFTER)
    asyncio.run(_operate(settings, ready))


async def _operate(settings: Settings, ready: Callable[[str], None] | None) -> None:
    metrics = Metrics()
    fence = Fence()
    access = replace(
        access_of(settings), on_request=metrics.cloud_request, on_wait=metrics.throttled, guard=fence
    )
    async with service_named(settings.service).open(access, terms_of(settings)) as backend:
        threads = LivenessCheck(
            "a call of the job service", backend.longest, EXCHANGES * settings.request_timeout
        )
        options = _options(settings)
        await run(backend, metrics, options, fence=fence, service_check=threads, ready=ready)


def access_of(settings: Settings) -> Access:
    """How the job service is reached."""
    return Access(
        endpoint=settings.endpoint,
        anonymous=settings.anonymous,
        timeout=settings.request_timeout,
        threads=settings.threads,
        limits=limits_of(settings),
    )


def limits_of(settings: Settings) -> Limits:
    """The calls that may be made: as the settings say, else as many as the service takes."""
    own = service_named(settings.service).limits.others_per_minute
    others = settings.others_per_minute
    return Limits(settings.creates_per_minute, own if others is None else others)


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
    return Options(
        policy=policy_of(settings),
        namespaces=settings.namespaces,
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
    )
