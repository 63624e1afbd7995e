"""Files that hold what the service answers, as `gcloud ai-platform jobs describe --format=json` prints it."""

import json

from tests.unit.cli.kubectl_command import run
from tests.unit.cli.test_plan import Json, planned
from tests.unit.domain.rule_case import CATEGORICAL, IMAGE

RATE = {"parameterName": "rate", "type": "DOUBLE"}
SHOWN: Json = {
    "jobId": "census",
    "createTime": "2026-01-02T03:00:00Z",
    "state": "SUCCEEDED",
    "trainingInput": {
        **IMAGE["trainingInput"],
        "hyperparameters": {"params": [{**RATE, "maxValue": 1.0}, CATEGORICAL]},
    },
    "trainingOutput": {"isHyperparameterTuningJob": True},
    "etag": "oEXzsXrEiiE=",
}


def test_plan_sends_a_zero_again_that_the_service_has_left_out() -> None:
    outcome = planned(SHOWN, "--project=p")
    assert outcome.code == 0, outcome
    params = outcome.request["trainingInput"]["hyperparameters"]["params"]
    assert params == [{**RATE, "minValue": 0.0, "maxValue": 1.0}, CATEGORICAL]


def test_a_bound_that_a_person_has_forgotten_is_asked_for() -> None:
    written = {key: SHOWN[key] for key in ("jobId", "trainingInput")}
    outcome = planned(written, "--project=p")
    assert outcome.code == 1
    assert outcome.out[0].startswith("spec.trainingInput.hyperparameters.params[0].minValue: Required value")


def test_submit_sends_it_again_too() -> None:
    done = run("submit training again --config - --dry-run", stdin=json.dumps(SHOWN))
    assert done.code == 0, done.err
    params = done.manifest["spec"]["trainingInput"]["hyperparameters"]["params"]
    assert params == [{**RATE, "minValue": 0.0, "maxValue": 1.0}, CATEGORICAL]
