"""The port between the core and a job service, and the job as the core sees it.

A backend implements `Backend` in the vocabulary of the resources, which is that of `ml` v1: attempts, states
and words. What a service names differently, its backend translates.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType, Protocol, runtime_checkable

from mljobs.domain.spec.problems import Problem

JobDocument = Mapping[str, Any]
"""A `Job` as JSON, with the field names of the discovery document. int64 values are decimal strings."""

Binding = Mapping[str, Any]
"""Who has a role on a job: `{role, members, condition}`; `condition` may be absent."""

Reference = NewType("Reference", str)
"""A job's name at its service. Opaque: backends make and read it, everybody else stores and compares it."""

Scope = NewType("Scope", str)
"""Where jobs are listed together, such as a project. Opaque, as a `Reference` is."""

TERMINAL_STATES = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
"""The states that a job never leaves."""


class Extent(StrEnum):
    """How much of a job an answer shows."""

    WHOLE = "whole"
    """All that there is."""

    PART = "part"
    """What a list shows: while it stays the same, so does the rest."""

    OUTLINE = "outline"
    """What a list shows, where the rest changes by itself, as the trials of a tuning job do."""


@dataclass(frozen=True)
class Job:
    """A job as the service showed it.

    Attributes:
        job_id: unique in its project.
        state: a word of the API's `State`; `STATE_UNSPECIFIED` where the service left it out.
        labels: all labels of the job, ours included.
        etag: base64 text that changes with every change of the job; empty where absent.
        document: the whole answer, for the fields that only the status needs.
        reference: names the job at its service.
        extent: how much of it this is.
    """

    job_id: str
    state: str = "STATE_UNSPECIFIED"
    labels: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""
    document: JobDocument = field(default_factory=dict)
    reference: Reference = Reference("")
    extent: Extent = Extent.WHOLE

    @classmethod
    def parse(cls, document: JobDocument, reference: Reference = Reference("")) -> "Job":
        """Read a job's JSON. Absent fields take the proto defaults."""
        return cls(
            reference=reference,
            job_id=document.get("jobId", ""),
            state=document.get("state", "STATE_UNSPECIFIED"),
            labels=document.get("labels") or {},
            etag=document.get("etag", ""),
            document=document,
        )

    @property
    def ended(self) -> bool:
        """Whether the job has reached a state that it never leaves."""
        return self.state in TERMINAL_STATES

    @property
    def ending(self) -> bool:
        """Whether the job has ended, or is being cancelled and ends without us."""
        return self.ended or self.state == "CANCELLING"

    def is_news_to(self, known: "Job | None") -> bool:
        """Whether it says, or may hold back, what is not known; a part of what is known is no news."""
        if known is None or self.extent is Extent.OUTLINE:
            return True
        if self.extent is Extent.WHOLE:
            return self.document != known.document
        part = any(known.document.get(key) != value for key, value in self.document.items())
        return part or known.extent is not Extent.WHOLE


@dataclass(frozen=True)
class JobPage:
    """One page of `list`: jobs by createTime descending, and the token of the next page (empty: the last)."""

    jobs: Sequence[Job]
    next_page_token: str = ""


@dataclass(frozen=True)
class Capabilities:
    """What a service can do, so that the core asks instead of knowing.

    Attributes:
        client_names_jobs: whether the caller chooses a job's id, so that the same `submit` never makes two
            jobs and the reference is known before the call; otherwise the service names each job anew.
        labels: whether a job's labels can be changed; its backend is a `Relabels`.
        iam: whether a job has an IAM policy; its backend is a `BindsIam`.
        translates: whether a spec becomes a job in other words, in which something of it may be lost.
    """

    client_names_jobs: bool
    labels: bool
    iam: bool
    translates: bool = False


@dataclass(frozen=True)
class Polling:
    """What reading many jobs costs.

    Attributes:
        page_size: jobs in a page of `active`.
        pages_from: so many watched jobs of one scope make pages cheaper than a `get` for each.
    """

    page_size: int
    pages_from: int


@dataclass(frozen=True)
class Order:
    """A job as it is to be made.

    Attributes:
        kind: `TrainingJob` or `PredictionJob`.
        spec: the validated spec in canonical JSON.
        scope: where to make it.
        job_id: the id that it is to have, or what people are to read where the service names jobs itself.
        labels: all of them, the marks of its owner included.
    """

    kind: str
    spec: Mapping[str, Any]
    scope: Scope
    job_id: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Sought:
    """What is looked for where no reference is known: the job of an attempt.

    Attributes:
        scope: where it would be.
        marks: the labels that tell whose job it is, and of which attempt.
        since: when the first call that could have made it was written down; nothing older is looked at.
    """

    scope: Scope
    marks: Mapping[str, str]
    since: datetime

    def fits(self, job: "Job") -> bool:
        """Whether a job carries all the marks."""
        return self.marks.items() <= job.labels.items()


@dataclass(frozen=True)
class Owner:
    """Whose job it is: a resource of a cluster.

    Attributes:
        namespace: its namespace.
        name: its name.
        uid: its uid, which no other resource ever has.
    """

    namespace: str
    name: str
    uid: str


class Facts(Hashable, Protocol):
    """What is known of a service without asking it: pure, and the same for the whole life of a process."""

    @property
    def capabilities(self) -> Capabilities:
        """What the service can do."""

    @property
    def polling(self) -> Polling:
        """What reading many jobs costs."""

    @property
    def locations(self) -> Sequence[str]:
        """Where the administrator allows jobs; none: everywhere."""

    def location(self, spec: Mapping[str, Any], /) -> str:
        """In which location a spec's job is made; empty where nobody has said so."""

    def scope(self, project: str, location: str, /) -> Scope:
        """Where the jobs of a project and location are made and listed."""

    def scopes(self, project: str, /) -> Sequence[Scope]:
        """Where a project may have jobs, as far as that is known."""

    def scope_of(self, reference: Reference, /) -> Scope:
        """Where a job is listed."""

    def job_id(self, owner: Owner, attempt: int, chosen: str | None, /) -> str:
        """Name the job of one attempt: legal for the service, and the same at each call.

        Args:
            owner: whose job it is.
            attempt: 1 for the first; a later one gets an id of its own.
            chosen: `spec.jobId`, kept to the letter for the first attempt.
        """

    def reference(self, scope: Scope, job_id: str, /) -> Reference | None:
        """The reference of a job that is to have this id; None where only the service knows it."""

    def links(self, reference: Reference, /) -> Mapping[str, str]:
        """Pages about a job for people: `consoleUrl` and `logsUrl` of the status."""

    def review(self, kind: str, spec: Mapping[str, Any], /) -> Sequence[Problem]:
        """Say what of a spec the service cannot do, or does otherwise, before it is asked.

        Args:
            kind: `TrainingJob` or `PredictionJob`.
            spec: the validated spec in canonical JSON.

        Returns:
            Errors, which refuse the spec, and warnings of what is lost or becomes something else.
        """


class Backend(Protocol):
    """A job service, in the vocabulary of the resources.

    Every method raises the errors of `domain.errors` and no others. A method sends at most one request that
    changes anything: whoever calls decides about a second try.
    """

    @property
    def facts(self) -> Facts:
        """What is known without asking."""

    async def submit(self, order: Order) -> Job:
        """Make a job. Where the service names jobs itself, a second call makes a second job.

        Raises:
            AlreadyExists: the id is in use, perhaps by an earlier try of ours.
            Unavailable: it may have been made.
        """

    async def find(self, sought: Sought) -> Sequence[Job]:
        """Find the jobs that carry an attempt's marks, oldest first. None is no proof: lists may lag."""

    async def get(self, reference: Reference, *, patient: bool = False) -> Job:
        """Read one job.

        Args:
            reference: of the job.
            patient: whether it waits behind other calls for as long as the quota takes; else it is refused
                soon, so that who waits for it can do something else.

        Raises:
            NotFound: there is no such job.
        """

    async def active(self, scope: Scope, *, page_token: str = "") -> JobPage:
        """Read one page of a scope's jobs, patiently: the active ones, and perhaps others.

        Where a list shows less of a job than `get` does, its `extent` says so.
        """

    async def cancel(self, reference: Reference) -> None:
        """Ask for a running job's end.

        Raises:
            Rejected: the job has already ended.
        """


@runtime_checkable
class Relabels(Protocol):
    """A backend whose jobs' labels can be changed."""

    async def relabel(self, reference: Reference, labels: Mapping[str, str], etag: str) -> Job:
        """Replace all labels of a job whose etag is still `etag`.

        Raises:
            StaleEtag: the job has changed since.
        """


@runtime_checkable
class BindsIam(Protocol):
    """A backend whose jobs have an IAM policy."""

    async def bind_iam(
        self, reference: Reference, wanted: Sequence[Binding], applied: Sequence[Binding]
    ) -> None:
        """Bring bindings into a job's policy; everybody else's stay.

        Args:
            reference: of the job.
            wanted: what is to be there.
            applied: what was put there before; members of these that are no longer wanted are taken out.

        Raises:
            StaleEtag: the policy is changed by others again and again.
        """
