"""The port between the core and a job service, and the job as the core sees it.

A backend implements `Backend` in the vocabulary of the resources, which is that of `ml` v1: attempts, states
and field names. What a service names differently, its backend translates.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType, Protocol, runtime_checkable

from mljobs.api.identity import Identity
from mljobs.api.outputs import TERMINAL_STATES, Cause, State
from mljobs.domain.spec.problems import Problem

JobDocument = Mapping[str, Any]
"""A `Job` as JSON, with the field names of the discovery document. int64 values are decimal strings."""

Binding = Mapping[str, Any]
"""Who has a role on a job: `{role, members, condition}`; `condition` may be absent."""

Reference = NewType("Reference", str)
"""A job's name at its service. Opaque: backends create and parse it, everybody else stores and compares
it."""

Scope = NewType("Scope", str)
"""Where jobs are listed together, such as a project. Opaque, as a `Reference` is."""


class Extent(StrEnum):
    """How much of a job an answer shows."""

    WHOLE = "whole"
    """All that there is."""

    PART = "part"
    """What a list shows: while it stays the same, so does the rest."""

    OUTLINE = "outline"
    """What a list shows, where the rest changes by itself, as the trials of a tuning job do: it is read now
    and then, even if the list shows nothing new."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job has failed, as far as its backend understands what the service says.

    Attributes:
        cause: why.
        exit_code: of the program, where the service says it.
        message: the service's.
    """

    cause: Cause
    exit_code: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the service returned it.

    Attributes:
        job_id: unique in its project.
        state: a word of the API's `State`; `STATE_UNSPECIFIED` if the service left it out.
        labels: all labels of the job, ours included.
        etag: base64 text that changes with every change of the job; empty if absent.
        document: the whole answer, for the fields that only the status needs.
        reference: names the job at its service.
        extent: how much of it this is.
        failure: why it has failed; None if it has not, or if its backend never says.
    """

    job_id: str
    state: str = State.STATE_UNSPECIFIED.value
    labels: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""
    document: JobDocument = field(default_factory=dict)
    reference: Reference = Reference("")
    extent: Extent = Extent.WHOLE
    failure: Failure | None = None

    @classmethod
    def parse(cls, document: JobDocument, reference: Reference = Reference("")) -> "Job":
        """Parse a job's JSON. Absent fields take the proto defaults."""
        return cls(
            reference=reference,
            job_id=document.get("jobId", ""),
            state=document.get("state", State.STATE_UNSPECIFIED.value),
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
        return self.ended or self.state == State.CANCELLING

    def is_news_to(self, known: "Job | None") -> bool:
        """Whether it says what is not known; a part of what is known is no news."""
        if known is None:
            return True
        if self.extent is Extent.WHOLE:
            return self.document != known.document
        part = any(known.document.get(key) != value for key, value in self.document.items())
        return part or known.extent is not Extent.WHOLE


@dataclass(frozen=True, slots=True)
class JobPage:
    """One page of `list`: jobs by createTime descending, and the token of the next page (empty: the last)."""

    jobs: Sequence[Job]
    next_page_token: str = ""


@dataclass(frozen=True)
class Capabilities:
    """What a service supports, so that the core can ask instead of knowing services.

    Attributes:
        client_names_jobs: whether the caller chooses a job's id, so that the same `submit` never creates two
            jobs and the reference is known before the call; otherwise the service names each job.
        labels: whether a job's labels can be changed; its backend is a `Relabels`.
        iam: whether a job has an IAM policy; its backend is a `BindsIam`.
        translates: whether a spec becomes a job in other words, in which something of it may be lost.
        restarts: how often the service restarts a training job that has failed by itself, at most.
    """

    client_names_jobs: bool
    labels: bool
    iam: bool
    translates: bool = False
    restarts: int = 0


@dataclass(frozen=True)
class Polling:
    """What reading many jobs costs.

    Attributes:
        page_size: jobs in a page of `active`.
        pages_from: from this number of watched jobs in a scope on, pages are cheaper than a `get` for each.
    """

    page_size: int
    pages_from: int


@dataclass(frozen=True)
class Order:
    """A job to create.

    Attributes:
        kind: `TrainingJob` or `PredictionJob`.
        spec: the validated spec in canonical JSON.
        scope: where to create it.
        job_id: its id, or its display name if the service names jobs itself.
        labels: all of them, the ownership labels included.
    """

    kind: str
    spec: Mapping[str, Any]
    scope: Scope
    job_id: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class AttemptSelector:
    """Selects the jobs of an attempt by their labels, where no reference is known.

    Attributes:
        scope: where it would be.
        labels: those that name the owner and the attempt.
        since: when the first call that could have created it was recorded; older jobs are ignored.
    """

    scope: Scope
    labels: Mapping[str, str]
    since: datetime

    def matches(self, job: "Job") -> bool:
        """Whether a job has all the labels."""
        return self.labels.items() <= job.labels.items()


@dataclass(frozen=True)
class Caller:
    """As whom a service is called; without anything, as the operator itself.

    Attributes:
        namespace: of the ServiceAccount.
        account: the name of a Kubernetes ServiceAccount whose token is exchanged; empty for none.
        provider: who exchanges it: `projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/
            PROVIDER`, or `identitynamespace:POOL:PROVIDER`.
        audience: of the token; empty for the one that the provider expects.
        impersonate: the e-mail address of a Google service account to act as; empty for none.
    """

    namespace: str = ""
    account: str = ""
    provider: str = ""
    audience: str = ""
    impersonate: str = ""

    @classmethod
    def of(cls, identity: Identity | None, namespace: str) -> "Caller":
        """The caller that a class's identity is in a namespace.

        Args:
            identity: of the class; None for the operator itself.
            namespace: of the resource. It never comes from a spec: nobody names another's ServiceAccount.
        """
        if identity is None:
            return OPERATOR
        account = identity.service_account_ref
        impersonate = identity.impersonate or ""
        if account is None:
            return cls(impersonate=impersonate)
        return cls(namespace, account.name, account.provider or "", account.audience or "", impersonate)

    def __str__(self) -> str:
        """The caller in words, for messages."""
        own = f"ServiceAccount {self.namespace}/{self.account}" if self.account else ""
        if self.impersonate:
            return f"{own} as {self.impersonate}" if own else self.impersonate
        return own or "the operator"


OPERATOR = Caller()
"""The operator itself."""


@dataclass(frozen=True)
class Owner:
    """The owner of a job: a resource of a cluster.

    Attributes:
        namespace: its namespace.
        name: its name.
        uid: its uid, which no other resource ever has.
    """

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Claims:
    """What a job would use, as far as an administrator may limit it.

    Attributes:
        machine_types: a field of the spec and the machine type that it leads to, in the service's words.
        accounts: a field of the spec and the service account that the job runs as.
        accelerators: of all machines of the job together; of a tuning job, of all trials that run at once.
    """

    machine_types: Sequence[tuple[str, str]] = ()
    accounts: Sequence[tuple[str, str]] = ()
    accelerators: int = 0


class Facts(Hashable, Protocol):
    """What is known of a service without a request: pure, and constant for the lifetime of a process."""

    @property
    def capabilities(self) -> Capabilities:
        """What the service supports."""

    @property
    def polling(self) -> Polling:
        """What reading many jobs costs."""

    @property
    def locations(self) -> Sequence[str]:
        """Where the administrator allows jobs; empty: everywhere."""

    def location(self, spec: Mapping[str, Any], /) -> str:
        """In which location a spec's job is created; empty if nobody has named one."""

    def scope(self, project: str, location: str, /) -> Scope:
        """Where the jobs of a project and location are created and listed."""

    def scopes(self, project: str, /) -> Sequence[Scope]:
        """Where a project may have jobs, as far as that is known."""

    def scope_of(self, reference: Reference, /) -> Scope:
        """Where a job is listed."""

    def location_of(self, reference: Reference, /) -> str:
        """In which location a job is; empty if its name does not say."""

    def job_id(self, owner: Owner, attempt: int, chosen: str | None, /) -> str:
        """Name the job of one attempt: legal for the service, and deterministic.

        Args:
            owner: the job's owner.
            attempt: 1 for the first; a later one gets an id of its own.
            chosen: `spec.jobId`, used unchanged for the first attempt.
        """

    def reference(self, scope: Scope, job_id: str, /) -> Reference | None:
        """The reference of the job with this id; None if the service assigns it."""

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

    def claims(self, kind: str, spec: Mapping[str, Any], /) -> Claims:
        """Say what a job would use.

        Args:
            kind: `TrainingJob` or `PredictionJob`.
            spec: the validated spec in canonical JSON.
        """


class Backend(Protocol):
    """A job service, in the vocabulary of the resources.

    Every method raises the errors of `domain.errors` and no others. A method sends at most one request that
    changes anything: the caller decides about a retry.
    """

    @property
    def facts(self) -> Facts:
        """What is known without a request."""

    async def submit(self, order: Order) -> Job:
        """Create a job. If the service names jobs itself, a second call creates a second job.

        Raises:
            AlreadyExists: the id is in use, perhaps by an earlier call of ours.
            Unavailable: it may have been created.
        """

    async def find(self, selector: AttemptSelector) -> Sequence[Job]:
        """Find the jobs of an attempt, oldest first. None is no proof that there is none: lists may lag."""

    async def get(self, reference: Reference, *, background: bool = False) -> Job:
        """Read one job.

        Args:
            reference: of the job.
            background: whether it waits behind other calls for as long as the quota takes; otherwise it is
                refused soon, so that the caller can do something else.

        Raises:
            NotFound: there is no such job.
        """

    async def active(self, scope: Scope, *, page_token: str = "") -> JobPage:
        """Read one page of a scope's jobs, patiently: the active ones, and perhaps others.

        Where a list shows less of a job than `get` does, its `extent` says so.
        """

    async def cancel(self, reference: Reference) -> None:
        """Request the cancellation of a running job.

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
        """Set bindings in a job's policy; everybody else's stay.

        Args:
            reference: of the job.
            wanted: the desired bindings.
            applied: what was set before; members of these that are no longer wanted are removed.

        Raises:
            StaleEtag: others keep changing the policy.
        """
