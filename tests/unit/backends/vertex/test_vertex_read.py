"""Recorded answers of Vertex AI as jobs in the words of the resources."""

from typing import Any

import pytest

from mljobs.api.outputs import PredictionOutput, State, TrainingOutput
from mljobs.backends.vertex.read import STATES, TRIAL_STATES, read
from mljobs.domain import errors
from mljobs.domain.port import Scope
from tests.unit.backends.vertex.corpus import FOLDERS, calls, histories
from tests.unit.backends.vertex.schema import PREFIX, schemas

Json = dict[str, Any]

OAUTH_SCOPE = Scope("projects/my-project/locations/us-central1")
HISTORIES = histories()


def custom_job(**fields: Any) -> Json:
    return {"name": "projects/1/locations/us-central1/customJobs/7", "displayName": "nightly", **fields}


def tuning_job(**fields: Any) -> Json:
    metrics = [{"metricId": "loss", "goal": "MINIMIZE"}]
    return {
        "name": "projects/1/locations/us-central1/hyperparameterTuningJobs/7",
        "studySpec": {"metrics": metrics, "parameters": []},
        **fields,
    }


def batch_job(**fields: Any) -> Json:
    return {"name": "projects/1/locations/us-central1/batchPredictionJobs/7", **fields}


def test_every_word_for_a_state_is_known() -> None:
    words = set(schemas()[f"{PREFIX}CustomJob"]["properties"]["state"]["enum"]) - {"JOB_STATE_UNSPECIFIED"}
    assert words == set(STATES)
    assert set(STATES.values()) < set(State)
    words = set(schemas()[f"{PREFIX}Trial"]["properties"]["state"]["enum"]) - {"STATE_UNSPECIFIED"}
    assert words == set(TRIAL_STATES)
    assert set(TRIAL_STATES.values()) < set(State)


@pytest.mark.parametrize("name", HISTORIES)
def test_a_recorded_job_keeps_what_a_status_shows(name: str) -> None:
    for answer in HISTORIES[name]:
        job = read(answer, OAUTH_SCOPE)
        number = answer["name"].split("/", 4)[4]
        assert job.reference == f"{OAUTH_SCOPE}/{number}"
        assert job.job_id == answer["displayName"]
        assert job.document["createTime"] == answer["createTime"]
        assert job.document.get("endTime") == answer.get("endTime")
        assert job.document.get("errorMessage") == answer.get("error", {}).get("message")
        assert job.document.get("errorCode") == answer.get("error", {}).get("code")
        assert job.ended is ("endTime" in answer)
        for model, output in ((TrainingOutput, "trainingOutput"), (PredictionOutput, "predictionOutput")):
            model.model_validate(job.document.get(output, {}))


@pytest.mark.parametrize(
    ("name", "states", "started"),
    [
        ("custom job, cancelled", ["QUEUED", "QUEUED", "CANCELLED"], []),
        ("tuning job, cancelled", ["QUEUED", "QUEUED", "PREPARING", "CANCELLED"], []),
        ("batch prediction, cancelled", ["PREPARING", "RUNNING", "CANCELLING", "CANCELLED"], [1]),
        ("batch prediction, failed with code 3", ["FAILED"], []),
        ("tuning job, succeeded", ["SUCCEEDED"], [0]),
    ],
)
def test_a_job_has_started_when_it_runs_and_no_earlier(
    name: str, states: list[str], started: list[int]
) -> None:
    jobs = [read(answer, OAUTH_SCOPE) for answer in HISTORIES[name]]
    assert [job.state for job in jobs] == states
    assert [index for index, job in enumerate(jobs) if "startTime" in job.document] == started


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_project_that_comes_back_by_number_is_named_as_it_was_asked_for(folder: Any) -> None:
    _, answers = calls(folder, "uj10-sklearn.vertex.json")
    assert "my-project" not in answers[0]["name"]
    assert read(answers[0], OAUTH_SCOPE).reference == f"{OAUTH_SCOPE}/customJobs/3216493723709865984"


def test_the_trials_of_a_finished_search_come_best_first_as_text() -> None:
    job = read(HISTORIES["tuning job, succeeded"][0], OAUTH_SCOPE)
    output = job.document["trainingOutput"]
    assert output["isHyperparameterTuningJob"] is True
    assert output["hyperparameterMetricTag"] == "my_metric"
    assert output["completedTrialCount"] == "3"
    assert [trial["trialId"] for trial in output["trials"]] == ["3", "1", "2"]
    assert output["bestTrial"] == {
        "trialId": "3",
        "state": "SUCCEEDED",
        "hyperparameters": {"my_parameter": "0.3078893356622992"},
        "finalMetric": {"trainingStep": "2", "objectiveValue": 0.30000102519989014},
        "startTime": "2020-09-09T23:49:22.451699360Z",
        "endTime": "2020-09-09T23:57:15Z",
    }


def test_a_list_which_has_no_trials_says_nothing_of_them() -> None:
    assert read(tuning_job(), OAUTH_SCOPE).document["trainingOutput"] == {
        "isHyperparameterTuningJob": True,
        "hyperparameterMetricTag": "loss",
    }


def test_trials_in_all_states_and_with_values_of_all_kinds() -> None:
    study = {
        "metrics": [{"metricId": "acc", "goal": "MAXIMIZE"}, {"metricId": "loss", "goal": "MINIMIZE"}],
        "parameters": [
            {"parameterId": "units", "integerValueSpec": {"minValue": "1", "maxValue": "9"}},
            {"parameterId": "rate", "doubleValueSpec": {"minValue": 0, "maxValue": 1}},
            {"parameterId": "kind", "categoricalValueSpec": {"values": ["a", "b"]}},
        ],
    }
    values = [
        {"parameterId": "units", "value": 5.0},
        {"parameterId": "rate", "value": 1e-05},
        {"parameterId": "kind", "value": "a"},
    ]
    metrics = [{"metricId": "loss", "value": 3}, {"metricId": "acc"}]
    trials = [
        {"id": "1", "state": "REQUESTED", "parameters": values},
        {"id": "2", "state": "ACTIVE", "webAccessUris": {"workerpool0-0": "u0"}},
        {"id": "3", "state": "STOPPING"},
        {"id": "4", "state": "SUCCEEDED", "finalMeasurement": {"stepCount": "7", "metrics": metrics}},
        {
            "id": "5",
            "state": "INFEASIBLE",
            "finalMeasurement": {"metrics": [{"metricId": "acc", "value": -1.5}]},
        },
    ]
    answer = tuning_job(studySpec=study, trials=trials, state="JOB_STATE_RUNNING")
    output = read(answer, OAUTH_SCOPE).document["trainingOutput"]
    assert output["completedTrialCount"] == "2"
    assert output["trials"] == [
        {
            "trialId": "4",
            "state": "SUCCEEDED",
            "finalMetric": {"objectiveValue": 0, "trainingStep": "7"},
        },
        {"trialId": "5", "state": "FAILED", "finalMetric": {"objectiveValue": -1.5}},
        {
            "trialId": "1",
            "state": "QUEUED",
            "hyperparameters": {"units": "5", "rate": "1e-05", "kind": "a"},
        },
        {"trialId": "2", "state": "RUNNING", "webAccessUris": {"master-replica-0": "u0"}},
        {"trialId": "3", "state": "CANCELLING", "isTrialStoppedEarly": True},
    ]
    assert output["bestTrial"]["trialId"] == "4"


def test_no_trial_is_the_best_before_one_has_a_metric() -> None:
    output = read(tuning_job(trials=[{"id": "1", "state": "ACTIVE"}]), OAUTH_SCOPE).document["trainingOutput"]
    assert "bestTrial" not in output


def test_shells_and_dashboards_are_named_by_role() -> None:
    uris = {
        "workerpool0-0": "a",
        "workerpool1-12": "b",
        "workerpool2-0": "c",
        "workerpool3-1": "d",
        "workerpool0-0:8888": "e",
        "other": "f",
    }
    output = read(custom_job(webAccessUris=uris), OAUTH_SCOPE).document["trainingOutput"]
    assert output == {
        "webAccessUris": {
            "master-replica-0": "a",
            "worker-replica-12": "b",
            "ps-replica-0": "c",
            "evaluator-replica-1": "d",
            "master-replica-0:8888": "e",
            "other": "f",
        }
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_batch_prediction_counts_and_says_where_it_wrote(folder: Any) -> None:
    _, answers = calls(
        folder, "uj14-batch.vertex.json" if folder == FOLDERS[0] else "uj14-batch-completionstats.vertex.json"
    )
    running = read(answers[-1], OAUTH_SCOPE)
    assert running.state == "RUNNING"
    prefix = answers[-1]["outputConfig"]["gcsDestination"]["outputUriPrefix"]
    assert running.document["predictionOutput"] == {"outputPath": prefix}
    done = {
        **answers[-1],
        "state": "JOB_STATE_SUCCEEDED",
        "outputInfo": {"gcsOutputDirectory": "gs://b/out/prediction-m-1"},
        "completionStats": {"successfulCount": "9", "failedCount": "2"},
        "resourcesConsumed": {"replicaHours": 0.25},
    }
    assert read(done, OAUTH_SCOPE).document["predictionOutput"] == {
        "outputPath": "gs://b/out/prediction-m-1",
        "predictionCount": "9",
        "errorCount": "2",
        "nodeHours": 0.25,
    }


def test_a_table_is_named_as_a_path() -> None:
    told = {"bigqueryOutputDataset": "bq://p.d", "bigqueryOutputTable": "t"}
    assert read(batch_job(outputInfo=told), OAUTH_SCOPE).document["predictionOutput"] == {
        "outputPath": "bq://p.d.t"
    }


def test_success_in_part_says_what_failed() -> None:
    failures = [{"code": 5, "message": "gs://b/1 is gone"}, {"code": 5, "message": "gs://b/2 is gone"}]
    job = read(batch_job(state="JOB_STATE_PARTIALLY_SUCCEEDED", partialFailures=failures), OAUTH_SCOPE)
    assert job.state == "SUCCEEDED"
    assert job.document["partial"] is True
    assert job.document["errorMessage"] == "gs://b/1 is gone\ngs://b/2 is gone"


def test_an_expired_job_has_failed_and_says_why() -> None:
    job = read(custom_job(state="JOB_STATE_EXPIRED"), OAUTH_SCOPE)
    assert (job.state, job.document["errorMessage"]) == ("FAILED", "The job has expired.")


def test_labels_come_back_and_unknown_states_stay_unknown() -> None:
    job = read(custom_job(labels={"mljobs-uid": "u"}, state="JOB_STATE_NEW_ONE"), OAUTH_SCOPE)
    assert (job.labels, job.state, job.etag) == ({"mljobs-uid": "u"}, "STATE_UNSPECIFIED", "")


def test_masked_answers_are_enough() -> None:
    answer = {"name": "projects/1/locations/us-central1/customJobs/7", "state": "JOB_STATE_QUEUED"}
    assert read(answer, OAUTH_SCOPE).state == "QUEUED"


@pytest.mark.parametrize("answer", [{}, {"name": "projects/p/locations/l/models/1"}, {"error": {"code": 5}}])
def test_what_is_no_job_is_no_usable_answer(answer: Json) -> None:
    with pytest.raises(errors.Unavailable, match="names no job"):
        read(answer, OAUTH_SCOPE)
