"""`spec.vertex` has exactly what a request of `aiplatform` v1 may hold, by its discovery document."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from mljobs.api import crd
from mljobs.api.base import Model
from mljobs.api.resources import KINDS, PREDICTION_JOB, TRAINING_JOB, JobKind
from tests.unit.api import discovery, vertex_discovery
from tests.unit.api.vertex_discovery import PREFIX

SCHEMAS = vertex_discovery.load()


def properties(schemas: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = schemas[PREFIX + name]["properties"]
    return found


def messages() -> list[str]:
    roots = (PREFIX + name for name in vertex_discovery.ROOTS)
    return list(dict.fromkeys(name for root in roots for name in discovery.reachable(SCHEMAS, root)))


def test_all_messages_are_reached() -> None:
    names = {name.removeprefix(PREFIX) for name in messages()}
    assert len(names) == 73
    assert {"WorkerPoolSpec", "StudySpecConvexAutomatedStoppingSpec", "ProbeHttpHeader"} <= names


def test_models_conform() -> None:
    assert vertex_discovery.compare_models(SCHEMAS) == []


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_crds_conform(kind: JobKind) -> None:
    assert vertex_discovery.compare_crd(SCHEMAS, kind, crd.schema(kind)) == []


@pytest.mark.parametrize(("message", "field"), vertex_discovery.ELSEWHERE)
def test_what_stands_elsewhere_is_in_the_document(message: str, field: str) -> None:
    assert field in discovery.load("aiplatform.v1")[PREFIX + message]["properties"]


# --- the comparison sees every kind of difference: a copy of one side is changed, and the change is named

CHANGED = [
    ("WorkerPoolSpec", "lustreMounts", TRAINING_JOB, "spec.vertex.jobSpec.workerPoolSpecs[].lustreMounts"),
    ("StudySpec", "metrics", TRAINING_JOB, "spec.vertex.studySpec.metrics"),
    (
        "StudySpecParameterSpecLeaf",
        "scaleType",
        TRAINING_JOB,
        "spec.vertex.studySpec.parameters[].conditionalParameterSpecs[].parameterSpec"
        ".conditionalParameterSpecs[].parameterSpec.scaleType",
    ),
    (
        "Probe",
        "grpc",
        PREDICTION_JOB,
        "spec.vertex.batchPredictionJob.unmanagedContainerModel.containerSpec.startupProbe.grpc",
    ),
    ("BatchPredictionJob", "model", PREDICTION_JOB, "spec.vertex.batchPredictionJob.model"),
]


@pytest.mark.parametrize(("message", "field", "kind", "path"), CHANGED, ids=lambda value: str(value)[:40])
def test_a_field_on_one_side_only_is_reported(message: str, field: str, kind: JobKind, path: str) -> None:
    schemas = copy.deepcopy(SCHEMAS)
    del properties(schemas, message)[field]
    problems = vertex_discovery.compare_crd(schemas, kind, crd.schema(kind))
    assert any(problem.startswith(f"{path}: ") for problem in problems)
    assert f"{PREFIX}{message}.{field}: only in the model" in vertex_discovery.compare_models(schemas)
    root = crd.schema(kind)
    del dict(crd.walk(root))[path.rpartition(".")[0]]["properties"][field]
    assert f"{path}: missing in the CRD" in vertex_discovery.compare_crd(SCHEMAS, kind, root)


def test_a_new_field_of_a_job_is_reported() -> None:
    schemas = copy.deepcopy(SCHEMAS)
    properties(schemas, "CustomJob")["novelty"] = {"type": "string"}
    problems = vertex_discovery.compare_crd(schemas, TRAINING_JOB, crd.schema(TRAINING_JOB))
    assert problems == ["CustomJob.novelty: the table of places has not got it"]


@pytest.mark.parametrize(
    ("message", "field", "change"),
    [
        ("WorkerPoolSpec", "replicaCount", {"type": "integer", "format": "int32"}),
        ("MachineSpec", "acceleratorType", {"type": "string", "enum": ["NOVEL"]}),
        ("Scheduling", "timeout", {"type": "integer", "format": "int32"}),
        ("ContainerSpec", "args", {"type": "string"}),
    ],
)
def test_another_type_or_other_words_are_reported(message: str, field: str, change: dict[str, Any]) -> None:
    schemas = copy.deepcopy(SCHEMAS)
    properties(schemas, message)[field] = change
    problems = vertex_discovery.compare_crd(schemas, TRAINING_JOB, crd.schema(TRAINING_JOB))
    assert any(f".{field}" in problem for problem in problems)
    assert any(f"{message}.{field}: " in problem for problem in vertex_discovery.compare_models(schemas))


# --- what the document allows goes through the models unchanged


@settings(max_examples=100)
@given(st.data())
def test_random_documents_come_back_equal(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(vertex_discovery.ROOTS))
    document = data.draw(discovery.documents(SCHEMAS, PREFIX + name))
    model = vertex_discovery.model_of(PREFIX + name)
    assert model is not None
    assert issubclass(model, Model)
    assert model.model_validate(document).document() == document


@pytest.mark.parametrize(
    ("model", "field", "word"), discovery.lacking_words(SCHEMAS, messages(), vertex_discovery.model_of)
)
def test_other_words_are_refused(model: type[BaseModel], field: str, word: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate({field: word})
    assert caught.value.errors()[0]["loc"] == (field,)


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, [object()]])
def test_what_is_no_json_is_refused(value: object) -> None:
    model = vertex_discovery.model_of(f"{PREFIX}BatchPredictionJob")
    assert model is not None
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"modelParameters": value})
    assert caught.value.errors()[0]["type"] == "any_json"
