"""The JSON that clients may send, and how the service words what they may not."""

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.schema import (
    Field,
    Message,
    discovery_document,
    ml_v1,
    parse_json,
    snake,
    unknown_parameter,
)

Json = dict[str, Any]
JOB = ml_v1().message("GoogleCloudMlV1__Job")

LENIENT: list[tuple[Json, Json, Json | None]] = [
    # given, kept, written
    ({"job_id": "a"}, {"jobId": "a"}, {"jobId": "a"}),
    (
        {"training_input": {"scaleTier": "custom", "master_type": "n1-standard-4"}},
        {"trainingInput": {"scaleTier": "CUSTOM", "masterType": "n1-standard-4"}},
        None,
    ),
    (
        {"trainingInput": {"scale_tier": "Basic"}},
        {"trainingInput": {"scaleTier": "BASIC"}},
        {"trainingInput": {}},
    ),
    ({"trainingInput": {"workerCount": 3}}, {"trainingInput": {"workerCount": "3"}}, None),
    ({"trainingInput": {"workerCount": "3"}}, {"trainingInput": {"workerCount": "3"}}, None),
    ({"trainingInput": {"workerCount": 3.0}}, {"trainingInput": {"workerCount": "3"}}, None),
    ({"trainingInput": {"workerCount": "3e0"}}, {"trainingInput": {"workerCount": "3"}}, None),
    ({"trainingInput": {"workerCount": "0"}}, {"trainingInput": {"workerCount": "0"}}, {"trainingInput": {}}),
    (
        {"trainingInput": {"workerCount": 9223372036854775807}},
        {"trainingInput": {"workerCount": "9223372036854775807"}},
        None,
    ),
    *(
        ({"trainingInput": {"enableWebAccess": word}}, {"trainingInput": {"enableWebAccess": True}}, None)
        for word in ("true", "True", "TRUE", "t", "yes", "Y", "1")
    ),
    *(
        (
            {"trainingInput": {"enableWebAccess": word}},
            {"trainingInput": {"enableWebAccess": False}},
            {"trainingInput": {}},
        )
        for word in ("false", "False", "FALSE", "f", "no", "N", "0")
    ),
    (
        {"trainingInput": {"enableWebAccess": False}},
        {"trainingInput": {"enableWebAccess": False}},
        {"trainingInput": {}},
    ),
    ({"trainingInput": {"args": None, "region": "r"}}, {"trainingInput": {"region": "r"}}, None),
    ({"trainingInput": {"args": "one"}}, {"trainingInput": {"args": ["one"]}}, None),
    ({"trainingInput": {"args": []}}, {"trainingInput": {"args": []}}, {"trainingInput": {}}),
    ({"trainingInput": {"args": ["", "0"]}}, {"trainingInput": {"args": ["", "0"]}}, None),
    ({"trainingInput": {"pythonVersion": "0"}}, {"trainingInput": {"pythonVersion": "0"}}, None),
    ({"trainingInput": {"masterConfig": {}}}, {"trainingInput": {"masterConfig": {}}}, None),
    ({"trainingInput": None, "jobId": "a"}, {"jobId": "a"}, None),
    (
        {
            "trainingInput": {
                "hyperparameters": {"maxTrials": "4", "params": [{"min_value": "0", "maxValue": 1}]}
            }
        },
        {"trainingInput": {"hyperparameters": {"maxTrials": 4, "params": [{"minValue": 0, "maxValue": 1}]}}},
        {"trainingInput": {"hyperparameters": {"maxTrials": 4, "params": [{"maxValue": 1}]}}},
    ),
    (
        {"trainingInput": {"hyperparameters": {"params": [{"discreteValues": ["0.5", 0, 2]}]}}},
        {"trainingInput": {"hyperparameters": {"params": [{"discreteValues": [0.5, 0, 2]}]}}},
        None,
    ),
    (
        {"trainingInput": {"scheduling": {"maxRunningTime": "1.5s"}}},
        {"trainingInput": {"scheduling": {"maxRunningTime": "1.5s"}}},
        None,
    ),
    ({"labels": {}}, {"labels": {}}, {}),
    ({"etag": "33a64df551425fcc"}, {"etag": "33a64df551425fcc"}, None),
    ({"etag": "__-_"}, {"etag": "//+/"}, None),
]


@pytest.mark.parametrize(("given_", "kept", "written"), LENIENT, ids=lambda value: json.dumps(value)[:60])
def test_reads_what_clients_send(given_: Json, kept: Json, written: Json | None) -> None:
    assert JOB.decode(given_, "job") == kept
    assert JOB.prune(kept) == (kept if written is None else written)


UNKNOWN = 'Invalid JSON payload received. Unknown name "{}"{}: Cannot find field.'
REFUSED = [
    # given, field, description
    (
        {"parameter_server_type": "x"},
        "job",
        UNKNOWN.format("parameter_server_type", " at 'job'"),
    ),
    (
        {"predictionInput": {"accelerator": {}}},
        "job.prediction_input",
        UNKNOWN.format("accelerator", " at 'job.prediction_input'"),
    ),
    (
        {"trainingInput": {"hyperparameters": {"params": [{}, {"nope": 1}]}}},
        "job.training_input.hyperparameters.params[1]",
        UNKNOWN.format("nope", " at 'job.training_input.hyperparameters.params[1]'"),
    ),
    (
        {"jobId": 5},
        "job.job_id",
        "Invalid value at 'job.job_id' (TYPE_STRING), 5",
    ),
    (
        {"trainingInput": {"scaleTier": "HUGE"}},
        "job.training_input.scale_tier",
        "Invalid value at 'job.training_input.scale_tier' "
        '(type.googleapis.com/google.cloud.ml.v1.TrainingInput.ScaleTier), "HUGE"',
    ),
    (
        {"trainingInput": {"scaleTier": ["CUSTOM"]}},
        "job.training_input.scale_tier",
        "Invalid value at 'job.training_input.scale_tier' "
        '(type.googleapis.com/google.cloud.ml.v1.TrainingInput.ScaleTier), ["CUSTOM"]',
    ),
    (
        {"trainingInput": {"workerCount": "many"}},
        "job.training_input.worker_count",
        "Invalid value at 'job.training_input.worker_count' (TYPE_INT64), \"many\"",
    ),
    (
        {"trainingInput": {"workerCount": 1.5}},
        "job.training_input.worker_count",
        "Invalid value at 'job.training_input.worker_count' (TYPE_INT64), 1.5",
    ),
    (
        {"trainingInput": {"workerCount": True}},
        "job.training_input.worker_count",
        "Invalid value at 'job.training_input.worker_count' (TYPE_INT64), true",
    ),
    (
        {"trainingInput": {"workerCount": "1e400000000"}},
        "job.training_input.worker_count",
        "Invalid value at 'job.training_input.worker_count' (TYPE_INT64), \"1e400000000\"",
    ),
    (
        {"trainingInput": {"hyperparameters": {"maxTrials": 2147483648}}},
        "job.training_input.hyperparameters.max_trials",
        "Invalid value at 'job.training_input.hyperparameters.max_trials' (TYPE_INT32), 2147483648",
    ),
    (
        {"trainingInput": {"hyperparameters": {"params": [{"minValue": "low"}]}}},
        "job.training_input.hyperparameters.params[0].min_value",
        "Invalid value at 'job.training_input.hyperparameters.params[0].min_value' (TYPE_DOUBLE), \"low\"",
    ),
    (
        {"trainingInput": {"enableWebAccess": 1}},
        "job.training_input.enable_web_access",
        "Invalid value at 'job.training_input.enable_web_access' (TYPE_BOOL), 1",
    ),
    *(
        (
            {"trainingInput": {"enableWebAccess": word}},
            "job.training_input.enable_web_access",
            f"Invalid value at 'job.training_input.enable_web_access' (TYPE_BOOL), {json.dumps(word)}",
        )
        for word in ("", "on", "truth", " true")
    ),
    *(
        (
            {"trainingInput": {"workerCount": text}},
            "job.training_input.worker_count",
            f"Invalid value at 'job.training_input.worker_count' (TYPE_INT64), {json.dumps(text)}",
        )
        for text in ("", "1_0", " 1", "1\n", "\u0663", "0x10", "NaN")
    ),
    *(
        (
            {"trainingInput": {"hyperparameters": {"params": [{"minValue": text}]}}},
            "job.training_input.hyperparameters.params[0].min_value",
            "Invalid value at 'job.training_input.hyperparameters.params[0].min_value' (TYPE_DOUBLE), "
            f"{json.dumps(text)}",
        )
        for text in ("1_0", "1 ", "nan", "inf", "1e400")
    ),
    (
        {"trainingInput": {"scheduling": {"maxWaitTime": "1h"}}},
        "job.training_input.scheduling.max_wait_time",
        "Invalid value at 'job.training_input.scheduling.max_wait_time' "
        "(type.googleapis.com/google.protobuf.Duration), Illegal duration format; duration must end with 's'",
    ),
    (
        {"trainingInput": ["x"]},
        "job.training_input",
        "Invalid value at 'job.training_input' "
        '(type.googleapis.com/google.cloud.ml.v1.TrainingInput), ["x"]',
    ),
    ({"labels": ["a"]}, "job.labels", "Invalid value at 'job.labels' (Map), [\"a\"]"),
    ({"labels": {"a": None}}, "job.labels[a]", "Invalid value at 'job.labels[a]' (TYPE_STRING), null"),
    ({"labels": {"a": 1}}, "job.labels[a]", "Invalid value at 'job.labels[a]' (TYPE_STRING), 1"),
    ({"etag": "?"}, "job.etag", "Invalid value at 'job.etag' (TYPE_BYTES), \"?\""),
    (
        {"createTime": "noon"},
        "job.create_time",
        "Invalid value at 'job.create_time' (type.googleapis.com/google.protobuf.Timestamp), \"noon\"",
    ),
    (
        {"trainingInput": {}, "predictionInput": {}},
        "job.prediction_input",
        "Invalid value at 'job.prediction_input' (oneof), oneof field 'input' is already set. "
        "Cannot set 'predictionInput'",
    ),
    (
        {"predictionInput": {"uri": "gs://a/b", "modelName": "m"}},
        "job.prediction_input.model_name",
        "Invalid value at 'job.prediction_input.model_name' (oneof), "
        "oneof field 'model_version' is already set. Cannot set 'modelName'",
    ),
]


@pytest.mark.parametrize(("given_", "field", "description"), REFUSED, ids=lambda value: str(value)[:60])
def test_refuses_in_the_services_words(given_: Json, field: str, description: str) -> None:
    with pytest.raises(ApiError) as caught:
        JOB.decode(given_, "job")
    error = caught.value.as_json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["message"] == description
    assert error["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": field, "description": description}],
        }
    ]


def test_names_every_problem() -> None:
    with pytest.raises(ApiError) as caught:
        JOB.decode({"nope": 1, "trainingInput": {"region": 7}}, "job")
    assert len(caught.value.details[0]["fieldViolations"]) == 2
    assert len(caught.value.message.splitlines()) == 2


@pytest.mark.parametrize("body", [b"{", b"{'a': 1}", b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(ApiError, match=r"Invalid JSON payload received\. Unexpected token"):
        parse_json(body)


@pytest.mark.parametrize("body", [b"[]", b"1", b'"a"', b"null"])
def test_what_is_no_message(body: bytes) -> None:
    with pytest.raises(ApiError, match="Root element must be a message"):
        parse_json(body)


def test_no_body_is_an_empty_message() -> None:
    assert parse_json(b" \n") == {}


def test_error_formats() -> None:
    error = unknown_parameter("foo")
    assert "errors" not in error.as_json(2)["error"]
    assert error.as_json(1)["error"]["errors"] == [
        {"message": error.message, "domain": "global", "reason": "badRequest"}
    ]


@pytest.mark.parametrize(
    ("camel", "proto"),
    [
        ("maxWorkerCount", "max_worker_count"),
        ("consumedMLUnits", "consumed_ml_units"),
        ("bootDiskSizeGb", "boot_disk_size_gb"),
        ("isBuiltInAlgorithmJob", "is_built_in_algorithm_job"),
        ("uri", "uri"),
    ],
)
def test_snake(camel: str, proto: str) -> None:
    assert snake(camel) == proto


def test_every_schema_of_both_documents_compiles() -> None:
    for name in discovery_document("ml.v1.json")["schemas"]:
        message = ml_v1().message(name)
        assert message.decode({}) == {}
        assert {field.snake for field in message.fields.values()} == {
            snake(field) for field in message.fields
        }


SCALARS: Json = {
    "string": st.text(max_size=5),
    "boolean": st.booleans(),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "integer": st.integers(-(2**31), 2**31 - 1),
}


def values(schema: Json) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return messages(schema["$ref"])
    if schema.get("type") == "array":
        return st.lists(values(schema["items"]), max_size=3)
    if "additionalProperties" in schema:
        return st.dictionaries(st.text(max_size=5), values(schema["additionalProperties"]), max_size=3)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    form = schema.get("format")
    if form == "int64":
        return st.integers(-(2**63), 2**63 - 1).map(str)
    if form == "google-duration":
        return st.integers(0, 10**6).map(lambda seconds: f"{seconds}s")
    if form == "google-datetime":
        return st.datetimes().map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%SZ}".rjust(20, "0"))
    if form == "byte":
        return st.just("oEXzsXrEiiE=")
    strategy: st.SearchStrategy[Any] = SCALARS[schema["type"]]
    return strategy


SCHEMAS = discovery_document("ml.v1.json")["schemas"]


def messages(name: str) -> st.SearchStrategy[Json]:
    fields = {field: values(schema) for field, schema in SCHEMAS[name]["properties"].items()}
    dropped = {
        "GoogleCloudMlV1__Job": ["predictionInput"],
        "GoogleCloudMlV1__PredictionInput": ["uri", "versionName"],
    }
    for field in dropped.get(name, []):
        del fields[field]
    return st.fixed_dictionaries({}, optional=fields)


def misspelled(value: Any, message: Message) -> Any:
    """The same JSON as a careless client sends it."""
    return {message.fields[name].snake: _careless(item, message.fields[name]) for name, item in value.items()}


def _careless(value: Any, field: Field) -> Any:
    if field.message is None:
        return value
    if field.repeated:
        return [misspelled(item, field.message) for item in value]
    return misspelled(value, field.message)


@given(messages("GoogleCloudMlV1__Job"))
@settings(deadline=None, max_examples=200)
def test_any_job_survives_reading_and_writing(job: Json) -> None:
    read = JOB.decode(job, "job")
    assert JOB.decode(misspelled(job, JOB), "job") == read
    written = JOB.prune(read)
    assert JOB.decode(json.loads(json.dumps(written)), "job") == written
    assert JOB.prune(written) == written


FRAME = {"region": "us-central1", "packageUris": ["gs://b/p"], "pythonModule": "m", "runtimeVersion": "2.1"}
TRAINING = SCHEMAS["GoogleCloudMlV1__TrainingInput"]["properties"]


def one_field() -> st.SearchStrategy[Json]:
    """A TrainingInput that has a single field."""
    return st.sampled_from(sorted(TRAINING)).flatmap(
        lambda name: values(TRAINING[name]).map(lambda value: {name: value})
    )


@given(one_field(), one_field() | messages("GoogleCloudMlV1__TrainingInput"))
@settings(deadline=None, max_examples=300)
def test_any_input_is_taken_or_refused(new_rig: Any, one: Json, other: Json) -> None:
    """Nothing that fits the schema makes the emulator itself fail, then or later."""
    rig = new_rig()
    try:
        rig.create({"jobId": "a", "trainingInput": FRAME | one | other})
    except ApiError as error:
        assert error.code == 400  # noqa: PT017 - either outcome is right
        return
    for seconds in (60, 100, 10_000):
        rig.time.advance(seconds)
        assert rig("get", "a")["jobId"] == "a"
