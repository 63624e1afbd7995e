"""The methods of the API without HTTP, on a clock that the tests turn."""

import re
from collections.abc import Callable
from typing import Any

import pytest

Json = dict[str, Any]
Make = Callable[..., Json]
Rig = Any

QUICK = {"QUEUED": 1, "PREPARING": 1, "RUNNING": 10, "CANCELLING": 5}
TUNING = {
    "goal": "MINIMIZE",
    "hyperparameterMetricTag": "loss",
    "maxTrials": 5,
    "maxParallelTrials": 2,
    "params": [
        {"parameterName": "rate", "type": "DOUBLE", "minValue": 0.001, "maxValue": 0.1, "scaleType": scale}
        for scale in ("UNIT_LOG_SCALE",)
    ]
    + [
        {
            "parameterName": "back",
            "type": "DOUBLE",
            "minValue": 1,
            "maxValue": 2,
            "scaleType": "UNIT_REVERSE_LOG_SCALE",
        },
        {"parameterName": "units", "type": "INTEGER", "minValue": 50, "maxValue": 500},
        {"parameterName": "kind", "type": "CATEGORICAL", "categoricalValues": ["a", "b"]},
        {"parameterName": "size", "type": "DISCRETE", "discreteValues": [16, 32.5]},
        {"parameterName": "zero", "type": "DOUBLE", "minValue": 0, "maxValue": 0},
    ],
}


def test_create_answers_as_recorded(rig: Rig, training: Make) -> None:
    answer = rig.create(
        {**training(scaleTier="BASIC"), "labels": {"a": "b"}, "state": "SUCCEEDED", "etag": "AAAA"}
    )
    assert "scaleTier" not in answer["trainingInput"]
    assert set(answer) == {"jobId", "trainingInput", "labels", "createTime", "state", "etag"}
    assert answer["createTime"] == "2019-07-01T16:53:20Z"
    assert answer["state"] == "QUEUED"
    assert re.fullmatch(r"[A-Za-z0-9+/]{11}=", answer["etag"])


def test_create_twice(rig: Rig, training: Make, prediction: Make) -> None:
    rig.create(training("same"))
    error = rig.refuse("create", "same", prediction("same"))
    assert error.as_json()["error"] == {
        "code": 409,
        "message": "Field: job.job_id Error: A job with this id already exists.",
        "status": "ALREADY_EXISTS",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [
                    {"field": "job.job_id", "description": "A job with this id already exists."}
                ],
            }
        ],
    }
    rig.project = "other"
    rig.create(training("same"))
    rig.create(training("SAME"))


def test_a_training_job_lives_as_recorded(rig: Rig, training: Make) -> None:
    created = rig.create(training())
    assert rig("get", "census") == {**created, "jobPosition": "1"}
    rig.script(timeline=QUICK)
    rig.time.advance(1)
    preparing = rig("get", "census")
    assert preparing == {**created, "state": "PREPARING", "etag": preparing["etag"]}
    rig.time.advance(1)
    running = rig("get", "census")
    assert set(running) - set(created) == {"startTime", "trainingOutput"}
    assert running["trainingOutput"] == {"consumedMLUnits": 0.01}
    rig.time.advance(9)
    assert rig("get", "census") == running
    rig.time.advance(1)
    ended = rig("get", "census")
    assert set(ended) - set(running) == {"endTime"}
    assert (ended["state"], ended["startTime"], ended["endTime"]) == (
        "SUCCEEDED",
        "2019-07-01T16:53:22Z",
        "2019-07-01T16:53:32Z",
    )
    assert len({job["etag"] for job in (created, preparing, running, ended)}) == 4
    rig.time.advance(1e6)
    assert rig("get", "census") == ended


def test_units_follow_machines_and_hours(rig: Rig, training: Make) -> None:
    rig.script(timeline={"RUNNING": 7200})
    custom = {
        "scaleTier": "CUSTOM",
        "masterType": "n1-standard-4",
        "workerType": "n1-standard-4",
        "workerCount": 3,
    }
    rig.create(training(**custom))
    rig.time.advance(10_000)
    assert rig("get", "census")["trainingOutput"]["consumedMLUnits"] == 8.0


def test_speed_shortens_what_lasts_but_not_the_wall_clock(
    new_rig: Callable[..., Rig], training: Make
) -> None:
    rig = new_rig(speed=60)
    rig.script(timeline={"QUEUED": 60, "PREPARING": 60, "RUNNING": 600})
    rig.create(training())
    rig.time.advance(12.5)
    job = rig("get", "census")
    assert (job["state"], job["createTime"], job["endTime"]) == (
        "SUCCEEDED",
        "2019-07-01T16:53:20Z",
        "2019-07-01T16:53:32Z",
    )


def test_a_failure_says_what_the_service_says(rig: Rig, training: Make) -> None:
    rig.script(jobId="census", timeline=QUICK, final="FAILED")
    rig.create(training())
    rig.time.advance(100)
    job = rig("get", "census")
    assert job["state"] == "FAILED"
    assert re.fullmatch(
        r"The replica master 0 exited with a non-zero status of 1\. To find out more about why your job "
        r"exited please check the logs: https://console\.cloud\.google\.com/logs/viewer\?project=\d+"
        r"&resource=ml_job%2Fjob_id%2Fcensus&advancedFilter=resource\.type%3D%22ml_job%22%0A"
        r"resource\.labels\.job_id%3D%22census%22",
        job["errorMessage"],
    )


def test_prediction(rig: Rig, prediction: Make) -> None:
    created = rig.create(prediction())
    assert "predictionOutput" not in created
    rig.time.advance(3.5)
    running = rig("get", "score")
    assert running["state"] == "RUNNING"
    assert running["predictionOutput"] == {"outputPath": "gs://bucket/out"}
    rig.time.advance(1000)
    output = rig("get", "score")["predictionOutput"]
    assert set(output) == {"outputPath", "nodeHours", "predictionCount"}
    assert isinstance(output["nodeHours"], float)
    assert output["predictionCount"].isdecimal()


def test_prediction_without_results_has_no_count(rig: Rig, prediction: Make) -> None:
    rig.script(final="FAILED", predictionOutput={"errorCount": "7", "predictionCount": 0})
    rig.create(prediction())
    rig.time.advance(1000)
    output = rig("get", "score")["predictionOutput"]
    assert output["errorCount"] == "7"
    assert "predictionCount" not in output


def test_trials_come_one_after_another(rig: Rig, training: Make) -> None:
    rig.script(timeline=QUICK)
    rig.create(training(hyperparameters=TUNING))
    rig.time.advance(2)
    output = rig("get", "census")["trainingOutput"]
    assert output == {
        "consumedMLUnits": 0.01,
        "isHyperparameterTuningJob": True,
        "hyperparameterMetricTag": "loss",
    }
    seen = []
    for _ in range(11):
        rig.time.advance(1)
        output = rig("get", "census")["trainingOutput"]
        seen.append(int(output.get("completedTrialCount", "0")))
    assert seen == [0, 0, 0, 2, 2, 2, 4, 4, 4, 5, 5]
    trials = output["trials"]
    objectives = [trial["finalMetric"]["objectiveValue"] for trial in trials]
    assert objectives == sorted(objectives)
    assert sorted(trial["trialId"] for trial in trials) == ["1", "2", "3", "4", "5"]
    for trial in trials:
        assert set(trial) == {"trialId", "hyperparameters", "finalMetric", "startTime", "endTime", "state"}
        assert trial["finalMetric"]["trainingStep"] == "1000"
        values = trial["hyperparameters"]
        assert 0.001 <= float(values["rate"]) <= 0.1
        assert 1 <= float(values["back"]) <= 2
        assert 50 <= int(values["units"]) <= 500
        assert values["kind"] in ("a", "b")
        assert values["size"] in ("16", "32.5")
        assert float(values["zero"]) == 0


def test_etag_keeps_while_trials_come(rig: Rig, training: Make) -> None:
    rig.script(timeline=QUICK)
    rig.create(training(hyperparameters=TUNING))
    rig.time.advance(3)
    before = rig("get", "census")
    rig.time.advance(5)
    after = rig("get", "census")
    assert before["trainingOutput"] != after["trainingOutput"]
    assert before["etag"] == after["etag"]


def test_a_failing_tuning_job_has_a_failed_trial(rig: Rig, training: Make) -> None:
    rig.script(timeline=QUICK, final="FAILED")
    rig.create(training(hyperparameters=TUNING))
    rig.time.advance(20)
    output = rig("get", "census")["trainingOutput"]
    assert output["completedTrialCount"] == "4"
    assert [trial["state"] for trial in output["trials"]] == ["SUCCEEDED"] * 4 + ["FAILED"]
    assert "finalMetric" not in output["trials"][-1]


def test_a_cancelled_tuning_job_keeps_its_trials(rig: Rig, training: Make) -> None:
    rig.script(timeline=QUICK)
    rig.create(training(hyperparameters=TUNING))
    rig.time.advance(7)
    rig("cancel", "census")
    rig.time.advance(100)
    assert rig("get", "census")["trainingOutput"]["completedTrialCount"] == "2"


def test_scripted_trials_keep_their_order(rig: Rig, training: Make) -> None:
    trials = [{"trialId": str(i), "hyperparameters": {"x": "1"}} for i in (3, 1, 2)]
    rig.script(timeline=QUICK, trials=trials)
    rig.create(training(hyperparameters=TUNING))
    rig.time.advance(20)
    shown = rig("get", "census")["trainingOutput"]["trials"]
    assert [trial["trialId"] for trial in shown] == ["3", "1", "2"]


def test_ten_thousand_scripted_trials(rig: Rig, training: Make) -> None:
    rig.script(timeline=QUICK, trials=[{"trialId": str(i)} for i in range(10_000)])
    rig.create(training(hyperparameters=TUNING))
    rig.time.advance(20)
    assert rig("get", "census")["trainingOutput"]["completedTrialCount"] == "10000"


def test_a_resumed_study_has_the_parameters_of_the_first(rig: Rig, training: Make) -> None:
    rig.script(timeline=QUICK)
    rig.create(training("first", hyperparameters=TUNING))
    rig.create(training("second", hyperparameters={"resumePreviousJobId": "first"}))
    rig.time.advance(20)
    trial = rig("get", "second")["trainingOutput"]["trials"][0]
    assert set(trial["hyperparameters"]) == {"rate", "back", "units", "kind", "size", "zero"}


def test_web_access(rig: Rig, training: Make) -> None:
    rig.script(timeline=QUICK)
    custom = {
        "scaleTier": "CUSTOM",
        "masterType": "n1-standard-4",
        "workerType": "n1-standard-4",
        "workerCount": 2,
    }
    rig.create(
        training(enableWebAccess=True, parameterServerType="n1-standard-4", parameterServerCount=1, **custom)
    )
    rig.create(training("tuned", enableWebAccess=True, hyperparameters=TUNING))
    rig.time.advance(7)
    uris = rig("get", "census")["trainingOutput"]["webAccessUris"]
    assert list(uris) == ["master-replica-0", "worker-replica-0", "worker-replica-1", "ps-replica-0"]
    tuned = rig("get", "tuned")["trainingOutput"]
    assert "webAccessUris" not in tuned
    assert list(tuned["trials"][0]["webAccessUris"]) == ["master-replica-0"]


def test_scripted_output_replaces_fields(rig: Rig, training: Make) -> None:
    rig.script(
        trainingOutput={"consumed_ml_units": 0.45, "builtInAlgorithmOutput": {"modelPath": "gs://b/model"}}
    )
    rig.create(training())
    rig.time.advance(100)
    output = rig("get", "census")["trainingOutput"]
    assert output == {"consumedMLUnits": 0.45, "builtInAlgorithmOutput": {"modelPath": "gs://b/model"}}


def test_position_in_the_queue(rig: Rig, training: Make) -> None:
    rig.script(timeline={"QUEUED": 10})
    for name in ("a", "b"):
        rig.create(training(name))
    assert [rig("get", name)["jobPosition"] for name in ("a", "b")] == ["1", "2"]
    rig.time.advance(11)
    rig.create(training("c"))
    assert rig("get", "c")["jobPosition"] == "1"
    assert "jobPosition" not in rig("get", "a")


def test_the_latest_script_wins_and_moves_unfinished_jobs(rig: Rig, training: Make) -> None:
    rig.script(jobId="census", timeline={"QUEUED": 1000})
    rig.create(training())
    rig.create(training("other"))
    rig.time.advance(500)
    assert rig("get", "census")["state"] == "QUEUED"
    rig.script(
        jobId="cens", timeline={"QUEUED": 1, "PREPARING": 1, "RUNNING": 1}, final="FAILED", errorMessage="no"
    )
    assert rig("get", "census")["state"] == "PREPARING"
    rig.time.advance(2)
    ended = rig("get", "census")
    assert (ended["state"], ended["errorMessage"]) == ("FAILED", "no")
    rig.script(timeline=QUICK, final="SUCCEEDED")
    assert rig("get", "census") == ended


@pytest.mark.parametrize("final", ["QUEUED", "PREPARING", "RUNNING"])
def test_a_job_can_rest_in_a_state(rig: Rig, training: Make, final: str) -> None:
    rig.script(final=final)
    rig.create(training())
    rig.time.advance(604_000)
    assert rig("get", "census")["state"] == final
    rig("cancel", "census")
    rig.time.advance(1000)
    assert rig("get", "census")["state"] == "CANCELLED"


def test_scheduling_limits(rig: Rig, training: Make) -> None:
    rig.script(timeline={"QUEUED": 3000, "RUNNING": 3000, "CANCELLING": 10})
    rig.create(training("waits", scheduling={"maxWaitTime": "1800s"}))
    rig.script(timeline={"QUEUED": 1, "PREPARING": 1, "RUNNING": 3000, "CANCELLING": 10})
    rig.create(training("runs", scheduling={"maxRunningTime": "60s"}))
    rig.time.advance(1805)
    runs = rig("get", "runs")
    assert (runs["state"], "max_running_time" in runs["errorMessage"]) == ("CANCELLED", True)


def test_cancel(rig: Rig, training: Make) -> None:
    rig.script(timeline=QUICK)
    rig.create(training())
    rig.time.advance(3)
    assert rig("cancel", "census", {"name": "projects/p/jobs/census"}) == {}
    cancelling = rig("get", "census")
    assert cancelling["state"] == "CANCELLING"
    assert "endTime" not in cancelling
    assert rig("cancel", "census") == {}
    rig.time.advance(5)
    ended = rig("get", "census")
    assert (ended["state"], ended["errorMessage"]) == ("CANCELLED", "Job is cancelled by the user.")
    error = rig.refuse("cancel", "census")
    assert (error.code, error.status) == (400, "FAILED_PRECONDITION")
    assert rig.refuse("cancel", "nope").code == 404
    assert "Unknown name" in rig.refuse("cancel", "census", {"reason": "x"}).message


def test_cancel_before_it_ran_leaves_no_output(rig: Rig, training: Make) -> None:
    rig.create(training())
    rig("cancel", "census")
    rig.time.advance(1000)
    job = rig("get", "census")
    assert {"startTime", "trainingOutput"}.isdisjoint(job)
    assert "endTime" in job


def test_not_found(rig: Rig) -> None:
    for verb in ("get", "cancel", "getIamPolicy", "setIamPolicy"):
        error = rig.refuse(verb, "nope")
        assert (error.code, error.status) == (404, "NOT_FOUND")
    assert rig.refuse("patch", "nope", {}, updateMask="labels").code == 404
    assert rig("testIamPermissions", "nope", {"permissions": ["ml.jobs.get"]}) == {}


def names(page: Json) -> list[str]:
    return [job["jobId"] for job in page.get("jobs", [])]


def test_list(rig: Rig, training: Make) -> None:
    assert rig("list") == {}
    for number in range(45):
        rig.create(training(f"j{number}"))
        rig.time.advance(0.1)
    first = rig("list")
    assert names(first) == [f"j{number}" for number in range(44, 24, -1)]
    assert first["jobs"][0] == rig("get", "j44")
    rig.create(training("late"))
    second = rig("list", pageToken=first["nextPageToken"])
    assert names(second) == [f"j{number}" for number in range(24, 4, -1)]
    third = rig("list", pageToken=second["nextPageToken"], pageSize="5")
    assert names(third) == [f"j{number}" for number in range(4, -1, -1)]
    assert "nextPageToken" not in third
    assert names(rig("list", pageSize="2", filter="jobId:j1*")) == ["j19", "j18"]


def test_list_pages_with_a_filter(rig: Rig, training: Make) -> None:
    for number in range(250):
        rig.create({**training(f"j{number}"), "labels": {"even": str(number % 2 == 0).lower()}})
    found: list[str] = []
    token = ""
    pages = 0
    while pages == 0 or token:
        page = rig("list", filter="labels.even=true", pageSize="1000", pageToken=token)
        found += names(page)
        token = page.get("nextPageToken", "")
        pages += 1
    assert found == [f"j{number}" for number in range(248, -1, -2)]
    assert pages == 2


def test_list_forgets_after_90_days(rig: Rig, training: Make) -> None:
    rig.create(training("old"))
    rig.time.advance(91 * 86400)
    rig.create(training("new"))
    assert names(rig("list")) == ["new"]
    assert rig("get", "old")["jobId"] == "old"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"pageSize": "-1"}, "page_size"),
        ({"pageSize": "many"}, "page_size"),
        ({"pageToken": "x"}, "page_token"),
        ({"pageToken": "ä"}, "page_token"),
        ({"filter": "nope=1"}, "filter"),
    ],
)
def test_list_refuses(rig: Rig, query: dict[str, str], field: str) -> None:
    error = rig.refuse("list", **query)
    assert error.code == 400
    assert error.details[0]["fieldViolations"][0]["field"] == field


def test_trials_are_bounded(rig: Rig, training: Make) -> None:
    rig.script(timeline=QUICK)
    rig.create(training(hyperparameters={**TUNING, "maxTrials": 2**31 - 1}))
    rig.time.advance(20)
    assert rig("get", "census")["trainingOutput"]["completedTrialCount"] == "10000"
