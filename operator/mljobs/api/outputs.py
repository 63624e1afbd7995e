"""The results of a job: the outputs of `ml` v1, one class for each schema of its discovery document."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mljobs.api.base import Double, Flag, Int64, Name, Observed, TextMap, Timestamp, Uri, Word


class State(StrEnum):
    """The states of a job and of a trial."""

    STATE_UNSPECIFIED = "STATE_UNSPECIFIED"
    QUEUED = "QUEUED"
    PREPARING = "PREPARING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"


TERMINAL_STATES = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
"""The states that a job never leaves."""


class Cause(StrEnum):
    """Why a job has failed, in one word: the whole list, whatever services come to say."""

    USER_CODE = "UserCode"
    OUT_OF_MEMORY = "OutOfMemory"
    PREEMPTED = "Preempted"
    NO_CAPACITY = "NoCapacity"
    QUOTA_EXCEEDED = "QuotaExceeded"
    INFRASTRUCTURE = "Infrastructure"
    IMAGE_PULL = "ImagePull"
    PERMISSION = "Permission"
    START_DEADLINE = "StartDeadline"
    UNKNOWN = "Unknown"


class Outcome(StrEnum):
    """How a resource has ended, in one word; it has none while it may go on by itself."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    REFUSED = "Refused"
    LOST = "Lost"


class BuiltInAlgorithmOutput(Observed):
    """What a job with one of the service's own algorithms has made."""

    framework: Word | None = None
    """The framework that the algorithm was trained with."""

    model_path: Uri | None = None
    """The Cloud Storage path of the trained model. Only after success, and not for tuning jobs as a whole."""

    python_version: Word | None = None
    """The version of Python that the algorithm was trained with."""

    runtime_version: Word | None = None
    """The runtime version that the algorithm was trained with."""


class HyperparameterMetric(Observed):
    """The metric's value at one step."""

    objective_value: Double | None = None
    """The value of the metric at this step."""

    training_step: Int64 | None = None
    """The program's global step."""


class HyperparameterOutput(Observed):
    """One trial of a tuning job."""

    all_metrics: Annotated[tuple[HyperparameterMetric, ...] | None, Field(max_length=10000)] = None
    """All values of the metric that were seen. The service does not fill it at present."""

    built_in_algorithm_output: BuiltInAlgorithmOutput | None = None
    """What the trial of a built-in algorithm has made, if it succeeded."""

    end_time: Timestamp | None = None
    """When the trial ended."""

    final_metric: HyperparameterMetric | None = None
    """The last value of the metric."""

    hyperparameters: TextMap | None = None
    """The values that this trial ran with, as text."""

    is_trial_stopped_early: Flag | None = None
    """Whether the service ended the trial early."""

    start_time: Timestamp | None = None
    """When the trial started."""

    state: State | None = None
    """The state of the trial."""

    trial_id: Word | None = None
    """The trial's number in this job, as text, counted from 1."""

    web_access_uris: TextMap | None = None
    """The addresses of interactive shells, by replica (`master-replica-0`, …)."""


class TrainingOutput(Observed):
    """The results of a training job."""

    built_in_algorithm_output: BuiltInAlgorithmOutput | None = None
    """What a job with a built-in algorithm has made."""

    completed_trial_count: Int64 | None = None
    """How many trials of a tuning job have succeeded."""

    consumed_ml_units: Annotated[Double | None, Field(alias="consumedMLUnits")] = None
    """How many ML units the job has used."""

    hyperparameter_metric_tag: Name | None = None
    """The name of the metric that a tuning job optimises."""

    is_built_in_algorithm_job: Flag | None = None
    """Whether the job runs a built-in algorithm."""

    is_hyperparameter_tuning_job: Flag | None = None
    """Whether the job searches for hyperparameters."""

    trials: tuple[HyperparameterOutput, ...] | None = None
    """The trials of a tuning job."""

    web_access_uris: TextMap | None = None
    """The addresses of interactive shells, by replica (`master-replica-0`, …), with `enableWebAccess`."""


class PredictionOutput(Observed):
    """The results of a batch prediction job."""

    error_count: Int64 | None = None
    """How many instances could not be predicted."""

    node_hours: Double | None = None
    """How many node hours the job has used."""

    output_path: Uri | None = None
    """The Cloud Storage folder of the output files."""

    prediction_count: Int64 | None = None
    """How many predictions were made."""
