"""A refused field of a request is told as the field of the spec that it was made from."""

from typing import Any

import pytest

from mljobs.backends.vertex.spec_fields import refused, spec_field
from mljobs.domain.errors import Rejected, Violation
from mljobs.domain.port import Order, Scope

CONFIG = {
    "imageUri": "gcr.io/p/i",
    "containerCommand": ["x"],
    "containerArgs": ["y"],
    "acceleratorConfig": {"type": "NVIDIA_TESLA_T4", "count": "1"},
    "diskConfig": {"bootDiskSizeGb": 100},
}
TRAINING: dict[str, Any] = {
    "region": "us-central1",
    "scaleTier": "CUSTOM",
    "masterType": "n1-standard-8",
    "masterConfig": CONFIG,
    "workerType": "n1-standard-4",
    "workerCount": "2",
    "args": ["--x"],
    "jobDir": "gs://b/x",
    "network": "projects/1/global/networks/n",
    "serviceAccount": "a@p.iam.gserviceaccount.com",
    "scheduling": {"maxRunningTime": "60s"},
    "encryptionConfig": {"kmsKeyName": "k"},
    "hyperparameters": {
        "goal": "MAXIMIZE",
        "maxTrials": 2,
        "params": [{"parameterName": "lr", "type": "DOUBLE", "minValue": 0.1, "maxValue": 1}],
    },
}
PREDICTION = {
    "region": "us-central1",
    "dataFormat": "JSON",
    "inputPaths": ["gs://in"],
    "outputPath": "gs://o",
    "modelName": "m",
}
SPEC = {"jobId": "j", "labels": {"a": "b"}, "trainingInput": TRAINING}

POOL = "job_spec.worker_pool_specs[0]"
MASTER = "spec.trainingInput.masterConfig"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (f"{POOL}.machine_spec.accelerator_type", f"{MASTER}.acceleratorConfig"),
        (f"trial_{POOL}.machine_spec.accelerator_count", f"{MASTER}.acceleratorConfig"),
        (f"custom_job.{POOL}.machine_spec.machine_type", "spec.trainingInput.masterType"),
        (f"{POOL}.machine_spec", "spec.trainingInput.masterType"),
        (f"{POOL}.container_spec.image_uri", f"{MASTER}.imageUri"),
        (f"{POOL}.container_spec.command", f"{MASTER}.containerCommand"),
        (f"{POOL}.container_spec.args[0]", f"{MASTER}.containerArgs"),
        (f"{POOL}.disk_spec.boot_disk_size_gb", f"{MASTER}.diskConfig"),
        ("job_spec.worker_pool_specs[1].replica_count", "spec.trainingInput.workerCount"),
        ("job_spec.worker_pool_specs[1].container_spec.args", "spec.trainingInput.args"),
        ("job_spec.worker_pool_specs[1].machine_spec.accelerator_type", "spec.trainingInput.workerType"),
        ("job_spec.worker_pool_specs[2].disk_spec", "spec.trainingInput.scaleTier"),
        ("job_spec.base_output_directory.output_uri_prefix", "spec.trainingInput.jobDir"),
        ("job_spec.network", "spec.trainingInput.network"),
        ("job_spec.service_account", "spec.trainingInput.serviceAccount"),
        ("job_spec.scheduling.timeout", "spec.trainingInput.scheduling.maxRunningTime"),
        ("encryption_spec.kms_key_name", "spec.trainingInput.encryptionConfig"),
        (
            "study_spec.parameters[0].double_value_spec.min_value",
            "spec.trainingInput.hyperparameters.params[0].minValue",
        ),
        ("study_spec.parameters[0].condition", "spec.trainingInput.hyperparameters.params[0]"),
        ("study_spec.parameters[1]", "spec.trainingInput.hyperparameters.params"),
        ("study_spec.metrics[0].goal", "spec.trainingInput.hyperparameters.goal"),
        ("max_trial_count", "spec.trainingInput.hyperparameters.maxTrials"),
        ("parent", "spec.trainingInput.region"),
        ("display_name", "spec.jobId"),
        ("labels", "spec.labels"),
        ("something_new", ""),
        ("", ""),
        ("[", ""),
    ],
)
def test_a_field_of_a_request_is_one_of_the_spec(path: str, field: str) -> None:
    assert spec_field(path, SPEC) == field


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("input_config.instances_format", "spec.predictionInput.dataFormat"),
        ("input_config.gcs_source.uris[0]", "spec.predictionInput.inputPaths"),
        ("batch_prediction_job.output_config", "spec.predictionInput.outputPath"),
        ("model", "spec.predictionInput.modelName"),
        ("parent", "spec.predictionInput.region"),
        ("dedicated_resources.machine_spec", "spec.vertex.batchPredictionJob.dedicatedResources.machineSpec"),
    ],
)
def test_a_prediction_s_too(path: str, field: str) -> None:
    over = {"batchPredictionJob": {"dedicatedResources": {"machineSpec": {"machineType": "x"}}}}
    assert spec_field(path, {"predictionInput": PREDICTION, "vertex": over}) == field


def test_what_is_laid_over_wins() -> None:
    over = {"region": "us-east1", "jobSpec": {"workerPoolSpecs": [{"machineSpec": {"machineType": "x"}}]}}
    spec = {**SPEC, "vertex": over}
    told = spec_field(f"{POOL}.machine_spec.machine_type", spec)
    assert told == "spec.vertex.jobSpec.workerPoolSpecs[0].machineSpec.machineType"
    assert spec_field("parent", {"vertex": over}) == "spec.vertex.region"


def test_the_message_has_a_line_for_each_field() -> None:
    order = Order("TrainingJob", SPEC, Scope("projects/p/locations/l"), "j", {})
    found = (Violation("parent", "Wrong."), Violation("odd", "Odd."), Violation("", "Said of nothing."))
    told = refused(Rejected("List of found errors", status=400, violations=found), order)
    assert told.message.splitlines() == [
        "spec.trainingInput.region (parent): Wrong.",
        "odd: Odd.",
        "Said of nothing.",
    ]
    assert (told.status, told.violations) == (400, found)
    plain = Rejected("The bucket is elsewhere.", status=400)
    assert refused(plain, order) is plain
