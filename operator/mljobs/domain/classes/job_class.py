"""A JobClass as the core sees it, and what it gives one resource."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Self

from pydantic import ValidationError

from mljobs.api.identity import Identity, Service
from mljobs.api.jobclass import DEFAULT_CLASS, Adoption, JobClassSpec, Limits, NamespaceSelector
from mljobs.api.record import DeletionPolicy, RecordedClass
from mljobs.domain.port import OPERATOR, Caller
from mljobs.domain.reasons import Reason

OWN = "default"
"""The name of the class that the operator's settings make where there is no other."""


@dataclass(frozen=True)
class Route:
    """How calls about a job go: what a class says, and the record of a job keeps.

    Attributes:
        service: its name.
        endpoint: URL of its API; empty for its usual one.
        caller: as whom.
    """

    service: str
    endpoint: str = ""
    caller: Caller = OPERATOR


SECONDS = ("activeDeadlineSeconds", "startDeadlineSeconds", "ttlSecondsAfterFinished")
"""The fields of a spec for which a class may have a default in seconds."""


@dataclass(frozen=True)
class Underlay:
    """What a class lays under a spec.

    Attributes:
        labels: of the job.
        network: to peer with.
        account: that the job runs as.
        deletion_policy: what happens to the job when its resource is deleted.
        seconds: deadlines and ttl, by their fields of the spec.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    network: str = ""
    account: str = ""
    deletion_policy: DeletionPolicy | None = None
    seconds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class JobClass:
    """Which service runs jobs, where and as whom.

    Attributes:
        name: unique in the cluster.
        service: its name.
        endpoint: URL of its API; empty for its usual one.
        identity: as whom it is called; None for the operator itself.
        namespaces: who may use the class; None: everybody.
        projects: where jobs may run; none: everywhere.
        default_project: of jobs that name none.
        locations: where jobs may run, the first for those that name none; none: everywhere.
        machine_types: that jobs may use, with an asterisk for any rest; none: all.
        accounts: that jobs may run as; none: all.
        adoption: which jobs may be adopted.
        limits: how much may be in use at once, and how often the service is called.
        underlay: what is laid under each spec.
        tables: laid over the tables of legacy names.
        is_default: whether it is for resources that name none.
        created: when it was made.
        own: whether the operator's settings have made it.
    """

    name: str
    service: str
    endpoint: str = ""
    identity: Identity | None = None
    namespaces: NamespaceSelector | None = None
    projects: Sequence[str] = ()
    default_project: str | None = None
    locations: Sequence[str] = ()
    machine_types: Sequence[str] = ()
    accounts: Sequence[str] = ()
    adoption: Adoption = Adoption.NEVER
    limits: Limits = field(default_factory=Limits)
    underlay: Underlay = field(default_factory=Underlay)
    tables: Mapping[str, Any] = field(default_factory=dict)
    is_default: bool = False
    created: str = ""
    own: bool = False

    @classmethod
    def parse(cls, body: Mapping[str, Any], provider: str = "") -> Self:
        """Read an object as the API server returns it.

        Args:
            body: the object.
            provider: the administrator's, for an identity that names none; a job's record keeps it, too.

        Raises:
            ValidationError: it is not of this version's schema (a ValueError of pydantic).
        """
        meta = body.get("metadata") or {}
        spec = JobClassSpec.model_validate(body.get("spec") or {}, by_alias=True, by_name=False)
        identity, defaults = _with_provider(spec.identity, provider), spec.defaults
        accounts = spec.job_service_accounts or ()
        named = defaults.service_account if defaults else None
        empty = identity is None or identity == Identity()
        return cls(
            name=str(meta.get("name", "")),
            service=spec.service.value,
            endpoint=spec.endpoint or "",
            identity=None if empty else identity,
            namespaces=spec.namespaces,
            projects=spec.projects or (),
            default_project=next(iter(spec.projects or ()), None),
            locations=spec.locations or (),
            machine_types=spec.machine_types or (),
            accounts=accounts,
            adoption=spec.adoption,
            limits=spec.limits or Limits(),
            underlay=Underlay(
                labels=(defaults.labels if defaults else None) or {},
                network=(defaults.network if defaults else None) or "",
                account=named or next(iter(accounts), ""),
                deletion_policy=defaults.deletion_policy if defaults else None,
                seconds=seconds_of(defaults.document() if defaults else {}),
            ),
            tables=(defaults.tables if defaults else None) or {},
            is_default=(meta.get("annotations") or {}).get(DEFAULT_CLASS) == "true",
            created=str(meta.get("creationTimestamp") or ""),
        )

    @cached_property
    def tables_text(self) -> str:
        """Its tables as JSON, the same for equal ones; made once, since each call of the service asks."""
        return json.dumps(self.tables, sort_keys=True)

    @cached_property
    def selects_by_labels(self) -> bool:
        """Whether the labels of a namespace have to be known."""
        return bool(self.namespaces and (self.namespaces.match_labels or self.namespaces.match_expressions))

    def gives_project(self, project: str) -> bool:
        """Whether jobs may run in a project."""
        return not self.projects or project in self.projects

    def route(self, namespace: str) -> Route:
        """How the calls about the jobs of a namespace go."""
        return Route(self.service, self.endpoint, Caller.of(self.identity, namespace))

    def record(self, accelerators: int = 0) -> dict[str, Any]:
        """What a job's record keeps of its class; empty for the one that the settings make.

        Args:
            accelerators: of the job.
        """
        if self.own:
            return {}
        under = self.underlay
        recorded = RecordedClass(
            name=self.name,
            service=Service(self.service),
            endpoint=self.endpoint or None,
            identity=self.identity,
            labels=dict(under.labels) or None,
            deletion_policy=under.deletion_policy,
            accelerators=accelerators or None,
        )
        return {**recorded.document(), **under.seconds}


def seconds_of(fields: Mapping[str, Any]) -> Mapping[str, int]:
    """The deadlines and the ttl among a class's defaults, or in what a record has kept of it."""
    found = {name: fields.get(name) for name in SECONDS}
    return {name: value for name, value in found.items() if isinstance(value, int)}


def problem_of(error: ValueError) -> str:
    """Say which field keeps a class from being used: one of its schema, or the tables for its service."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"spec.{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"spec.defaults.tables: {error}"


def _with_provider(identity: Identity | None, provider: str) -> Identity | None:
    account = identity.service_account_ref if identity else None
    if identity is None or account is None or account.provider or not provider:
        return identity
    named = account.model_copy(update={"provider": provider})
    return identity.model_copy(update={"service_account_ref": named})


NEVER = datetime.max.replace(tzinfo=UTC)
"""After everything else."""


@dataclass(frozen=True)
class Turn:
    """Where a job stands in the line of its class.

    Attributes:
        given: whether it may be submitted now.
        message: what it waits for.
        again: when the message may have changed.
    """

    given: bool
    message: str = ""
    again: datetime = NEVER


@dataclass(frozen=True)
class Standing:
    """What the classes give one resource.

    Attributes:
        accelerators: of the job that is being submitted; recorded once it is accepted.
        turn: where its next job stands in the line of its class; None where nobody has to wait.
        job_class: the one that its next job is submitted with; None where nothing is limited.
        reason: why it has none: `NoJobClass` or `NotAllowed`; None if it has one.
        message: for the condition.
        pending: whether it is not known yet, and will be soon.
    """

    job_class: JobClass | None = None
    reason: Reason | None = None
    message: str = ""
    pending: bool = False
    accelerators: int = 0
    turn: Turn | None = None

    def gives_project(self, project: str) -> bool:
        """Whether the resource's jobs may run in a project."""
        if self.reason is not None:
            return False
        return self.job_class is None or self.job_class.gives_project(project)


def recorded_route(recorded: Mapping[str, Any], namespace: str) -> Route:
    """How calls about a job go whose class is recorded.

    Args:
        recorded: `status.record.jobClass`, which no user can write.
        namespace: of the resource.
    """
    known = RecordedClass.model_validate(recorded)
    return Route(known.service.value, known.endpoint or "", Caller.of(known.identity, namespace))
