"""Every field of the CRDs goes to a real API server, and comes back."""

from typing import Any

import pytest

from mljobs.api import crd
from mljobs.api.resources import KINDS, PREDICTION_JOB, TRAINING_JOB, JobKind
from tests.e2e.crds.support_crds import BINDINGS, OWN_STATUS, Json, Kubectl, both, resource
from tests.unit.api import discovery
from tests.vertex_documents import specs

REPLICA: Json = {
    "imageUri": "gcr.io/p/image:1",
    "acceleratorConfig": {"count": "1", "type": "NVIDIA_TESLA_T4"},
    "containerArgs": ["--a"],
    "containerCommand": ["run"],
    "diskConfig": {"bootDiskSizeGb": 200, "bootDiskType": "pd-ssd"},
}
TPU: Json = {"imageUri": "gcr.io/p/image:1", "tpuTfVersion": "2.11"}
MACHINE = "n1-standard-8"
COMMON: Json = {
    "region": "us-central1",
    "scaleTier": "CUSTOM",
    "masterType": MACHINE,
    "jobDir": "gs://bucket/job",
    "network": "projects/12345/global/networks/net",
    "serviceAccount": "runner@p.iam.gserviceaccount.com",
    "encryptionConfig": {"kmsKeyName": "projects/p/locations/l/keyRings/r/cryptoKeys/k"},
    "scheduling": {"maxRunningTime": "7200s", "maxWaitTime": "3600.5s", "priority": 10},
    "enableWebAccess": True,
    "useChiefInTfConfig": False,
}

SPEC: Json = {
    "projectId": "my-project",
    "jobClassName": "vertex",
    "jobId": "chosen",
    "labels": {"team": "a"},
    "iamBindings": BINDINGS,
    "deletionPolicy": "Orphan",
    "suspend": True,
    "managedBy": "example.com/another",
    "activeDeadlineSeconds": 86400,
    "startDeadlineSeconds": 3600,
    "backoffLimit": 3,
    "failurePolicy": {
        "rules": [
            {"onCauses": ["NoCapacity"], "action": "RetryIgnoringLimit"},
            {"onExitCodes": [42], "onMessagePatterns": ["NCCL (error|timeout)"], "action": "Fail"},
        ]
    },
    "placements": [
        {
            "region": "us-central1",
            "strategy": "STANDARD",
            "startDeadlineSeconds": 600,
            "machineType": "n1-standard-8",
            "acceleratorType": "NVIDIA_TESLA_T4",
            "acceleratorCount": 2,
        }
    ],
    "placementPolicy": {"onEvents": ["NoCapacity", "Preempted"], "rounds": 2},
    "ttlSecondsAfterFinished": 604800,
    "ttlSecondsByOutcome": {"succeeded": 3600, "failed": 7200, "cancelled": 60},
}

FULL: list[tuple[JobKind, str, Json, Json]] = [
    (
        TRAINING_JOB,
        "full-image",
        SPEC,
        {
            **COMMON,
            "runtimeVersion": None,
            "pythonVersion": None,
            "packageUris": None,
            "pythonModule": None,
            "masterConfig": REPLICA,
            "workerConfig": REPLICA,
            "workerType": MACHINE,
            "workerCount": "4",
            "parameterServerConfig": REPLICA,
            "parameterServerType": MACHINE,
            "parameterServerCount": "2",
            "evaluatorConfig": REPLICA,
            "evaluatorType": MACHINE,
            "evaluatorCount": "1",
        },
    ),
    (
        TRAINING_JOB,
        "full-packages",
        {},
        {
            "args": ["--epochs=3", ""],
            "hyperparameters": {
                "algorithm": "RANDOM_SEARCH",
                "enableTrialEarlyStopping": True,
                "goal": "MINIMIZE",
                "hyperparameterMetricTag": "loss",
                "maxFailedTrials": 2,
                "maxParallelTrials": 3,
                "maxTrials": 10,
                "resumePreviousJobId": "earlier",
                "params": [
                    {
                        "parameterName": "lr",
                        "type": "DOUBLE",
                        "minValue": 0.001,
                        "maxValue": 1,
                        "scaleType": "UNIT_LOG_SCALE",
                    },
                    {"parameterName": "op", "type": "CATEGORICAL", "categoricalValues": ["a", "b"]},
                    {"parameterName": "n", "type": "DISCRETE", "discreteValues": [1, 2.5]},
                ],
            },
        },
    ),
    (
        TRAINING_JOB,
        "full-tpu",
        {"placements": [{"strategy": "FLEX_START", "maxWaitDuration": "3600s"}]},
        {
            **COMMON,
            "runtimeVersion": None,
            "pythonVersion": None,
            "packageUris": None,
            "pythonModule": None,
            "masterConfig": {"imageUri": "gcr.io/p/image:1"},
            "workerConfig": TPU,
            "workerType": "cloud_tpu",
            "workerCount": 1,
        },
    ),
    (
        PREDICTION_JOB,
        "full",
        SPEC,
        {
            "batchSize": "32",
            "maxWorkerCount": 5,
            "outputDataFormat": "CSV",
            "runtimeVersion": "2.11",
            "signatureName": "serving_default",
        },
    ),
    (PREDICTION_JOB, "uri", {}, {"modelName": None, "uri": "gs://bucket/model", "runtimeVersion": "2.11"}),
    (PREDICTION_JOB, "version", {}, {"modelName": None, "versionName": "projects/p/models/m/versions/v"}),
]


@pytest.mark.parametrize(("kind", "name", "spec", "job_input"), FULL, ids=[row[1] for row in FULL])
def test_a_full_spec_comes_back_equal(
    kubectl: Kubectl, kind: JobKind, name: str, spec: Json, job_input: Json
) -> None:
    document = resource(kind, name, spec, **job_input)
    kubectl.apply(document)
    found = kubectl.get(kind, name)
    assert found["spec"] == {"suspend": False, **document["spec"]}
    parsed = kind.resource.model_validate({**found, "metadata": document["metadata"]})
    assert kind.spec.model_validate(parsed.document()["spec"]) == parsed.spec


VERTEX = [(kind, number, spec) for kind in KINDS.values() for number, spec in enumerate(specs(kind.name))]


@pytest.mark.parametrize(
    ("kind", "number", "spec"), VERTEX, ids=lambda value: getattr(value, "name", str(value))[:14]
)
def test_a_spec_in_the_words_of_vertex_comes_back_equal(
    kubectl: Kubectl, kind: JobKind, number: int, spec: Json
) -> None:
    name = f"vertex-{number}"
    kubectl.apply({**resource(kind, name), "spec": spec})
    assert kubectl.get(kind, name)["spec"] == {"suspend": False, **spec}


@both
def test_the_full_specs_have_every_field(kind: JobKind) -> None:
    sent: set[str] = set()
    for row_kind, name, spec, job_input in FULL:
        if row_kind == kind:
            sent |= paths(resource(kind, name, spec, **job_input)["spec"], "spec")
    fields = {path for path, _ in crd.walk(crd.schema(kind)) if path.startswith("spec")}
    roles = "masterConfig", "parameterServerConfig", "evaluatorConfig"
    fields = {path for path in fields if not path.startswith("spec.vertex")}  # which other specs have
    only_workers = {f"spec.trainingInput.{role}.tpuTfVersion" for role in roles}
    of_training = {"spec.placements[].maxWaitDuration"} if kind == PREDICTION_JOB else set()
    assert fields - sent - only_workers - of_training == set()


def paths(value: Any, path: str) -> set[str]:
    """Every path in a document, as `crd.walk` spells it."""
    if isinstance(value, dict):
        mark = f"{path}{{}}" if path == "spec.labels" else ""
        found = {path, mark or path}
        for key, child in value.items():
            found |= paths(child, mark or f"{path}.{key}")
        return found
    if isinstance(value, list):
        return {path}.union(*(paths(child, f"{path}[]") for child in value))
    return {path}


@both
def test_a_full_status_comes_back_equal(kubectl: Kubectl, kind: JobKind) -> None:
    schemas = discovery.load()
    status: Json = dict(OWN_STATUS)
    for field, node in schemas[discovery.JOB]["properties"].items():
        if f"status.{field}" in discovery.JOB_FIELDS[field] and not discovery.is_of_other_kind(field, kind):
            status[field] = discovery.samples(schemas, node)[-1]
    if kind == TRAINING_JOB:
        status["trainingOutput"]["bestTrial"] = status["trainingOutput"]["trials"][-1]
        status["trainingOutput"]["trialsTruncated"] = 9000
    name = "full-status"
    kubectl.apply(resource(kind, name))
    done = kubectl.patch(kind, name, {"status": status}, "--subresource=status")
    assert done.returncode == 0, done.stderr
    found = kubectl.get(kind, name)["status"]
    assert found == status
    assert kind.status.model_validate(found).document() == status
    assert set(found) == {field.alias for field in kind.status.model_fields.values()}
