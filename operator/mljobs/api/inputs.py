"""What a job is asked to do: the inputs of `ml` v1, one class for each schema of its discovery document.

The models know types, words, sizes and nesting. Which fields go together is the business of the rules in the
core, so that all problems of a spec are found at once and worded for its author.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mljobs.api.base import (
    Arguments,
    Double,
    Duration,
    Flag,
    Int32,
    Int64,
    Model,
    Name,
    Uri,
    Word,
)


class ScaleTier(StrEnum):
    """The words of `TrainingInput.scaleTier`."""

    BASIC = "BASIC"
    STANDARD_1 = "STANDARD_1"
    PREMIUM_1 = "PREMIUM_1"
    BASIC_GPU = "BASIC_GPU"
    BASIC_TPU = "BASIC_TPU"
    CUSTOM = "CUSTOM"


class AcceleratorType(StrEnum):
    """The words of `AcceleratorConfig.type`."""

    ACCELERATOR_TYPE_UNSPECIFIED = "ACCELERATOR_TYPE_UNSPECIFIED"
    NVIDIA_TESLA_K80 = "NVIDIA_TESLA_K80"
    NVIDIA_TESLA_P100 = "NVIDIA_TESLA_P100"
    NVIDIA_TESLA_V100 = "NVIDIA_TESLA_V100"
    NVIDIA_TESLA_P4 = "NVIDIA_TESLA_P4"
    NVIDIA_TESLA_T4 = "NVIDIA_TESLA_T4"
    NVIDIA_TESLA_A100 = "NVIDIA_TESLA_A100"
    TPU_V2 = "TPU_V2"
    TPU_V3 = "TPU_V3"
    TPU_V2_POD = "TPU_V2_POD"
    TPU_V3_POD = "TPU_V3_POD"
    TPU_V4_POD = "TPU_V4_POD"


class GoalType(StrEnum):
    """The words of `HyperparameterSpec.goal`."""

    GOAL_TYPE_UNSPECIFIED = "GOAL_TYPE_UNSPECIFIED"
    MAXIMIZE = "MAXIMIZE"
    MINIMIZE = "MINIMIZE"


class Algorithm(StrEnum):
    """The words of `HyperparameterSpec.algorithm`."""

    ALGORITHM_UNSPECIFIED = "ALGORITHM_UNSPECIFIED"
    GRID_SEARCH = "GRID_SEARCH"
    RANDOM_SEARCH = "RANDOM_SEARCH"


class ParameterType(StrEnum):
    """The words of `ParameterSpec.type`."""

    PARAMETER_TYPE_UNSPECIFIED = "PARAMETER_TYPE_UNSPECIFIED"
    DOUBLE = "DOUBLE"
    INTEGER = "INTEGER"
    CATEGORICAL = "CATEGORICAL"
    DISCRETE = "DISCRETE"


class ScaleType(StrEnum):
    """The words of `ParameterSpec.scaleType`."""

    NONE = "NONE"
    UNIT_LINEAR_SCALE = "UNIT_LINEAR_SCALE"
    UNIT_LOG_SCALE = "UNIT_LOG_SCALE"
    UNIT_REVERSE_LOG_SCALE = "UNIT_REVERSE_LOG_SCALE"


class DataFormat(StrEnum):
    """The words of `PredictionInput.dataFormat` and `outputDataFormat`."""

    DATA_FORMAT_UNSPECIFIED = "DATA_FORMAT_UNSPECIFIED"
    JSON = "JSON"
    TEXT = "TEXT"
    TF_RECORD = "TF_RECORD"
    TF_RECORD_GZIP = "TF_RECORD_GZIP"
    CSV = "CSV"


class AcceleratorConfig(Model):
    """GPUs or TPUs of one machine."""

    count: Int64 | None = None
    """How many accelerators each machine of the job gets."""

    type: AcceleratorType | None = None
    """The accelerator's model. Leave it out, or unspecified with a count of 0, for none."""


class DiskConfig(Model):
    """The boot disk of one machine."""

    boot_disk_size_gb: Int32 | None = None
    """The boot disk's size in GB. The service's default is 100."""

    boot_disk_type: Word | None = None
    """The boot disk's kind: `pd-ssd` (the service's default) or `pd-standard`, which is a magnetic disk."""


class EncryptionConfig(Model):
    """How the data of a job is encrypted at rest."""

    kms_key_name: Name | None = None
    """A key of Cloud KMS that protects all the job's resources, as
    `projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY`."""


class Scheduling(Model):
    """How long a job may wait and run, and what goes first."""

    max_running_time: Duration | None = None
    """The service cancels the job after this time in state RUNNING, given in seconds such as `7200s`. The
    service's default is seven days, `604800s`."""

    max_wait_time: Duration | None = None
    """The service cancels the job when it is not running after this time in seconds, such as `3600s`; at
    least `1800s`. By default a job waits without limit."""

    priority: Int32 | None = None
    """From 0 (the service's default) to 1000. Of jobs that wait for the same kind of accelerator, the one
    with the higher number goes first."""


class ReplicaConfig(Model):
    """The container and the hardware of one role: master, worker, parameter server or evaluator."""

    accelerator_config: AcceleratorConfig | None = None
    """Accelerators of each replica. Only Compute Engine machine types can have them."""

    container_args: Arguments | None = None
    """Arguments for the container's entry point, in place of the image's `CMD`. Needs a custom image and
    excludes `trainingInput.args`."""

    container_command: Arguments | None = None
    """The command that runs in the container, in place of the image's `ENTRYPOINT`. Needs a custom image and
    excludes `trainingInput.args`."""

    disk_config: DiskConfig | None = None
    """The boot disk of each replica."""

    image_uri: Uri | None = None
    """The container image that the replicas run. Workers, parameter servers and evaluators without an image
    take the master's."""

    tpu_tf_version: Word | None = None
    """The runtime version whose TensorFlow is the one in the custom image. Required for TPU workers that run
    a custom image, and allowed nowhere else."""


class ParameterSpec(Model):
    """One hyperparameter to tune, and the values that it may take."""

    categorical_values: Annotated[
        tuple[Annotated[str, Field(max_length=1024)], ...] | None, Field(max_length=1000)
    ] = None
    """The categories to choose from. Required for type CATEGORICAL."""

    discrete_values: Annotated[tuple[Double, ...] | None, Field(max_length=1000)] = None
    """The numbers to choose from, in strictly increasing order, at most 1000. Required for type DISCRETE."""

    max_value: Double | None = None
    """The largest value. Required for types DOUBLE and INTEGER, and whole for INTEGER."""

    min_value: Double | None = None
    """The smallest value. Required for types DOUBLE and INTEGER, and whole for INTEGER. Zero is a value."""

    parameter_name: Annotated[str | None, Field(max_length=256)] = None
    """The parameter's name, unique among those of the job; the program gets it as a flag of that name."""

    scale_type: ScaleType | None = None
    """How the range is scaled before values are drawn. Recommended for DOUBLE and INTEGER; the logarithmic
    scales need a range above zero. Leave it out for CATEGORICAL."""

    type: ParameterType | None = None
    """What kind of value the parameter has. Required."""


class HyperparameterSpec(Model):
    """A search for the best hyperparameters: the job runs once for each trial."""

    algorithm: Algorithm | None = None
    """How the next trial's values are chosen. Left out, the service uses Bayesian optimisation. GRID_SEARCH
    allows no parameter of type DOUBLE."""

    enable_trial_early_stopping: Flag | None = None
    """Whether the service may end a trial early that shows no promise."""

    goal: GoalType | None = None
    """Whether the metric is to become large or small. The service's default is MAXIMIZE."""

    hyperparameter_metric_tag: Name | None = None
    """The name under which the program reports the metric to optimise. The service's default is
    `training/hptuning/metric`."""

    max_failed_trials: Int32 | None = None
    """After how many failed trials the whole job fails. With 0, the default, the service decides."""

    max_parallel_trials: Int32 | None = None
    """How many trials run at the same time. The service's default is 1. More of them end sooner, but learn
    less from each other."""

    max_trials: Int32 | None = None
    """How many trials to run in all. The service's default is 1."""

    params: Annotated[tuple[ParameterSpec, ...] | None, Field(max_length=100)] = None
    """The parameters to tune. Required unless an earlier job's search is resumed."""

    resume_previous_job_id: Word | None = None
    """The id of an earlier tuning job of the same project, whose results this search continues from."""


class TrainingInput(Model):
    """What a training job runs, on which machines, and where."""

    args: Arguments | None = None
    """Command-line arguments for the training program, or for the image's entry point. Excludes the
    `containerArgs` and `containerCommand` of every replica."""

    enable_web_access: Flag | None = None
    """Whether to open interactive shells into the training containers; their addresses then stand in
    `webAccessUris` of the status."""

    encryption_config: EncryptionConfig | None = None
    """A key of your own for the job's data at rest. Left out, Google's default encryption is used."""

    evaluator_config: ReplicaConfig | None = None
    """Container and hardware of the evaluators."""

    evaluator_count: Int64 | None = None
    """How many evaluators to run. Only with scaleTier CUSTOM, and together with `evaluatorType`."""

    evaluator_type: Word | None = None
    """The machine type of the evaluators, of the same category (Compute Engine or legacy) as `masterType`."""

    hyperparameters: HyperparameterSpec | None = None
    """Makes the job a search for the best hyperparameters."""

    job_dir: Uri | None = None
    """A Cloud Storage path, `gs://BUCKET/OBJECT`, for what the training writes. The program gets it as
    `--job-dir`."""

    master_config: ReplicaConfig | None = None
    """Container and hardware of the master. Either its `imageUri` or `runtimeVersion` has to be set."""

    master_type: Word | None = None
    """The machine type of the master: a Compute Engine type such as `n1-standard-8`, a legacy type such as
    `complex_model_m`, or `cloud_tpu`. Required with scaleTier CUSTOM."""

    network: Name | None = None
    """The VPC network to peer with, as `projects/NUMBER/global/networks/NAME`. Left out, there is no
    peering."""

    package_uris: Annotated[tuple[Uri, ...] | None, Field(max_length=100)] = None
    """Cloud Storage paths of the Python packages to install, at most 100. Required without a custom
    image."""

    parameter_server_config: ReplicaConfig | None = None
    """Container and hardware of the parameter servers."""

    parameter_server_count: Int64 | None = None
    """How many parameter servers to run. Only with scaleTier CUSTOM, and together with
    `parameterServerType`."""

    parameter_server_type: Word | None = None
    """The machine type of the parameter servers, of the same category as `masterType`."""

    python_module: Name | None = None
    """The Python module to run after the packages are installed, such as `trainer.task`. Required without a
    custom image."""

    python_version: Word | None = None
    """The version of Python: 3.7 from runtime 1.15 on, 3.5 for runtimes 1.4 to 1.14, 2.7 up to runtime 1.15.
    Not with a custom image."""

    region: Word | None = None
    """The region to run in, such as `us-central1`. Required."""

    runtime_version: Word | None = None
    """The runtime version, such as `2.11`, which decides the versions of the frameworks. Required without a
    custom image."""

    scale_tier: ScaleTier | None = None
    """A ready-made choice of machines, or CUSTOM for your own with `masterType` and its companions. The
    service's default is BASIC, a single machine."""

    scheduling: Scheduling | None = None
    """Limits of time and the priority."""

    service_account: Name | None = None
    """The e-mail address of the service account that the training runs as. Left out, it is the service's own.
    Whoever submits the job needs `iam.serviceAccounts.actAs` on it."""

    use_chief_in_tf_config: Flag | None = None
    """Whether `TF_CONFIG` calls the first replica `chief` instead of `master`. Has an effect with a custom
    image only."""

    worker_config: ReplicaConfig | None = None
    """Container and hardware of the workers."""

    worker_count: Int64 | None = None
    """How many workers to run beside the master. Only with scaleTier CUSTOM, and together with
    `workerType`."""

    worker_type: Word | None = None
    """The machine type of the workers, of the same category as `masterType`."""


class PredictionInput(Model):
    """What a batch prediction job reads, with which model, and where it writes."""

    batch_size: Int64 | None = None
    """How many records go into one call of the model. The service's default is 64; large records need
    fewer."""

    data_format: DataFormat | None = None
    """The format of the input files: JSON (one object a line), TF_RECORD or TF_RECORD_GZIP. TEXT is an old
    name of JSON. Required."""

    input_paths: Annotated[tuple[Uri, ...] | None, Field(max_length=1024)] = None
    """Cloud Storage paths of the input files, with wildcards where wanted. At least one is required."""

    max_worker_count: Int64 | None = None
    """The most workers that the service may start. Its default is 10."""

    model_name: Name | None = None
    """The model, as `projects/PROJECT/models/MODEL`, to use in its default version. Exactly one of
    `modelName`, `versionName` and `uri` is required."""

    output_data_format: DataFormat | None = None
    """The format of the output files: JSON (the service's default) or CSV."""

    output_path: Uri | None = None
    """The Cloud Storage folder for the output files. Required."""

    region: Word | None = None
    """The region to run in, such as `us-central1`. Required."""

    runtime_version: Word | None = None
    """The runtime version to use. Left out, it is the one of the model's version, or the newest with
    `uri`."""

    signature_name: Name | None = None
    """The signature of the SavedModel to call. The service's default is `serving_default`."""

    uri: Uri | None = None
    """The Cloud Storage path of a model that is not deployed."""

    version_name: Name | None = None
    """A version of a model, as `projects/PROJECT/models/MODEL/versions/VERSION`."""
