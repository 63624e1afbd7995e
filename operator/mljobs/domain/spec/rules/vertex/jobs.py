"""Rules for a CustomJobSpec but its machines: pools, programs, disks, mounts, scheduling, networks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mljobs.api.base import DURATION_PATTERN
from mljobs.domain.spec.problems import Severity, Source
from mljobs.domain.spec.rules.machines import IMAGE
from mljobs.domain.spec.rules.rule import Rule
from mljobs.domain.spec.rules.terms import (
    Term,
    absent,
    at_least,
    fits,
    get,
    given,
    integer,
    is_one_of,
    is_true,
    one_of,
    reads,
    there,
)
from mljobs.domain.spec.rules.training import OBJECT, STORAGE, hyphened
from mljobs.domain.spec.rules.vertex.machines import CLOUD_TPU, TPU_MACHINE, TPU_POD, UNSPECIFIED
from mljobs.domain.spec.rules.vertex.making import (
    ACCOUNT,
    JOB_SPEC,
    KEY,
    POOLS,
    TRAINING,
    excluding,
    forbidden,
    items,
    required,
    shaped,
    warning,
)

LONGEST_FLEX = 604_800
"""Seconds; the longest timeout of a FLEX_START job."""

DISKS = ("pd-ssd", "pd-standard", "hyperdisk-balanced")
SMALLEST_DISK, LARGEST_DISK = 100, 64_000
"""GB."""

FLEX_ACCELERATORS = (
    "NVIDIA_L4",
    "NVIDIA_TESLA_A100",
    "NVIDIA_A100_80GB",
    "NVIDIA_H100_80GB",
    "NVIDIA_H100_MEGA_80GB",
    "NVIDIA_H200_141GB",
    "NVIDIA_B200",
)

SCHEDULING = f"{JOB_SPEC}.scheduling"
DURATION = DURATION_PATTERN.removeprefix("^").removesuffix("$")
DURATION_TEXT = "a duration is a number of seconds with at most nine decimals and an s, such as 7200s"

CONTEXT = r"projects/[^/]+/locations/[^/]+/metadataStores/[^/]+/contexts/[^/]+"

FLEX = is_one_of("scheduling.strategy", "FLEX_START")
SPOT = is_one_of("scheduling.strategy", "SPOT")

_Pool = Callable[[Any], bool]


def _machine(pool: Any, field: str) -> Any:
    return get(pool, f"machineSpec.{field}")


def _blamed(field: str, bad: _Pool) -> Callable[[Any], Iterable[tuple[str, Any]]]:
    """Finds a field of the pools of a job that are bad."""

    def find(job: Any) -> Iterable[tuple[str, Any]]:
        for index, pool in enumerate(items(get(job, "workerPoolSpecs"))):
            if bad(pool):
                yield f"workerPoolSpecs[{index}].{field}", get(pool, field)

    return find


def _pools(bad: _Pool, cel: str) -> Term:
    """Whether no pool of a job is bad; `cel` says over `p` that one is."""
    return Term(
        lambda job: not any(bad(pool) for pool in items(get(job, "workerPoolSpecs"))),
        f"!has(self.workerPoolSpecs) || !self.workerPoolSpecs.exists(p, has(p.machineSpec) && ({cel}))",
        frozenset({"workerPoolSpecs"}),
    )


def _is_tpu(pool: Any) -> bool:
    machine = _machine(pool, "machineType")
    return machine == CLOUD_TPU or reads("", TPU_MACHINE).test(machine)


def _tpu_in_cel(pool: str) -> str:
    return (
        f"{there('machineSpec.machineType', pool)} && "
        f"{pool}.machineSpec.machineType.matches(r'^(?:{CLOUD_TPU}|{TPU_MACHINE})$')"
    )


def _alone(job: Any) -> bool:
    pools = items(get(job, "workerPoolSpecs"))
    machines = [pool for pool in pools if isinstance(get(pool, "machineSpec"), Mapping)]
    return not any(map(_is_tpu, pools)) or len(machines) == 1


def _is_pod(pool: Any) -> bool:
    count = integer(_machine(pool, "acceleratorCount"))
    return _machine(pool, "machineType") == CLOUD_TPU and count is not None and count >= TPU_POD


def _is_many(pool: Any) -> bool:
    count = integer(get(pool, "replicaCount"))
    return _is_tpu(pool) and count is not None and count > 1


def _is_rigid(pool: Any) -> bool:
    """Whether FLEX_START has no such machine."""
    kind = _machine(pool, "acceleratorType")
    named = isinstance(kind, str) and kind not in ("", UNSPECIFIED)
    if named:
        return kind not in FLEX_ACCELERATORS
    machine = _machine(pool, "machineType")
    return isinstance(machine, str) and machine != ""


def _is_reserved(pool: Any) -> bool:
    kind = _machine(pool, "reservationAffinity.reservationAffinityType")
    return kind in ("ANY_RESERVATION", "SPECIFIC_RESERVATION")


def _types(job: Any) -> list[str]:
    """The machine types that the pools name."""
    found = (_machine(pool, "machineType") for pool in items(get(job, "workerPoolSpecs")))
    return [machine for machine in found if isinstance(machine, str)]


_SAME_IN_CEL = (
    "!has(self.workerPoolSpecs) || self.workerPoolSpecs.all(p, self.workerPoolSpecs.all(q, "
    f"{absent('machineSpec.machineType', 'p')} || {absent('machineSpec.machineType', 'q')} || "
    "p.machineSpec.machineType == q.machineSpec.machineType))"
)


def _short(value: Any) -> bool:
    return not reads("", DURATION).test(value) or float(value[:-1]) <= LONGEST_FLEX


def _first(pools: Any) -> bool:
    first = items(pools)[:1]
    return not first or integer(get(first[0], "replicaCount")) in (None, 1)


def _disk(value: Any) -> bool:
    size = integer(value)
    return size is None or size == 0 or SMALLEST_DISK <= size <= LARGEST_DISK


def _flexible() -> Iterator[Rule]:
    """What FLEX_START and SPOT ask for."""
    yield forbidden(
        "flex-wait",
        SCHEDULING,
        given("maxWaitDuration").implies(is_one_of("strategy", "FLEX_START")),
        "maxWaitDuration is for the strategy FLEX_START",
        field="maxWaitDuration",
        kinds=TRAINING,
    )
    yield Rule(
        "flex-timeout",
        SCHEDULING,
        is_one_of("strategy", "FLEX_START").implies(
            Term(
                lambda scheduling: _short(get(scheduling, "timeout")),
                "!has(self.timeout) || "
                f"double(self.timeout.substring(0, size(self.timeout) - 1)) <= {LONGEST_FLEX}.0",
                frozenset({"timeout"}),
            )
        ),
        f"a FLEX_START job has a timeout of at most {LONGEST_FLEX}s",
        Source.DOCUMENTATION,
        field="timeout",
        kinds=TRAINING,
    )
    yield Rule(
        "flex-accelerator",
        JOB_SPEC,
        FLEX.implies(
            _pools(
                _is_rigid,
                "has(p.machineSpec.acceleratorType) && "
                f"!(p.machineSpec.acceleratorType in ['', '{UNSPECIFIED}'])"
                f" ? !(p.machineSpec.acceleratorType in {list(FLEX_ACCELERATORS)})"
                " : has(p.machineSpec.machineType) && p.machineSpec.machineType != ''",
            )
        ),
        "FLEX_START has machines with L4, A100, H100, H200 and B200 GPUs only",
        Source.DOCUMENTATION,
        field="workerPoolSpecs",
        blame=_blamed("machineSpec.acceleratorType", _is_rigid),
        kinds=TRAINING,
    )
    yield Rule(
        "flex-same-machine",
        JOB_SPEC,
        FLEX.implies(
            Term(lambda job: len(set(_types(job))) <= 1, _SAME_IN_CEL, frozenset({"workerPoolSpecs"}))
        ),
        "a FLEX_START job has the same machine type in all pools",
        Source.DOCUMENTATION,
        field="workerPoolSpecs",
        kinds=TRAINING,
    )
    yield forbidden(
        "flex-reservation",
        JOB_SPEC,
        FLEX.implies(
            _pools(
                _is_reserved,
                "has(p.machineSpec.reservationAffinity) && "
                "has(p.machineSpec.reservationAffinity.reservationAffinityType) && "
                "p.machineSpec.reservationAffinity.reservationAffinityType in "
                "['ANY_RESERVATION', 'SPECIFIC_RESERVATION']",
            )
        ),
        "a FLEX_START job uses no reservation",
        source=Source.DOCUMENTATION,
        field="workerPoolSpecs",
        blame=_blamed("machineSpec.reservationAffinity", _is_reserved),
        kinds=TRAINING,
    )
    yield forbidden(
        "flex-persistent",
        JOB_SPEC,
        FLEX.implies(~given("persistentResourceId")),
        "a FLEX_START job runs on no persistent resource",
        source=Source.DOCUMENTATION,
        field="persistentResourceId",
        kinds=TRAINING,
    )
    yield Rule(
        "spot-pod",
        JOB_SPEC,
        SPOT.implies(
            _pools(
                _is_pod,
                f"has(p.machineSpec.machineType) && p.machineSpec.machineType == '{CLOUD_TPU}' && "
                f"has(p.machineSpec.acceleratorCount) && p.machineSpec.acceleratorCount >= {TPU_POD}",
            )
        ),
        "TPU pods are not to be had with the strategy SPOT",
        Source.DOCUMENTATION,
        field="workerPoolSpecs",
        blame=_blamed("machineSpec.acceleratorCount", _is_pod),
        kinds=TRAINING,
    )


def _mounted(list_: str, name: str, fields: tuple[str, ...], root: str, text: str) -> Iterator[Rule]:
    scope = f"{POOLS}[].{list_}[]"
    for field in fields:
        yield required(f"{name}-{hyphened(field)}-required", scope, field, f"{text} needs {field}", TRAINING)
    yield shaped(
        f"{name}-mount-point",
        f"{scope}.mountPoint",
        rf"{root}[^/].*",
        f"{text} is mounted below {root}",
        TRAINING,
    )


def _programs() -> Iterator[Rule]:
    container, package = f"{POOLS}[].containerSpec", f"{POOLS}[].pythonPackageSpec"
    image = "an image is HOST/PATH, with :TAG or @DIGEST where wanted"
    yield excluding(
        "pool-program",
        f"{POOLS}[]",
        "a pool runs a containerSpec or a pythonPackageSpec, and not both",
        TRAINING,
        "containerSpec",
        "pythonPackageSpec",
    )
    yield shaped("pool-image", f"{container}.imageUri", IMAGE, image, TRAINING, Source.RECORDED)
    yield shaped("pool-executor", f"{package}.executorImageUri", IMAGE, image, TRAINING, Source.RECORDED)
    yield shaped(
        "pool-package",
        f"{package}.packageUris[]",
        OBJECT,
        "a package is a Cloud Storage path, gs://BUCKET/OBJECT",
        TRAINING,
    )
    yield Rule(
        "pool-packages-count",
        f"{package}.packageUris",
        Term(lambda found: len(items(found)) <= 100),
        "at most 100 packages",
        Source.DISCOVERY,
        kinds=TRAINING,
        in_schema=True,
    )
    yield Rule(
        "pool-disk-size",
        f"{POOLS}[].diskSpec.bootDiskSizeGb",
        Term(_disk, f"self == 0 || self >= {SMALLEST_DISK} && self <= {LARGEST_DISK}"),
        f"a boot disk has {SMALLEST_DISK} to {LARGEST_DISK} GB",
        Source.DOCUMENTATION,
        kinds=TRAINING,
    )
    yield warning(
        "pool-disk-type",
        f"{POOLS}[].diskSpec.bootDiskType",
        one_of(*DISKS),
        f"known boot disks are {', '.join(DISKS)}",
        source=Source.DISCOVERY,
        kinds=TRAINING,
    )
    yield from _mounted("nfsMounts", "nfs", ("server", "path", "mountPoint"), "/mnt/nfs/", "an NFS mount")
    yield shaped(
        "nfs-path", f"{POOLS}[].nfsMounts[].path", r"/.*", "the exported path starts with /", TRAINING
    )
    fields = ("instanceIp", "volumeHandle", "filesystem", "mountPoint")
    yield from _mounted("lustreMounts", "lustre", fields, "/mnt/lustre/", "a Lustre mount")


def _networks() -> Iterator[Rule]:
    peering = f"{JOB_SPEC}.pscInterfaceConfig.dnsPeeringConfigs[]"
    for field in ("domain", "targetProject", "targetNetwork"):
        yield required(
            f"dns-{hyphened(field)}-required", peering, field, f"a DNS peering needs {field}", TRAINING
        )
    yield shaped("dns-domain", f"{peering}.domain", r".+[.]", "a peered domain ends with a dot", TRAINING)
    yield shaped(
        "vertex-network",
        f"{JOB_SPEC}.network",
        r"projects/[0-9]+/global/networks/[^/]+",
        "a network is projects/NUMBER/global/networks/NAME, with the project's number instead of its id",
        TRAINING,
    )


RULES = (
    Rule(
        "first-pool-replicas",
        POOLS,
        Term(_first, "size(self) == 0 || !has(self[0].replicaCount) || int(self[0].replicaCount) == 1"),
        "the first pool is the master, and has one replica",
        Source.DOCUMENTATION,
        blame=lambda pools: [("[0].replicaCount", get(items(pools)[0], "replicaCount"))],
        kinds=TRAINING,
    ),
    Rule(
        "pool-replicas",
        f"{POOLS}[].replicaCount",
        at_least(0),
        "a number of replicas is not negative",
        Source.DISCOVERY,
        kinds=TRAINING,
    ),
    Rule(
        "tpu-one-pool",
        JOB_SPEC,
        Term(
            _alone,
            f"!has(self.workerPoolSpecs) || !self.workerPoolSpecs.exists(p, {_tpu_in_cel('p')}) || "
            "self.workerPoolSpecs.filter(p, has(p.machineSpec)).size() == 1",
            frozenset({"workerPoolSpecs"}),
        ),
        "a job on TPUs has one pool",
        Source.DOCUMENTATION,
        field="workerPoolSpecs",
        kinds=TRAINING,
    ),
    Rule(
        "tpu-one-replica",
        f"{POOLS}[]",
        Term(
            lambda pool: not _is_many(pool),
            f"!({_tpu_in_cel('self')}) || !has(self.replicaCount) || int(self.replicaCount) <= 1",
            frozenset({"replicaCount", "machineSpec"}),
        ),
        "a pool of TPUs has one replica",
        Source.DOCUMENTATION,
        field="replicaCount",
        kinds=TRAINING,
    ),
    *_programs(),
    *(
        Rule(
            f"vertex-{name}",
            f"{SCHEDULING}.{field}",
            fits(DURATION),
            DURATION_TEXT,
            Source.DISCOVERY,
            kinds=TRAINING,
            in_schema=True,
        )
        for name, field in (("timeout", "timeout"), ("max-wait", "maxWaitDuration"))
    ),
    *_flexible(),
    warning(
        "strategy-deprecated",
        SCHEDULING,
        ~is_one_of("strategy", "ON_DEMAND", "LOW_COST"),
        "ON_DEMAND and LOW_COST are deprecated; use STANDARD or SPOT",
        source=Source.DISCOVERY,
        field="strategy",
        kinds=TRAINING,
    ),
    Rule(
        "retries-restart",
        SCHEDULING,
        ~(is_true("disableRetries") & is_true("restartJobOnWorkerRestart")),
        "disableRetries takes restartJobOnWorkerRestart's effect away",
        Source.DISCOVERY,
        field="restartJobOnWorkerRestart",
        severity=Severity.WARNING,
        kinds=TRAINING,
    ),
    shaped(
        "persistent-resource",
        f"{JOB_SPEC}.persistentResourceId",
        r"[a-z]([a-z0-9-]*[a-z0-9])?",
        "a persistent resource is named by its id: lower-case letters, digits and hyphens",
        TRAINING,
        Source.DOCUMENTATION,
    ),
    shaped(
        "vertex-service-account",
        f"{JOB_SPEC}.serviceAccount",
        ACCOUNT,
        "a service account is given by its e-mail address",
        TRAINING,
    ),
    *_networks(),
    required(
        "base-output-required",
        f"{JOB_SPEC}.baseOutputDirectory",
        "outputUriPrefix",
        "a baseOutputDirectory needs its outputUriPrefix",
        TRAINING,
    ),
    shaped(
        "base-output",
        f"{JOB_SPEC}.baseOutputDirectory.outputUriPrefix",
        STORAGE,
        "a folder is a Cloud Storage path, gs://BUCKET/FOLDER",
        TRAINING,
    ),
    shaped(
        "tensorboard",
        f"{JOB_SPEC}.tensorboard",
        r"projects/[^/]+/locations/[^/]+/tensorboards/[^/]+",
        "a Tensorboard is projects/PROJECT/locations/REGION/tensorboards/ID",
        TRAINING,
    ),
    *(
        shaped(
            name,
            f"{JOB_SPEC}.{field}",
            CONTEXT,
            "an Experiment and its runs are projects/P/locations/R/metadataStores/S/contexts/NAME",
            TRAINING,
        )
        for name, field in (("experiment", "experiment"), ("experiment-run", "experimentRun"))
    ),
    shaped(
        "job-spec-model",
        f"{JOB_SPEC}.models[]",
        r"projects/[^/]+/locations/[^/]+/models/[^/]+",
        "a model is projects/PROJECT/locations/REGION/models/ID, with @VERSION where wanted",
        TRAINING,
    ),
    required(
        "vertex-key-required",
        "vertex.encryptionSpec",
        "kmsKeyName",
        "an encryptionSpec needs its kmsKeyName",
        TRAINING,
    ),
    shaped(
        "vertex-key",
        "vertex.encryptionSpec.kmsKeyName",
        KEY,
        "a key is projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY",
        TRAINING,
    ),
)
"""The rules of this module."""
