"""What the emulator's Vertex AI refuses, and that what real users write is not among it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mljobs_dev.emulator.aiplatform.document import COLLECTIONS, aiplatform_v1, job_document
from mljobs_dev.emulator.aiplatform.machines import FIXED
from mljobs_dev.emulator.schema import discovery_document
from tests.corpus import CORPUS

Json = dict[str, Any]
Vertex = Any
Jobs = Any
EXTRACTS = Path(__file__).parents[1] / "cli" / "vertex_configs"
CONFIGS = CORPUS / "vertex" / "configs"
FILES = [path for folder in (EXTRACTS, CONFIGS) for path in sorted(folder.glob("*.yaml"))]
POOL = "job_spec.worker_pool_specs[0]"
TPU = {"kind": "TPU_V3", "count": 8}


def problems(vertex: Vertex, method: str, body: Json) -> dict[str, str]:
    """Fields and texts of a refusal, which its message lists in the same order."""
    error = vertex.refuse(f"{method}.create", body=body)
    violations = error.details[0]["fieldViolations"]
    listed = "".join(
        f"\t{number}.Field: {violation['field']}; Message: {violation['description']}"
        for number, violation in enumerate(violations, 1)
    )
    assert error.message == f"List of found errors:{listed}\t"
    assert (error.code, error.status) == (400, "INVALID_ARGUMENT")
    return {violation["field"]: violation["description"] for violation in violations}


def test_the_cut_document_is_the_library_s() -> None:
    whole, cut = discovery_document("aiplatform.v1.json"), job_document()
    assert all(whole["schemas"][name] == schema for name, schema in cut["schemas"].items())
    assert len(cut["schemas"]) < 100
    for schema in cut["schemas"]:
        aiplatform_v1().message(schema)
    assert set(COLLECTIONS.values()) <= set(cut["schemas"])


def container(**changes: Any) -> Json:
    return {"containerSpec": {"imageUri": "gcr.io/p/t:1", **changes}}


def package(**changes: Any) -> Json:
    spec = {
        "executorImageUri": "europe-docker.pkg.dev/vertex-ai/training/tf-cpu.2-17.py310:latest",
        "packageUris": ["gs://b/t.tar.gz"],
        "pythonModule": "trainer.task",
    }
    return {"pythonPackageSpec": {**spec, **changes}, "containerSpec": None}


MACHINES = [
    ("n1-standard-8", {"kind": "NVIDIA_TESLA_T4", "count": 1}, ""),
    ("n1-highmem-96", {"kind": "NVIDIA_TESLA_V100", "count": 8}, ""),
    *((name, {"kind": kind, "count": count}, "") for name, (kind, count) in FIXED.items()),
    ("e2-standard-4", {}, ""),
    ("c2-standard-60", {}, ""),
    ("cloud-tpu", TPU, ""),
    ("cloud-tpu", {"kind": "TPU_V2", "count": 32}, ""),
    ("ct5lp-hightpu-4t", {}, ""),
    ("n1-standard-8", {"kind": "NVIDIA_TESLA_T4"}, "accelerator_type"),
    ("n1-standard-8", {"count": 1}, "accelerator_type"),
    ("n1-standard-8", {"kind": "NVIDIA_L4", "count": 1}, "accelerator_type"),
    ("n1-standard-8", {"kind": "NVIDIA_TESLA_T4", "count": 8}, "accelerator_count"),
    ("n1-standard-16", {"kind": "NVIDIA_TESLA_V100", "count": 1}, "accelerator_count"),
    ("n1-standard-96", {"kind": "NVIDIA_TESLA_T4", "count": 2}, "accelerator_count"),
    ("n1-highcpu-8", {}, "machine_type"),
    ("e2-standard-4", {"kind": "NVIDIA_TESLA_T4", "count": 1}, "accelerator_type"),
    ("a2-highgpu-1g", {}, "accelerator_type"),
    ("a2-highgpu-2g", {"kind": "NVIDIA_TESLA_A100", "count": 1}, "accelerator_type"),
    ("g2-standard-4", {"kind": "NVIDIA_TESLA_T4", "count": 1}, "accelerator_type"),
    ("standard_gpu", {}, "machine_type"),
    ("cloud-tpu", {"kind": "TPU_V3", "count": 4}, "accelerator_count"),
    ("cloud-tpu", {}, "accelerator_type"),
    ("ct6e-standard-4t", {"kind": "TPU_V5_LITEPOD", "count": 4}, "accelerator_type"),
]


@pytest.mark.parametrize(("machine", "more", "field"), MACHINES)
def test_machines(vertex: Vertex, jobs: Jobs, machine: str, more: Json, field: str) -> None:
    body = jobs.custom("c", jobs.pool(machine, **more))
    if field:
        assert list(problems(vertex, "customJobs", body)) == [f"{POOL}.machine_spec.{field}"]
    else:
        vertex("customJobs.create", body=body)


def test_the_service_s_own_text_about_accelerators(vertex: Vertex, jobs: Jobs) -> None:
    body = jobs.custom("c", jobs.pool(kind="NVIDIA_TESLA_T4"))
    assert problems(vertex, "customJobs", body) == {
        f"{POOL}.machine_spec.accelerator_type": (
            "Both `accelerator_type` and `accelerator_count` should be specified or none."
        )
    }


def custom_cases() -> list[Any]:
    """A job's parts and the fields that are refused; none where it is taken."""
    return [
        ({"pools": [{}]}, [POOL]),
        ({"pools": []}, ["job_spec.worker_pool_specs"]),
        ({"pools": [{"replicas": 2}]}, [f"{POOL}.replica_count"]),
        (
            {"pools": [{"machine": "n1-standard-4"}, {"replicas": 0}]},
            ["job_spec.worker_pool_specs[1].replica_count"],
        ),
        ({"pools": [{"machine": "n1-standard-4"}] * 5}, ["job_spec.worker_pool_specs"]),
        ({"pools": [{"machine": ""}]}, [f"{POOL}.machine_spec.machine_type"]),
        ({"pools": [{"machine": "cloud-tpu", **TPU}, {}]}, []),
        (
            {"pools": [{"machine": "cloud-tpu", **TPU}, {"machine": "n1-standard-4"}]},
            ["job_spec.worker_pool_specs"],
        ),
        ({"pools": [{"containerSpec": None}]}, [f"{POOL}.task"]),
        ({"pools": [container(imageUri="")]}, [f"{POOL}.container_spec.image_uri"]),
        ({"pools": [package()]}, []),
        ({"pools": [package(packageUris=[])]}, [f"{POOL}.python_package_spec.package_uris"]),
        ({"pools": [package(pythonModule="")]}, [f"{POOL}.python_package_spec.python_module"]),
        ({"pools": [package(packageUris=["/t.tar.gz"])]}, [f"{POOL}.python_package_spec.package_uris[0]"]),
        ({"pools": [package(packageUris=["gs://b/t"] * 101)]}, [f"{POOL}.python_package_spec.package_uris"]),
        ({"pools": [container(env=[{"name": "A", "value": "1"}] * 2)]}, [f"{POOL}.container_spec.env"]),
        ({"pools": [container(env=[{"name": "1A", "value": "1"}])]}, [f"{POOL}.container_spec.env[0].name"]),
        ({"pools": [container(env=[{"name": "A", "value": ""}])]}, [f"{POOL}.container_spec.env[0].value"]),
        (
            {"pools": [container(env=[{"name": f"A{n}", "value": "1"} for n in range(101)])]},
            [f"{POOL}.container_spec.env"],
        ),
        ({"pools": [container(args=["x" * 60_000, "y" * 40_001])]}, ["job_spec.worker_pool_specs"]),
        ({"pools": [{"diskSpec": {"bootDiskType": "pd-balanced"}}]}, [f"{POOL}.disk_spec.boot_disk_type"]),
        ({"pools": [{"diskSpec": {"bootDiskSizeGb": 99}}]}, [f"{POOL}.disk_spec.boot_disk_size_gb"]),
        ({"pools": [{"diskSpec": {"bootDiskSizeGb": 64_001}}]}, [f"{POOL}.disk_spec.boot_disk_size_gb"]),
        (
            {"pools": [{"nfsMounts": [{"server": "10.0.0.2", "path": "v", "mountPoint": "/mnt/v"}]}]},
            [f"{POOL}.nfs_mounts[0].mount_point", f"{POOL}.nfs_mounts[0].path"],
        ),
        (
            {"pools": [{"nfsMounts": [{"path": "/v", "mountPoint": "/mnt/nfs/v"}]}]},
            [f"{POOL}.nfs_mounts[0].server"],
        ),
        ({"scheduling": {"timeout": "-1s"}}, ["job_spec.scheduling.timeout"]),
        ({"scheduling": {"strategy": "FLEX_START"}}, ["job_spec.scheduling.strategy"]),
        ({"scheduling": {"strategy": "SPOT"}, "persistentResourceId": "r"}, ["job_spec.scheduling.strategy"]),
        ({"scheduling": {"strategy": "SPOT"}}, []),
        ({"baseOutputDirectory": {}}, ["job_spec.base_output_directory.output_uri_prefix"]),
        (
            {"baseOutputDirectory": {"outputUriPrefix": "/out"}},
            ["job_spec.base_output_directory.output_uri_prefix"],
        ),
        ({"network": "default"}, ["job_spec.network"]),
        (
            {
                "pscInterfaceConfig": {
                    "dnsPeeringConfigs": [{"domain": "a", "targetProject": "p", "targetNetwork": "n"}]
                }
            },
            ["job_spec.psc_interface_config.dns_peering_configs[0].domain"],
        ),
    ]


@pytest.mark.parametrize(("parts", "fields"), custom_cases())
def test_custom_jobs(vertex: Vertex, jobs: Jobs, parts: Json, fields: list[str]) -> None:
    spec = dict(parts)
    given = spec.pop("pools", [{"machine": "n1-standard-4"}])
    pools = [{k: v for k, v in jobs.pool(**pool).items() if v is not None} if pool else {} for pool in given]
    body = jobs.custom("c", **spec)
    body["jobSpec"]["workerPoolSpecs"] = pools
    if fields:
        assert list(problems(vertex, "customJobs", body)) == fields
    else:
        vertex("customJobs.create", body=body)


FLEX = [
    ({}, {}, []),
    ({"timeout": "604801s"}, {}, ["job_spec.scheduling.timeout"]),
    ({}, {"machine": "g2-standard-8"}, ["job_spec.scheduling.strategy"]),
    (
        {},
        {"reservationAffinity": {"reservationAffinityType": "ANY_RESERVATION"}},
        ["job_spec.scheduling.strategy"],
    ),
]


@pytest.mark.parametrize(("scheduling", "second", "fields"), FLEX)
def test_flex_start(vertex: Vertex, jobs: Jobs, scheduling: Json, second: Json, fields: list[str]) -> None:
    first = jobs.pool("g2-standard-4", kind="NVIDIA_L4", count=1)
    other = jobs.pool(second.pop("machine", "g2-standard-4"), kind="NVIDIA_L4", count=1)
    for pool in (first, other):
        pool["machineSpec"] |= second
    body = jobs.custom("c", first, other, scheduling={"strategy": "FLEX_START", **scheduling})
    if fields:
        assert list(problems(vertex, "customJobs", body)) == fields
    else:
        vertex("customJobs.create", body=body)


@pytest.mark.parametrize(
    ("labels", "legal"),
    [
        ({"team": "a", "9": "", "größe": "ö-_9"}, True),
        ({"k" * 63: "v" * 63}, True),
        ({f"k{number}": "" for number in range(64)}, True),
        ({f"k{number}": "" for number in range(65)}, False),
        ({"Team": "a"}, False),
        ({"team": "A"}, False),
        ({"_team": "a"}, False),
        ({"": "a"}, False),
        ({"k" * 64: ""}, False),
        ({"k": "v" * 64}, False),
        ({"k": "語" * 43}, False),
        ({"a.b": ""}, False),
    ],
)
def test_labels(vertex: Vertex, jobs: Jobs, labels: dict[str, str], legal: bool) -> None:
    body = jobs.custom(labels=labels)
    if legal:
        assert vertex("customJobs.create", body=body)["labels"] == labels
    else:
        text = problems(vertex, "customJobs", body)["custom_job.labels"]
        assert text.startswith("There can be no more than 64 labels attached to a single resource.")


@pytest.mark.parametrize(
    ("method", "body", "fields"),
    [
        ("customJobs", {}, ["custom_job.display_name", "job_spec"]),
        (
            "customJobs",
            {"displayName": "x" * 129, "jobSpec": {}},
            ["custom_job.display_name", "job_spec.worker_pool_specs"],
        ),
        (
            "hyperparameterTuningJobs",
            {"displayName": "t"},
            ["max_trial_count", "parallel_trial_count", "study_spec", "trial_job_spec"],
        ),
        ("batchPredictionJobs", {"displayName": "b"}, ["input_config", "output_config"]),
        (
            "customJobs",
            {"displayName": "c", "jobSpec": {}, "encryptionSpec": {"kmsKeyName": "k"}},
            ["encryption_spec.kms_key_name", "job_spec.worker_pool_specs"],
        ),
    ],
)
def test_what_is_required(vertex: Vertex, method: str, body: Json, fields: list[str]) -> None:
    assert sorted(problems(vertex, method, body)) == sorted(fields)


def double(**changes: Any) -> Json:
    return {"parameterId": "lr", "doubleValueSpec": {"minValue": 0, "maxValue": 1}, **changes}


PARAMETER = "study_spec.parameters[0]"
STUDIES = [
    ({"parameters": [double()]}, []),
    ({"parameters": [double(), double()]}, ["study_spec.parameters[1].parameter_id"]),
    ({"parameters": [double(parameterId="l r")]}, [f"{PARAMETER}.parameter_id"]),
    ({"parameters": [{"parameterId": "lr"}]}, [f"{PARAMETER}.parameter_value_spec"]),
    ({"parameters": []}, ["study_spec.parameters"]),
    ({"metrics": []}, ["study_spec.metrics"]),
    ({"metrics": [{"metricId": "a", "goal": "MINIMIZE"}] * 2}, ["study_spec.metrics[1].metric_id"]),
    ({"metrics": [{"metricId": "a b", "goal": "MINIMIZE"}]}, ["study_spec.metrics[0].metric_id"]),
    (
        {"parameters": [double(doubleValueSpec={"minValue": 2, "maxValue": 1})]},
        [f"{PARAMETER}.double_value_spec.min_value"],
    ),
    (
        {"parameters": [double(doubleValueSpec={"minValue": 0, "maxValue": 1, "defaultValue": 0.5})]},
        [f"{PARAMETER}.double_value_spec.default_value"],
    ),
    ({"parameters": [double(scaleType="UNIT_LOG_SCALE")]}, [f"{PARAMETER}.double_value_spec.min_value"]),
    ({"parameters": [double()], "algorithm": "GRID_SEARCH"}, [f"{PARAMETER}.double_value_spec"]),
    (
        {"parameters": [{"parameterId": "n", "integerValueSpec": {"minValue": "9", "maxValue": "3"}}]},
        [f"{PARAMETER}.integer_value_spec.min_value"],
    ),
    (
        {"parameters": [{"parameterId": "n", "discreteValueSpec": {"values": [1, 1]}}]},
        [f"{PARAMETER}.discrete_value_spec.values"],
    ),
    (
        {"parameters": [{"parameterId": "n", "discreteValueSpec": {"values": list(range(1001))}}]},
        [f"{PARAMETER}.discrete_value_spec.values"],
    ),
    (
        {"parameters": [{"parameterId": "n", "categoricalValueSpec": {}}]},
        [f"{PARAMETER}.categorical_value_spec.values"],
    ),
    (
        {
            "parameters": [
                {
                    "parameterId": "n",
                    "categoricalValueSpec": {"values": ["a"]},
                    "scaleType": "UNIT_LINEAR_SCALE",
                }
            ]
        },
        [f"{PARAMETER}.scale_type"],
    ),
    (
        {
            "parameters": [
                {
                    "parameterId": "n",
                    "categoricalValueSpec": {"values": ["a"]},
                    "conditionalParameterSpecs": [
                        {"parentIntValues": {"values": ["1"]}, "parameterSpec": double()}
                    ],
                }
            ]
        },
        [f"{PARAMETER}.conditional_parameter_specs[0].parent_value_condition"],
    ),
    ({"parameters": [double()], "observationNoise": "LOW"}, ["study_spec.observation_noise"]),
]


@pytest.mark.parametrize(("changes", "fields"), STUDIES)
def test_studies(vertex: Vertex, jobs: Jobs, changes: Json, fields: list[str]) -> None:
    body = jobs.tuning()
    body["studySpec"] |= changes
    if fields:
        assert list(problems(vertex, "hyperparameterTuningJobs", body)) == fields
    else:
        vertex("hyperparameterTuningJobs.create", body=body)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"maxTrialCount": -1}, ["max_trial_count"]),
        ({"parallelTrialCount": -1}, ["parallel_trial_count"]),
        ({"maxFailedTrialCount": -1}, ["max_failed_trial_count"]),
        ({"trialJobSpec": {}}, ["trial_job_spec.worker_pool_specs"]),
    ],
)
def test_tuning_jobs(vertex: Vertex, jobs: Jobs, changes: Json, fields: list[str]) -> None:
    assert list(problems(vertex, "hyperparameterTuningJobs", jobs.tuning(**changes))) == fields


UNMANAGED = {"artifactUri": "gs://m/1", "containerSpec": {"imageUri": "gcr.io/p/serve:1"}}
BATCH = [
    ({}, []),
    ({"model": None}, ["model"]),
    ({"model": None, "unmanagedContainerModel": UNMANAGED}, []),
    (
        {"model": None, "unmanagedContainerModel": {"containerSpec": {}}},
        ["unmanaged_container_model.container_spec.image_uri"],
    ),
    ({"unmanagedContainerModel": UNMANAGED}, ["model"]),
    ({"model": "projects/p/locations/europe-west4/models/7"}, ["model"]),
    ({"model": "projects/p/models/census"}, ["model"]),
    ({"model": "publishers/google/models/gemini"}, []),
    ({"inputConfig": {"instancesFormat": "jsonl"}}, ["input_config.source"]),
    ({"outputConfig": {"predictionsFormat": "jsonl"}}, ["output_config.destination"]),
    (
        {"inputConfig": {"instancesFormat": "json", "gcsSource": {"uris": ["x"]}}},
        ["input_config.instances_format", "input_config.gcs_source.uris[0]"],
    ),
    (
        {"outputConfig": {"predictionsFormat": "text", "gcsDestination": {"outputUriPrefix": "x"}}},
        ["output_config.predictions_format", "output_config.gcs_destination.output_uri_prefix"],
    ),
    ({"instanceConfig": {"instanceType": "row"}}, ["instance_config.instance_type"]),
    (
        {"instanceConfig": {"includedFields": ["a"], "excludedFields": ["b"]}},
        ["instance_config.excluded_fields"],
    ),
    ({"dedicatedResources": {"machineSpec": {}}}, ["dedicated_resources.machine_spec.machine_type"]),
    (
        {"dedicatedResources": {"machineSpec": {"machineType": "n1-standard-2", "acceleratorCount": 1}}},
        ["dedicated_resources.machine_spec.accelerator_type"],
    ),
    (
        {"dedicatedResources": {"machineSpec": {"machineType": "n1-standard-2"}, "startingReplicaCount": 11}},
        ["dedicated_resources.starting_replica_count"],
    ),
]


@pytest.mark.parametrize(("changes", "fields"), BATCH)
def test_batch_prediction_jobs(vertex: Vertex, jobs: Jobs, changes: Json, fields: list[str]) -> None:
    body = jobs.batch(**changes)
    if fields:
        assert list(problems(vertex, "batchPredictionJobs", body)) == fields
    else:
        vertex("batchPredictionJobs.create", body=body)


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        ({"jobSpec": {"x": 1}}, "custom_job.job_spec", 'Unknown name "x" at'),
        ({"spec": {}}, "custom_job", 'Unknown name "spec" at'),
        (
            {"jobSpec": {"workerPoolSpecs": [{"replicaCount": "two"}]}},
            "custom_job.job_spec.worker_pool_specs[0].replica_count",
            "TYPE_INT64",
        ),
        (
            {"jobSpec": {"workerPoolSpecs": [{"machineSpec": {"acceleratorType": "nvidia-tesla-v100"}}]}},
            "custom_job.job_spec.worker_pool_specs[0].machine_spec.accelerator_type",
            "google.cloud.aiplatform.v1.MachineSpec.AcceleratorType",
        ),
        (
            {"jobSpec": {"workerPoolSpecs": [{"containerSpec": {}, "pythonPackageSpec": {}}]}},
            "custom_job.job_spec.worker_pool_specs[0].python_package_spec",
            "oneof field 'task' is already set",
        ),
    ],
)
def test_the_json_layer(vertex: Vertex, body: Json, path: str, words: str) -> None:
    error = vertex.refuse("customJobs.create", body=body)
    violation = error.details[0]["fieldViolations"][0]
    assert (error.code, violation["field"]) == (400, path)
    assert words in violation["description"]


PLACEHOLDERS = {
    "05-whole-customjob.yaml": "custom_job.job_spec",  # nested once too often
    "10-hp-python-package-base-output.yaml": "trial_job_spec.base_output_directory.output_uri_prefix",
    "11-two-pools-dashboard-webaccess.yaml": "job_spec.base_output_directory.output_uri_prefix",
    "12-persistent-resource-scalar-args.yaml": "job_spec.worker_pool_specs[0].machine_spec.machine_type",
    "13-shell-defaults-quoted-numbers.yaml": (
        "custom_job.job_spec.worker_pool_specs[0].machine_spec.accelerator_type"
    ),
    "14-invalid-accelerator-spelling.yaml": (
        "custom_job.job_spec.worker_pool_specs[0].machine_spec.accelerator_type"
    ),
}
"""Files of real users that the service cannot take as they are, and the first field that is wrong."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_real_files(vertex: Vertex, path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    if "studySpec" in config:
        counts = {"maxTrialCount": 1, "parallelTrialCount": 1}  # gcloud's own
        method, body = "hyperparameterTuningJobs", {"displayName": path.stem, **counts, **config}
    else:
        method, body = "customJobs", {"displayName": path.stem, "jobSpec": config}
    wrong = PLACEHOLDERS.get(path.name)
    if wrong:
        violations = vertex.refuse(f"{method}.create", body=body).details[0]["fieldViolations"]
        assert violations[0]["field"] == wrong
    else:
        assert vertex(f"{method}.create", body=body)["state"] == "JOB_STATE_PENDING"
