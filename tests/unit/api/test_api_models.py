"""The models as a whole: names, unknown fields, canonical JSON, and the table of kinds."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from mljobs.api.base import Model, Observed
from mljobs.api.inputs import ScaleTier, TrainingInput
from mljobs.api.outputs import State, TrainingOutput
from mljobs.api.record import DeletionPolicy
from mljobs.api.resources import (
    GROUP,
    KINDS,
    TRIALS_LIMIT,
    VERSION,
    Condition,
    JobKind,
    PredictionJob,
    TrainingJob,
    TrainingJobOutput,
    TrainingJobSpec,
    TrainingJobStatus,
)

RESOURCE = {
    "apiVersion": "mljobs.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "census", "namespace": "team-a", "uid": "u", "generation": 2},
    "spec": {
        "projectId": "my-project",
        "labels": {"team": "a"},
        "deletionPolicy": "Orphan",
        "suspend": True,
        "trainingInput": {
            "scaleTier": "CUSTOM",
            "masterConfig": {"acceleratorConfig": {"count": "0", "type": "NVIDIA_TESLA_T4"}},
            "hyperparameters": {"params": [{"parameterName": "lr", "type": "DOUBLE", "minValue": 0.0}]},
        },
    },
    "status": {
        "observedGeneration": 2,
        "state": "RUNNING",
        "jobId": "census_1",
        "attempt": 1,
        "attempts": [{"attempt": 1, "jobId": "census_1"}],
        "jobPosition": "0",
        "trainingOutput": {"consumedMLUnits": 0.45, "bestTrial": {"trialId": "2"}, "trialsTruncated": 9000},
        "conditions": [
            {
                "type": "Succeeded",
                "status": "Unknown",
                "lastTransitionTime": "2019-07-01T11:31:55Z",
                "reason": "NotFinished",
                "message": "",
            }
        ],
    },
}


def test_a_whole_resource_comes_back_equal() -> None:
    assert TrainingJob.model_validate(RESOURCE).document() == RESOURCE


def test_attributes_are_snake_case_and_typed() -> None:
    job = TrainingJob.model_validate(RESOURCE)
    assert job.spec.training_input is not None
    assert job.spec.training_input.scale_tier is ScaleTier.CUSTOM
    assert job.spec.deletion_policy is DeletionPolicy.ORPHAN
    assert job.status is not None
    assert job.status.state is State.RUNNING
    assert job.status.job_position == 0
    assert job.status.training_output is not None
    assert job.status.training_output.consumed_ml_units == 0.45


def test_both_spellings_are_read() -> None:
    assert TrainingInput(worker_count=3) == TrainingInput.model_validate({"workerCount": "3"})
    assert TrainingOutput(consumed_ml_units=1.5).document() == {"consumedMLUnits": 1.5}


def test_defaults_are_written_and_absent_fields_are_not() -> None:
    spec = TrainingJobSpec.model_validate({"trainingInput": {}})
    assert spec.document() == {"suspend": False, "trainingInput": {}}


def test_null_is_the_same_as_absent() -> None:
    assert TrainingInput.model_validate({"args": None, "workerCount": None}).document() == {}


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (("trainingInput", "masterConfig", "accelerator"), {"masterConfig": {"accelerator": 1}}),
        (("trainingInput", "region_"), {"region_": "x"}),
        (
            ("trainingInput", "hyperparameters", "params", 0, "name"),
            {"hyperparameters": {"params": [{"name": "x"}]}},
        ),
    ],
)
def test_an_unknown_field_of_a_spec_is_named(path: tuple[str | int, ...], document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        TrainingJobSpec.model_validate({"trainingInput": document})
    (error,) = caught.value.errors()
    assert (error["type"], error["loc"]) == ("extra_forbidden", path)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        TrainingJobSpec.model_validate({"trainingInput": {"args": 1, "region": 2, "x": 3}, "jobId": 4})
    assert len(caught.value.errors()) == 4


def test_an_input_is_a_matter_of_the_rules() -> None:
    for kind in KINDS.values():
        assert kind.spec.model_validate({}).document() == {"suspend": False}


def test_unknown_fields_of_the_service_and_of_a_newer_operator_are_left_out() -> None:
    status = TrainingJobStatus.model_validate({"novelty": 1, "trainingOutput": {"trials": [{"novelty": 1}]}})
    assert status.document() == {"trainingOutput": {"trials": [{}]}}


def test_models_do_not_change() -> None:
    with pytest.raises(ValidationError):
        TrainingInput().region = "x"  # type: ignore[misc]


def test_another_kind_or_version_is_refused() -> None:
    for field, value in (("kind", "PredictionJob"), ("apiVersion", "mljobs.dev/v1")):
        with pytest.raises(ValidationError):
            TrainingJob.model_validate({**RESOURCE, field: value})
    with pytest.raises(ValidationError):
        PredictionJob.model_validate(RESOURCE)


def test_the_service_may_bring_more_trials_than_a_status_holds() -> None:
    trials = [{"trialId": str(number)} for number in range(TRIALS_LIMIT + 1)]
    assert len(TrainingOutput.model_validate({"trials": trials}).trials or ()) == TRIALS_LIMIT + 1
    with pytest.raises(ValidationError):
        TrainingJobOutput.model_validate({"trials": trials})


@pytest.mark.parametrize("missing", ["type", "status", "lastTransitionTime", "reason", "message"])
def test_a_condition_is_complete(missing: str) -> None:
    condition = {**RESOURCE["status"]["conditions"][0]}  # type: ignore[index]
    del condition[missing]
    with pytest.raises(ValidationError):
        Condition.model_validate(condition)


def every_model(root: type[BaseModel] = Model) -> Iterator[type[BaseModel]]:
    for model in root.__subclasses__():
        if model is not Observed and model.__module__.startswith("mljobs.api."):
            yield model
        yield from every_model(model)


@pytest.mark.parametrize("model", list(every_model()), ids=lambda model: model.__name__)
def test_every_field_is_described(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name
        assert field.description.rstrip().endswith((".", ")")), name


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_the_table_of_kinds_names_what_exists(kind: JobKind) -> None:
    assert kind.input_field in {field.alias for field in kind.spec.model_fields.values()}
    assert kind.output_field in {field.alias for field in kind.status.model_fields.values()}
    assert kind.resource.__name__ == kind.name
    assert kind.resource.model_fields["spec"].annotation is kind.spec
    assert kind.resource.model_fields["kind"].default == kind.name
    assert kind.resource.model_fields["api_version"].default == f"{GROUP}/{VERSION}"
    assert kind.crd_name == f"{kind.name.lower()}s.{GROUP}"
