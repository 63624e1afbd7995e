"""Cases of the rules for machines and replicas."""

from collections.abc import Iterator
from typing import Any

from tests.unit.domain.rule_case import CUSTOM, LEGACY, Case, Spec, image, package

TPU_WORKER: Spec = {**CUSTOM, "workerType": "cloud_tpu", "workerCount": 1}

MACHINE_CASES = [
    *package(
        "master-type-required",
        [{"scaleTier": "CUSTOM"}, {"scaleTier": "CUSTOM", "masterType": ""}],
        [CUSTOM, {"scaleTier": "STANDARD_1"}, {}],
    ),
    *package("master-type-unused", [{"masterType": "standard"}], [LEGACY]),
    *package(
        "worker-machine-category",
        [
            {**CUSTOM, "workerType": "standard", "workerCount": 1},
            {**LEGACY, "workerType": "n1-standard-4", "workerCount": 1},
        ],
        [
            {**LEGACY, "workerType": "complex_model_m_gpu", "workerCount": 3},
            {**CUSTOM, "workerType": "a2-highgpu-1g", "workerCount": 1},
            {**CUSTOM, "workerType": "cloud_tpu", "workerCount": 1},
            {**LEGACY, "workerType": "cloud_tpu", "workerCount": 1},
        ],
    ),
    *package(
        "ps-machine-category",
        [
            {**LEGACY, "parameterServerType": "n1-highmem-8", "parameterServerCount": "2"},
            {**TPU_WORKER, "parameterServerType": "large_model", "parameterServerCount": "2"},
        ],
        [{**LEGACY, "parameterServerType": "large_model", "parameterServerCount": "2"}],
    ),
    *package(
        "evaluator-machine-category",
        [
            {**LEGACY, "evaluatorType": "e2-standard-4", "evaluatorCount": 1},
            {**TPU_WORKER, "evaluatorType": "standard", "evaluatorCount": 1},
            {
                **LEGACY,
                "masterType": "cloud_tpu",
                "parameterServerType": "standard",
                "parameterServerCount": 1,
                "evaluatorType": "e2-standard-4",
                "evaluatorCount": 1,
            },
        ],
        [{**TPU_WORKER, "evaluatorType": "e2-standard-4", "evaluatorCount": 1}],
    ),
    *image(
        "basic-tpu-tf-version",
        [{"scaleTier": "BASIC_TPU"}],
        [
            {"scaleTier": "BASIC_TPU", "workerConfig": {"tpuTfVersion": "2.1"}},
            {"scaleTier": "BASIC_TPU", "masterConfig": {"tpuTfVersion": "2.1"}},
        ],
    ),
]

GPU = {"type": "NVIDIA_TESLA_T4", "count": 1}
NO_GPU = {"type": "ACCELERATOR_TYPE_UNSPECIFIED", "count": "0"}
TPU = {"type": "TPU_V3", "count": "8"}


def _of_role(role: str, type_: str, config: str, count: str | None) -> Iterator[Case]:
    """The cases of the rules that each role has; a role with a count is given one replica."""
    one: Spec = {count: 1} if count else {}

    def typed(name: str) -> Spec:
        return {"scaleTier": "CUSTOM", "masterType": name, type_: name, **one}

    def configured(name: str, **fields: Any) -> Spec:
        return {**typed(name), config: fields}

    if count:
        types = {type_: "n1-standard-4"}
        yield from package(f"{role}-count", [{count: -1}, {count: "-2"}], [{count: 0}, {count: "0"}])
        yield from package(
            f"{role}-type-required",
            [{**CUSTOM, count: 1}, {**CUSTOM, count: "3", type_: ""}],
            [{**CUSTOM, count: "0"}, {**CUSTOM, count: 0}, {**CUSTOM, count: 1, **types}],
        )
        yield from package(
            f"{role}-count-custom",
            [{count: 1, **types}, {"scaleTier": "STANDARD_1", count: "2", **types}],
            [{count: 0}, {**CUSTOM, count: 1, **types}],
        )
        yield from package(f"{role}-type-unused", [{**CUSTOM, **types}], [{**CUSTOM, count: 1, **types}])
    yield from package(f"{role}-type-known", [typed("huge")], [typed("large_model"), typed("c2d-highcpu-2")])
    yield from package(
        f"{role}-accelerator-machine",
        [
            configured("standard_gpu", acceleratorConfig=GPU),
            configured("cloud_tpu", acceleratorConfig=GPU),
            {config: {"acceleratorConfig": GPU}},
        ],
        [
            configured("n1-standard-8", acceleratorConfig=GPU),
            configured("cloud_tpu", acceleratorConfig=TPU),
            configured("standard", acceleratorConfig=NO_GPU),
            {config: {"acceleratorConfig": {"count": 0}}},
        ],
    )
    yield from package(
        f"{role}-accelerator-type",
        [
            configured("n1-standard-8", acceleratorConfig={"count": 1}),
            configured("n1-standard-8", acceleratorConfig={**NO_GPU, "count": "2"}),
        ],
        [
            configured("n1-standard-8", acceleratorConfig=GPU),
            configured("n1-standard-8", acceleratorConfig=NO_GPU),
        ],
    )
    yield from package(
        f"{role}-accelerator-count",
        [configured("n1-standard-8", acceleratorConfig={"count": -1})],
        [configured("n1-standard-8", acceleratorConfig={"count": 0})],
    )
    yield from package(
        f"{role}-accelerator-count-required",
        [
            configured("n1-standard-8", acceleratorConfig={"type": "NVIDIA_TESLA_T4"}),
            configured("n1-standard-8", acceleratorConfig={**GPU, "count": "0"}),
        ],
        [configured("n1-standard-8", acceleratorConfig=GPU)],
    )
    yield from _contained(role, type_, config)
    yield from package(
        f"{role}-disk-type",
        [{config: {"diskConfig": {"bootDiskType": "ssd"}}}],
        [{config: {"diskConfig": {"bootDiskType": kind}}} for kind in ("pd-ssd", "pd-standard", "")],
    )
    yield from package(
        f"{role}-disk-size",
        [{config: {"diskConfig": {"bootDiskSizeGb": -1}}}],
        [{config: {"diskConfig": {"bootDiskSizeGb": size}}} for size in (0, 100)],
    )


def _contained(role: str, type_: str, config: str) -> Iterator[Case]:
    yield from image(
        f"{role}-image-uri",
        [{config: {"imageUri": text}} for text in ("${IMAGE}:${TAG}", "gcr.io/a b", "/x", "<none>")],
        [{config: {"imageUri": text}} for text in ("gcr.io/p/i@sha256:0a", "localhost:5000/i", "alpine")],
    )
    yield from image(
        f"{role}-image-registry",
        [{config: {"imageUri": text}} for text in ("docker.io/p/i", "alpine", "notgcr.io/p/i")],
        [{config: {"imageUri": text}} for text in ("eu.gcr.io/p/i:1", "europe-west4-docker.pkg.dev/p/r/i")],
    )
    own = {"imageUri": "gcr.io/p/own:1"}
    for field, rule in (("containerArgs", "container-args"), ("containerCommand", "container-command")):
        yield from package(f"{role}-{rule}-image", [{config: {field: ["a"]}}], [{config: {field: []}}])
        yield from image(
            f"{role}-{rule}-image", [], [{config: {field: ["a"]}}, {config: {**own, field: ["a"]}}]
        )
    tpu: Spec = {"scaleTier": "CUSTOM", "masterType": "n1-standard-8", type_: "cloud_tpu"}
    if role != "master":
        tpu[type_.replace("Type", "Count")] = 1
    yield from image(
        f"{role}-tpu-tf-version-required",
        [tpu, {**tpu, config: own}, {**tpu, config: {"tpuTfVersion": ""}}],
        [{**tpu, config: {"tpuTfVersion": "2.1"}}],
    )
    yield from package(f"{role}-tpu-tf-version-required", [], [tpu])
    yield from package(
        f"{role}-tpu-tf-version-forbidden",
        [{**tpu, config: {"tpuTfVersion": "2.1"}}, {config: {"tpuTfVersion": "2.1"}}],
        [{config: {"tpuTfVersion": ""}}],
    )
    yield from image(
        f"{role}-tpu-tf-version-forbidden",
        [{config: {"tpuTfVersion": "2.1"}}],
        [
            {"scaleTier": "BASIC_TPU", config: {"tpuTfVersion": "2.1"}},
            {**tpu, config: {"tpuTfVersion": "2.1"}},
        ],
    )


ROLE_CASES = [
    *_of_role("master", "masterType", "masterConfig", None),
    *_of_role("worker", "workerType", "workerConfig", "workerCount"),
    *_of_role("ps", "parameterServerType", "parameterServerConfig", "parameterServerCount"),
    *_of_role("evaluator", "evaluatorType", "evaluatorConfig", "evaluatorCount"),
]
