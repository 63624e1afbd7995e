"""Proto3 writes no zeros: no answer has a number, enum, boolean or text that is its field's default.

The fields are those of the discovery document, so that a new one is covered as soon as it is there.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from mljobs.backends.mlv1.translate import to_job
from mljobs.domain.spec.validate import validate
from mljobs_dev.emulator.schema import ml_v1
from tests.strategies import kinds_and_specs
from tests.unit.api import discovery

Json = dict[str, Any]
Make = Callable[..., Json]

SCHEMAS = discovery.load()
POLICY = "GoogleIamV1__Policy"
MESSAGES = sorted({*discovery.reachable(SCHEMAS), *discovery.reachable(SCHEMAS, POLICY)})
PRESENT = ("google-duration", "google-datetime")
"""Formats of fields that are messages of protobuf's own: where they are there, they are written."""


def is_scalar(schema: Json) -> bool:
    return (
        schema["type"] in ("string", "integer", "number", "boolean") and schema.get("format") not in PRESENT
    )


def zero(schema: Json) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") == "int64":
        return "0"
    return {"string": "", "integer": 0, "number": 0, "boolean": False}[schema["type"]]


def zeros(name: str) -> Json:
    """A message that has every field of its own and of its messages, each at its default."""
    made: Json = {}
    for field, schema in SCHEMAS[name]["properties"].items():
        element = schema.get("items", schema)
        if "$ref" in element:
            made[field] = [zeros(element["$ref"])] if "items" in schema else zeros(element["$ref"])
        elif "items" in schema:
            made[field] = [zero(element)]
        elif is_scalar(schema):
            made[field] = zero(schema)
    return made


def defaults(name: str, message: Json, path: str = "") -> Iterator[str]:
    """The paths in a message where a default is written out."""
    for field, value in message.items():
        schema = SCHEMAS[name]["properties"][field]
        element, here = schema.get("items", schema), f"{path}.{field}"
        if "$ref" in element:
            for item in value if "items" in schema else [value]:
                yield from defaults(element["$ref"], item, here)
        elif is_scalar(schema) and value == zero(schema):
            yield here


@pytest.mark.parametrize("name", MESSAGES)
def test_no_message_is_written_with_a_default(name: str) -> None:
    message = ml_v1().message(name)
    assert list(defaults(name, message.prune(zeros(name)))) == []


def test_what_has_presence_is_written() -> None:
    """Members of lists, empty messages, and durations, which are messages of their own."""
    given_ = {
        "args": ["", "0"],
        "scheduling": {"maxWaitTime": "0s"},
        "masterConfig": {},
        "hyperparameters": {"params": [{"discreteValues": [0], "categoricalValues": [""]}, {}]},
    }
    message = ml_v1().message("GoogleCloudMlV1__TrainingInput")
    assert message.prune(message.decode(given_)) == given_


def test_no_answer_has_a_default(rig: Any, training: Make, prediction: Make) -> None:
    output = zeros("GoogleCloudMlV1__TrainingOutput")
    rig.script(jobId="census", timeline={"RUNNING": 1e6}, trainingOutput=output)
    rig.script(jobId="score", trainingOutput={}, predictionOutput=zeros("GoogleCloudMlV1__PredictionOutput"))
    scheduling = {"priority": 0, "maxWaitTime": "3600s"}
    rig.create(training(scaleTier="BASIC", workerCount="0", enableWebAccess=False, scheduling=scheduling))
    rig.create(prediction(batchSize=0, maxWorkerCount="0", outputDataFormat="DATA_FORMAT_UNSPECIFIED"))
    rig.time.advance(200)
    binding = {"role": "roles/x", "members": ["allUsers"], "condition": zeros("GoogleType__Expr")}
    policy = {"bindings": [binding], "version": 3, "auditConfigs": [zeros("GoogleIamV1__AuditConfig")]}
    for job in (rig("get", "census"), rig("get", "score"), *rig("list")["jobs"]):
        assert list(defaults(discovery.JOB, job)) == []
    census = rig("get", "census")
    assert census["trainingOutput"]["trials"] == [
        {"finalMetric": {}, "builtInAlgorithmOutput": {}} | {"allMetrics": [{}]}
    ]
    assert list(defaults(POLICY, rig("setIamPolicy", "census", {"policy": policy}))) == []
    assert list(defaults(POLICY, rig("getIamPolicy", "census"))) == []


@given(kinds_and_specs())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_answered_can_be_sent_again(new_rig: Any, drawn: tuple[str, Json]) -> None:
    """With its zeros gone it is the same job: the service cannot tell the two apart."""
    kind, spec = drawn
    model = validate(kind, spec, default_project="p").spec
    assert model is not None
    rig = new_rig()
    first = rig.create(dict(to_job(kind, model.document(), job_id="first", labels={})))
    again = rig.create({**first, "jobId": "again"})
    for field in ("trainingInput", "predictionInput", "labels"):
        assert again.get(field) == first.get(field)
