"""The table of fields names every legacy field, and says of each what a real translation makes of it."""

import copy
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from mljobs.api.inputs import PredictionInput, TrainingInput
from mljobs.api.resources import PREDICTION_JOB, TRAINING_JOB
from mljobs.backends.vertex.facts import VertexFacts
from mljobs.backends.vertex.translate import translate
from mljobs.backends.vertex.translate.fields import FIELDS, Fate
from mljobs.domain.spec.problems import Severity
from tests.unit.backends.vertex.portable import TABLES

Spec = dict[str, Any]

IMAGE = "gcr.io/my-project/trainer:1"
PACKAGE: Spec = {
    "region": "us-central1",
    "scaleTier": "CUSTOM",
    "masterType": "n1-standard-8",
    "runtimeVersion": "2.11",
    "pythonVersion": "3.7",
    "packageUris": ["gs://b/p.tar.gz"],
    "pythonModule": "trainer.task",
}
PARAM = {"parameterName": "x", "type": "DOUBLE", "minValue": 0.5, "maxValue": 1.5}
ROLES = ("worker", "parameterServer", "evaluator")
CONTAINER: Spec = {
    "region": "us-central1",
    "scaleTier": "CUSTOM",
    "masterType": "n1-standard-8",
    "masterConfig": {"imageUri": IMAGE},
    **{f"{role}Type": "n1-standard-8" for role in ROLES},
    **{f"{role}Count": "2" for role in ROLES},
    "hyperparameters": {"params": [PARAM]},
}
PREDICTION: Spec = {
    "region": "us-central1",
    "dataFormat": "JSON",
    "inputPaths": ["gs://b/in/*"],
    "outputPath": "gs://b/out",
    "modelName": "projects/p/models/m",
}
MODELS = {
    "m": {
        "default": "projects/p/locations/us-central1/models/1",
        "v2": "projects/p/locations/us-central1/models/1@2",
    },
    "n": {"default": "projects/p/locations/us-central1/models/3"},
}

SAMPLES: dict[str, Any] = {
    "acceleratorConfig.count": "2",
    "acceleratorConfig.type": "NVIDIA_TESLA_V100",
    "containerArgs": ["--x"],
    "containerCommand": ["run"],
    "bootDiskSizeGb": 200,
    "bootDiskType": "pd-standard",
    "imageUri": "gcr.io/my-project/other:2",
    "tpuTfVersion": "2.1",
    "Type": "n1-highmem-16",
    "Count": "5",
    "args": ["--a"],
    "enableWebAccess": True,
    "kmsKeyName": "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k",
    "jobDir": "gs://b/job",
    "network": "projects/1/global/networks/n",
    "packageUris": ["gs://b/q.tar.gz"],
    "pythonModule": "other.task",
    "pythonVersion": "3.10",
    "trainingInput.runtimeVersion": "2.9",
    "region": "europe-west4",
    "scaleTier": "PREMIUM_1",
    "maxRunningTime": "3600s",
    "maxWaitTime": "7200s",
    "priority": 5,
    "serviceAccount": "train@p.iam.gserviceaccount.com",
    "useChiefInTfConfig": True,
    "algorithm": "RANDOM_SEARCH",
    "enableTrialEarlyStopping": True,
    "goal": "MINIMIZE",
    "hyperparameterMetricTag": "loss",
    "maxFailedTrials": 2,
    "maxParallelTrials": 3,
    "maxTrials": 9,
    "resumePreviousJobId": "earlier",
    "params[].categoricalValues": ["a", "b"],
    "params[].discreteValues": [1.0, 2.0],
    "params[].maxValue": 2.5,
    "params[].minValue": 0.25,
    "params[].parameterName": "y",
    "params[].scaleType": "UNIT_LOG_SCALE",
    "params[].type": "INTEGER",
    "batchSize": "32",
    "dataFormat": "TF_RECORD",
    "inputPaths": ["gs://b/other"],
    "maxWorkerCount": "3",
    "modelName": "projects/p/models/n",
    "outputDataFormat": "CSV",
    "outputPath": "gs://b/elsewhere",
    "predictionInput.runtimeVersion": "2.11",
    "signatureName": "other",
    "uri": "gs://b/model",
    "versionName": "projects/p/models/m/versions/v2",
}
"""Values by the end of a field's path, the longest end that fits."""


def legacy_fields(model: type[BaseModel], path: str) -> Iterator[str]:
    """The leaves of an input model: what a value can be written for."""
    for field in model.model_fields.values():
        inner = f"{path}.{field.alias}"
        below, repeated = _model_in(field.annotation)
        yield from legacy_fields(below, f"{inner}[]" if repeated else inner) if below else [inner]


def _model_in(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for part in get_args(annotation):
        found, repeated = _model_in(part)
        if found:
            return found, repeated or getattr(annotation, "__origin__", None) is tuple
    return None, False


ALL = {*legacy_fields(TrainingInput, "trainingInput"), *legacy_fields(PredictionInput, "predictionInput")}


def test_every_legacy_field_has_its_fate() -> None:
    assert set(FIELDS) == ALL
    assert len({path.split(".")[1].removesuffix("[]") for path in ALL if path.startswith("t")}) == 26
    assert len({path for path in ALL if path.startswith("p")}) == 12


def base_of(path: str) -> tuple[str, Spec]:
    """A spec in which the field can have its sample."""
    if path.startswith("predictionInput"):
        prediction = dict(PREDICTION)
        if path.endswith((".uri", ".runtimeVersion")):
            prediction["uri"] = "gs://b/first"
        if path.endswith((".uri", ".versionName", ".runtimeVersion")):
            del prediction["modelName"]
        return PREDICTION_JOB.name, {"predictionInput": prediction, "vertex": {"models": MODELS}}
    packaged = path.split(".")[1] in {"packageUris", "pythonModule", "pythonVersion", "runtimeVersion"}
    training = copy.deepcopy(PACKAGE if packaged else CONTAINER)
    if "acceleratorConfig" in path:
        role = path.split(".")[1]
        config = {"type": "NVIDIA_TESLA_T4", "count": "1"}
        training[role] = {**training.get(role, {}), "acceleratorConfig": config}
    kind = {"categoricalValues": "CATEGORICAL", "discreteValues": "DISCRETE"}.get(path.rpartition(".")[2])
    if kind:
        training["hyperparameters"]["params"] = [{"parameterName": "x", "type": kind}]
    return TRAINING_JOB.name, {"trainingInput": training}


def put(spec: Spec, path: str, value: Any) -> Spec:
    changed = copy.deepcopy(spec)
    node: Any = changed
    *parents, last = path.replace("[]", ".0").split(".")
    for key in parents:
        node = node[int(key)] if key.isdecimal() else node.setdefault(key, {})
    node[last] = value
    return changed


def sample(path: str) -> Any:
    fitting = [end for end in SAMPLES if path.endswith(end)]
    return SAMPLES[max(fitting, key=len)]


def at(body: Any, place: str) -> Any:
    """What stands at a place of a custom job; in a search it is in the job of each trial."""
    node = {"jobSpec": body.get("trialJobSpec"), **body}
    for key in place.replace("[]", "[0]").replace("]", "").replace("[", ".").split("."):
        node = node[int(key)] if key.isdecimal() else node.get(key, {})
    return None if node == {} and not place.endswith("StoppingSpec") else node


@pytest.mark.parametrize("path", sorted(FIELDS))
def test_a_field_becomes_what_the_table_says(path: str) -> None:
    field = FIELDS[path]
    kind, before = base_of(path)
    after = put(before, path, sample(path))
    made, other = translate(kind, after, TABLES), translate(kind, before, TABLES)
    place = f"spec.{path.replace('[]', '[0]')}"
    told = {(problem.id, problem.severity) for problem in made.problems if problem.path == place}
    if field.fate is Fate.TRANSLATED:
        facts = VertexFacts()
        assert (made.collection, made.body, facts.location(after)) != (
            other.collection,
            other.body,
            facts.location(before),
        )
        assert Severity.ERROR not in {severity for _, severity in told}
        assert " " in field.text or at(made.body, field.text) is not None
    else:
        assert (field.id, field.severity) in told
        assert (made.collection, made.body) == (other.collection, other.body)
        assert (field.severity is Severity.ERROR) is (field.fate is Fate.REFUSED)
