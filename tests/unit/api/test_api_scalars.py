"""The scalar types: what each accepts, what it refuses, and what it becomes in JSON."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mljobs.api.base import INT64_MAX, Model
from mljobs.api.inputs import ParameterSpec, ReplicaConfig, Scheduling, TrainingInput
from mljobs.api.outputs import HyperparameterOutput
from mljobs.api.resources import TrainingJobSpec, TrainingJobStatus

ACCEPTED: list[tuple[type[Model], str, Any, Any]] = [
    (TrainingInput, "workerCount", 3, "3"),
    (TrainingInput, "workerCount", "3", "3"),
    (TrainingInput, "workerCount", 0, "0"),
    (TrainingInput, "workerCount", "-0", "0"),
    (TrainingInput, "workerCount", "007", "7"),
    (TrainingInput, "workerCount", INT64_MAX, str(INT64_MAX)),
    (TrainingInput, "workerCount", str(-INT64_MAX - 1), str(-INT64_MAX - 1)),
    (TrainingInput, "enableWebAccess", False, False),
    (TrainingInput, "args", [], []),
    (TrainingInput, "args", [""], [""]),
    (TrainingInput, "region", "", ""),
    (ParameterSpec, "minValue", 0, 0.0),
    (ParameterSpec, "minValue", -1.5, -1.5),
    (ParameterSpec, "discreteValues", [1, 2.5], [1.0, 2.5]),
    (Scheduling, "priority", 0, 0),
    (Scheduling, "maxWaitTime", "1800s", "1800s"),
    (Scheduling, "maxWaitTime", "0.000000001s", "0.000000001s"),
    (HyperparameterOutput, "endTime", "2019-07-01T11:31:55Z", "2019-07-01T11:31:55Z"),
    (HyperparameterOutput, "endTime", "2019-07-01t11:31:55.123+02:00", "2019-07-01t11:31:55.123+02:00"),
    (TrainingJobSpec, "labels", {"team": ""}, {"team": ""}),
]


@pytest.mark.parametrize(("model", "field", "value", "written"), ACCEPTED)
def test_accepted(model: type[Model], field: str, value: Any, written: Any) -> None:
    required: dict[str, Any] = {"trainingInput": {}} if model is TrainingJobSpec else {}
    document = model.model_validate({field: value, **required}).document()
    assert document[field] == written
    assert type(document[field]) is type(written)


REFUSED: list[tuple[type[Model], str, Any]] = [
    (TrainingInput, "workerCount", True),
    (TrainingInput, "workerCount", 1.0),
    (TrainingInput, "workerCount", ""),
    (TrainingInput, "workerCount", " 1"),
    (TrainingInput, "workerCount", "1\n"),
    (TrainingInput, "workerCount", "1_000"),
    (TrainingInput, "workerCount", "1.0"),
    (TrainingInput, "workerCount", "+1"),
    (TrainingInput, "workerCount", "٣"),
    (TrainingInput, "workerCount", "0x10"),
    (TrainingInput, "workerCount", INT64_MAX + 1),
    (TrainingInput, "workerCount", str(INT64_MAX + 1)),
    (TrainingInput, "workerCount", "9" * 5000),
    (TrainingInput, "workerCount", [1]),
    (TrainingInput, "enableWebAccess", "true"),
    (TrainingInput, "enableWebAccess", 1),
    (TrainingInput, "region", 1),
    (TrainingInput, "region", "x" * 129),
    (TrainingInput, "args", "--flag"),
    (TrainingInput, "args", {"a": "b"}),
    (TrainingInput, "args", ["a", 1]),
    (TrainingInput, "args", [""] * 1025),
    (TrainingInput, "args", ["x" * 32769]),
    (TrainingInput, "packageUris", ["gs://b/p"] * 101),
    (ParameterSpec, "minValue", "0"),
    (ParameterSpec, "minValue", True),
    (ParameterSpec, "minValue", float("inf")),
    (ParameterSpec, "minValue", float("nan")),
    (ParameterSpec, "discreteValues", [1.0] * 1001),
    (Scheduling, "priority", 2**31),
    (Scheduling, "priority", "1"),
    (Scheduling, "priority", 1.0),
    (Scheduling, "maxWaitTime", "1800"),
    (Scheduling, "maxWaitTime", "30m"),
    (Scheduling, "maxWaitTime", "-1s"),
    (Scheduling, "maxWaitTime", "1.s"),
    (Scheduling, "maxWaitTime", "1.0000000001s"),
    (Scheduling, "maxWaitTime", "1s\n"),
    (Scheduling, "maxWaitTime", 1800),
    (HyperparameterOutput, "endTime", "yesterday"),
    (HyperparameterOutput, "endTime", "2019-07-01 11:31:55Z"),
    (HyperparameterOutput, "endTime", "2019-07-01T11:31:55"),
    (ReplicaConfig, "diskConfig", []),
    (TrainingJobSpec, "labels", {"x" * 64: ""}),
    (TrainingJobSpec, "labels", {"x": "y" * 64}),
    (TrainingJobSpec, "labels", {f"l{number}": "" for number in range(65)}),
    (TrainingJobSpec, "deletionPolicy", "cancel"),
    (TrainingJobSpec, "suspend", "false"),
    (TrainingJobSpec, "jobId", "x" * 129),
    (TrainingJobStatus, "observedGeneration", "1"),
    (TrainingJobStatus, "observedGeneration", -2),
]


@pytest.mark.parametrize(("model", "field", "value"), REFUSED, ids=lambda value: str(value)[:40])
def test_refused(model: type[Model], field: str, value: Any) -> None:
    required: dict[str, Any] = {"trainingInput": {}} if model is TrainingJobSpec else {}
    with pytest.raises(ValidationError) as caught:
        model.model_validate({field: value, **required})
    assert all(error["loc"][0] == field for error in caught.value.errors())


@given(st.integers())
def test_int64_is_the_same_as_number_and_as_text(number: int) -> None:
    results = []
    for value in (number, str(number)):
        try:
            results.append(TrainingInput.model_validate({"workerCount": value}).worker_count)
        except ValidationError:
            results.append(None)
    fits = -(2**63) <= number < 2**63
    assert results == [number if fits else None] * 2
