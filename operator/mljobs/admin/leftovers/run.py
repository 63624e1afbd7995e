"""One run of `mljobs leftovers`: assembles the parts, and reports the outcome."""

import asyncio
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mljobs.admin.leftovers import report
from mljobs.admin.leftovers.leftover import Leftover, Way
from mljobs.admin.leftovers.lock import Unsure, holding
from mljobs.admin.leftovers.session import Session, Survey
from mljobs.backends import service_named
from mljobs.config import Settings
from mljobs.console.values import seconds
from mljobs.controller.kube.client import connect
from mljobs.controller.kube.errors import KubeError
from mljobs.controller.kube.kubeconfig import find_access
from mljobs.controller.kube.lease import Fence, LeaseOptions
from mljobs.controller.kube.session import Connection
from mljobs.controller.loop.effects import Effects
from mljobs.controller.loop.queue import WorkQueue
from mljobs.controller.loop.recorder import EventRecorder
from mljobs.controller.loop.status import StatusWriter
from mljobs.controller.process.clock import steady, wall
from mljobs.controller.process.logs import configure
from mljobs.controller.process.metrics import Metrics
from mljobs.domain.decide import AdminPolicy
from mljobs.main import access_of, policy_of, terms_of

Row = tuple[Leftover, dict[str, Any]]


class CannotBegin(Exception):
    """Nothing was read or done; the message says why."""


@dataclass(frozen=True)
class Request:
    """The requested actions.

    Attributes:
        way: what happens to the resources; None: nothing.
        strays: full names of the jobs without a resource to cancel.
        all_strays: whether to cancel all of them.
        patience: how long to wait for unknown outcomes.
        without_lease: whether to act even if there is no Lease to hold.
    """

    way: Way | None
    strays: frozenset[str]
    all_strays: bool
    patience: timedelta
    without_lease: bool

    @property
    def acts(self) -> bool:
        """Whether to change anything."""
        return self.way is not None or bool(self.strays) or self.all_strays

    def way_of(self, item: Leftover) -> Way | None:
        """What happens to one of them."""
        if not item.stray:
            return self.way
        return Way.CANCEL if self.all_strays or item.job_name in self.strays else None


@dataclass(frozen=True)
class Result:
    """What was found, and the outcome.

    Attributes:
        rows: everything with what would be, or was, done, for scripts.
        texts: the same for people.
        left_behind: the full names of jobs that may still be running.
        notes: additional notes.
        passed: whether everything requested is done.
    """

    rows: Sequence[Row]
    texts: Sequence[tuple[Leftover, str]]
    left_behind: Sequence[str]
    notes: Sequence[str]
    passed: bool


def request(
    settings: Settings,
    *,
    cancel: bool,
    orphan: bool,
    strays: Sequence[str],
    all_strays: bool,
    timeout: str,
    without_lease: bool,
) -> Request:
    """Read the options.

    Raises:
        CannotBegin: they make no sense.
    """
    if cancel and orphan:
        raise CannotBegin("--cancel and --orphan exclude each other")
    if all_strays and not settings.project_id:
        raise CannotBegin("--cancel-all-strays needs --project: only the jobs of a project can be listed")
    for name in strays:
        if not _project(name):
            raise CannotBegin(
                f"--cancel-stray {name}: must be a full name, projects/PROJECT/jobs/ID or "
                f"projects/PROJECT/locations/REGION/COLLECTION/NUMBER"
            )
    try:
        patience = timedelta(seconds=seconds(timeout))
    except ValueError as error:
        raise CannotBegin(f"--timeout {timeout}: {error}") from None
    way = Way.CANCEL if cancel else Way.ORPHAN if orphan else None
    return Request(way, frozenset(strays), all_strays, patience, without_lease)


def _project(name: str) -> str:
    """The project in a job's full name; empty if it is not one."""
    match name.split("/"):
        case ["projects", project, "jobs", job_id] if project and job_id:
            return project
        case ["projects", project, "locations", _, _, number] if project and number:
            return project
        case _:
            return ""


async def leave(settings: Settings, wanted: Request) -> Result:
    """List, and do what is requested.

    Args:
        settings: those that the operator had.
        wanted: the requested actions.

    Raises:
        CannotBegin: there is no API server, it is unknown whether an operator runs, or the settings cannot
            work.
    """
    configure(sys.stderr, form="text", level="ERROR")
    fence = Fence()
    try:
        backend = service_named(settings.service).open(
            replace(access_of(settings), guard=fence, background=True), terms_of(settings)
        )
        connection = Connection(find_access())
        async with backend, connect(connection, connections=settings.kubernetes_connections) as kube:
            clock, metrics = steady(), Metrics()
            session = Session(
                kube=kube,
                backend=backend,
                effects=Effects(backend, clock, random.random),
                writer=StatusWriter(kube, wall, metrics, EventRecorder(kube, metrics, WorkQueue())),
                policy=policy_of(settings),
                clock=clock,
                believe_missing=settings.believe_missing,
            )
            if not wanted.acts:
                survey = await session.survey(settings.namespaces, _projects(settings, wanted))
                return _listed(survey, session.policy, clock())
            lease = LeaseOptions(settings.lease_namespace, settings.lease_name)
            async with holding(kube, fence, lease, required=not wanted.without_lease) as holder:
                if holder and wanted.way is Way.ORPHAN:
                    raise CannotBegin(_ORPHANS)
                session = replace(session, beside=bool(holder))
                survey = await session.survey(settings.namespaces, _projects(settings, wanted))
                if holder:
                    survey = survey.noted(_beside(holder, lease))
                return await _settled(session, survey, wanted)
    except (KubeError, Unsure, ValueError) as error:
        raise CannotBegin(str(error)) from error


_ORPHANS = (
    "an operator runs, and cancels the jobs of resources that are released: stop it first, or set "
    "spec.deletionPolicy to Orphan and use --cancel"
)


def _beside(holder: str, lease: LeaseOptions) -> str:
    return (
        f"an operator runs: {holder} holds the Lease {lease.namespace}/{lease.name} and renews it. Only what "
        f"is safe meanwhile is done: for resources that are being deleted, and jobs without a resource"
    )


def _projects(settings: Settings, wanted: Request) -> Sequence[str]:
    named = [settings.project_id or "", *map(_project, sorted(wanted.strays))]
    return [project for project in dict.fromkeys(named) if project]


def _listed(survey: Survey, policy: AdminPolicy, now: datetime) -> Result:
    plans = [(item, *report.plan(item, policy, now)) for item in survey.items]
    return Result(
        [(item, {"plan": word, "why": why}) for item, word, why in plans],
        [
            (item, report.described(word, why, item.failed if word != "wait" else ""))
            for item, word, why in plans
        ],
        (),
        survey.notes,
        survey.complete,
    )


async def _settled(session: Session, survey: Survey, wanted: Request) -> Result:
    until = session.clock() + wanted.patience
    asked = [(item, way) for item in survey.items if (way := wanted.way_of(item))]
    outcomes = await asyncio.gather(*(session.settle(item, way, until) for item, way in asked))
    unknown = wanted.strays - {outcome.item.job_name for outcome in outcomes if outcome.item.stray}
    notes = [*survey.notes, *_unknown(sorted(unknown))]
    return Result(
        [(outcome.item, report.done(outcome)) for outcome in outcomes],
        [(outcome.item, report.described(outcome.word, outcome.message)) for outcome in outcomes],
        [outcome.item.job_name for outcome in outcomes if outcome.word == "left running"],
        notes,
        (survey.complete or not wanted.all_strays) and not unknown and all(one.done for one in outcomes),
    )


def _unknown(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        yield f"{name} is not a running job of ours without a resource: list again to see what remains"
