"""The JobClass: which service runs jobs, where, as whom and how many; made by administrators, named by users.

It is to a job what a StorageClass is to a volume. What is left out is not limited, but for adoption.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from mljobs.api.base import AnyJson, Counter, Labels, Model, Name, Observed
from mljobs.api.identity import Email, Endpoint, Identity, Service
from mljobs.api.patterns import DNS_LABEL, PROJECT
from mljobs.api.record import DeletionPolicy
from mljobs.api.resources import Column, Condition, Metadata, ResourceKind

DEFAULT_CLASS = "mljobs.dev/is-default-class"
"""The annotation that makes a class the default: `"true"`."""

MOST = 64
"""Entries of a list of a class."""

_SET = {"x-kubernetes-list-type": "set"}
_MAP = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}

Region = Annotated[str, Field(max_length=40, pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
ProjectId = Annotated[str, Field(max_length=128, pattern=rf"^{PROJECT}$")]
Namespace = Annotated[str, Field(max_length=63, pattern=rf"^{DNS_LABEL}$")]
MachineType = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_-]+\*?$")]
"""A machine type, or the beginning of several with an asterisk at its end: `n1-*`."""

LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[str, Field(max_length=63)]


class Adoption(StrEnum):
    """Which jobs a resource may adopt."""

    NEVER = "Never"
    SAME_NAMESPACE = "SameNamespace"
    ANY = "Any"


class LabelOperator(StrEnum):
    """How a label is compared, as in a Kubernetes label selector."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelRequirement(Model):
    """One requirement on a namespace's labels."""

    key: LabelKey
    """The label's key."""

    operator: LabelOperator
    """How the label is compared with `values`."""

    values: Annotated[tuple[LabelValue, ...], Field(max_length=MOST, json_schema_extra=_SET)] | None = None
    """The values of `In` and `NotIn`."""


class NamespaceSelector(Model):
    """Which namespaces may use the class: those that meet everything that is given."""

    names: (
        Annotated[tuple[Namespace, ...], Field(min_length=1, max_length=512, json_schema_extra=_SET)] | None
    ) = None
    """The names of namespaces."""

    match_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=MOST)] | None = None
    """Labels that a namespace has to have."""

    match_expressions: Annotated[tuple[LabelRequirement, ...], Field(max_length=MOST)] | None = None
    """Requirements on a namespace's labels."""


class Amounts(Model):
    """How much may be in use at once."""

    active_jobs: Annotated[Counter, Field(ge=1, le=1_000_000)] | None = None
    """Jobs that are submitted and have not ended."""

    accelerators: Annotated[Counter, Field(ge=0, le=1_000_000)] | None = None
    """Accelerators of those jobs: of all machines, as the specs ask for them; of a tuning job, of all trials
    that run at once."""


class Limits(Amounts):
    """What may be used at once, and how often the service is called. A job beyond it waits for its turn."""

    per_namespace: Amounts | None = None
    """How much of it one namespace may use."""

    creates_per_minute: Annotated[Counter, Field(ge=1, le=1_000_000)] | None = None
    """Create calls a minute, for each project, on Vertex AI in each region. Defaults to the service's own
    quota."""

    reads_per_minute: Annotated[Counter, Field(ge=1, le=1_000_000)] | None = None
    """All other calls a minute, likewise."""


Tables = Annotated[AnyJson, WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
"""Tables of any form. Without the type, no CEL rule could ask whether there are any."""


class Defaults(Model):
    """What is laid under each spec at submission: it counts where the spec says nothing."""

    labels: Labels | None = None
    """Labels of the job, one by one."""

    network: Name | None = None
    """The VPC network to peer with, as `projects/NUMBER/global/networks/NAME`."""

    service_account: Email | None = None
    """The account that the job runs as. If unset, the first of `jobServiceAccounts`."""

    deletion_policy: DeletionPolicy | None = None
    """What happens to the job when its resource is deleted."""

    active_deadline_seconds: Annotated[Counter, Field(ge=1, le=2**31 - 1)] | None = None
    """Seconds for all attempts together."""

    start_deadline_seconds: Annotated[Counter, Field(ge=1, le=2**31 - 1)] | None = None
    """Seconds for each attempt to be RUNNING."""

    ttl_seconds_after_finished: Annotated[Counter, Field(ge=0, le=2**31 - 1)] | None = None
    """Seconds after which a resource that has finished is deleted."""

    tables: Tables | None = None
    """Laid over the tables by which legacy names become Vertex AI's, as the operator's setting of this
    name: machines, accelerators, images, models."""


class JobClassSpec(Model):
    """What the administrator decides for the jobs of the class."""

    service: Service
    """The service that runs the jobs: `MLv1` is AI Platform's `ml` v1, `VertexAI` is Vertex AI's
    `aiplatform` v1. Immutable."""

    endpoint: Endpoint | None = None
    """The URL of the service, of the emulator or of a compatible endpoint. Defaults to the public one."""

    namespaces: NamespaceSelector | None = None
    """Which namespaces may use the class. If unset, all."""

    projects: Annotated[tuple[ProjectId, ...], Field(min_length=1, max_length=MOST)] | None = None
    """The projects that jobs may run in, the first for those that name none. If unset, any that the identity
    can use."""

    locations: Annotated[tuple[Region, ...], Field(min_length=1, max_length=MOST)] | None = None
    """The regions that jobs may run in, the first for those that name none. If unset, any."""

    machine_types: Annotated[tuple[MachineType, ...], Field(min_length=1, max_length=MOST)] | None = None
    """The machine types that jobs may use, in the service's own words; an asterisk at the end stands for any
    rest, as in `n1-*`. If unset, any."""

    job_service_accounts: Annotated[tuple[Email, ...], Field(min_length=1, max_length=MOST)] | None = None
    """The accounts that jobs may run as. If unset, any that the identity may act as."""

    identity: Identity | None = None
    """As whom the operator calls the service. If unset, as itself."""

    adoption: Adoption = Adoption.NEVER
    """Which jobs a resource may adopt by the annotation `mljobs.dev/adopt`: none; those without an owner or
    with one in the same namespace; or those of resources in other namespaces, too."""

    limits: Limits | None = None
    """How much may be used. If unset, there is no limit but the service's quotas."""

    defaults: Defaults | None = None
    """What counts where a spec says nothing."""


class JobClassStatus(Observed):
    """What the operator reports of a class."""

    conditions: Annotated[tuple[Condition, ...] | None, Field(max_length=8, json_schema_extra=_MAP)] = None
    """The conditions: Ready says whether jobs can use the class."""

    observed_generation: Counter | None = None
    """The generation of the spec that this status is based on."""

    active_jobs: Annotated[Counter | None, Field(ge=0)] = None
    """The jobs that are submitted and have not ended; counted at most once a minute."""

    waiting_jobs: Annotated[Counter | None, Field(ge=0)] = None
    """The resources that wait for room in the class."""

    accelerators: Annotated[Counter | None, Field(ge=0)] = None
    """The accelerators of the active jobs."""


class JobClass(Model):
    """Which service runs jobs, where, as whom and how many: for jobs what a StorageClass is for volumes."""

    api_version: Literal["mljobs.dev/v1alpha1"] = "mljobs.dev/v1alpha1"
    """The group and version of this resource."""

    kind: Literal["JobClass"] = "JobClass"
    """The kind of this resource."""

    metadata: Metadata
    """Name and Kubernetes' other metadata."""

    spec: JobClassSpec
    """What the administrator decides."""

    status: JobClassStatus | None = None
    """What the operator reports, written by it alone."""


_DEFAULT_PATH = ".metadata.annotations." + DEFAULT_CLASS.replace(".", r"\.")

JOB_CLASS = ResourceKind(
    name="JobClass",
    plural="jobclasses",
    singular="jobclass",
    short_name="jc",
    resource=JobClass,
    columns=(
        Column("Service", ".spec.service", "The service that runs the jobs"),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether jobs can use the class"),
        Column("Default", _DEFAULT_PATH, "Whether it is the class of resources that name none"),
        Column("Active", ".status.activeJobs", "Its jobs that have not ended", form="integer"),
        Column("Waiting", ".status.waitingJobs", "Resources that wait for room", form="integer", wide=True),
        Column("Project", ".spec.projects[0]", "The project of jobs that name none", wide=True),
        Column("Location", ".spec.locations[0]", "The region of jobs that name none", wide=True),
        Column("Age", ".metadata.creationTimestamp", "The time since the class was created", form="date"),
    ),
    spec=JobClassSpec,
    status=JobClassStatus,
    namespaced=False,
)
"""The kind for administrators, which is in no namespace."""
