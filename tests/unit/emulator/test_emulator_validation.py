"""What the service refuses, field by field, and odd inputs of real projects that it takes."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.schema import ml_v1
from mljobs_dev.emulator.validation import check_job, check_labels
from tests.corpus import CORPUS
from tests.unit.domain.rule_case import TRAINING, Case
from tests.unit.domain.rule_cases import CASES

Json = dict[str, Any]
CONFIGS = CORPUS / "training"
CUSTOM = {"scaleTier": "CUSTOM", "masterType": "n1-standard-4"}
IMAGE = {
    "packageUris": None,
    "pythonModule": None,
    "runtimeVersion": None,
    "pythonVersion": None,
    "masterConfig": {"imageUri": "gcr.io/p/trainer:1"},
}
ID = "A name should start with a letter and contain only letters, numbers and underscores."
RUNTIME = (
    "The specified runtime version '{}' with the Python version '{}' is not supported or is deprecated.  "
    "Please specify a different runtime version. "
    "See https://cloud.google.com/ml-engine/docs/runtime-version-list for a list of supported versions"
)


def tuning(param: Json, **spec: Any) -> Json:
    return {"hyperparameters": {"params": [{"parameterName": "x", **param}], **spec}}


def check(job: Json) -> None:
    check_job(ml_v1().message("GoogleCloudMlV1__Job").decode(job, "job"))


def violations(job: Json) -> list[tuple[str, str]]:
    with pytest.raises(ApiError) as caught:
        check(job)
    error = caught.value.as_json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    found = [(entry["field"], entry["description"]) for entry in error["details"][0]["fieldViolations"]]
    assert error["message"] == "\n".join(f"Field: {field} Error: {text}" for field, text in found)
    return found


@pytest.mark.parametrize("job_id", ["", "1a", "_a", "a-b", "a.b", "a b", "ä", "a" * 129, "a\n"])
def test_bad_ids(job_id: str, training: Callable[..., Json]) -> None:
    assert violations(training(job_id)) == [("job_id", ID)]


@pytest.mark.parametrize("job_id", ["a", "A_1", "a" * 128])
def test_good_ids(job_id: str, training: Callable[..., Json]) -> None:
    check(training(job_id))


DOCUMENTED = [
    (
        {"region": "mars-1"},
        "region",
        "The provided GCE region 'mars-1' is not available. "
        "Options are [asia-east1, europe-west1, europe-west4, us-central1, us-east1, us-west1].",
    ),
    ({"runtimeVersion": "1.9", "pythonVersion": "3.7"}, "runtime_version", RUNTIME.format("1.9", "3.7")),
    ({"runtimeVersion": "2.4", "pythonVersion": None}, "runtime_version", RUNTIME.format("2.4", "")),
    (
        {**IMAGE, "masterConfig": {"imageUri": "docker.io/p/x:1"}},
        "master_config.image_uri",
        "Failed to read the container uri [docker.io/p/x:1]. Please make sure that the image exists",
    ),
]


@pytest.mark.parametrize(("changes", "field", "text"), DOCUMENTED)
def test_documented_texts(changes: Json, field: str, text: str, training: Callable[..., Json]) -> None:
    assert violations(training(**changes)) == [(field, text)]


REFUSED = [
    ({"region": None}, "region"),
    ({"runtimeVersion": None}, "runtime_version"),
    ({"runtimeVersion": "1.15", "pythonVersion": "3.5"}, "runtime_version"),
    ({"runtimeVersion": "2.1", "pythonVersion": "2.7"}, "runtime_version"),
    ({"runtimeVersion": "2.0"}, "runtime_version"),
    ({"runtimeVersion": "1.16"}, "runtime_version"),
    ({"packageUris": None}, "package_uris"),
    ({"packageUris": [f"gs://b/{i}" for i in range(101)]}, "package_uris"),
    ({"pythonModule": None}, "python_module"),
    ({**IMAGE, "runtimeVersion": "2.1"}, "runtime_version"),
    ({**IMAGE, "pythonVersion": "3.7"}, "python_version"),
    ({"scaleTier": "CUSTOM"}, "master_type"),
    ({"workerCount": 1, "workerType": "n1-standard-4"}, "worker_count"),
    ({**CUSTOM, "workerCount": 1}, "worker_type"),
    ({**CUSTOM, "parameterServerCount": "2"}, "parameter_server_type"),
    ({**CUSTOM, "evaluatorCount": "2"}, "evaluator_type"),
    ({**CUSTOM, "workerCount": -1}, "worker_count"),
    ({**CUSTOM, "masterType": "huge"}, "master_type"),
    ({**CUSTOM, "workerType": "standard", "workerCount": 1}, "master_type"),
    ({**CUSTOM, "workerConfig": {"containerArgs": ["x"]}}, "worker_config.container_args"),
    (
        {**IMAGE, "args": ["a"], "workerConfig": {"containerCommand": ["x"]}},
        "worker_config.container_command",
    ),
    ({**CUSTOM, "masterConfig": {"tpuTfVersion": "2.1"}}, "master_config.tpu_tf_version"),
    (
        {"masterConfig": {"acceleratorConfig": {"type": "NVIDIA_TESLA_T4", "count": 1}}},
        "master_config.accelerator_config",
    ),
    (
        {**CUSTOM, "masterConfig": {"acceleratorConfig": {"type": "NVIDIA_TESLA_T4"}}},
        "master_config.accelerator_config.count",
    ),
    (
        {**CUSTOM, "masterConfig": {"acceleratorConfig": {"count": 1}}},
        "master_config.accelerator_config.type",
    ),
    (
        {**CUSTOM, "masterConfig": {"diskConfig": {"bootDiskType": "floppy"}}},
        "master_config.disk_config.boot_disk_type",
    ),
    ({"jobDir": "/data/out"}, "job_dir"),
    ({"network": "default"}, "network"),
    ({"encryptionConfig": {"kmsKeyName": "key"}}, "encryption_config.kms_key_name"),
    ({"scheduling": {"maxWaitTime": "60s"}}, "scheduling.max_wait_time"),
    ({"scheduling": {"maxRunningTime": "0s"}}, "scheduling.max_running_time"),
    ({"scheduling": {"priority": 1001}}, "scheduling.priority"),
    ({"hyperparameters": {}}, "hyperparameters.params"),
    ({"hyperparameters": {"resumePreviousJobId": "a", "maxTrials": -1}}, "hyperparameters.max_trials"),
    (tuning({"parameterName": ""} | {"type": "CATEGORICAL", "categoricalValues": ["a"]}), "parameter_name"),
    (tuning({}), "hyperparameters.params[0].type"),
    (tuning({"type": "DOUBLE", "minValue": 1}), "hyperparameters.params[0].min_value"),
    (tuning({"type": "INTEGER", "maxValue": -1}), "hyperparameters.params[0].min_value"),
    (tuning({"type": "INTEGER", "minValue": 0.5, "maxValue": 1}), "hyperparameters.params[0].min_value"),
    (tuning({"type": "DOUBLE", "minValue": 2, "maxValue": 1}), "hyperparameters.params[0].min_value"),
    (
        tuning({"type": "DOUBLE", "minValue": 0, "maxValue": 1, "scaleType": "UNIT_LOG_SCALE"}),
        "hyperparameters.params[0].min_value",
    ),
    (
        tuning({"type": "DOUBLE", "minValue": 0, "maxValue": 1}, algorithm="GRID_SEARCH"),
        "hyperparameters.params[0].type",
    ),
    (tuning({"type": "CATEGORICAL"}), "hyperparameters.params[0].categorical_values"),
    (
        tuning({"type": "CATEGORICAL", "categoricalValues": ["a"], "minValue": 1}),
        "hyperparameters.params[0].min_value",
    ),
    (
        tuning({"type": "CATEGORICAL", "categoricalValues": ["a"], "scaleType": "UNIT_LINEAR_SCALE"}),
        "hyperparameters.params[0].scale_type",
    ),
    (tuning({"type": "DISCRETE"}), "hyperparameters.params[0].discrete_values"),
    (tuning({"type": "DISCRETE", "discreteValues": [2, 1]}), "hyperparameters.params[0].discrete_values"),
    (
        tuning({"type": "DISCRETE", "discreteValues": list(range(1001))}),
        "hyperparameters.params[0].discrete_values",
    ),
]


@pytest.mark.parametrize(("changes", "field"), REFUSED, ids=lambda value: str(value)[:70])
def test_refused_training(changes: Json, field: str, training: Callable[..., Json]) -> None:
    found = violations(training(**changes))
    assert [path for path, _ in found if path.endswith(field)] == [path for path, _ in found]


ACCEPTED = [
    {"scaleTier": None},
    {"pythonVersion": None, "runtimeVersion": "1.2"},
    {"runtimeVersion": "1.13", "pythonVersion": "3.5"},
    {"runtimeVersion": "1.15", "pythonVersion": "2.7"},
    {**CUSTOM, "workerCount": "0"},
    {**CUSTOM, "workerType": "cloud_tpu", "workerCount": 1},
    {**CUSTOM, "masterType": "complex_model_m_gpu", "workerType": "standard_p100", "workerCount": 1},
    {**CUSTOM, "masterConfig": {"acceleratorConfig": {"count": "0"}}},
    {**CUSTOM, "masterConfig": {"acceleratorConfig": {"type": "NVIDIA_TESLA_T4", "count": 2}}},
    {**IMAGE, "workerConfig": {"containerArgs": ["x"]}},
    {"scheduling": {"maxWaitTime": "1800s", "maxRunningTime": "7200.5s", "priority": 1000}},
    {"network": "projects/12345/global/networks/n", "jobDir": "gs://bucket"},
    {"hyperparameters": {"resumePreviousJobId": "earlier"}},
    tuning({"type": "DOUBLE", "minValue": 0, "maxValue": 0}),
    tuning({"type": "INTEGER", "maxValue": 1}),
    tuning({"type": "DOUBLE", "minValue": -1}),
    tuning({"type": "CATEGORICAL", "categoricalValues": ["a"], "minValue": 0, "maxValue": 0}),
    tuning({"type": "DISCRETE", "discreteValues": [1, 2], "scaleType": "UNIT_LINEAR_SCALE"}),
    tuning({"type": "INTEGER", "minValue": 1, "maxValue": 9, "scaleType": "UNIT_LOG_SCALE"}),
]


@pytest.mark.parametrize("changes", ACCEPTED, ids=lambda value: str(value)[:70])
def test_accepted_training(changes: Json, training: Callable[..., Json]) -> None:
    check(training(**changes))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dataFormat": None}, "data_format"),
        ({"dataFormat": "CSV"}, "data_format"),
        ({"inputPaths": None}, "input_paths"),
        ({"inputPaths": ["a", "gs://b/c"]}, "input_paths[0]"),
        ({"outputPath": None}, "output_path"),
        ({"region": None}, "region"),
        ({"modelName": None}, "model_version"),
        ({"modelName": "m"}, "model_name"),
        ({"modelName": None, "versionName": "projects/p/models/m"}, "version_name"),
        ({"modelName": None, "uri": "/model"}, "uri"),
        ({"batchSize": -1}, "batch_size"),
    ],
)
def test_refused_prediction(changes: Json, field: str, prediction: Callable[..., Json]) -> None:
    assert [path for path, _ in violations(prediction(**changes))] == [field]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dataFormat": "TEXT", "outputDataFormat": "CSV"},
        {"modelName": None, "versionName": "projects/p/models/m/versions/v"},
        {"modelName": None, "uri": "gs://bucket/model"},
    ],
)
def test_accepted_prediction(changes: Json, prediction: Callable[..., Json]) -> None:
    check(prediction(**changes))


def test_a_job_needs_an_input() -> None:
    assert [path for path, _ in violations({"jobId": "a"})] == ["input"]


@pytest.mark.parametrize(
    ("labels", "problems"),
    [
        ({"team": "a", "a-b_c": "", "größe": "é"}, 0),
        ({f"k{i}": "v" for i in range(64)}, 0),
        ({f"k{i}": "v" for i in range(65)}, 1),
        ({"Team": "a"}, 1),
        ({"1a": "a"}, 1),
        ({"a": "B"}, 1),
        ({"a" * 64: "b" * 64}, 2),
        ({"a.b": "c"}, 1),
        ({"équipe": "données"}, 0),
        ({"команда": "名"}, 0),
        ({"É": "É"}, 2),
        ({"²": "²"}, 1),
    ],
)
def test_labels(labels: Json, problems: int, training: Callable[..., Json]) -> None:
    job = {**training(), "labels": labels}
    if problems:
        assert [path for path, _ in violations(job)] == ["labels"] * problems
    else:
        check(job)


LABELS = [case for case in CASES if case.rule in ("label-key", "label-value") and case.kind == TRAINING]


@pytest.mark.parametrize("case", LABELS, ids=str)
def test_labels_are_judged_as_the_rules_of_the_resource_judge_them(case: Case) -> None:
    """Also when a job gets them later."""
    found = check_labels(
        ml_v1().message("GoogleCloudMlV1__Job").decode({"labels": case.spec["labels"]})["labels"]
    )
    assert bool(found) is not case.holds


def test_all_problems_at_once(training: Callable[..., Json]) -> None:
    found = violations(training("1", region="x", scaleTier="CUSTOM"))
    assert [path for path, _ in found] == ["job_id", "region", "master_type"]


OWN = """
trainingInput:
  scaleTier: CUSTOM
  masterType: complex_model_m
  workerType: cloud_tpu
  workerCount: 1
  hyperparameters:
    maxTrials: 2
    params:
    - {parameterName: first-layer-size, type: INTEGER, minValue: 50, maxValue: 500}
"""
TEMPLATE = "trainingInput: {scaleTier: CUSTOM, masterType: standard, workerCount: '${WORKERS}'}"
REAL = {"own": OWN, "template": TEMPLATE} | {
    file.name: file.read_text() for file in sorted(CONFIGS.glob("*.yaml"))
}


@pytest.mark.parametrize("name", REAL)
def test_inputs_of_real_projects(name: str, training: Callable[..., Json]) -> None:
    """With what their users gave as flags, all are taken, but for templates that were not filled in."""
    given = yaml.safe_load(REAL[name])
    given = given.get("trainingInput", given.get("training_input", given))
    image = "masterConfig" in given or "master_config" in given
    old = {"pythonVersion": None, "runtimeVersion": "1.15"}
    flags = {"region": "us-central1"} if image else training()["trainingInput"] | old
    job = {"jobId": "a", "trainingInput": {**flags, **given}}
    if "${" in REAL[name]:
        with pytest.raises(ApiError, match=r"\$\{"):
            check(job)
    else:
        check(job)
