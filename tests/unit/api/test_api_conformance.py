"""Models and CRDs have exactly the fields, types and words of the `ml` v1 discovery document."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from mljobs.api import crd
from mljobs.api.base import Model
from mljobs.api.inputs import PredictionInput, TrainingInput
from mljobs.api.outputs import PredictionOutput, TrainingOutput
from mljobs.api.resources import KINDS, PREDICTION_JOB, TRAINING_JOB, JobKind
from tests.unit.api import discovery

SCHEMAS = discovery.load()
PREFIX = "GoogleCloudMlV1__"


def properties(schemas: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = schemas[PREFIX + name]["properties"]
    return found


def test_every_schema_of_a_job_is_reached() -> None:
    assert {discovery.last_word(name) for name in discovery.reachable(SCHEMAS)} == {
        "AcceleratorConfig",
        "BuiltInAlgorithmOutput",
        "DiskConfig",
        "EncryptionConfig",
        "HyperparameterMetric",
        "HyperparameterOutput",
        "HyperparameterSpec",
        "Job",
        "ParameterSpec",
        "PredictionInput",
        "PredictionOutput",
        "ReplicaConfig",
        "Scheduling",
        "TrainingInput",
        "TrainingOutput",
    }


def test_models_conform() -> None:
    assert discovery.compare_models(SCHEMAS) == []


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_crds_conform(kind: JobKind) -> None:
    assert discovery.compare_crd(SCHEMAS, kind, crd.schema(kind)) == []


# --- the comparison sees every kind of difference: a copy of one side is changed, and the change is named

DROPPED = [
    ("Job", "jobPosition", TRAINING_JOB, "status.jobPosition"),
    ("TrainingInput", "useChiefInTfConfig", TRAINING_JOB, "spec.trainingInput.useChiefInTfConfig"),
    ("ReplicaConfig", "tpuTfVersion", TRAINING_JOB, "spec.trainingInput.workerConfig.tpuTfVersion"),
    ("AcceleratorConfig", "count", TRAINING_JOB, "spec.trainingInput.masterConfig.acceleratorConfig.count"),
    ("ParameterSpec", "minValue", TRAINING_JOB, "spec.trainingInput.hyperparameters.params[].minValue"),
    ("HyperparameterOutput", "trialId", TRAINING_JOB, "status.trainingOutput.trials[].trialId"),
    ("PredictionInput", "uri", PREDICTION_JOB, "spec.predictionInput.uri"),
    ("PredictionOutput", "errorCount", PREDICTION_JOB, "status.predictionOutput.errorCount"),
]


@pytest.mark.parametrize(("schema", "field", "kind", "path"), DROPPED, ids=lambda value: str(value)[:40])
def test_a_field_that_only_we_have_is_reported(schema: str, field: str, kind: JobKind, path: str) -> None:
    schemas = copy.deepcopy(SCHEMAS)
    del properties(schemas, schema)[field]
    problems = discovery.compare_crd(schemas, kind, crd.schema(kind))
    assert any(problem.startswith(f"{path}: the CRD has it") for problem in problems)
    if schema != "Job":
        assert f"{schema}.{field}: only in the model" in discovery.compare_models(schemas)


@pytest.mark.parametrize(("schema", "field", "kind", "path"), DROPPED, ids=lambda value: str(value)[:40])
def test_a_field_that_we_lack_is_reported(schema: str, field: str, kind: JobKind, path: str) -> None:
    root = crd.schema(kind)
    parent = dict(crd.walk(root))[path.rpartition(".")[0]]
    del parent["properties"][field]
    assert f"{path}: missing in the CRD" in discovery.compare_crd(SCHEMAS, kind, root)


def test_a_new_field_of_the_service_is_reported() -> None:
    schemas = copy.deepcopy(SCHEMAS)
    properties(schemas, "Job")["novelty"] = {"type": "string"}
    properties(schemas, "Scheduling")["novelty"] = {"type": "string"}
    problems = discovery.compare_crd(schemas, TRAINING_JOB, crd.schema(TRAINING_JOB))
    assert "novelty: Job has it, and the table of its places has not" in problems
    assert "spec.trainingInput.scheduling.novelty: missing in the CRD" in problems
    assert "Scheduling.novelty: missing in the model" in discovery.compare_models(schemas)


def test_a_new_schema_of_the_service_is_reported() -> None:
    schemas = copy.deepcopy(SCHEMAS)
    schemas[PREFIX + "Novelty"] = {"type": "object", "properties": {}}
    properties(schemas, "DiskConfig")["novelty"] = {"$ref": PREFIX + "Novelty"}
    assert f"{PREFIX}Novelty: no model" in discovery.compare_models(schemas)


CHANGED: list[tuple[str, str, dict[str, Any]]] = [
    ("TrainingInput", "workerCount", {"type": "integer", "format": "int32"}),
    ("TrainingInput", "args", {"type": "string"}),
    ("TrainingInput", "region", {"type": "array", "items": {"type": "string"}}),
    ("TrainingInput", "enableWebAccess", {"type": "string"}),
    ("TrainingInput", "scaleTier", {"type": "string", "enum": ["BASIC", "CUSTOM"]}),
    ("TrainingInput", "scaleTier", {"type": "string"}),
    ("TrainingInput", "masterType", {"type": "string", "enum": ["standard"]}),
    ("Scheduling", "priority", {"type": "string", "format": "int64"}),
    ("Scheduling", "maxWaitTime", {"type": "string"}),
    ("ParameterSpec", "discreteValues", {"type": "array", "items": {"type": "string"}}),
    ("ParameterSpec", "maxValue", {"type": "integer", "format": "int32"}),
    ("HyperparameterOutput", "endTime", {"type": "string"}),
    ("TrainingOutput", "webAccessUris", {"type": "object", "additionalProperties": {"type": "boolean"}}),
    ("ReplicaConfig", "diskConfig", {"type": "string"}),
]


@pytest.mark.parametrize(("schema", "field", "change"), CHANGED)
def test_another_type_or_other_words_are_reported(schema: str, field: str, change: dict[str, Any]) -> None:
    schemas = copy.deepcopy(SCHEMAS)
    properties(schemas, schema)[field] = change
    problems = discovery.compare_crd(schemas, TRAINING_JOB, crd.schema(TRAINING_JOB))
    assert any(f".{field}" in problem for problem in problems)


@pytest.mark.parametrize(
    ("schema", "field", "change"),
    [
        ("TrainingInput", "workerCount", {"type": "integer", "format": "int32"}),
        ("TrainingInput", "args", {"type": "string"}),
        ("TrainingInput", "enableWebAccess", {"type": "string"}),
        ("TrainingInput", "scaleTier", {"type": "string", "enum": ["BASIC", "NOVEL"]}),
        ("Scheduling", "maxWaitTime", {"type": "string"}),
        ("ReplicaConfig", "diskConfig", {"type": "string"}),
    ],
)
def test_a_model_that_reads_another_type_is_reported(schema: str, field: str, change: dict[str, Any]) -> None:
    schemas = copy.deepcopy(SCHEMAS)
    properties(schemas, schema)[field] = change
    assert any(problem.startswith(f"{schema}.{field}: ") for problem in discovery.compare_models(schemas))


# --- what the discovery document allows goes through the models unchanged


ROOTS: list[type[Model]] = [TrainingInput, PredictionInput, TrainingOutput, PredictionOutput]


@settings(max_examples=200)
@given(st.data())
def test_random_documents_come_back_equal(data: st.DataObject) -> None:
    model = data.draw(st.sampled_from(ROOTS))
    document = data.draw(discovery.documents(SCHEMAS, PREFIX + model.__name__))
    assert model.model_validate(document).document() == document


@pytest.mark.parametrize(
    ("model", "field", "word"),
    discovery.lacking_words(SCHEMAS, discovery.reachable(SCHEMAS), discovery.model_of),
)
def test_other_words_are_refused(model: type[BaseModel], field: str, word: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate({field: word})
    assert caught.value.errors()[0]["loc"] == (field,)
