"""All problems of a spec at once, each with field, value and rule, in words of our own."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mljobs.api.field_error import FieldErrorType
from mljobs.api.resources import PredictionJobSpec, TrainingJobSpec
from mljobs.domain.spec.problems import MISSING, Problem, Severity, shown, summary
from mljobs.domain.spec.validate import validate
from tests.strategies import kinds_and_specs
from tests.unit.domain.rule_case import DOUBLE, IMAGE, PACKAGES, PREDICT, merged

Json = dict[str, Any]


def texts(spec: Json, kind: str = "TrainingJob") -> list[str]:
    return [problem.text for problem in validate(kind, spec).problems]


def of_input(**fields: Any) -> list[str]:
    return texts({**PACKAGES, "trainingInput": {**PACKAGES["trainingInput"], **fields}})


TYPES: list[tuple[Json, str]] = [
    ({"runtimeVersion": 1.15}, "runtimeVersion: Invalid value: 1.15: must be a text; put it in quotes"),
    ({"region": 5}, "region: Invalid value: 5: must be a text; put it in quotes"),
    (
        {"workerCount": "many"},
        'workerCount: Invalid value: "many": must be a whole number or its decimal text',
    ),
    ({"workerCount": 1.5}, "workerCount: Invalid value: 1.5: must be a whole number or its decimal text"),
    (
        {"workerCount": "${WORKERS}"},
        'workerCount: Invalid value: "${WORKERS}": must be a whole number or its decimal text; '
        "it contains an unexpanded shell variable",
    ),
    ({"workerCount": 2**63}, f"workerCount: Invalid value: {2**63}: must be at most {2**63 - 1}"),
    ({"enableWebAccess": "true"}, 'enableWebAccess: Invalid value: "true": must be true or false'),
    (
        {"scaleTier": "custom"},
        'scaleTier: Invalid value: "custom": '
        "must be one of BASIC, STANDARD_1, PREMIUM_1, BASIC_GPU, BASIC_TPU, CUSTOM",
    ),
    ({"packageUris": "gs://b/o"}, 'packageUris: Invalid value: "gs://b/o": must be a list'),
    ({"masterConfig": "gcr.io/i"}, 'masterConfig: Invalid value: "gcr.io/i": must be an object'),
    ({"scheduling": {"priority": 1.5}}, "scheduling.priority: Invalid value: 1.5: must be a whole number"),
    ({"scheduling": {"priority": "1"}}, 'scheduling.priority: Invalid value: "1": must be a whole number'),
    ({"region": "x" * 129}, f'region: Invalid value: "{"x" * 62}…: must have at most 128 characters'),
    ({"wrokerCount": 3}, "wrokerCount: Forbidden: 3: there is no such field; did you mean workerCount?"),
    ({"worker_count": 3}, "worker_count: Forbidden: 3: there is no such field; did you mean workerCount?"),
    (
        {"hyperparameters": {"params": [{**DOUBLE, "minValue": "0.1"}]}},
        'hyperparameters.params[0].minValue: Invalid value: "0.1": must be a number',
    ),
    (
        {"hyperparameters": {"params": [{**DOUBLE, "minValue": float("nan")}]}},
        "hyperparameters.params[0].minValue: Invalid value: NaN: must be a finite number",
    ),
    ({"hyperparameters": {"params": [7]}}, "hyperparameters.params[0]: Invalid value: 7: must be an object"),
]


@pytest.mark.parametrize(("fields", "text"), TYPES, ids=lambda value: str(value)[:50])
def test_types_are_worded_for_people(fields: Json, text: str) -> None:
    assert of_input(**fields) == [f"spec.trainingInput.{text}"]


def test_what_must_not_be_empty() -> None:
    assert texts({**IMAGE, "iamBindings": [{"role": "", "members": []}]}) == [
        'spec.iamBindings[0].role: Invalid value: "": must not be empty',
        "spec.iamBindings[0].members: Invalid value: 0 items: must have at least 1 member(s)",
    ]


def test_label_of_another_type() -> None:
    assert texts({**PACKAGES, "labels": {"a": 1}}) == [
        "spec.labels[a]: Invalid value: 1: must be a text; put it in quotes"
    ]


def test_all_problems_are_reported_at_once() -> None:
    spec = {
        "jobId": "1",
        "deletionPolicy": "Keep",
        "trainingInput": {
            "scaleTier": "CUSTOM",
            "workerCount": 2,
            "jobDir": "/data",
            "scheduling": {"priority": "high", "maxWaitTime": "1s"},
            "hyperparameters": {"params": [{"type": "INTEGER", "minValue": 0.5}, {}]},
            "nonsense": 1,
        },
    }
    paths = {problem.path.removeprefix("spec.") for problem in validate("TrainingJob", spec).problems}
    assert paths == {
        "projectId",
        "jobId",
        "deletionPolicy",
        "trainingInput.masterType",
        "trainingInput.workerType",
        "trainingInput.region",
        "trainingInput.runtimeVersion",
        "trainingInput.packageUris",
        "trainingInput.pythonModule",
        "trainingInput.jobDir",
        "trainingInput.scheduling.priority",
        "trainingInput.scheduling.maxWaitTime",
        "trainingInput.hyperparameters.params[0].parameterName",
        "trainingInput.hyperparameters.params[0].minValue",
        "trainingInput.hyperparameters.params[0].maxValue",
        "trainingInput.hyperparameters.params[1].parameterName",
        "trainingInput.hyperparameters.params[1].type",
        "trainingInput.nonsense",
    }


def test_a_field_of_a_wrong_type_brings_no_problems_of_other_fields() -> None:
    tier = validate(
        "TrainingJob", merged(PACKAGES, {"trainingInput": {"scaleTier": "Custom", "workerCount": 1}})
    )
    assert {problem.path for problem in tier.problems} == {
        "spec.trainingInput.scaleTier",
        "spec.trainingInput.workerType",
    }
    config = validate(
        "TrainingJob", {**IMAGE, "trainingInput": {"region": "us-central1", "masterConfig": []}}
    )
    assert [problem.path for problem in config.problems] == ["spec.trainingInput.masterConfig"]


def test_one_problem_a_field_where_model_and_rule_see_the_same() -> None:
    spec = merged(PREDICT, {"predictionInput": {"accelerator": {"count": 1}}})
    (problem,) = validate("PredictionJob", spec).problems
    assert problem.id == "prediction-accelerator"
    (problem,) = validate("TrainingJob", {"projectId": "p"}).problems
    assert problem.id == "training-input-required"


def test_default_project() -> None:
    spec = merged(IMAGE, {"projectId": None})
    assert [problem.path for problem in validate("TrainingJob", spec).problems] == ["spec.projectId"]
    checked = validate("TrainingJob", spec, default_project="p")
    assert checked.problems == ()
    assert checked.spec is not None
    assert checked.spec.project_id is None
    for nothing in (None, ""):
        assert validate("TrainingJob", {**spec, "projectId": nothing}, default_project="p").problems == ()
    wrong = validate("TrainingJob", {**spec, "projectId": "A"}, default_project="p").problems
    assert [problem.id for problem in wrong] == ["project-id"]


def test_models() -> None:
    assert isinstance(validate("TrainingJob", IMAGE).spec, TrainingJobSpec)
    assert isinstance(validate("PredictionJob", PREDICT).spec, PredictionJobSpec)
    with pytest.raises(KeyError):
        validate("CronJob", IMAGE)


def test_warnings_do_not_refuse() -> None:
    old = {"pythonVersion": None, "runtimeVersion": "1.15", "region": "nowhere"}
    spec = merged(PACKAGES, {"trainingInput": old})
    checked = validate("TrainingJob", spec)
    assert checked.spec is not None
    assert {(warning.id, warning.severity) for warning in checked.warnings} == {
        ("python-version-missing", Severity.WARNING),
        ("region-form", Severity.WARNING),
    }


def test_command_lines_are_not_shown() -> None:
    secret = "--password=hunter2"
    spec = merged(
        IMAGE, {"trainingInput": {"args": [secret, 5], "masterConfig": {"containerArgs": [secret], "x": 1}}}
    )
    problems = validate("TrainingJob", spec).problems
    assert {problem.path for problem in problems} >= {"spec.trainingInput.args", "spec.trainingInput.args[1]"}
    assert not any("hunter2" in problem.text for problem in problems)
    assert shown("spec.trainingInput.args[0]", secret) == "(18 characters, not shown)"


SHOWN = [
    ("a", '"a"'),
    ("a\nb\x1b", '"a\\nb\\u001b"'),
    ("é", '"é"'),
    ("\x9b", '"\\u009b"'),
    ("\ud800", '"\\ud800"'),
    ("x" * 99, '"' + "x" * 62 + "…"),
    ([1, 2], "2 items"),
    ([], "0 items"),
    ({"a": 1}, "1 field"),
    (None, "null"),
    (0, "0"),
    (True, "true"),
    (object, "\"<class 'object'>\""),
]


@pytest.mark.parametrize(("value", "text"), SHOWN, ids=lambda value: str(value)[:30])
def test_values_are_shown_shortened_and_on_one_line(value: Any, text: str) -> None:
    assert shown("spec.a", value) == text


def test_problem_texts() -> None:
    required = Problem("spec.a", MISSING, "it is needed", error_type=FieldErrorType.REQUIRED)
    assert str(required) == "spec.a: Required value: it is needed"
    empty = Problem("spec.a", "", "it is needed", error_type=FieldErrorType.REQUIRED)
    assert empty.text == 'spec.a: Required value: "": it is needed'
    odd = Problem("spec.a", MISSING, "it is due", severity=Severity.WARNING)
    assert odd.text == "spec.a: Not set: it is due"
    assert (
        Problem("spec.labels[a\nb]", 1, "no").text
        == "spec.labels[a\N{REPLACEMENT CHARACTER}b]: Invalid value: 1: no"
    )


def test_summary_is_bounded() -> None:
    problems = [Problem(f"spec.f{index}", index, "no") for index in range(12)]
    lines = summary(problems, limit=10).split("\n")
    assert lines[:9] == [problem.text for problem in problems[:9]]
    assert lines[9:] == ["and 3 more: see `mljobs plan`"]
    assert summary(problems[:2]) == f"{problems[0]}\n{problems[1]}"


@given(kinds_and_specs())
@settings(max_examples=100, deadline=None)
def test_valid_specs_are_valid(made: tuple[str, Json]) -> None:
    kind, spec = made
    checked = validate(kind, spec, default_project="p")
    assert checked.problems == ()
    assert checked.spec is not None


@given(kinds_and_specs(), st.data())
@settings(max_examples=100, deadline=None)
def test_a_wrong_type_anywhere_is_found_there(made: tuple[str, Json], data: st.DataObject) -> None:
    kind, spec = made
    path = data.draw(st.sampled_from(list(_leaves(spec, ("spec",)))))
    wrong = object() if data.draw(st.booleans()) else (1, 2)
    problems = validate(kind, _with(spec, path[1:], wrong), default_project="p").problems
    found = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)[1:]
    if path[1] == "labels":
        found = f"spec.labels[{path[2]}]"
    assert found in {problem.path for problem in problems}


def _leaves(value: Any, path: tuple[Any, ...]) -> Any:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _leaves(item, (*path, key))
    else:
        yield path


def _with(value: Any, path: tuple[Any, ...], leaf: Any) -> Any:
    if not path:
        return leaf
    key, *rest = path
    made = dict(value) if isinstance(value, dict) else list(value)
    made[key] = _with(value[key], tuple(rest), leaf)
    return made
