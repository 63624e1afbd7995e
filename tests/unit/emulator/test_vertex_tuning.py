"""Tuning jobs of Vertex AI in the emulator: their trials, which are custom jobs."""

import re
from typing import Any

import pytest

Json = dict[str, Any]
Vertex = Any
Jobs = Any


def test_trials_are_custom_jobs(vertex: Vertex, jobs: Jobs) -> None:
    spec = {**jobs.custom()["jobSpec"], "baseOutputDirectory": {"outputUriPrefix": "gs://out/run"}}
    body = jobs.tuning(trialJobSpec={**spec, "enableWebAccess": True}, maxTrialCount=6)
    vertex.rig.script(timeline={"RUNNING": 600})
    name = vertex("hyperparameterTuningJobs.create", body=body)["name"]
    vertex.advance(60)
    shown = vertex("hyperparameterTuningJobs.get", name)
    assert [trial["state"] for trial in shown["trials"]] == ["ACTIVE"] * 2
    job = vertex("customJobs.get", shown["trials"][0]["customJob"])
    trial_id = shown["trials"][0]["id"]
    assert job["jobSpec"]["baseOutputDirectory"] == {"outputUriPrefix": f"gs://out/run/{trial_id}/"}
    assert "labels" not in job
    assert "webAccessUris" in shown["trials"][0]
    assert len(vertex("customJobs.list")["customJobs"]) == 2
    vertex.advance(1000)
    shown = vertex("hyperparameterTuningJobs.get", name)
    ids = [trial["id"] for trial in shown["trials"]]
    values = [trial["finalMeasurement"]["metrics"][0]["value"] for trial in shown["trials"]]
    assert sorted(ids) == ["1", "2", "3", "4", "5", "6"]
    assert ids != sorted(ids)
    assert values not in (sorted(values), sorted(values, reverse=True))
    for trial in shown["trials"]:
        assert trial["state"] == "SUCCEEDED"
        assert re.search(r":\d\dZ$", trial["endTime"])
        drawn = {item["parameterId"]: item["value"] for item in trial["parameters"]}
        assert 0.1 <= drawn["lr"] <= 0.9
        assert drawn["layers"] in range(1, 10)
        assert drawn["act"] in ("relu", "tanh")
    listed = vertex("hyperparameterTuningJobs.list")["hyperparameterTuningJobs"]
    assert "trials" not in listed[0]
    assert set(listed[0]) == set(shown) - {"trials"}


def test_conditional_parameters(vertex: Vertex, jobs: Jobs) -> None:
    child = {"parameterId": "momentum", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}
    parent = {
        "parameterId": "optimizer",
        "categoricalValueSpec": {"values": ["sgd", "adam"]},
        "conditionalParameterSpecs": [
            {"parentCategoricalValues": {"values": ["sgd"]}, "parameterSpec": child}
        ],
    }
    study = {"metrics": [{"metricId": "loss", "goal": "MINIMIZE"}], "parameters": [parent]}
    body = jobs.tuning(studySpec=study, maxTrialCount=12, parallelTrialCount=12)
    name = vertex("hyperparameterTuningJobs.create", body=body)["name"]
    vertex.advance(10_000)
    trials = vertex("hyperparameterTuningJobs.get", name)["trials"]
    drawn = [{item["parameterId"]: item["value"] for item in trial["parameters"]} for trial in trials]
    assert {values["optimizer"] for values in drawn} == {"sgd", "adam"}
    assert all(("momentum" in values) == (values["optimizer"] == "sgd") for values in drawn)


def test_a_failing_trial(vertex: Vertex, jobs: Jobs) -> None:
    vertex.rig.script(final="FAILED", errorMessage="too many failed trials")
    name = vertex("hyperparameterTuningJobs.create", body=jobs.tuning())["name"]
    vertex.advance(10_000)
    shown = vertex("hyperparameterTuningJobs.get", name)
    assert shown["error"]["message"] == "too many failed trials"
    failed = [trial for trial in shown["trials"] if trial["state"] == "INFEASIBLE"]
    assert [trial["id"] for trial in failed] == ["4"]
    assert failed[0]["infeasibleReason"]
    assert "finalMeasurement" not in failed[0]


def test_a_cancel_ends_the_trials_too(vertex: Vertex, jobs: Jobs) -> None:
    vertex.rig.script(timeline={"RUNNING": 600})
    name = vertex("hyperparameterTuningJobs.create", body=jobs.tuning())["name"]
    vertex.advance(100)
    vertex("hyperparameterTuningJobs.cancel", name)
    vertex.advance(60)
    shown = vertex("hyperparameterTuningJobs.get", name)
    assert shown["state"] == "JOB_STATE_CANCELLED"
    assert [trial["state"] for trial in shown["trials"]] == ["INFEASIBLE"] * 2
    assert {job["state"] for job in vertex("customJobs.list")["customJobs"]} == {"JOB_STATE_CANCELLED"}
    vertex.advance(10_000)
    assert vertex("hyperparameterTuningJobs.get", name) == shown


ML_V1_TRIALS: list[Json] = [
    {
        "trialId": "1",
        "hyperparameters": {"lr": "0.5", "layers": "3", "act": "relu"},
        "finalMetric": {"trainingStep": "7", "objectiveValue": 0.75},
    },
    {"trialId": "2", "hyperparameters": {"lr": "0.25"}, "state": "FAILED"},
]
VERTEX_TRIALS: list[Json] = [
    {
        "id": "1",
        "parameters": [
            {"parameterId": "lr", "value": 0.5},
            {"parameterId": "layers", "value": 3},
            {"parameterId": "act", "value": "relu"},
        ],
        "finalMeasurement": {"stepCount": "7", "metrics": [{"metricId": "accuracy", "value": 0.75}]},
    },
    {"id": "2", "parameters": [{"parameterId": "lr", "value": 0.25}], "state": "INFEASIBLE"},
]


@pytest.mark.parametrize("trials", [ML_V1_TRIALS, VERTEX_TRIALS])
def test_scripted_trials_in_the_words_of_either_service(
    vertex: Vertex, jobs: Jobs, trials: list[Json]
) -> None:
    vertex.rig.script(trials=trials, timeline={"RUNNING": 20})
    name = vertex("hyperparameterTuningJobs.create", body=jobs.tuning())["name"]
    vertex.control("POST", f"jobs/p/{name.rpartition('/')[2]}", {"state": "RUNNING"})
    vertex.control("POST", f"jobs/p/{name.rpartition('/')[2]}", {"state": "SUCCEEDED"})
    shown = {trial["id"]: trial for trial in vertex("hyperparameterTuningJobs.get", name)["trials"]}
    assert shown["1"]["parameters"] == VERTEX_TRIALS[0]["parameters"]
    assert shown["1"]["finalMeasurement"] == VERTEX_TRIALS[0]["finalMeasurement"]
    assert (shown["1"]["state"], shown["2"]["state"]) == ("SUCCEEDED", "INFEASIBLE")


def test_trials_for_vertex_leave_ml_v1_to_its_own(vertex: Vertex, jobs: Jobs, training: Any) -> None:
    vertex.rig.script(trials=VERTEX_TRIALS)
    params = [{"parameterName": "lr", "type": "DOUBLE", "minValue": 0, "maxValue": 1}]
    spec = {"goal": "MAXIMIZE", "maxTrials": 3, "params": params}
    vertex.rig.create(training(hyperparameters=spec))
    vertex.advance(10_000)
    assert len(vertex.rig("get", "census")["trainingOutput"]["trials"]) == 3


def test_trials_may_have_the_labels_of_their_tuning_job(vertex: Vertex, jobs: Jobs) -> None:
    vertex.control("POST", "options", {"trialLabels": True})
    vertex("hyperparameterTuningJobs.create", body=jobs.tuning(labels={"team": "a"}))
    vertex.advance(10_000)
    found = vertex("customJobs.list", filter="labels.team=a")["customJobs"]
    assert sorted(job["displayName"] for job in found) == [f"tune-trial-{number}" for number in range(1, 5)]
