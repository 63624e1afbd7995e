"""Cases of the rules for `vertex.jobSpec` and its machines."""

from typing import Any

from tests.unit.domain.rule_case import Case, Spec, merged
from tests.unit.domain.vertex_case import POOL, batch, block, job_spec, pool

MODEL = "projects/my-project/locations/us-central1/models/1"
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
RESERVATION = "projects/p/zones/us-central1-a/reservations/r"
PACKAGE: Spec = {
    "executorImageUri": "europe-docker.pkg.dev/vertex-ai/training/tf-cpu.2-17.py310:latest",
    "packageUris": ["gs://bucket/trainer-1.tar.gz"],
    "pythonModule": "trainer.task",
}


def machine(name: str, bad: list[Spec], good: list[Spec], also: tuple[str, ...] = ()) -> list[Case]:
    """Cases about a MachineSpec, in a pool and in a batch prediction."""

    def below(place: str, patch: Spec) -> Spec:
        spec = {"machineSpec": patch}
        return {"dedicatedResources": spec} if place == "batch" else spec

    return [
        case
        for place, make in (("pool", pool), ("batch", batch))
        for case in make(
            f"{place}-{name}",
            [below(place, patch) for patch in bad],
            [below(place, patch) for patch in good],
            tuple(f"{place}-{other}" for other in also),
        )
    ]


def gpus(machine_type: str, kind: str | None, count: int | None) -> Spec:
    return {"machineType": machine_type, "acceleratorType": kind, "acceleratorCount": count}


T4, V100, L4, A100 = "NVIDIA_TESLA_T4", "NVIDIA_TESLA_V100", "NVIDIA_L4", "NVIDIA_TESLA_A100"
SPECIFIC: Spec = {
    "reservationAffinityType": "SPECIFIC_RESERVATION",
    "key": "compute.googleapis.com/reservation-name",
    "values": [RESERVATION],
}


def affinity(patch: Spec) -> Spec:
    return {"reservationAffinity": merged(SPECIFIC, patch)}


MACHINE_CASES = [
    *machine(
        "machine-type",
        [{"machineType": "n1_standard_4"}, {"machineType": "{MACHINE}"}],
        [{"machineType": "c3-standard-4"}, {"machineType": "cloud-tpu", **gpus("cloud-tpu", "TPU_V2", 8)}],
    ),
    *machine(
        "accelerator-type-missing",
        [gpus("n1-standard-4", None, 1), gpus("n1-standard-4", "ACCELERATOR_TYPE_UNSPECIFIED", 2)],
        [gpus("n1-standard-4", T4, 1), gpus("n1-standard-4", None, 0)],
    ),
    *machine(
        "accelerator-count-missing",
        [gpus("n1-standard-4", T4, None), gpus("n1-standard-4", T4, 0)],
        [gpus("n1-standard-4", "ACCELERATOR_TYPE_UNSPECIFIED", 0)],
    ),
    *machine("accelerator-count-negative", [gpus("n1-standard-4", None, -1)], [gpus("n1-standard-4", T4, 2)]),
    *machine(
        "accelerator-fixed",
        [gpus("a2-highgpu-1g", "NVIDIA_A100_80GB", 1), gpus("g2-standard-96", T4, 8)],
        [
            gpus("a2-highgpu-1g", A100, 1),
            gpus("a4x-highgpu-4g", "NVIDIA_GB200", 4),
            gpus("g2-standard-96", None, None),
        ],
    ),
    *pool(
        "pool-accelerator-fixed-count",
        [{"machineSpec": gpus("a2-highgpu-1g", A100, 2)}, {"machineSpec": gpus("g2-standard-96", L4, 4)}],
        [
            {"machineSpec": gpus("g2-standard-96", L4, 8)},
            {"machineSpec": gpus("g4-standard-192", "NVIDIA_RTX_PRO_6000", 4)},
        ],
    ),
    *batch(
        "batch-accelerator-fixed",
        [],
        [{"dedicatedResources": {"machineSpec": gpus("a3-highgpu-8g", "NVIDIA_H100_80GB", 2)}}],
    ),
    *machine(
        "accelerator-none",
        [gpus("e2-standard-4", T4, 1), gpus("c2-standard-8", V100, 1)],
        [gpus("e2-standard-4", None, None), gpus("c2d-standard-4", None, None)],
    ),
    *machine("accelerator-n1", [gpus("n1-standard-4", L4, 1)], [gpus("n1-standard-4", V100, 1)]),
    *machine(
        "accelerator-n1-count",
        [gpus("n1-standard-4", T4, 3), gpus("n1-standard-4", T4, 8), gpus("n1-standard-4", V100, 3)],
        [gpus("n1-standard-4", T4, 4), gpus("n1-standard-4", V100, 8)],
    ),
    *machine(
        "accelerator-n1-least",
        [
            gpus("n1-standard-16", V100, 1),
            gpus("n1-highmem-32", V100, 2),
            gpus("n1-standard-32", T4, 1),
            gpus("n1-standard-64", V100, 4),
            gpus("n1-standard-96", T4, 2),
        ],
        [gpus("n1-standard-16", T4, 1), gpus("n1-standard-32", V100, 4), gpus("n1-highcpu-96", T4, 4)],
    ),
    *machine(
        "accelerator-old",
        [gpus("n1-standard-4", "NVIDIA_TESLA_K80", 1), gpus("n1-standard-4", "NVIDIA_TESLA_P100", 1)],
        [gpus("n1-standard-4", T4, 1)],
    ),
    *machine(
        "tpu-accelerator",
        [{**gpus("ct5lp-hightpu-4t", "TPU_V5_LITEPOD", 4), "tpuTopology": "2x2"}],
        [{"machineType": "ct6e-standard-8t", "tpuTopology": "2x4"}],
    ),
    *machine(
        "tpu-topology-required",
        [{"machineType": "ct5lp-hightpu-4t"}, {"machineType": "tpu7x-standard-4t", "tpuTopology": ""}],
        [{"machineType": "tpu7x-standard-4t", "tpuTopology": "2x2x1"}],
    ),
    *machine(
        "tpu-topology",
        [{"machineType": "ct5lp-hightpu-4t", "tpuTopology": "2*2"}, {"tpuTopology": "8"}],
        [{"machineType": "ct5lp-hightpu-4t", "tpuTopology": "16x16"}],
    ),
    *machine(
        "cloud-tpu-type",
        [gpus("cloud-tpu", "TPU_V4_POD", 8), {"machineType": "cloud-tpu"}],
        [gpus("cloud-tpu", "TPU_V3", 8)],
    ),
    *machine(
        "cloud-tpu-count",
        [gpus("cloud-tpu", "TPU_V2", 4), gpus("cloud-tpu", "TPU_V3", 16)],
        [gpus("cloud-tpu", "TPU_V3", 128)],
    ),
    *machine(
        "reservation-type",
        [
            affinity({"reservationAffinityType": None, "key": None, "values": None}),
            affinity({"reservationAffinityType": "TYPE_UNSPECIFIED", "key": None, "values": None}),
        ],
        [affinity({}), affinity({"reservationAffinityType": "NO_RESERVATION", "key": None, "values": None})],
    ),
    *machine("reservation-key-required", [affinity({"key": None})], [affinity({})]),
    *machine("reservation-values-required", [affinity({"values": []})], [affinity({})]),
    *machine(
        "reservation-key-unused",
        [affinity({"reservationAffinityType": "ANY_RESERVATION", "values": None})],
        [affinity({"reservationAffinityType": "ANY_RESERVATION", "values": None, "key": ""})],
    ),
    *machine(
        "reservation-values-unused",
        [affinity({"reservationAffinityType": "NO_RESERVATION", "key": None})],
        [affinity({"reservationAffinityType": "NO_RESERVATION", "key": None, "values": []})],
    ),
    *machine("reservation-key", [affinity({"key": "team"})], [affinity({})]),
    *machine(
        "reservation-value",
        [affinity({"values": ["my-reservation"]})],
        [affinity({"values": [f"{RESERVATION}/reservationBlocks/b"]})],
    ),
]

NFS: Spec = {"server": "10.0.0.2", "path": "/vol1", "mountPoint": "/mnt/nfs/models"}
LUSTRE: Spec = {
    "instanceIp": "10.0.0.3",
    "volumeHandle": "v",
    "filesystem": "fs",
    "mountPoint": "/mnt/lustre/data",
}
DNS: Spec = {"domain": "corp.example.com.", "targetProject": "p", "targetNetwork": "n"}


def mounts(kind: str, mount: Spec, *patches: Spec) -> list[Spec]:
    return [{kind: [merged(mount, patch)]} for patch in patches]


def peered(*patches: Spec) -> list[Spec]:
    return [{"pscInterfaceConfig": {"dnsPeeringConfigs": [merged(DNS, patch)]}} for patch in patches]


def scheduled(*patches: Spec) -> list[Spec]:
    return [{"scheduling": patch} for patch in patches]


GPU_POOL = merged(POOL, {"machineSpec": gpus("g2-standard-8", L4, 1)})
FLEX: Spec = {"scheduling": {"strategy": "FLEX_START"}}


def flexible(*pools: Spec) -> Spec:
    return {**FLEX, "workerPoolSpecs": [merged(GPU_POOL, patch) for patch in pools]}


TPU: Spec = {"machineSpec": gpus("cloud-tpu", "TPU_V3", 8)}

POOL_CASES = [
    *pool(
        "first-pool-replicas",
        [{"replicaCount": 2}, {"replicaCount": "0"}],
        [{"replicaCount": None}, {"replicaCount": 1}],
    ),
    *job_spec(
        "pool-replicas",
        [{"workerPoolSpecs": [POOL, {**POOL, "replicaCount": -1}]}],
        [{"workerPoolSpecs": [POOL, {**POOL, "replicaCount": "100"}]}],
    ),
    *job_spec(
        "tpu-one-pool",
        [{"workerPoolSpecs": [merged(POOL, TPU), POOL]}, {"workerPoolSpecs": [POOL, merged(POOL, TPU)]}],
        [{"workerPoolSpecs": [merged(POOL, TPU)]}, {"workerPoolSpecs": [merged(POOL, TPU), {}]}],
    ),
    *job_spec(
        "tpu-one-replica",
        [{"workerPoolSpecs": [merged(POOL, {**TPU, "replicaCount": 2})]}],
        [{"workerPoolSpecs": [merged(POOL, {**TPU, "replicaCount": None})]}],
        also=("first-pool-replicas",),
    ),
    *pool(
        "pool-program",
        [{"pythonPackageSpec": PACKAGE}],
        [{"containerSpec": None, "pythonPackageSpec": PACKAGE}],
    ),
    *pool(
        "pool-image", [{"containerSpec": {"imageUri": "${IMAGE}"}}], [{"containerSpec": {"imageUri": "a:1"}}]
    ),
    *pool(
        "pool-executor",
        [{"containerSpec": None, "pythonPackageSpec": {**PACKAGE, "executorImageUri": "a b"}}],
        [{"containerSpec": None, "pythonPackageSpec": PACKAGE}],
    ),
    *pool(
        "pool-package",
        [{"containerSpec": None, "pythonPackageSpec": {**PACKAGE, "packageUris": ["trainer.tar.gz"]}}],
        [{"containerSpec": None, "pythonPackageSpec": PACKAGE}],
    ),
    *pool(
        "pool-packages-count",
        [{"containerSpec": None, "pythonPackageSpec": {**PACKAGE, "packageUris": ["gs://b/p"] * 101}}],
        [{"containerSpec": None, "pythonPackageSpec": {**PACKAGE, "packageUris": ["gs://b/p"] * 100}}],
    ),
    *pool(
        "pool-disk-size",
        [{"diskSpec": {"bootDiskSizeGb": size}} for size in (-1, 99, 64001)],
        [{"diskSpec": {"bootDiskSizeGb": size}} for size in (0, 100, 64000)],
    ),
    *pool(
        "pool-disk-type", [{"diskSpec": {"bootDiskType": "ssd"}}], [{"diskSpec": {"bootDiskType": "pd-ssd"}}]
    ),
    *(
        case
        for field, name in (("server", "server"), ("path", "path"), ("mountPoint", "mount-point"))
        for case in pool(
            f"nfs-{name}-required", mounts("nfsMounts", NFS, {field: None}), mounts("nfsMounts", NFS, {})
        )
    ),
    *pool(
        "nfs-mount-point",
        mounts("nfsMounts", NFS, {"mountPoint": "/mnt/models"}, {"mountPoint": "/mnt/nfs/"}),
        mounts("nfsMounts", NFS, {"mountPoint": "/mnt/nfs/a/b"}),
    ),
    *pool("nfs-path", mounts("nfsMounts", NFS, {"path": "vol1"}), mounts("nfsMounts", NFS, {"path": "/"})),
    *(
        case
        for field, name in (
            ("instanceIp", "instance-ip"),
            ("volumeHandle", "volume-handle"),
            ("filesystem", "filesystem"),
            ("mountPoint", "mount-point"),
        )
        for case in pool(
            f"lustre-{name}-required",
            mounts("lustreMounts", LUSTRE, {field: ""}),
            mounts("lustreMounts", LUSTRE, {}),
        )
    ),
    *pool(
        "lustre-mount-point",
        mounts("lustreMounts", LUSTRE, {"mountPoint": "/mnt/nfs/data"}),
        mounts("lustreMounts", LUSTRE, {}),
    ),
]

JOB_CASES = [
    *job_spec("vertex-timeout", scheduled({"timeout": "2h"}), scheduled({"timeout": "7200s"})),
    *job_spec(
        "vertex-max-wait",
        [{**flexible({}), "scheduling": {"strategy": "FLEX_START", "maxWaitDuration": "3600"}}],
        [{**flexible({}), "scheduling": {"strategy": "FLEX_START", "maxWaitDuration": "0s"}}],
    ),
    *job_spec(
        "flex-wait",
        scheduled({"maxWaitDuration": "60s"}, {"strategy": "SPOT", "maxWaitDuration": "60s"}),
        [{**flexible({}), "scheduling": {"strategy": "FLEX_START", "maxWaitDuration": "60.5s"}}],
    ),
    *job_spec(
        "flex-timeout",
        [{**flexible({}), "scheduling": {"strategy": "FLEX_START", "timeout": "604801s"}}],
        [
            {**flexible({}), "scheduling": {"strategy": "FLEX_START", "timeout": "604800s"}},
            {"scheduling": {"timeout": "1000000s"}},
        ],
    ),
    *job_spec(
        "flex-accelerator",
        [FLEX, flexible({"machineSpec": gpus("n1-standard-8", T4, 1)})],
        [flexible({}), flexible({"machineSpec": gpus("a3-ultragpu-8g", "NVIDIA_H200_141GB", 8)})],
    ),
    *job_spec(
        "flex-same-machine",
        [flexible({}, {"machineSpec": gpus("g2-standard-12", L4, 1)})],
        [flexible({}, {}), {**flexible({}), "workerPoolSpecs": [GPU_POOL, {}]}],
    ),
    *job_spec(
        "flex-reservation",
        [
            flexible({"machineSpec": affinity({})}),
            flexible(
                {"machineSpec": {"reservationAffinity": {"reservationAffinityType": "ANY_RESERVATION"}}}
            ),
        ],
        [flexible({"machineSpec": {"reservationAffinity": {"reservationAffinityType": "NO_RESERVATION"}}})],
    ),
    *job_spec(
        "flex-persistent",
        [{**flexible({}), "persistentResourceId": "pool-1"}],
        [flexible({}), {"persistentResourceId": "pool-1"}],
    ),
    *job_spec(
        "spot-pod",
        [
            {
                "scheduling": {"strategy": "SPOT"},
                "workerPoolSpecs": [merged(POOL, {"machineSpec": gpus("cloud-tpu", "TPU_V3", 32)})],
            }
        ],
        [
            {
                "scheduling": {"strategy": "SPOT"},
                "workerPoolSpecs": [merged(POOL, {"machineSpec": gpus("cloud-tpu", "TPU_V3", 8)})],
            },
            {"workerPoolSpecs": [merged(POOL, {"machineSpec": gpus("cloud-tpu", "TPU_V3", 32)})]},
        ],
    ),
    *job_spec(
        "strategy-deprecated",
        scheduled({"strategy": "LOW_COST"}, {"strategy": "ON_DEMAND"}),
        scheduled({"strategy": "SPOT"}, {"strategy": "STANDARD"}),
    ),
    *job_spec(
        "retries-restart",
        scheduled({"disableRetries": True, "restartJobOnWorkerRestart": True}),
        scheduled({"disableRetries": True, "restartJobOnWorkerRestart": False}),
    ),
    *job_spec(
        "persistent-resource",
        [{"persistentResourceId": "{ID}"}, {"persistentResourceId": "pool-"}],
        [{"persistentResourceId": "p"}, {"persistentResourceId": "pool-1"}],
    ),
    *job_spec("vertex-service-account", [{"serviceAccount": "trainer"}], [{"serviceAccount": "a@b.c"}]),
    *(
        case
        for field, name in (
            ("domain", "domain"),
            ("targetProject", "target-project"),
            ("targetNetwork", "target-network"),
        )
        for case in job_spec(f"dns-{name}-required", peered({field: None}), peered({}))
    ),
    *job_spec("dns-domain", peered({"domain": "corp.example.com"}), peered({})),
    *job_spec(
        "vertex-network",
        [{"network": "projects/my-project/global/networks/net"}, {"network": "default"}],
        [{"network": "projects/12345/global/networks/net"}],
    ),
    *job_spec(
        "base-output-required",
        [{"baseOutputDirectory": {}}, {"baseOutputDirectory": {"outputUriPrefix": ""}}],
        [{"baseOutputDirectory": {"outputUriPrefix": "gs://bucket"}}],
    ),
    *job_spec(
        "base-output",
        [{"baseOutputDirectory": {"outputUriPrefix": "/gcs/bucket"}}],
        [{"baseOutputDirectory": {"outputUriPrefix": "gs://bucket/a/"}}],
    ),
    *job_spec(
        "tensorboard",
        [{"tensorboard": "123"}],
        [{"tensorboard": "projects/p/locations/us-central1/tensorboards/123"}],
    ),
    *(
        case
        for field, name in (("experiment", "experiment"), ("experimentRun", "experiment-run"))
        for case in job_spec(
            name,
            [{field: "my-experiment"}],
            [{field: "projects/p/locations/us-central1/metadataStores/default/contexts/e"}],
        )
    ),
    *job_spec("job-spec-model", [{"models": ["123"]}], [{"models": [MODEL, f"{MODEL}@2"]}]),
    *block("vertex-key-required", [{"encryptionSpec": {}}], [{"encryptionSpec": {"kmsKeyName": KEY}}]),
    *block(
        "vertex-key", [{"encryptionSpec": {"kmsKeyName": "key"}}], [{"encryptionSpec": {"kmsKeyName": KEY}}]
    ),
]

SERVER: Spec = {
    "model": None,
    "unmanagedContainerModel": {"containerSpec": {"imageUri": "europe-docker.pkg.dev/p/r/server:1"}},
}


def env(name: str, bad: list[list[Spec]], good: list[list[Spec]]) -> list[Case]:
    """Cases about environment variables, in all places that have them."""

    def container(variables: list[Spec]) -> Spec:
        return {"containerSpec": {"env": variables}}

    def package(variables: list[Spec]) -> Spec:
        return {"containerSpec": None, "pythonPackageSpec": {**PACKAGE, "env": variables}}

    def server(variables: list[Spec]) -> Any:
        return merged(SERVER, {"unmanagedContainerModel": {"containerSpec": {"env": variables}}})

    return [
        case
        for place, make, patch in (
            ("container", pool, container),
            ("package", pool, package),
            ("serving", batch, server),
        )
        for case in make(f"{place}-env-{name}", [patch(one) for one in bad], [patch(one) for one in good])
    ]


def variable(name: str, value: str = "x") -> Spec:
    return {"name": name, "value": value}


ENV_CASES = [
    *env("name-required", [[{"value": "x"}], [variable("")]], [[variable("A")]]),
    *env("name", [[variable("1A")], [variable("A-B")], [variable("é")]], [[variable("_a1")]]),
    *env("value-required", [[{"name": "A"}]], [[variable("A", "")]]),
    *env("unique", [[variable("A"), variable("B"), variable("A")]], [[variable("A"), variable("a")]]),
    *env(
        "secret",
        [
            [variable("HF_TOKEN", "hf_x")],
            [variable("apiKey")],
            [variable("DB_PASSWORD")],
            [variable("A_SECRET_B")],
        ],
        [[variable("HF_TOKEN", "")], [variable("HF_TOKEN", "$(OTHER)")], [variable("MODE", "token")]],
    ),
    *env("count", [[variable(f"V{n}") for n in range(201)]], [[variable(f"V{n}") for n in range(100)]]),
]

VERTEX_JOB_CASES = [*POOL_CASES, *MACHINE_CASES, *JOB_CASES, *ENV_CASES]
"""All cases of this module."""
