"""`CustomJobSpec` and what it reaches: worker pools, machines, containers, mounts, scheduling, networks."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mljobs.api.base import Argument, Arguments, Duration, Flag, Int32, Int64, Model, Name, Uri, Word

POOLS_LIMIT = 4
"""Worker pools of a job, by position: master, workers, parameter servers or reducers, evaluators."""

Path = Annotated[str, Field(max_length=256)]
"""A path, an address or a name in another system."""


class MachineAcceleratorType(StrEnum):
    """The words of `MachineSpec.acceleratorType`."""

    ACCELERATOR_TYPE_UNSPECIFIED = "ACCELERATOR_TYPE_UNSPECIFIED"
    NVIDIA_TESLA_K80 = "NVIDIA_TESLA_K80"
    NVIDIA_TESLA_P100 = "NVIDIA_TESLA_P100"
    NVIDIA_TESLA_V100 = "NVIDIA_TESLA_V100"
    NVIDIA_TESLA_P4 = "NVIDIA_TESLA_P4"
    NVIDIA_TESLA_T4 = "NVIDIA_TESLA_T4"
    NVIDIA_TESLA_A100 = "NVIDIA_TESLA_A100"
    NVIDIA_A100_80GB = "NVIDIA_A100_80GB"
    NVIDIA_L4 = "NVIDIA_L4"
    NVIDIA_H100_80GB = "NVIDIA_H100_80GB"
    NVIDIA_H100_MEGA_80GB = "NVIDIA_H100_MEGA_80GB"
    NVIDIA_H200_141GB = "NVIDIA_H200_141GB"
    NVIDIA_B200 = "NVIDIA_B200"
    NVIDIA_GB200 = "NVIDIA_GB200"
    NVIDIA_RTX_PRO_6000 = "NVIDIA_RTX_PRO_6000"
    TPU_V2 = "TPU_V2"
    TPU_V3 = "TPU_V3"
    TPU_V4_POD = "TPU_V4_POD"
    TPU_V5_LITEPOD = "TPU_V5_LITEPOD"


class ReservationAffinityType(StrEnum):
    """The words of `ReservationAffinity.reservationAffinityType`."""

    TYPE_UNSPECIFIED = "TYPE_UNSPECIFIED"
    NO_RESERVATION = "NO_RESERVATION"
    ANY_RESERVATION = "ANY_RESERVATION"
    SPECIFIC_RESERVATION = "SPECIFIC_RESERVATION"


class Strategy(StrEnum):
    """The words of `Scheduling.strategy`."""

    STRATEGY_UNSPECIFIED = "STRATEGY_UNSPECIFIED"
    ON_DEMAND = "ON_DEMAND"
    LOW_COST = "LOW_COST"
    STANDARD = "STANDARD"
    SPOT = "SPOT"
    FLEX_START = "FLEX_START"


class EnvVar(Model):
    """An environment variable of a container."""

    name: Word | None = None
    """The variable's name, a C identifier. Required."""

    value: Argument | None = None
    """Its value; `$(NAME)` stands for a variable before it. Required. Keep secrets in Secret Manager: whoever
    may read the resource or the job reads this."""


Environment = Annotated[tuple[EnvVar, ...], Field(max_length=100)]
"""Environment variables of a container: at most 100 (discovery document)."""


class ReservationAffinity(Model):
    """Whether machines come from a reservation."""

    reservation_affinity_type: ReservationAffinityType | None = None
    """Whether to use no reservation, any, or those that `values` name. Required."""

    key: Path | None = None
    """`compute.googleapis.com/reservation-name`, with SPECIFIC_RESERVATION."""

    values: Annotated[tuple[Path, ...] | None, Field(max_length=4)] = None
    """The reservations, as `projects/PROJECT/zones/ZONE/reservations/NAME`."""


class MachineSpec(Model):
    """One machine. Given with a machineType, it replaces the translated machine as a whole."""

    machine_type: Word | None = None
    """The Compute Engine type, such as `n1-standard-8` or `g2-standard-8`, or `cloud-tpu`."""

    accelerator_type: MachineAcceleratorType | None = None
    """The GPUs or TPUs of the machine. The newer TPUs have none: their machineType and tpuTopology say it."""

    accelerator_count: Int32 | None = None
    """How many accelerators the machine has."""

    tpu_topology: Word | None = None
    """How the TPUs are arranged, such as `2x2x1`."""

    gpu_partition_size: Word | None = None
    """The size of a GPU's partitions, such as `1g.10gb`; the acceleratorCount is 1 then."""

    reservation_affinity: ReservationAffinity | None = None
    """Whether the machine comes from a reservation."""


class DiskSpec(Model):
    """The boot disk of one machine."""

    boot_disk_type: Word | None = None
    """`pd-ssd` (the service's default on most machines), `pd-standard` or `hyperdisk-balanced`."""

    boot_disk_size_gb: Int32 | None = None
    """The disk's size in GB, 100 to 64000. The service's default is 100."""


class NfsMount(Model):
    """A network file system that is mounted."""

    server: Word | None = None
    """The server's IP address. Required."""

    path: Word | None = None
    """The path that the server exports; it starts with `/`. Required."""

    mount_point: Word | None = None
    """Where it is mounted, below `/mnt/nfs/`. Required."""


class LustreMount(Model):
    """A Lustre file system that is mounted."""

    instance_ip: Word | None = None
    """The instance's IP address. Required."""

    volume_handle: Word | None = None
    """The volume's identifier. Required."""

    filesystem: Word | None = None
    """The file system's name. Required."""

    mount_point: Word | None = None
    """Where it is mounted, below `/mnt/lustre/`. Required."""


class ContainerSpec(Model):
    """A container that the replicas of a pool run."""

    image_uri: Uri | None = None
    """The image. Required, unless the translation gives it."""

    command: Arguments | None = None
    """The command, in place of the image's `ENTRYPOINT`."""

    args: Arguments | None = None
    """The command's arguments, in place of the image's `CMD`."""

    env: Environment | None = None
    """Environment variables, at most 100."""


class PythonPackageSpec(Model):
    """A Python package that the replicas of a pool run in one of Google's images."""

    executor_image_uri: Uri | None = None
    """The image, one of Google's for training. Required, unless the translation gives it."""

    package_uris: Annotated[tuple[Uri, ...] | None, Field(max_length=100)] = None
    """Cloud Storage paths of the packages to install, at most 100. Required, unless translated."""

    python_module: Name | None = None
    """The module to run, such as `trainer.task`. Required, unless the translation gives it."""

    args: Arguments | None = None
    """The module's arguments."""

    env: Environment | None = None
    """Environment variables, at most 100."""


class WorkerPoolSpec(Model):
    """Machines that are alike, and what runs on them. An empty one leaves its position as translated."""

    machine_spec: MachineSpec | None = None
    """The machine of each replica."""

    replica_count: Int64 | None = None
    """How many machines; 1 in the first pool."""

    container_spec: ContainerSpec | None = None
    """A container to run. Either this or pythonPackageSpec."""

    python_package_spec: PythonPackageSpec | None = None
    """A Python package to run. Either this or containerSpec."""

    disk_spec: DiskSpec | None = None
    """The boot disk of each replica."""

    nfs_mounts: Annotated[tuple[NfsMount, ...] | None, Field(max_length=4)] = None
    """Network file systems to mount."""

    lustre_mounts: Annotated[tuple[LustreMount, ...] | None, Field(max_length=4)] = None
    """Lustre file systems to mount."""


class VertexScheduling(Model):
    """The API's `Scheduling`: how long a job may wait and run, on what kind of capacity."""

    timeout: Duration | None = None
    """The longest run, in seconds such as `7200s`. The service's default is seven days."""

    strategy: Strategy | None = None
    """STANDARD (the service's default), SPOT for capacity that may be taken away, or FLEX_START to wait for
    it."""

    max_wait_duration: Duration | None = None
    """How long a FLEX_START job waits, `0s` for without limit. The service's default is 24 hours."""

    restart_job_on_worker_restart: Flag | None = None
    """Whether the whole job starts again when one worker does."""

    disable_retries: Flag | None = None
    """Whether the service leaves a job failed after an error of its own, which it would retry otherwise."""


class DnsPeeringConfig(Model):
    """A domain whose names are looked up in another project's network."""

    domain: Path | None = None
    """The domain; it ends with a dot. Required."""

    target_project: Word | None = None
    """The project that has the zone. Required."""

    target_network: Word | None = None
    """The network in that project. Required."""


class PscInterfaceConfig(Model):
    """A Private Service Connect interface into one's own network."""

    network_attachment: Name | None = None
    """The network attachment, in the job's region."""

    dns_peering_configs: Annotated[tuple[DnsPeeringConfig, ...] | None, Field(max_length=4)] = None
    """Domains to look up in other networks."""


class GcsDestination(Model):
    """A Cloud Storage folder that is written to."""

    output_uri_prefix: Uri | None = None
    """The folder, `gs://BUCKET/FOLDER`. Required."""


class CustomJobSpec(Model):
    """A training job, or each trial's job of a search."""

    worker_pool_specs: Annotated[tuple[WorkerPoolSpec, ...] | None, Field(max_length=POOLS_LIMIT)] = None
    """The machines by position: master, workers, parameter servers, evaluators; an empty pool skips its
    position. Required without trainingInput."""

    scheduling: VertexScheduling | None = None
    """Limits of time, and the kind of capacity."""

    service_account: Name | None = None
    """The service account that the job runs as. Not together with trainingInput.serviceAccount."""

    network: Name | None = None
    """The VPC network to peer with, as `projects/NUMBER/global/networks/NAME`. Not together with
    trainingInput.network."""

    reserved_ip_ranges: Annotated[tuple[Word, ...] | None, Field(max_length=4)] = None
    """Names of reserved IP ranges of that network, to run in."""

    psc_interface_config: PscInterfaceConfig | None = None
    """A Private Service Connect interface."""

    base_output_directory: GcsDestination | None = None
    """The folder for what the training writes; AIP_MODEL_DIR and its like lie below it."""

    protected_artifact_location_id: Word | None = None
    """Where protected artifacts are stored, if not in the job's region."""

    tensorboard: Name | None = None
    """The Tensorboard to upload logs to, as `projects/P/locations/R/tensorboards/ID`."""

    enable_web_access: Flag | None = None
    """Whether to open interactive shells into the containers."""

    enable_dashboard_access: Flag | None = None
    """Whether to open a dashboard that the first container serves."""

    experiment: Name | None = None
    """The Experiment that the job belongs to: the name of its context."""

    experiment_run: Name | None = None
    """The Experiment Run that the job belongs to: the name of its context."""

    persistent_resource_id: Word | None = None
    """The id of a persistent resource whose machines run the job."""

    models: Annotated[tuple[Name, ...] | None, Field(max_length=4)] = None
    """Models whose artifacts the job needs; for some of Google's own jobs only."""


class EncryptionSpec(Model):
    """How the data of a job is encrypted at rest."""

    kms_key_name: Name | None = None
    """A key of Cloud KMS, as `projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY`. Required."""
