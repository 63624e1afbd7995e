"""Zeros that the service leaves out: what is read is the same with and without them, field by field.

The fields are those of the discovery document, and what leaves the zeros out is the emulator's writer, which
shares no code with the readers.
"""

import contextlib
import itertools
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mljobs.api.resources import KINDS
from mljobs.backends.mlv1.translate import to_job
from mljobs.domain.show.outputs import job_output
from mljobs.domain.spec.validate import validate
from mljobs.kubectl.importing import plan_import
from mljobs_dev.emulator.schema import ml_v1
from tests.strategies import kinds_and_specs
from tests.unit.api import discovery
from tests.unit.domain.rule_case import CATEGORICAL, DOUBLE, IMAGE, INTEGER, PACKAGES, PREDICT, merged

Json = dict[str, Any]

SCHEMAS = discovery.load()
MESSAGE = {
    kind.name: {
        field: SCHEMAS[discovery.JOB]["properties"][field]["$ref"]
        for field in (kind.input_field, kind.output_field)
    }
    for kind in KINDS.values()
}


def written(name: str, message: Json) -> Json:
    """A message as the service writes it."""
    return ml_v1().message(name).prune(message)


def zero(schema: Json) -> Any:
    """The default of a number or an enum; None for any other field."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") == "int64":
        return "0"
    return {"integer": 0, "number": 0.0}.get(schema["type"])


Path = tuple[str | int, ...]


def numbers(name: str, path: Path = ()) -> Iterator[tuple[str, Path, Any]]:
    """Each number and enum that a message can contain: schema and field, path, default."""
    for field, schema in SCHEMAS[name]["properties"].items():
        element, here = schema.get("items", schema), (*path, field)
        if "items" in schema:
            here = (*here, 0)
        if "$ref" in element:
            yield from numbers(element["$ref"], here)
        elif "additionalProperties" not in schema and "items" not in schema and zero(schema) is not None:
            yield f"{discovery.last_word(name)}.{field}", here, zero(schema)


# --- outputs, as a status shows them

OUTPUTS = [
    (kind.name, field, path, default)
    for kind in KINDS.values()
    for field, path, default in numbers(MESSAGE[kind.name][kind.output_field])
]
UNSAID = {
    "HyperparameterOutput.state": "its default, STATE_UNSPECIFIED, says that it is not known",
    "TrainingOutput.completedTrialCount": "only set for tuning jobs, says its description",
}
"""Fields that are absent from a status where the service leaves them out, with the reason."""


def around(path: Path) -> Json:
    """The messages on the way to a field, empty."""
    made: Any = {}
    for key in reversed(path[:-1]):
        made = [made] if isinstance(key, int) else {key: made}
    assert isinstance(made, dict)
    return made


def at(node: Any, path: Path) -> Any:
    for key in path[:-1]:
        node = node[key]
    return node.get(path[-1])


@pytest.mark.parametrize(("kind", "field", "path", "default"), OUTPUTS, ids=lambda value: str(value)[:40])
def test_a_number_of_an_output_that_is_absent_is_zero(
    kind: str, field: str, path: Path, default: Any
) -> None:
    output = job_output(kind, around(path), "")
    assert at(output, path) == (None if field in UNSAID else default)


def test_every_exception_is_a_field() -> None:
    assert set(UNSAID) <= {field for _, field, _, _ in OUTPUTS}


def test_a_tuning_job_without_a_complete_trial_says_so() -> None:
    output = job_output("TrainingJob", {"isHyperparameterTuningJob": True}, "")
    assert output == {
        "isHyperparameterTuningJob": True,
        "completedTrialCount": "0",
        "consumedMLUnits": 0.0,
    }


def test_what_is_not_there_as_a_whole_stays_away() -> None:
    """A trial without a metric has none, and that is not a metric of zero."""
    assert job_output("TrainingJob", {"trials": [{"trialId": "1"}]}, "")["trials"] == [{"trialId": "1"}]


@st.composite
def answers(draw: st.DrawFn) -> tuple[str, Json]:
    """A kind, and an output of it in which zeros stand."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    name = MESSAGE[kind][KINDS[kind].output_field]
    output: Json = draw(discovery.documents(SCHEMAS, name))
    zeroed = draw(st.lists(st.sampled_from([path for _, path, _ in numbers(name)]), max_size=6))
    for path in zeroed:
        _put(output, path, next(default for _, at_, default in numbers(name) if at_ == path))
    return kind, output


def _put(node: Any, path: Path, value: Any) -> None:
    """Put a value at a path, if all on the way is there."""
    with contextlib.suppress(LookupError):
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value


def telling(value: Any) -> Any:
    """What of JSON is told apart in proto3: without false, empty texts and lists, and unspecified words."""
    if isinstance(value, dict):
        inner = {key: telling(item) for key, item in value.items()}
        return {
            key: item
            for key, item in inner.items()
            if item not in ("", [], {}, "STATE_UNSPECIFIED") and item is not False
        }
    return [telling(item) for item in value] if isinstance(value, list) else value


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a machine that is busy
@given(answers(), st.sampled_from(["MAXIMIZE", "MINIMIZE", "GOAL_TYPE_UNSPECIFIED", "None"]))
def test_a_status_is_the_same_with_and_without_zeros(answer: tuple[str, Json], goal: str) -> None:
    kind, output = answer
    less = written(MESSAGE[kind][KINDS[kind].output_field], output)
    assert telling(job_output(kind, less, goal)) == telling(job_output(kind, output, goal))


@pytest.mark.parametrize(
    ("goal", "best", "order"),
    [("MINIMIZE", "2", ["2", "4", "1", "3", "5"]), ("MAXIMIZE", "1", ["1", "2", "4", "3", "5"])],
)
def test_a_metric_of_zero_is_a_metric(goal: str, best: str, order: list[str]) -> None:
    trials = [
        {"trialId": "1", "finalMetric": {"trainingStep": "9", "objectiveValue": 0.25}},
        {"trialId": "2", "finalMetric": {"trainingStep": "9"}},
        {"trialId": "3", "finalMetric": {"trainingStep": "9", "objectiveValue": "NaN"}},
        {"trialId": "4", "finalMetric": {}},
        {"trialId": "5", "state": "FAILED"},
    ]
    output = job_output("TrainingJob", {"trials": trials}, goal)
    assert [trial["trialId"] for trial in output["trials"]] == order
    assert output["bestTrial"]["trialId"] == best
    shown = {trial["trialId"]: trial.get("finalMetric") for trial in output["trials"]}
    assert shown == {
        "1": {"trainingStep": "9", "objectiveValue": 0.25},
        "2": {"trainingStep": "9", "objectiveValue": 0.0},
        "3": {"trainingStep": "9"},
        "4": {"trainingStep": "0", "objectiveValue": 0.0},
        "5": None,
    }


# --- inputs, as `import` makes specs of them


def imported(kind: str, job_input: Json) -> tuple[Json | None, str]:
    """The spec that is made of a job, or why there is none."""
    plan = plan_import([{"jobId": "census", KINDS[kind].input_field: job_input}], "p", [])
    return (plan.manifests[0]["spec"] if plan.manifests else None), "\n".join(plan.refused)


def expect_import(kind: str, spec: Json) -> None:
    """A job of this spec is imported as it was, whatever zeros the service leaves out."""
    field = KINDS[kind].input_field
    model = validate(kind, spec, default_project="p").spec
    assert model is not None
    name = MESSAGE[kind][field]
    sent = to_job(kind, model.document(), job_id="census", labels={})[field]
    made, refused = imported(kind, written(name, sent))
    assert made is not None, refused
    again = validate(kind, made, default_project="p").spec
    assert again is not None
    assert written(name, to_job(kind, again.document(), job_id="census", labels={})[field]) == written(
        name, sent
    )


INPUTS = [
    (kind.name, field, path, default)
    for kind in KINDS.values()
    for field, path, default in numbers(MESSAGE[kind.name][kind.input_field])
]
FULL: dict[str, list[Json]] = {
    "TrainingJob": [
        merged(PACKAGES, {"trainingInput": {"hyperparameters": {"params": [param]}, **machines}})
        for machines in (
            {"scaleTier": "BASIC"},
            {"scaleTier": "CUSTOM", "masterType": "n1-standard-4"},
        )
        for param in (
            merged(DOUBLE, {"minValue": -1.0}),
            merged(DOUBLE, {"maxValue": -1.0, "minValue": -2.0}),
            merged(INTEGER, {"minValue": -3}),
            CATEGORICAL,
        )
    ]
    + [IMAGE],
    "PredictionJob": [PREDICT],
}
"""Specs in which, between them, every number and enum of the inputs that may be zero can be."""


@pytest.mark.parametrize(("kind", "field", "path", "default"), INPUTS, ids=lambda value: str(value)[:40])
def test_a_job_with_a_zero_in_any_field_is_imported(kind: str, field: str, path: Path, default: Any) -> None:
    whole = (KINDS[kind].input_field, *path)
    valid = 0
    for spec in FULL[kind]:
        changed = deepcopy(spec)
        _fill(changed, whole, default)
        if validate(kind, changed, default_project="p").spec is not None:
            expect_import(kind, changed)
            valid += 1
    assert valid or field in REQUIRED, f"{field}: no spec has a zero there"


REQUIRED = {"ParameterSpec.type", "PredictionInput.dataFormat"}
"""Enums whose default no valid job has."""


def _fill(node: Any, path: Path, value: Any) -> None:
    """Put a value at a path, and empty messages on the way."""
    for key, following in itertools.pairwise(path):
        if isinstance(node, dict):
            node = node.setdefault(key, [] if isinstance(following, int) else {})
        else:
            if key == len(node):
                node.append({})
            node = node[key]
    node[path[-1]] = value


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kinds_and_specs())
def test_any_job_is_imported_whatever_zeros_are_left_out(drawn: tuple[str, Json]) -> None:
    expect_import(*drawn)


@pytest.mark.parametrize(
    ("param", "read"),
    [
        ({"maxValue": 1.0}, {"minValue": 0.0, "maxValue": 1.0}),
        ({"minValue": -1.0}, {"minValue": -1.0, "maxValue": 0.0}),
        ({}, {"minValue": 0.0, "maxValue": 0.0}),
        ({"minValue": None, "maxValue": 1.0}, {"minValue": 0.0, "maxValue": 1.0}),
    ],
)
def test_a_bound_of_zero_comes_back(param: Json, read: Json) -> None:
    named = {"parameterName": "rate", "type": "DOUBLE"}
    hyperparameters = {"params": [CATEGORICAL, {**named, **param}]}
    spec, refused = imported("TrainingJob", {**IMAGE["trainingInput"], "hyperparameters": hyperparameters})
    assert spec is not None, refused
    assert spec["trainingInput"]["hyperparameters"]["params"] == [CATEGORICAL, {**named, **read}]


def test_zeros_do_not_hide_what_is_wrong() -> None:
    """A logarithmic scale has no range that begins at zero, be it written or not."""
    params = [{"parameterName": "a", "type": "DOUBLE", "maxValue": 1.0, "scaleType": "UNIT_LOG_SCALE"}]
    _, refused = imported("TrainingJob", {**IMAGE["trainingInput"], "hyperparameters": {"params": params}})
    assert "params[0].minValue: Invalid value: 0.0: a logarithmic scale" in refused
    _, refused = imported("PredictionJob", {**PREDICT["predictionInput"], "dataFormat": None})
    assert "dataFormat: Required value" in refused
