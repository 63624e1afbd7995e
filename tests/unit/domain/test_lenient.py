"""Every spelling that real clients use ends up as the one that the API has."""

import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mljobs.api.crd import structural
from mljobs.api.field_error import FieldErrorType
from mljobs.api.resources import API_VERSION, KINDS
from mljobs.domain.spec.lenient import canonical, read
from mljobs.domain.spec.problems import MISSING, Severity
from mljobs.domain.spec.validate import validate
from tests.strategies import kinds_and_specs
from tests.unit.domain.metadata_cases import REFUSED_METADATA, TAKEN_METADATA

Json = dict[str, Any]


def training(**fields: Any) -> Json:
    """Read a training input's fields and give them back, without any problem."""
    made, problems = canonical("TrainingJob", {"trainingInput": fields})
    assert problems == ()
    found: Json = made["trainingInput"]
    return found


VALUES = [
    ({"scale_tier": "custom"}, {"scaleTier": "CUSTOM"}),
    ({"scaleTier": "basic-gpu"}, {"scaleTier": "BASIC_GPU"}),
    ({"ScaleTier": "Standard_1"}, {"scaleTier": "STANDARD_1"}),
    ({"worker_count": 3}, {"workerCount": "3"}),
    ({"workerCount": "3"}, {"workerCount": "3"}),
    ({"workerCount": 3.0}, {"workerCount": "3"}),
    ({"workerCount": "3.0"}, {"workerCount": "3"}),
    ({"workerCount": 9007199254740993}, {"workerCount": "9007199254740993"}),
    ({"workerCount": "9007199254740993"}, {"workerCount": "9007199254740993"}),
    ({"workerCount": 0}, {"workerCount": "0"}),
    ({"workerCount": None}, {}),
    ({"workerCount": 2.5}, {"workerCount": 2.5}),
    ({"workerCount": "${WORKERS}"}, {"workerCount": "${WORKERS}"}),
    ({"workerCount": True}, {"workerCount": True}),
    ({"enable_web_access": "true"}, {"enableWebAccess": True}),
    ({"enableWebAccess": "False"}, {"enableWebAccess": False}),
    ({"enableWebAccess": "yes"}, {"enableWebAccess": "yes"}),
    ({"enableWebAccess": 1}, {"enableWebAccess": 1}),
    ({"scheduling": {"priority": "7"}}, {"scheduling": {"priority": 7}}),
    ({"scheduling": {"max_wait_time": "1800s"}}, {"scheduling": {"maxWaitTime": "1800s"}}),
    ({"scheduling": {"priority": None}}, {"scheduling": {}}),
    (
        {"master_config": {"diskConfig": {"boot_disk_size_gb": "50"}}},
        {"masterConfig": {"diskConfig": {"bootDiskSizeGb": 50}}},
    ),
    ({"useChiefInTfConfig": True}, {"useChiefInTfConfig": True}),
    ({"use_chief_in_tf_config": "TRUE"}, {"useChiefInTfConfig": True}),
    ({"runtimeVersion": 1.15}, {"runtimeVersion": 1.15}),
    ({"args": ["--a", 1]}, {"args": ["--a", 1]}),
    ({"scaleTier": "HUGE"}, {"scaleTier": "HUGE"}),
    ({"scaleTier": 5}, {"scaleTier": 5}),
    ({"region": "Us_Central1"}, {"region": "Us_Central1"}),
    ({"hyperparameters": {"params": None}}, {"hyperparameters": {}}),
    ({"hyperparameters": "none"}, {"hyperparameters": "none"}),
    ({"package_uris": "gs://a/b"}, {"packageUris": ["gs://a/b"]}),
    ({"workerCount": 9007199254740992.0}, {"workerCount": 9007199254740992.0}),
    ({"workerCount": 9007199254740991.0}, {"workerCount": "9007199254740991"}),
]


@pytest.mark.parametrize(("given_fields", "expected"), VALUES, ids=lambda fields: str(fields)[:50])
def test_values(given_fields: Json, expected: Json) -> None:
    assert training(**given_fields) == expected
    assert training(**expected) == expected


PARAMETERS = [
    (
        {"parameter_name": "a", "type": "double", "min_value": "0.5"},
        {"parameterName": "a", "type": "DOUBLE", "minValue": 0.5},
    ),
    ({"minValue": "1e-5", "maxValue": "-.5"}, {"minValue": 1e-5, "maxValue": -0.5}),
    ({"minValue": 0, "maxValue": "0"}, {"minValue": 0, "maxValue": 0.0}),
    (
        {"minValue": "9007199254740992", "maxValue": "9007199254740993"},
        {"minValue": 2.0**53, "maxValue": 2**53 + 1},
    ),
    ({"minValue": "NaN", "maxValue": "inf"}, {"minValue": "NaN", "maxValue": "inf"}),
    ({"discrete_values": ["1", 2, "2.5"]}, {"discreteValues": [1.0, 2, 2.5]}),
    ({"discreteValues": None, "scale_type": "unit_log_scale"}, {"scaleType": "UNIT_LOG_SCALE"}),
    ({"categoricalValues": ["a_b", "A-B"]}, {"categoricalValues": ["a_b", "A-B"]}),
]


@pytest.mark.parametrize(("given_fields", "expected"), PARAMETERS, ids=lambda fields: str(fields)[:50])
def test_parameters(given_fields: Json, expected: Json) -> None:
    made = training(hyperparameters={"params": [given_fields]})
    assert made == {"hyperparameters": {"params": [expected]}}


def test_labels_are_the_users_own_words() -> None:
    made, problems = canonical("TrainingJob", {"labels": {"my_key": "A_b", "my-key": "c"}})
    assert problems == ()
    assert made == {"labels": {"my_key": "A_b", "my-key": "c"}}


def test_own_words_of_the_resource() -> None:
    made, _ = canonical("PredictionJob", {"project_id": "p", "deletion_policy": "orphan", "suspend": "true"})
    assert made == {"projectId": "p", "deletionPolicy": "Orphan", "suspend": True}


UNKNOWN = [
    ({"wrokerCount": 1}, "spec.trainingInput.wrokerCount", "did you mean workerCount?"),
    ({"master_confg": {}}, "spec.trainingInput.master_confg", "did you mean masterConfig?"),
    ({"parameter_server": 1}, "spec.trainingInput.parameter_server", "did you mean parameterServerType?"),
    ({"zzz": 1}, "spec.trainingInput.zzz", "there is no such field"),
    ({"scheduling": {"maxWait": 1}}, "spec.trainingInput.scheduling.maxWait", "did you mean maxWaitTime?"),
    (
        {"hyperparameters": {"params": [{}, {"name": "a"}]}},
        "spec.trainingInput.hyperparameters.params[1].name",
        "there is no such field",
    ),
]


@pytest.mark.parametrize(("fields", "path", "text"), UNKNOWN, ids=lambda value: str(value)[:40])
def test_unknown_keys_are_named_with_the_nearest(fields: Json, path: str, text: str) -> None:
    made, (problem,) = canonical("TrainingJob", {"trainingInput": fields})
    assert (problem.path, problem.id, problem.severity) == (path, "unknown-field", Severity.ERROR)
    assert problem.rule.endswith(text)
    assert made == {"trainingInput": fields}


def test_a_key_in_two_spellings_is_a_problem() -> None:
    fields = {"scaleTier": "BASIC", "scale_tier": "CUSTOM"}
    made, (problem,) = canonical("TrainingJob", {"trainingInput": fields})
    assert made == {"trainingInput": {"scaleTier": "BASIC"}}
    assert problem.text == (
        'spec.trainingInput.scale_tier: Duplicate value: "CUSTOM": scaleTier is given twice, in two spellings'
    )


def test_a_null_beside_the_value_is_none() -> None:
    assert training(scaleTier=None, scale_tier="CUSTOM") == {"scaleTier": "CUSTOM"}


# --- forms of a description

INPUT: Json = {"scaleTier": "BASIC", "region": "us-central1"}

FORMS: list[tuple[Json, str, Json]] = [
    ({"trainingInput": INPUT}, "TrainingJob", {"trainingInput": INPUT}),
    (
        {"training_input": {"scale_tier": "basic", "region": "us-central1"}},
        "TrainingJob",
        {"trainingInput": INPUT},
    ),
    (INPUT, "TrainingJob", {"trainingInput": INPUT}),
    ({"region": "us-central1"}, "TrainingJob", {"trainingInput": {"region": "us-central1"}}),
    (
        {"region": "a", "data_format": "json"},
        "PredictionJob",
        {"predictionInput": {"region": "a", "dataFormat": "JSON"}},
    ),
    ({"prediction_input": {}}, "PredictionJob", {"predictionInput": {}}),
    (
        {"jobId": "a", "labels": {"x": "y"}, "trainingInput": INPUT},
        "TrainingJob",
        {"jobId": "a", "labels": {"x": "y"}, "trainingInput": INPUT},
    ),
    (
        {"project_id": "p", "suspend": "true", "trainingInput": INPUT},
        "TrainingJob",
        {"projectId": "p", "suspend": True, "trainingInput": INPUT},
    ),
    ({"trainingInput": None, "predictionInput": {}}, "TrainingJob", {"predictionInput": {}}),
    ({}, "TrainingJob", {}),
]


@pytest.mark.parametrize(("document", "kind", "spec"), FORMS, ids=lambda value: str(value)[:50])
def test_forms(document: Json, kind: str, spec: Json) -> None:
    reading = read(document)
    assert (reading.kind, reading.spec, reading.problems) == (kind, spec, ())


def test_a_kind_can_be_given() -> None:
    assert read({"region": "us-central1"}, "PredictionJob").spec == {
        "predictionInput": {"region": "us-central1"}
    }


def test_manifest() -> None:
    document = {
        "apiVersion": API_VERSION,
        "kind": "PredictionJob",
        "metadata": {"name": "a", "namespace": "b", "uid": "c"},
        "spec": {"prediction_input": {"batchSize": 3}},
        "status": {"state": "RUNNING"},
    }
    reading = read(document, "TrainingJob")
    assert (reading.kind, reading.name, reading.namespace, reading.uid) == ("PredictionJob", "a", "b", "c")
    assert reading.spec == {"predictionInput": {"batchSize": "3"}}
    assert reading.problems == ()


MANIFESTS = [
    ({"apiVersion": "mljobs.dev/v1", "kind": "TrainingJob"}, "apiVersion"),
    ({"kind": "TrainingJob"}, "apiVersion"),
    ({"apiVersion": API_VERSION}, "kind"),
    ({"apiVersion": API_VERSION, "kind": "trainingjob"}, "kind"),
    ({"apiVersion": API_VERSION, "kind": "TrainingJob", "spec": []}, "spec"),
    ({"apiVersion": API_VERSION, "kind": "TrainingJob", "metadata": {}}, "metadata.name"),
    ({"apiVersion": API_VERSION, "kind": "TrainingJob", "metadata": "a"}, "metadata.name"),
    ({"apiVersion": API_VERSION, "kind": "TrainingJob", "spce": {}}, "spce"),
]


@pytest.mark.parametrize(("wrong", "path"), MANIFESTS, ids=lambda value: str(value)[:60])
def test_manifests_with_something_wrong(wrong: Json, path: str) -> None:
    whole = {"metadata": {"name": "a"}, "spec": {"trainingInput": INPUT}}
    problems = read({**whole, **wrong}).problems
    assert [problem.path for problem in problems] == [path]


def test_a_manifest_without_a_spec() -> None:
    document = {"apiVersion": API_VERSION, "kind": "TrainingJob", "metadata": {"name": "a"}}
    (problem,) = read(document).problems
    assert (problem.path, problem.value, problem.error_type) == ("spec", MISSING, FieldErrorType.REQUIRED)


def test_generated_names_are_names() -> None:
    document = {
        "apiVersion": API_VERSION,
        "kind": "TrainingJob",
        "metadata": {"generateName": "a-"},
        "spec": {},
    }
    assert read(document).problems == ()


EXACTLY: list[tuple[Json, Json, list[tuple[str, str]]]] = [
    ({"scale_tier": "BASIC"}, {"scale_tier": "BASIC"}, [("spec.trainingInput.scale_tier", "unknown-field")]),
    ({"scaleTier": "basic"}, {"scaleTier": "basic"}, []),
    ({"workerCount": "3.0"}, {"workerCount": "3.0"}, []),
    ({"workerCount": 3}, {"workerCount": 3}, []),
    ({"enableWebAccess": "true"}, {"enableWebAccess": "true"}, []),
    ({"scheduling": {"priority": "7"}}, {"scheduling": {"priority": "7"}}, []),
    ({"args": "a"}, {"args": "a"}, []),
    ({"jobDir": None}, {}, [("spec.trainingInput.jobDir", "null")]),
    ({"args": [None]}, {"args": [None]}, []),
    ({"nothing": None}, {"nothing": None}, [("spec.trainingInput.nothing", "unknown-field")]),
]
"""Fields of an input, what is left of them in a manifest, and the problems told of."""


@pytest.mark.parametrize(("fields", "left", "told"), EXACTLY, ids=lambda value: str(value)[:40])
def test_a_manifest_read_exactly_keeps_its_spelling(
    fields: Json, left: Json, told: list[tuple[str, str]]
) -> None:
    reading = read(manifest({"trainingInput": fields}), exact=True)
    assert reading.spec == {"trainingInput": left}
    assert [(problem.path, problem.id) for problem in reading.problems] == told


def test_nulls_of_labels_and_of_the_spec_are_left_out_with_a_warning() -> None:
    reading = read(
        manifest({"labels": {"a": None, "b": "c"}, "suspend": None, "trainingInput": {}}), exact=True
    )
    assert reading.spec == {"labels": {"b": "c"}, "trainingInput": {}}
    assert {(problem.path, problem.severity) for problem in reading.problems} == {
        ("spec.labels[a]", Severity.WARNING),
        ("spec.suspend", Severity.WARNING),
    }


def test_what_only_the_operator_writes_is_no_field_of_a_spec_and_may_stand_in_the_status() -> None:
    document = manifest({"state": "RUNNING", "trainingInput": {}})
    problems = read({**document, "status": {"state": "RUNNING", "sate": 1}}, exact=True).problems
    assert [problem.path for problem in problems] == ["spec.state", "status.sate"]


def manifest(spec: Json, **metadata: Any) -> Json:
    """A TrainingJob."""
    meta = {"name": "a", **metadata}
    return {"apiVersion": API_VERSION, "kind": "TrainingJob", "metadata": meta, "spec": spec}


@pytest.mark.parametrize(("fields", "says"), REFUSED_METADATA, ids=lambda value: str(value)[:40])
def test_metadata_that_the_api_server_refuses(fields: Json, says: str) -> None:
    (problem,) = read(manifest({"trainingInput": {}}, **fields), exact=True).problems
    assert problem.text.startswith(says)


@pytest.mark.parametrize("fields", TAKEN_METADATA, ids=str)
def test_metadata_that_the_api_server_takes(fields: Json) -> None:
    assert read(manifest({"trainingInput": {}}, **fields), exact=True).problems == ()


def test_what_the_service_sets_itself_is_left_out_with_a_warning() -> None:
    answer = {"jobId": "a", "state": "RUNNING", "createTime": "x", "etag": "y", "trainingInput": INPUT}
    reading = read(answer)
    assert reading.spec == {"jobId": "a", "trainingInput": INPUT}
    assert {(problem.path, problem.severity) for problem in reading.problems} == {
        ("spec.state", Severity.WARNING),
        ("spec.createTime", Severity.WARNING),
        ("spec.etag", Severity.WARNING),
    }


# --- properties


@given(kinds_and_specs())
@settings(max_examples=100, deadline=None)
def test_canonical_is_idempotent(made: tuple[str, Json]) -> None:
    kind, spec = made
    once, problems = canonical(kind, spec)
    assert problems == ()
    assert canonical(kind, once) == (once, ())


@given(kinds_and_specs(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_every_spelling_means_the_canonical_one(made: tuple[str, Json], chance: random.Random) -> None:
    kind, spec = made
    wanted, _ = canonical(kind, spec)
    spelled = _respelled(wanted, structural(KINDS[kind].spec), chance)
    assert canonical(kind, spelled) == (wanted, ())


_KEYS = st.sampled_from(["trainingInput", "hyperparameters", "params", "type", "x", "labels", "spec", "kind"])
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
)


@given(st.dictionaries(_KEYS, _ANYTHING, max_size=4))
@settings(max_examples=150, deadline=None)
def test_anything_can_be_read_and_validated(document: Json) -> None:
    reading = read(document)
    checked = validate(reading.kind, reading.spec)
    assert (checked.spec is None) is bool(checked.problems)
    assert all("\n" not in problem.text for problem in (*reading.problems, *checked.problems))


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name)


def _respelled(value: Any, schema: Json, chance: random.Random) -> Any:
    """The same value as some client might write it."""
    if isinstance(value, dict) and "properties" in schema:
        made = {}
        for name, item in value.items():
            spelled = chance.choice([name, _snake(name)])
            made[spelled] = _respelled(item, schema["properties"][name], chance)
        absent = [name for name in schema["properties"] if name not in value]
        if absent and chance.random() < 0.3:
            made[chance.choice(absent)] = None
        return made
    if isinstance(value, list):
        return [_respelled(item, schema["items"], chance) for item in value]
    return _respelled_scalar(value, schema, chance)


def _respelled_scalar(value: Any, schema: Json, chance: random.Random) -> Any:
    if schema.get("x-kubernetes-int-or-string"):
        return chance.choice([value, int(value), f"{value}.0"])
    if "enum" in schema:
        return chance.choice([value, value.lower(), value.lower().replace("_", "-")])
    match schema.get("type"):
        case "integer":
            return chance.choice([value, str(value), float(value)])
        case "number":
            return chance.choice([value, repr(value)])
        case "boolean":
            return chance.choice([value, str(value), str(value).lower()])
        case _:
            return value
