"""The custom resources: what users write and what the operator reports, and the words that name them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from mljobs.api.base import (
    Counter,
    Flag,
    Int64,
    LabelKeys,
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
from mljobs.api.outputs import HyperparameterOutput, PredictionOutput, State, TrainingOutput
from mljobs.api.vertex.block import PredictionVertex, TrainingVertex

GROUP = "mljobs.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "mljobs"

TRIALS_LIMIT = 1000
"""The most trials that a status can hold; what else keeps it small is the operator's business."""

ATTEMPTS_LIMIT = 100
"""The most attempts that a status can hold."""


class DeletionPolicy(StrEnum):
    """What becomes of the job when its resource is deleted."""

    CANCEL = "Cancel"
    ORPHAN = "Orphan"


class IamCondition(Model):
    """When a binding holds: the API's `Expr`."""

    expression: Annotated[str, Field(max_length=4096)] | None = None
    """The condition in the Common Expression Language."""

    title: Name | None = None
    """A short name of the condition."""

    description: Annotated[str, Field(max_length=4096)] | None = None
    """What the condition is for."""

    location: Name | None = None
    """Where the expression comes from, for error messages."""


class IamBinding(Model):
    """Who has a role on the job."""

    role: Annotated[Name, Field(min_length=1)]
    """The role, such as `roles/ml.jobOwner`."""

    members: Annotated[tuple[Annotated[Name, Field(min_length=1)], ...], Field(min_length=1, max_length=256)]
    """Who has it: `user:…`, `group:…`, `serviceAccount:…`, `domain:…`."""

    condition: IamCondition | None = None
    """When they have it. Left out, always."""


IamBindings = Annotated[tuple[IamBinding, ...], Field(max_length=32)]
RECORDED_BINDINGS = 64
RecordedIamBindings = Annotated[tuple[IamBinding, ...], Field(max_length=RECORDED_BINDINGS)]
"""Bindings of a job's IAM policy."""


class JobSpec(Model):
    """What both kinds have in common."""

    project_id: Word | None = None
    """The Google Cloud project that runs the job. Left out, it is the one that the administrator chose. It
    cannot be changed once the job is submitted."""

    job_id: Word | None = None
    """The job's id, unique in its project for ever: a letter, then letters, digits and underscores, at most
    128 in all. Left out, the operator derives one from the resource's namespace, name and uid. It cannot be
    changed once the job is submitted."""

    labels: Labels | None = None
    """Labels of the job. They may be changed until the job has ended; the operator adds three of its own,
    whose names start with `mljobs-`."""

    deletion_policy: DeletionPolicy = DeletionPolicy.CANCEL
    """What becomes of the job when the resource is deleted: `Cancel` ends it, `Orphan` leaves it running."""

    iam_bindings: IamBindings | None = None
    """Who may do what with the job, kept in its IAM policy; bindings that others have made stay. They may be
    changed until the job has ended."""

    suspend: Flag = False
    """Holds the job back while it is true. On a job that was submitted, true cancels it, and false again
    submits a new attempt."""

    managed_by: Annotated[str, Field(max_length=63)] | None = None
    """The controller that looks after this resource, as in a `batch/v1` Job. Left out, or
    `mljobs.dev/operator`, it is this operator; with any other name it leaves the resource alone entirely. It
    cannot be changed."""


class TrainingJobSpec(JobSpec):
    """A training job as it is wanted."""

    training_input: TrainingInput | None = None
    """What to train, on which machines, and where. It cannot be changed once the job is submitted. Required,
    unless vertex.jobSpec is the whole job."""

    vertex: TrainingVertex | None = None
    """What only Vertex AI has, in its own words: laid over trainingInput, or the whole job without one. It
    cannot be changed once the job is submitted."""


class PredictionJobSpec(JobSpec):
    """A batch prediction job as it is wanted."""

    prediction_input: PredictionInput | None = None
    """What to predict, with which model, and where. It cannot be changed once the job is submitted. Required,
    unless vertex.batchPredictionJob is the whole job."""

    vertex: PredictionVertex | None = None
    """What only Vertex AI has, in its own words: laid over predictionInput, or the whole job without one. It
    cannot be changed once the job is submitted."""


class Condition(Observed):
    """One aspect of the resource's state, in the shape that all Kubernetes resources share."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """The aspect: Submitted, Succeeded, Reconciling, Suspended, Stalled or Translated."""

    status: Literal["True", "False", "Unknown"]
    """Whether it holds: True, False or Unknown."""

    observed_generation: Annotated[Counter | None, Field(ge=0)] = None
    """The generation of the spec that the condition was made from."""

    last_transition_time: Timestamp
    """When the status last changed from one word to another."""

    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """A single word for programs that says why."""

    message: Annotated[str, Field(max_length=32768)]
    """A text for people that says why, and what to do."""


class Attempt(Observed):
    """One job that was submitted for this resource."""

    attempt: Annotated[Counter, Field(ge=1)]
    """The attempt's number, counted from 1."""

    job_id: Word
    """The id of the attempt's job."""

    job_name: Name | None = None
    """The full name of the attempt's job, `projects/PROJECT/jobs/ID`."""

    state: State | None = None
    """The state that was last seen."""

    create_time: Timestamp | None = None
    """When the service accepted the job."""

    start_time: Timestamp | None = None
    """When the job started to run."""

    end_time: Timestamp | None = None
    """When the job ended."""

    error_message: Text | None = None
    """Why the job failed or was cancelled, in the service's words."""


class TrainingJobOutput(TrainingOutput):
    """The results of a training job, with its trials best first and only as many as a status can hold."""

    trials: Annotated[tuple[HyperparameterOutput, ...] | None, Field(max_length=TRIALS_LIMIT)] = None
    """The trials of a tuning job, best first; `trialsTruncated` says how many more there are."""

    best_trial: HyperparameterOutput | None = None
    """The trial whose final metric is the best for the job's goal."""

    trials_truncated: Annotated[Counter | None, Field(ge=0)] = None
    """How many trials were left out of `trials`."""


RETRY_LIMIT = 64
"""Characters of the annotation that are told from each other: a time has some twenty."""


class Refusal(Observed):
    """A generation that the service has refused for good."""

    generation: Annotated[Counter, Field(ge=0)]
    """The generation of the spec that was refused."""

    reason: Annotated[str, Field(min_length=1, max_length=64)]
    """Why, in the word of the condition Stalled."""

    retry: Annotated[str, Field(max_length=RETRY_LIMIT)] | None = None
    """The value of the annotation `mljobs.dev/retry-requested-at` that was there then."""


class Record(Observed):
    """What the operator has to remember of the current attempt. It is no report: read the conditions."""

    accepted: Literal["Created", "Recovered", "TakenOver"] | None = None
    """How the attempt came by its job; absent while the service has not accepted it."""

    suspended_attempt: Annotated[Counter | None, Field(ge=1)] = None
    """The attempt that a suspension ends, or has ended."""

    presence: Literal["Lost", "FoundAgain"] | None = None
    """Whether the service has denied the job for so long that it counts as lost, and whether it is back."""

    refused: Refusal | None = None
    """What the service has refused, and would refuse again."""


class JobStatus(Observed):
    """What the operator reports for both kinds."""

    conditions: Annotated[
        tuple[Condition, ...] | None,
        Field(
            max_length=32,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = None
    """The aspects of the resource's state, one for each type."""

    observed_generation: Counter | None = None
    """The generation of the spec that this status was made from; -1 before the operator has seen it."""

    state: State | None = None
    """The job's state in the service's words. Absent until the service has accepted the job."""

    job_id: Word | None = None
    """The id of the current attempt's job. Once it is set, the input, the project and the id are fixed."""

    job_name: Name | None = None
    """The full name of the current attempt's job, `projects/PROJECT/jobs/ID`."""

    attempt: Annotated[Counter | None, Field(ge=0)] = None
    """The number of the current attempt, counted from 1."""

    attempts: Annotated[tuple[Attempt, ...] | None, Field(max_length=ATTEMPTS_LIMIT)] = None
    """The attempts before the current one, the newest last."""

    create_time: Timestamp | None = None
    """When the service accepted the job."""

    start_time: Timestamp | None = None
    """When the job started to run."""

    end_time: Timestamp | None = None
    """When the job ended."""

    job_position: Int64 | None = None
    """The job's place in the queue while its state is QUEUED; 0 once it is scheduled."""

    error_message: Text | None = None
    """Why the job failed or was cancelled, in the service's words."""

    etag: Name | None = None
    """The service's mark of the job's current version, which guards changes of its labels."""

    project_id: Word | None = None
    """The Google Cloud project that the job is in."""

    iam_bindings: RecordedIamBindings | None = None
    """What the operator has put into the job's IAM policy, or is about to put there."""

    labels: Labels | None = None
    """The labels that the job has at the service, the operator's own included."""

    label_keys: LabelKeys | None = None
    """The keys of the job's labels that are, or were, those of `spec.labels`. The job's other labels are
    somebody else's and stay as they are."""

    record: Record | None = None
    """What the operator has to remember of the current attempt; for nobody else."""

    console_url: Uri | None = None
    """The job's page in the Google Cloud console."""

    logs_url: Uri | None = None
    """The job's logs in the Google Cloud console."""


class TrainingJobStatus(JobStatus):
    """A training job as it is."""

    training_output: TrainingJobOutput | None = None
    """The job's results so far."""


class PredictionJobStatus(JobStatus):
    """A batch prediction job as it is."""

    prediction_output: PredictionOutput | None = None
    """The job's results so far."""


class Metadata(Observed):
    """The parts of a Kubernetes object's metadata that the operator reads."""

    name: str
    """The resource's name."""

    namespace: str | None = None
    """The resource's namespace."""

    uid: str | None = None
    """Unique for ever, also when a resource of the same name is made again."""

    generation: Counter | None = None
    """Counts the changes of the spec."""

    resource_version: str | None = None
    """Changes with every write."""

    labels: dict[str, str] | None = None
    """The resource's own labels, which are not the job's."""

    annotations: dict[str, str] | None = None
    """The resource's annotations."""

    finalizers: tuple[str, ...] | None = None
    """What holds the resource back from going away."""

    creation_timestamp: Timestamp | None = None
    """When the resource was created."""

    deletion_timestamp: Timestamp | None = None
    """When its deletion was asked for; absent for a resource that is to stay."""


class TrainingJob(Model):
    """A training job on Google's managed ML service."""

    api_version: Literal["mljobs.dev/v1alpha1"] = "mljobs.dev/v1alpha1"
    """The group and version of this resource."""

    kind: Literal["TrainingJob"] = "TrainingJob"
    """The kind of this resource."""

    metadata: Metadata
    """Name, namespace and what Kubernetes keeps about the resource."""

    spec: TrainingJobSpec
    """The job as it is wanted. The input's fields are those of the service's `TrainingInput`."""

    status: TrainingJobStatus | None = None
    """The job as it is, written by the operator alone."""


class PredictionJob(Model):
    """A batch prediction job on Google's managed ML service."""

    api_version: Literal["mljobs.dev/v1alpha1"] = "mljobs.dev/v1alpha1"
    """The group and version of this resource."""

    kind: Literal["PredictionJob"] = "PredictionJob"
    """The kind of this resource."""

    metadata: Metadata
    """Name, namespace and what Kubernetes keeps about the resource."""

    spec: PredictionJobSpec
    """The job as it is wanted. The input's fields are those of the service's `PredictionInput`."""

    status: PredictionJobStatus | None = None
    """The job as it is, written by the operator alone."""


@dataclass(frozen=True)
class ResourceKind:
    """The words of one kind of resource.

    Attributes:
        name: the kind, `TrainingJob`.
        plural: its name in URLs, `trainingjobs`.
        singular: its name for kubectl, `trainingjob`.
        short_name: its short name for kubectl, `tj`.
    """

    name: str
    plural: str
    singular: str
    short_name: str

    @property
    def crd_name(self) -> str:
        """The name of the kind's CustomResourceDefinition."""
        return f"{self.plural}.{GROUP}"


@dataclass(frozen=True)
class JobKind(ResourceKind):
    """A kind whose resources stand for cloud jobs.

    Attributes:
        input_field: the spec's field with the service's input, `trainingInput`.
        output_field: the status's field with the service's output, `trainingOutput`.
        resource: the model of the whole resource.
        spec: the model of its spec.
        status: the model of its status.
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


TRAINING_JOB = JobKind(
    name="TrainingJob",
    plural="trainingjobs",
    singular="trainingjob",
    short_name="tj",
    input_field="trainingInput",
    output_field="trainingOutput",
    resource=TrainingJob,
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
    spec=PredictionJobSpec,
    status=PredictionJobStatus,
    input=PredictionInput,
    output=PredictionOutput,
)

KINDS: dict[str, JobKind] = {kind.name: kind for kind in (TRAINING_JOB, PREDICTION_JOB)}
"""Both kinds by name."""
