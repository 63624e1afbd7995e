"""The custom resources: what users write and what the operator reports, and the names of the kinds."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from mljobs.api.attempts import Attempt, AttemptPlacement
from mljobs.api.base import (
    Counter,
    Flag,
    Int32,
    Int64,
    Labels,
    Model,
    Name,
    Observed,
    Text,
    Timestamp,
    Uri,
    Word,
)
from mljobs.api.inputs import PredictionInput, TrainingInput
from mljobs.api.outputs import Cause, HyperparameterOutput, Outcome, PredictionOutput, State, TrainingOutput
from mljobs.api.policies import FailurePolicy, PlacementPolicy, Placements, TtlByOutcome
from mljobs.api.record import ClassName, DeletionPolicy, IamBindings, Record
from mljobs.api.vertex.block import PredictionVertex, TrainingVertex

GROUP = "mljobs.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "mljobs"

TRIALS_LIMIT = 1000
"""The most trials that a status can hold; the operator limits their size as well."""

ATTEMPTS_LIMIT = 100
"""The most attempts that a status can hold."""


class JobSpec(Model):
    """The common fields of both kinds."""

    job_class_name: ClassName | None = None
    """The JobClass that says which service runs the job, where, and as whom. Defaults to the class that the
    administrator has made the default. Immutable once the job is submitted."""

    project_id: Word | None = None
    """The Google Cloud project that runs the job. Defaults to that of the class, or of the operator's
    settings. Immutable once the job is submitted."""

    job_id: Word | None = None
    """The job's id, which a project never reuses: a letter, then letters, digits and underscores, at most 128
    in all. If unset, the operator derives one from the resource's namespace, name and uid. Immutable once the
    job is submitted."""

    labels: Labels | None = None
    """Labels of the job. They may be changed until the job has ended; the operator adds its own, whose names
    start with `mljobs-`."""

    deletion_policy: DeletionPolicy | None = None
    """What happens to the job when the resource is deleted: `Cancel` cancels it, `Orphan` leaves it
    running. Defaults to that of the class, or else to `Cancel`."""

    iam_bindings: IamBindings | None = None
    """Bindings in the job's IAM policy; those of others are kept. They may be changed until the job has
    ended."""

    suspend: Flag = False
    """Whether the job is suspended. Setting it to true cancels a submitted job, and setting it back to false
    submits a new attempt."""

    backoff_limit: Int32 | None = None
    """How many failed attempts another one follows; none if unset. It follows after 10 s, 20 s, 40 s and so
    on, at most 6 min. Attempts that a suspension ends, and jobs that are refused or lost, do not count. May
    be changed until the resource has finished."""

    failure_policy: FailurePolicy | None = None
    """What follows a failed attempt, by its cause. May be changed until the resource has finished."""

    placements: Placements | None = None
    """Where attempts run, and on what kind of capacity: the first attempt in the first one, and after an
    event of placementPolicy the next one in the next. One that deserves two attempts stands twice. May be
    changed until the resource has finished, for the attempts to come."""

    placement_policy: PlacementPolicy | None = None
    """When the next of placements is tried, and how often all of them are. May be changed until the resource
    has finished."""

    active_deadline_seconds: Int32 | None = None
    """Seconds for all attempts together, from when the service has accepted the first one. Once they have
    passed, the job is cancelled and the resource has failed. While a suspension ends the job or holds it
    back, they do not count, and the next attempt begins with all of them, as in a `batch/v1` Job. May be
    changed until the job has ended."""

    start_deadline_seconds: Int32 | None = None
    """Seconds for each attempt to be RUNNING, from when the service has accepted it. Otherwise its job is
    cancelled, and the attempt has failed. May be changed until then."""

    ttl_seconds_after_finished: Int32 | None = None
    """Seconds after which a resource whose job has ended for good is deleted, as in a `batch/v1` Job. If
    unset, it is kept. One that is suspended, refused or lost is never deleted so."""

    ttl_seconds_by_outcome: TtlByOutcome | None = None
    """The same for some outcomes; for those, it takes the place of ttlSecondsAfterFinished."""

    managed_by: Annotated[str, Field(max_length=63)] | None = None
    """The controller that manages this resource, as in a `batch/v1` Job. Unset or `mljobs.dev/operator` means
    this operator; with any other name it ignores the resource. Immutable."""


class TrainingJobSpec(JobSpec):
    """The desired state of a training job."""

    training_input: TrainingInput | None = None
    """What to train, on which machines, and where. Immutable once the job is submitted. Required unless
    vertex.jobSpec is the whole job."""

    vertex: TrainingVertex | None = None
    """What only Vertex AI has, in its own words: laid over trainingInput, or the whole job without one.
    Immutable once the job is submitted."""


class PredictionJobSpec(JobSpec):
    """The desired state of a batch prediction job."""

    prediction_input: PredictionInput | None = None
    """What to predict, with which model, and where. Immutable once the job is submitted. Required unless
    vertex.batchPredictionJob is the whole job."""

    vertex: PredictionVertex | None = None
    """What only Vertex AI has, in its own words: laid over predictionInput, or the whole job without one.
    Immutable once the job is submitted."""


class Condition(Observed):
    """One aspect of the resource's state, in the standard format of Kubernetes."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """The type: Submitted, Succeeded, Reconciling, Suspended, Stalled or Translated; of a JobClass, Ready."""

    status: Literal["True", "False", "Unknown"]
    """Whether it holds: True, False or Unknown."""

    observed_generation: Annotated[Counter | None, Field(ge=0)] = None
    """The generation of the spec that the condition is based on."""

    last_transition_time: Timestamp
    """When the status last changed."""

    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """The machine-readable reason, in one word."""

    message: Annotated[str, Field(max_length=32768)]
    """A human-readable message that says why, and what to do."""


class TrainingJobOutput(TrainingOutput):
    """The results of a training job, with its trials best first and only as many as a status can hold."""

    trials: Annotated[tuple[HyperparameterOutput, ...] | None, Field(max_length=TRIALS_LIMIT)] = None
    """The trials of a tuning job, best first; `trialsTruncated` counts those left out."""

    best_trial: HyperparameterOutput | None = None
    """The trial whose final metric is the best for the job's goal."""

    trials_truncated: Annotated[Counter | None, Field(ge=0)] = None
    """How many trials were left out of `trials`."""


class JobStatus(Observed):
    """What the operator reports for both kinds."""

    conditions: Annotated[
        tuple[Condition, ...] | None,
        Field(
            max_length=32,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = None
    """The conditions, one for each type."""

    observed_generation: Counter | None = None
    """The generation of the spec that this status is based on; -1 before the operator has seen it."""

    outcome: Outcome | None = None
    """How the resource has ended: Succeeded, Failed or Cancelled as its job; Refused if no job can be
    submitted until somebody changes something; Lost if the service no longer has the job. Absent while it may
    go on by itself. A field selector may name it."""

    state: State | None = None
    """The job's state in the words of `ml` v1; it never steps back, though a service's may. Absent until the
    service has accepted the job."""

    job_id: Word | None = None
    """The id of the current attempt's job. Once it is set, the input, the project and the id are
    immutable."""

    job_name: Name | None = None
    """The full name of the current attempt's job, `projects/PROJECT/jobs/ID`."""

    attempt: Annotated[Counter | None, Field(ge=0)] = None
    """The number of the current attempt, counted from 1."""

    attempts: Annotated[tuple[Attempt, ...] | None, Field(max_length=ATTEMPTS_LIMIT)] = None
    """The attempts before the current one, the newest last."""

    create_time: Timestamp | None = None
    """When the service accepted the job."""

    start_time: Timestamp | None = None
    """When the job started to run, as it was first seen to."""

    end_time: Timestamp | None = None
    """When the job ended."""

    job_position: Int64 | None = None
    """The job's position in the queue while its state is QUEUED; 0 once it is scheduled."""

    error_message: Text | None = None
    """Why the job failed or was cancelled, in the service's words."""

    error_code: Int32 | None = None
    """The number of the google.rpc.Code beside that message, where the service gives one. 8 is a lack of
    machines, quota or memory: `cause` says which."""

    cause: Cause | None = None
    """Why the job has failed, as far as the operator understands what the service says; Unknown where it does
    not."""

    exit_code: Int32 | None = None
    """The exit code of the program, where the service says it."""

    placement: AttemptPlacement | None = None
    """Which of spec.placements the current attempt is in; absent where there are none."""

    etag: Name | None = None
    """The service's etag of the job, which guards changes of its labels."""

    job_class_name: ClassName | None = None
    """The JobClass that the current attempt was submitted with; absent where there was none."""

    project_id: Word | None = None
    """The Google Cloud project that the job is in."""

    location: Word | None = None
    """The service's region that the job runs in."""

    labels: Labels | None = None
    """The labels that the job has at the service, the operator's own included."""

    record: Record | None = None
    """The operator's internal record of the current attempt."""

    console_url: Uri | None = None
    """The job's page in the Google Cloud console."""

    logs_url: Uri | None = None
    """The job's logs in the Google Cloud console."""


class TrainingJobStatus(JobStatus):
    """The observed state of a training job."""

    training_output: TrainingJobOutput | None = None
    """The job's results so far."""


class PredictionJobStatus(JobStatus):
    """The observed state of a batch prediction job."""

    prediction_output: PredictionOutput | None = None
    """The job's results so far."""


class Metadata(Observed):
    """The parts of a Kubernetes object's metadata that the operator reads."""

    name: str
    """The resource's name."""

    namespace: str | None = None
    """The resource's namespace."""

    uid: str | None = None
    """Unique over time, even if a resource of the same name is created again."""

    generation: Counter | None = None
    """Counts the changes of the spec."""

    resource_version: str | None = None
    """Changes with every write."""

    labels: dict[str, str] | None = None
    """The resource's own labels, which are not the job's."""

    annotations: dict[str, str] | None = None
    """The resource's annotations."""

    finalizers: tuple[str, ...] | None = None
    """The finalizers, which block the deletion."""

    creation_timestamp: Timestamp | None = None
    """When the resource was created."""

    deletion_timestamp: Timestamp | None = None
    """When its deletion was requested; absent otherwise."""


class TrainingJob(Model):
    """A training job on Google's managed ML service."""

    api_version: Literal["mljobs.dev/v1alpha1"] = "mljobs.dev/v1alpha1"
    """The group and version of this resource."""

    kind: Literal["TrainingJob"] = "TrainingJob"
    """The kind of this resource."""

    metadata: Metadata
    """Name, namespace and Kubernetes' other metadata."""

    spec: TrainingJobSpec
    """The desired state. The input's fields are those of the service's `TrainingInput`."""

    status: TrainingJobStatus | None = None
    """The observed state, written by the operator alone."""


class PredictionJob(Model):
    """A batch prediction job on Google's managed ML service."""

    api_version: Literal["mljobs.dev/v1alpha1"] = "mljobs.dev/v1alpha1"
    """The group and version of this resource."""

    kind: Literal["PredictionJob"] = "PredictionJob"
    """The kind of this resource."""

    metadata: Metadata
    """Name, namespace and Kubernetes' other metadata."""

    spec: PredictionJobSpec
    """The desired state. The input's fields are those of the service's `PredictionInput`."""

    status: PredictionJobStatus | None = None
    """The observed state, written by the operator alone."""


@dataclass(frozen=True)
class Column:
    """A column that kubectl shows.

    Attributes:
        name: its heading.
        path: JSON path of its value.
        description: what it is.
        form: the type of its value; a `date` is shown as the time since then.
        wide: whether it is shown with `-o wide` alone.
    """

    name: str
    path: str
    description: str
    form: str = "string"
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class ResourceKind:
    """The names of a kind, and how kubectl shows it.

    Attributes:
        name: the kind, `TrainingJob`.
        plural: its name in URLs, `trainingjobs`.
        singular: its name for kubectl, `trainingjob`.
        short_name: its short name for kubectl, `tj`.
        resource: the model of the whole resource.
        spec: the model of its spec.
        status: the model of its status.
        columns: what `kubectl get` shows.
        selectable: JSON paths of the fields that a field selector may name.
        namespaced: whether its resources are in namespaces.
    """

    name: str
    plural: str
    singular: str
    short_name: str
    resource: type[Model]
    spec: type[Model]
    status: type[Model]
    columns: tuple[Column, ...] = ()
    selectable: tuple[str, ...] = ()
    namespaced: bool = True

    @property
    def crd_name(self) -> str:
        """The name of the kind's CustomResourceDefinition."""
        return f"{self.plural}.{GROUP}"


@dataclass(frozen=True, kw_only=True)
class JobKind(ResourceKind):
    """A kind whose resources stand for cloud jobs.

    Attributes:
        input_field: the spec's field with the service's input, `trainingInput`.
        output_field: the status's field with the service's output, `trainingOutput`.
        input: the model of its input.
        output: the model of the output as the service sends it.
    """

    input_field: str
    output_field: str
    resource: type[TrainingJob] | type[PredictionJob]
    spec: type[TrainingJobSpec] | type[PredictionJobSpec]
    status: type[TrainingJobStatus] | type[PredictionJobStatus]
    input: type[TrainingInput] | type[PredictionInput]
    output: type[TrainingOutput] | type[PredictionOutput]


_COLUMNS = (
    Column("State", ".status.state", "The job's state in the service's words"),
    Column("Job", ".status.jobId", "The id of the job"),
    Column("Project", ".status.projectId", "The Google Cloud project that the job is in", wide=True),
    Column("Location", ".status.location", "The service's region that the job runs in", wide=True),
    Column(
        "Reason",
        '.status.conditions[?(@.type=="Succeeded")].reason',
        "The reason of the Succeeded condition",
        wide=True,
    ),
    Column("Class", ".status.jobClassName", "The JobClass of the job", wide=True),
    Column("Manager", ".spec.managedBy", "The controller, where it is not the operator", wide=True),
    Column("Age", ".metadata.creationTimestamp", "The time since the resource was created", form="date"),
)


TRAINING_JOB = JobKind(
    name="TrainingJob",
    plural="trainingjobs",
    singular="trainingjob",
    short_name="tj",
    input_field="trainingInput",
    output_field="trainingOutput",
    resource=TrainingJob,
    columns=_COLUMNS,
    selectable=(".status.state", ".status.outcome"),
    spec=TrainingJobSpec,
    status=TrainingJobStatus,
    input=TrainingInput,
    output=TrainingOutput,
)

PREDICTION_JOB = JobKind(
    name="PredictionJob",
    plural="predictionjobs",
    singular="predictionjob",
    short_name="pj",
    input_field="predictionInput",
    output_field="predictionOutput",
    resource=PredictionJob,
    columns=_COLUMNS,
    selectable=(".status.state", ".status.outcome"),
    spec=PredictionJobSpec,
    status=PredictionJobStatus,
    input=PredictionInput,
    output=PredictionOutput,
)

KINDS: dict[str, JobKind] = {kind.name: kind for kind in (TRAINING_JOB, PREDICTION_JOB)}
"""The kinds whose resources stand for cloud jobs, by name."""
