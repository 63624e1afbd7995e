"""A model of the job service: jobs whose ids are never freed, etags, policies, and what others do to them."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mljobs.api.outputs import TERMINAL_STATES, Cause
from mljobs.backends.google.causes import with_failure
from mljobs.backends.mlv1.causes import ROWS
from mljobs.backends.mlv1.facts import MlV1Facts, parts
from mljobs.backends.mlv1.iam_policy import IamPolicy, merged
from mljobs.backends.mlv1.translate import to_job
from mljobs.backends.vertex.names import Name, is_name
from mljobs.domain import errors
from mljobs.domain.job import naming
from mljobs.domain.port import (
    AttemptSelector,
    Binding,
    Facts,
    Job,
    JobDocument,
    JobPage,
    Order,
    Polling,
    Reference,
    Scope,
)
from tests.model.wire import Wire
from tests.tiny.facts import TinyFacts

Place = tuple[str, str]
"""Project and job id."""

ADVANCES = {"QUEUED": "PREPARING", "PREPARING": "RUNNING", "CANCELLING": "CANCELLED"}
HIDDEN = float("inf")
REPLICATION = 2.0
"""Seconds in which a replica may lag behind."""

LAGS = (REPLICATION, 10.0, 30.0)
"""Seconds for which a new job may be in no list of a service that names jobs itself."""


def reference_of(project: str, job_id: str) -> Reference:
    return Reference(f"projects/{project}/jobs/{job_id}")


def place_of(reference: Reference) -> Place:
    """Where a job is, by its name at either service."""
    if not is_name(reference):
        return parts(reference)
    name = Name.parse(reference)
    return name.project, f"run-{name.id}"


def region_of(document: JobDocument) -> str:
    """Where a job of either service is made."""
    given = document.get("trainingInput") or document.get("predictionInput") or {}
    return str(document.get("location") or given.get("region"))


@dataclass
class CloudJob:
    """A job of the service.

    Attributes:
        project: where it is.
        job_id: its id.
        born: when it was made.
        listed: from when on it is in lists.
        maker: the uid label that it was made with; empty for somebody else's.
        document: as the API shows it.
        older: what it was before its last change, and when that was.
        policy: its IAM policy.
        vanished: whether the service has lost it.
        away: from when to when the service did not show it; the last one may have no end yet.
        excused: whether its resource was rightly released while it was missing.
        disowned: whether somebody has taken our labels off it.
        others: the labels that others have put on it.
        updated: the number of its last change, among those of all jobs.
        inherited: the members that its former owners have put into its policy.
    """

    project: str
    job_id: str
    born: float
    listed: float
    maker: str
    document: dict[str, Any]
    older: tuple[float, dict[str, Any]] | None = None
    policy: dict[str, Any] = field(default_factory=lambda: {"etag": "0"})
    vanished: bool = False
    away: list[tuple[float, float]] = field(default_factory=list)
    excused: bool = False
    disowned: bool = False
    inherited: set[tuple[str, str]] = field(default_factory=set)
    others: dict[str, str] = field(default_factory=dict)
    updated: int = 0

    @property
    def state(self) -> str:
        return str(self.document["state"])

    @property
    def active(self) -> bool:
        """Whether it costs money, and nobody has asked for its end."""
        return not self.vanished and self.state not in TERMINAL_STATES and self.state != "CANCELLING"

    @property
    def members(self) -> set[tuple[str, str]]:
        return {(row["role"], member) for row in self.policy.get("bindings", ()) for member in row["members"]}


class Service:
    """The service.

    Args:
        wire: carries the calls, and tells the time.
        named_by_clients: whether clients choose the ids of jobs.

    Attributes:
        lag: seconds for which a job that is made from now on is in no list.
        wrong: whether it is another service that answers, which knows neither jobs nor projects.
        exhausted: the regions that refuse new jobs for lack of quota.
        jobs: all that were ever made, by place.
        cancelled: the places of the jobs whose cancel calls took effect, in order.
        taken: the uid labels before and after each patch that has changed one, in order.
    """

    def __init__(self, wire: Wire, *, named_by_clients: bool = True) -> None:
        self.named_by_clients = named_by_clients
        self.jobs: dict[Place, CloudJob] = {}
        self.cancelled: list[Place] = []
        self.taken: list[tuple[str, str]] = []
        self.lag = REPLICATION
        self.wrong = False
        self.exhausted: set[str] = set()
        self._wire = wire
        self._etags = 0

    # --- others ------------------------------------------------------------------------------------------

    def make(self, place: Place, document: Mapping[str, Any]) -> CloudJob:
        """A new job in QUEUED."""
        document = {**copy.deepcopy(dict(document)), "state": "QUEUED", "createTime": "2026-01-01T00:00:00Z"}
        maker = document.get("labels", {}).get(naming.UID_LABEL, "")
        now = self._wire.loop.now
        job = self.jobs[place] = CloudJob(*place, now, now + self.lag, maker, document)
        self._stamp(job)
        return job

    def change(self, job: CloudJob, **fields: Any) -> None:
        """Change a job in place."""
        job.older = (self._wire.loop.now, copy.deepcopy(job.document))
        job.document.update(copy.deepcopy(fields))
        self._stamp(job)

    def progress(self, job: CloudJob, end: str) -> None:
        """Let a job reach its next state; from RUNNING, this end, which it may reach at once if it fails."""
        if job.vanished or job.state in TERMINAL_STATES:
            return
        state = end if end == "FAILED" and job.state == "QUEUED" else ADVANCES.get(job.state, end)
        why = {"errorMessage": "The replica master 0 exited with a non-zero status of 1."}
        self.change(job, state=state, **(why if state == "FAILED" else {}))

    def cancel(self, job: CloudJob) -> None:
        """Cancel a job, whoever wants it."""
        if job.state in TERMINAL_STATES:
            raise errors.Rejected(f"the job has already ended as {job.state}")
        if job.state != "CANCELLING":
            self.change(job, state="CANCELLING")

    def vanish(self, job: CloudJob) -> None:
        """Lose a job."""
        self._hide(job)
        job.vanished = True

    def reappear(self, job: CloudJob) -> None:
        """Find a job that was lost."""
        job.vanished = False
        if not self.wrong:
            self._show(job)

    def misdirect(self, wrong: bool) -> None:
        """Let another service answer, or this one again."""
        for job in self.jobs.values():
            if wrong:
                self._hide(job)
            elif not job.vanished:
                self._show(job)
        self.wrong = wrong

    def _hide(self, job: CloudJob) -> None:
        if not job.away or job.away[-1][1] != HIDDEN:
            job.away.append((self._wire.loop.now, HIDDEN))

    def _show(self, job: CloudJob) -> None:
        if job.away and job.away[-1][1] == HIDDEN:
            job.away[-1] = (job.away[-1][0], self._wire.loop.now)

    def bind(self, job: CloudJob, role: str, member: str) -> None:
        """Put somebody into a job's policy."""
        self._etags += 1
        rows = [*job.policy.get("bindings", ()), {"role": role, "members": [member]}]
        job.policy = {"etag": str(self._etags), "bindings": rows}

    def _stamp(self, job: CloudJob) -> None:
        self._etags += 1
        job.updated = self._etags
        job.document["etag"] = f"etag-{self._etags}"

    # --- the operator ------------------------------------------------------------------------------------

    def find(self, place: Place) -> CloudJob:
        job = self.jobs.get(place)
        if job is None or job.vanished or self.wrong:
            raise errors.NotFound("no such job")
        return job

    def take_create(self, place: Place, document: JobDocument) -> Job:
        if self.wrong:
            raise errors.ProjectNotFound("no such project")
        if place in self.jobs:
            raise errors.AlreadyExists("the id is in use")
        self._admit(document)
        return self.shown(self.make(place, document))

    def take_new(self, project: str, document: JobDocument) -> Job:
        """Make a job under a name of the service's own."""
        if self.wrong:
            raise errors.ProjectNotFound("no such project")
        self._admit(document)
        return self.shown(self.make((project, f"run-{len(self.jobs)}"), document))

    def _admit(self, document: JobDocument) -> None:
        if region_of(document) in self.exhausted:
            raise errors.NoCapacity("The quota is used up.", status=429, cause=Cause.QUOTA_EXCEEDED)

    def listed(self) -> list[Job]:
        """All jobs but the newest, oldest first."""
        return [self.shown(job) for job in self.jobs.values() if self.lists(job)]

    def lists(self, job: CloudJob) -> bool:
        """Whether a job is in lists by now, if they lag behind."""
        return not (job.vanished or self.wrong) and self._wire.loop.now >= job.listed

    def take_patch(self, place: Place, labels: Mapping[str, str], etag: str) -> Job:
        job = self.find(place)
        if etag and etag != job.document["etag"]:
            raise errors.StaleEtag("the job has changed")
        before, after = (naming.owner_uid(one) for one in (job.document.get("labels", {}), labels))
        if before != after:
            self.taken.append((before, after))
            job.inherited |= job.members
        if after != job.maker:
            job.maker = ""  # adopted: it counts for nobody's attempts any longer
        if dict(labels) != job.document.get("labels"):
            self.change(job, labels=dict(labels))
        return self.shown(job)

    def take_cancel(self, place: Place) -> None:
        self.cancel(self.find(place))
        self.cancelled.append(place)

    def take_set_policy(self, place: Place, policy: IamPolicy) -> IamPolicy:
        job = self.find(place)
        if policy.get("etag") != job.policy["etag"]:
            raise errors.StaleEtag("the policy has changed")
        self._etags += 1
        job.policy = {**copy.deepcopy(dict(policy)), "etag": str(self._etags)}
        return copy.deepcopy(job.policy)

    def shown(self, job: CloudJob) -> Job:
        return with_failure(
            Job.parse(copy.deepcopy(job.document), reference_of(job.project, job.job_id)), ROWS
        )

    def older(self, place: Place) -> Job | None:
        """What a lagging replica shows; None if nothing has changed lately."""
        job = self.jobs.get(place)
        if (
            job is None
            or self.wrong
            or job.older is None
            or self._wire.loop.now - job.older[0] >= REPLICATION
        ):
            return None
        return Job.parse(copy.deepcopy(job.older[1]), reference_of(*place))

    def unheard(self, place: Place) -> bool:
        """Whether a replica may not have heard of a job."""
        job = self.jobs.get(place)
        return job is None or self._wire.loop.now - job.born < REPLICATION


class _Calls:
    """The calls that every service has, as the wire carries them.

    Args:
        service: the model.
        wire: carries the calls.
    """

    facts: Facts

    def __init__(self, service: Service, wire: Wire) -> None:
        self._service = service
        self._wire = wire

    async def get(self, reference: Reference, *, background: bool = False) -> Job:  # noqa: ARG002
        place = parts(reference)
        found: Job = await self._wire.send(
            "service",
            "get",
            place,
            lambda: self._service.shown(self._service.find(place)),
            reads=True,
            stale=lambda: self._service.older(place),
            absent=lambda: self._service.unheard(place),
        )
        return found

    async def active(self, scope: Scope, *, page_token: str = "") -> JobPage:
        size = self.facts.polling.page_size

        def page(shift: int = 0) -> JobPage:
            project = scope.removeprefix("projects/")
            jobs = [job for (where, _), job in self._service.jobs.items() if where == project]
            jobs = [job for job in reversed(jobs) if not (job.vanished or self._service.wrong)]
            start = max(0, int(page_token or 0) + shift)
            rest = jobs[start:]
            token = str(start + size) if len(rest) > size else ""
            return JobPage([self._service.shown(job) for job in rest[:size]], token)

        # a page that repeats or skips a job, as happens when jobs are made between two pages
        shown: JobPage = await self._wire.send(
            "service",
            "list",
            (scope, page_token),
            page,
            reads=True,
            stale=lambda: page(1 if size % 2 else -1),
        )
        return shown

    async def cancel(self, reference: Reference) -> None:
        place = parts(reference)
        await self._wire.send("service", "cancel", place, lambda: self._service.take_cancel(place))


class ModelBackend(_Calls):
    """The port to the model as `ml` v1: ids are the client's, labels and IAM policies can be changed."""

    facts = MlV1Facts()

    async def submit(self, order: Order) -> Job:
        job = to_job(order.kind, order.spec, job_id=order.job_id, labels=order.labels)
        place = parts(Reference(f"{order.scope}/jobs/{order.job_id}"))
        made: Job = await self._wire.send(
            "service",
            "create",
            place,
            lambda: self._service.take_create(place, job),
            owner=order.labels[naming.UID_LABEL],
        )
        return made

    async def find(self, selector: AttemptSelector) -> Sequence[Job]:
        raise AssertionError(f"every reference is known before the call, and yet {selector} is looked for")

    async def relabel(self, reference: Reference, labels: Mapping[str, str], etag: str) -> Job:
        place = parts(reference)
        job: Job = await self._wire.send(
            "service", "patch", place, lambda: self._service.take_patch(place, labels, etag)
        )
        return job

    async def bind_iam(
        self, reference: Reference, wanted: Sequence[Binding], applied: Sequence[Binding]
    ) -> None:
        place = parts(reference)
        policy: IamPolicy = await self._wire.send(
            "service",
            "get_policy",
            place,
            lambda: copy.deepcopy(self._service.find(place).policy),
            reads=True,
        )
        changed = merged(policy, wanted, applied)
        if changed is not None:
            await self._wire.send(
                "service", "set_policy", place, lambda: self._service.take_set_policy(place, changed)
            )


class UnnamedFacts(TinyFacts):
    """The facts of the tiny service, with references as the model has them."""

    polling = Polling(page_size=1, pages_from=2)

    def scope(self, project: str, _location: str, /) -> Scope:
        return Scope(f"projects/{project}")

    def scope_of(self, reference: Reference, /) -> Scope:
        return Scope(reference.partition("/jobs/")[0])


class UnnamedBackend(_Calls):
    """The port to the model as a service that names jobs itself, whose lists lag behind, and nothing more."""

    facts = UnnamedFacts()

    async def submit(self, order: Order) -> Job:
        project = order.scope.removeprefix("projects/")
        uid, attempt = (order.labels[key] for key in (naming.UID_LABEL, naming.ATTEMPT_LABEL))
        document = {**order.spec, "jobId": order.job_id, "labels": dict(order.labels)}
        made: Job = await self._wire.send(
            "service",
            "create",
            (project, f"new of {uid}, {attempt}"),
            lambda: self._service.take_new(project, document),
            owner=uid,
        )
        return made

    async def find(self, selector: AttemptSelector) -> Sequence[Job]:
        found: Sequence[Job] = await self._wire.send(
            "service",
            "find",
            (selector.scope, dict(selector.labels)),
            lambda: [job for job in self._service.listed() if selector.matches(job)],
            reads=True,
        )
        return found
