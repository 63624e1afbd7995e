"""Vertex AI's jobs in the emulator: lists, scripts, trials, quotas, and what is refused."""

import itertools
import re
from typing import Any

import pytest

from mljobs_dev.emulator.clock import rfc3339_nano

Json = dict[str, Any]
Vertex = Any
Jobs = Any
QUICK = {"QUEUED": 1, "PREPARING": 1, "RUNNING": 10, "CANCELLING": 5}
L4 = "custom_model_training_nvidia_l4_gpus"


def names(page: Json) -> list[str]:
    return [job["displayName"] for job in page.get("customJobs", [])]


def states(vertex: Vertex, method: str, name: str, *instants: float) -> list[str]:
    """The state of a job after so many seconds each."""
    found, clock = [], 0.0
    for instant in instants:
        vertex.advance(instant - clock)
        clock = instant
        found.append(vertex(method, name)["state"].removeprefix("JOB_STATE_"))
    return found


@pytest.mark.parametrize(
    ("unix", "digits", "text"),
    [
        (1.0, 9, "1970-01-01T00:00:01Z"),
        (1.5, 9, "1970-01-01T00:00:01.500Z"),
        (1.000001, 6, "1970-01-01T00:00:01.000001Z"),
        (1.25, 0, "1970-01-01T00:00:01Z"),
        (1.250125, 3, "1970-01-01T00:00:01.250Z"),
        (0.000000001, 9, "1970-01-01T00:00:00.000000001Z"),
    ],
)
def test_times_have_as_few_digits_as_do(unix: float, digits: int, text: str) -> None:
    assert rfc3339_nano(unix, digits) == text


def test_the_life_of_a_custom_job(vertex: Vertex, jobs: Jobs) -> None:
    name = vertex("customJobs.create", body=jobs.custom())["name"]
    times = [0.0, 0.1, 0.25, 1.0, 5.0, 200.0, 1000.0]
    assert states(vertex, "customJobs.get", name, *times) == [
        "PENDING",
        "PENDING",
        "QUEUED",
        "QUEUED",
        "PENDING",
        "RUNNING",
        "SUCCEEDED",
    ]


def test_the_start_time_moves(vertex: Vertex, jobs: Jobs) -> None:
    name = vertex("customJobs.create", body=jobs.custom())["name"]
    vertex.advance(2)
    queued = vertex("customJobs.get", name)["startTime"]
    vertex.advance(300)
    running = vertex("customJobs.get", name)["startTime"]
    assert re.search(r"\.(\d{3}){1,2}Z$", queued)
    assert re.search(r":\d\dZ$", running)
    assert queued < running


def test_some_jobs_tell_milliseconds(vertex: Vertex, jobs: Jobs) -> None:
    digits = set()
    for _ in range(9):
        vertex.advance(0.123457)
        digits.add(len(vertex("customJobs.create", body=jobs.custom())["createTime"]))
    assert digits == {24, 27}


def test_ids_are_without_order(vertex: Vertex, jobs: Jobs) -> None:
    found = [
        int(vertex("customJobs.create", body=jobs.custom())["name"].rpartition("/")[2]) for _ in range(20)
    ]
    assert len(set(found)) == 20
    assert found != sorted(found)
    assert all(0 < number < 2**63 for number in found)


def test_defaults_are_filled_in(vertex: Vertex, jobs: Jobs) -> None:
    pools = [jobs.pool(), {}, jobs.pool("a3-ultragpu-8g", 2, kind="NVIDIA_H200_141GB", count=8)]
    disk = {"bootDiskSizeGb": 200}
    created = vertex("customJobs.create", body=jobs.custom("c", *pools, jobs.pool(diskSpec=disk)))
    shown = created["jobSpec"]["workerPoolSpecs"]
    assert [pool.get("diskSpec") for pool in shown] == [
        {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100},
        None,
        {"bootDiskType": "hyperdisk-balanced", "bootDiskSizeGb": 100},
        {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 200},
    ]
    assert [pool.get("replicaCount") for pool in shown] == ["1", None, "2", "1"]


def test_output_only_fields_count_for_nothing(vertex: Vertex, jobs: Jobs) -> None:
    body = {**jobs.custom(), "name": "x", "state": "JOB_STATE_FAILED", "createTime": "2020-01-01T00:00:00Z"}
    created = vertex("customJobs.create", body=body)
    assert created["state"] == "JOB_STATE_PENDING"
    assert created["name"].startswith("projects/")


def test_a_name_has_the_number_or_the_id(vertex: Vertex, jobs: Jobs) -> None:
    assert re.match(r"projects/\d+/", vertex("customJobs.create", body=jobs.custom())["name"])
    vertex.control("POST", "options", {"projectNumbers": False})
    assert vertex("customJobs.create", body=jobs.custom())["name"].startswith("projects/p/")


def test_lists_have_the_last_updated_first(vertex: Vertex, jobs: Jobs) -> None:
    vertex.rig.script(jobId="^old$", timeline={"QUEUED": 30, "PREPARING": 1000})
    for name in ("old", "middle", "new"):
        vertex("customJobs.create", body=jobs.custom(name))
        vertex.advance(10)
    assert names(vertex("customJobs.list")) == ["new", "middle", "old"]
    vertex.advance(1)  # `old` becomes PENDING 31 s after its creation
    assert names(vertex("customJobs.list")) == ["old", "new", "middle"]


def test_a_job_that_changes_between_two_pages_is_on_neither(vertex: Vertex, jobs: Jobs) -> None:
    vertex.rig.script(jobId="^old$", timeline={"QUEUED": 30, "PREPARING": 1000})
    for name in ("old", "middle", "new"):
        vertex("customJobs.create", body=jobs.custom(name))
        vertex.advance(10)
    first = vertex("customJobs.list", pageSize="2")
    vertex.advance(1)
    second = vertex("customJobs.list", pageSize="2", pageToken=first["nextPageToken"])
    assert (names(first), names(second)) == (["new", "middle"], [])


def test_shuffled_lists_have_every_job_once(vertex: Vertex, jobs: Jobs) -> None:
    for number in range(9):
        vertex("customJobs.create", body=jobs.custom(f"j{number}"))
    vertex.control("POST", "options", {"shuffleLists": True})
    orders = []
    for _ in range(2):
        found, token = [], ""
        while True:
            page = vertex("customJobs.list", pageSize="4", pageToken=token)
            found += names(page)
            token = page.get("nextPageToken", "")
            if not token:
                break
        assert sorted(found) == [f"j{number}" for number in range(9)]
        orders.append(found)
    assert orders[0] != orders[1]


def test_lists_lag(vertex: Vertex, jobs: Jobs) -> None:
    vertex.control("POST", "options", {"listLag": 30})
    name = vertex("customJobs.create", body=jobs.custom())["name"]
    assert vertex("customJobs.get", name)["name"] == name
    vertex.advance(29)
    assert vertex("customJobs.list") == {}
    vertex.advance(1)
    assert names(vertex("customJobs.list")) == ["census"]


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ("", ["a 1", "b 2", "b 3"]),
        ('display_name="a 1"', ["a 1"]),
        ('display_name:"b *"', ["b 2", "b 3"]),
        ('displayName!="b 2"', ["a 1", "b 3"]),
        ('NOT display_name="a 1"', ["b 2", "b 3"]),
        ('display_name="b*"', []),
        ("labels.team=x", ["a 1"]),
        ("labels.team:*", ["a 1", "b 2"]),
        ("labels.team=x OR labels.team=y", ["a 1", "b 2"]),
        ('labels.team-id="z"', ["b 3"]),
        ("labels.team!=x", ["b 2", "b 3"]),
        ('state="JOB_STATE_QUEUED"', ["b 3"]),
        ('state!="JOB_STATE_QUEUED"', ["a 1", "b 2"]),
        ('create_time>="2019-07-01T16:53:30Z"', ["b 2", "b 3"]),
        ('create_time<"2019-07-01T16:53:30Z"', ["a 1"]),
        ('create_time!="2019-07-01T16:53:20.250Z" AND labels.team:*', ["b 2"]),
    ],
)
def test_filters(vertex: Vertex, jobs: Jobs, filter_: str, found: list[str]) -> None:
    for name, labels in (("a 1", {"team": "x"}), ("b 2", {"team": "y"}), ("b 3", {"team-id": "z"})):
        vertex("customJobs.create", body=jobs.custom(name, labels=labels))
        vertex.advance(20)
    vertex.advance(-19.5)
    assert sorted(names(vertex("customJobs.list", filter=filter_))) == found


@pytest.mark.parametrize(
    "filter_",
    [
        "census",
        "job_id=1",
        "state:RUNNING",
        "create_time:*",
        "create_time>yesterday",
        "labels=x",
        "labels.a:b",
        "labels.a<b",
        "model_display_name=m",
        "display_name=",
        "(",
    ],
)
def test_what_is_no_filter(vertex: Vertex, filter_: str) -> None:
    error = vertex.refuse("customJobs.list", filter=filter_)
    assert (error.code, error.details[0]["fieldViolations"][0]["field"]) == (400, "filter")


def test_batch_jobs_are_filtered_by_their_model(vertex: Vertex, jobs: Jobs) -> None:
    vertex("batchPredictionJobs.create", body=jobs.batch())
    assert "batchPredictionJobs" in vertex("batchPredictionJobs.list", filter="model_display_name=model-7")
    assert vertex("batchPredictionJobs.list", filter="model_display_name=other") == {}


@pytest.mark.parametrize(
    ("mask", "fields"),
    [
        ("name,state", {"name", "state"}),
        ("displayName,create_time,job_spec.scheduling", {"displayName", "createTime", "jobSpec"}),
        ("labels", set()),
    ],
)
def test_read_masks(vertex: Vertex, jobs: Jobs, mask: str, fields: set[str]) -> None:
    vertex("customJobs.create", body=jobs.custom())
    assert set(vertex("customJobs.list", readMask=mask)["customJobs"][0]) == fields
    whole = vertex("customJobs.list", readMask="*")["customJobs"][0]
    assert whole == vertex("customJobs.list")["customJobs"][0]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"readMask": "name,nope"}, "read_mask"),
        ({"pageSize": "-1"}, "page_size"),
        ({"pageSize": "x"}, "page_size"),
        ({"pageToken": "x"}, "page_token"),
        ({"pageToken": "W10="}, "page_token"),
    ],
)
def test_what_lists_refuse(vertex: Vertex, query: dict[str, str], field: str) -> None:
    error = vertex.refuse("customJobs.list", **query)
    assert (error.code, error.details[0]["fieldViolations"][0]["field"]) == (400, field)


def test_pages_have_a_hundred_jobs_at_most(vertex: Vertex, jobs: Jobs) -> None:
    for _ in range(101):
        vertex("customJobs.create", body=jobs.custom())
    assert len(vertex("customJobs.list", pageSize="1000")["customJobs"]) == 100
    first = vertex("customJobs.list")
    rest = vertex("customJobs.list", pageToken=first["nextPageToken"])
    assert (len(first["customJobs"]), len(rest["customJobs"]), "nextPageToken" in rest) == (100, 1, False)


@pytest.mark.parametrize(
    "words", [("QUEUED", "PREPARING", "RUNNING"), ("JOB_STATE_QUEUED", "PENDING", "RUNNING")]
)
def test_a_timeline_in_the_words_of_either_service(
    vertex: Vertex, jobs: Jobs, words: tuple[str, ...]
) -> None:
    timeline = dict(zip(words, (10, 20, 30), strict=True))
    vertex.rig.script(jobId="^my job$", timeline=timeline, final="JOB_STATE_FAILED", errorMessage="no")
    name = vertex("customJobs.create", body=jobs.custom("my job"))["name"]
    found = states(vertex, "customJobs.get", name, 5, 15, 29, 35, 59, 61)
    assert found == ["QUEUED", "PENDING", "PENDING", "RUNNING", "RUNNING", "FAILED"]
    assert vertex("customJobs.get", name)["error"] == {"code": 3, "message": "no"}


@pytest.mark.parametrize(
    ("final", "rests"),
    [
        ("QUEUED", "QUEUED"),
        ("PENDING", "PENDING"),
        ("RUNNING", "RUNNING"),
        ("PAUSED", "PAUSED"),
        ("EXPIRED", "EXPIRED"),
        ("PARTIALLY_SUCCEEDED", "PARTIALLY_SUCCEEDED"),
        ("CANCELLED", "CANCELLED"),
    ],
)
def test_jobs_come_to_rest_where_a_script_says(vertex: Vertex, jobs: Jobs, final: str, rests: str) -> None:
    vertex.rig.script(timeline=QUICK, final=final)
    name = vertex("customJobs.create", body=jobs.custom())["name"]
    assert states(vertex, "customJobs.get", name, 100, 10_000) == [rests, rests]


def test_the_latest_script_that_matches_wins_also_for_jobs_at_work(vertex: Vertex, jobs: Jobs) -> None:
    vertex.control("POST", "scripts", {"jobId": "", "final": "RUNNING"})
    name = vertex("customJobs.create", body=jobs.custom("x"))["name"]
    vertex.advance(1000)
    script = {"jobId": name.rpartition("/")[2], "timeline": {"RUNNING": 1}, "final": "SUCCEEDED"}
    vertex.control("POST", "scripts", script)
    assert vertex("customJobs.get", name)["state"] == "JOB_STATE_SUCCEEDED"
    elsewhere = {"jobId": "x", "location": "^asia", "final": "FAILED"}
    vertex.control("POST", "scripts", elsewhere)
    name = vertex("customJobs.create", body=jobs.custom("x"))["name"]
    vertex.advance(1000)
    assert vertex("customJobs.get", name)["state"] == "JOB_STATE_RUNNING"


def test_scripted_outputs(vertex: Vertex, jobs: Jobs) -> None:
    script = {
        "timeline": {"RUNNING": 5},
        "predictionOutput": {"outputPath": "gs://o/x", "predictionCount": "7", "nodeHours": 0.5},
        "vertexOutput": {"partialFailures": [{"code": 3, "message": "bad line"}]},
    }
    vertex.control("POST", "scripts", script)
    name = vertex("batchPredictionJobs.create", body=jobs.batch())["name"]
    vertex.advance(100)
    shown = vertex("batchPredictionJobs.get", name)
    assert shown["outputInfo"] == {"gcsOutputDirectory": "gs://o/x"}
    assert shown["completionStats"] == {"successfulCount": "7"}
    assert shown["resourcesConsumed"] == {"replicaHours": 0.5}
    assert shown["partialFailures"] == [{"code": 3, "message": "bad line"}]
    custom = vertex("customJobs.create", body=jobs.custom())
    assert "partialFailures" not in custom


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("The input GCS object doesn't exist: gs://a/b", 3),
        ("Model server terminated: x", 9),
        ("The following quota metrics exceed quota limits: x", 8),
        ("Internal error occurred for the current attempt", 13),
        ("The replica workerpool0-0 exited with a non-zero status of 1.", 3),
    ],
)
def test_codes_of_failures(vertex: Vertex, jobs: Jobs, message: str, code: int) -> None:
    vertex.rig.script(final="FAILED", errorMessage=message)
    name = vertex("customJobs.create", body=jobs.custom())["name"]
    vertex.advance(10_000)
    assert vertex("customJobs.get", name)["error"] == {"code": code, "message": message}
    vertex.control("POST", "scripts", {"final": "FAILED", "errorMessage": message, "errorCode": 14})
    name = vertex("customJobs.create", body=jobs.custom())["name"]
    vertex.advance(10_000)
    assert vertex("customJobs.get", name)["error"]["code"] == 14


def test_a_failure_without_a_text_gets_the_services(vertex: Vertex, jobs: Jobs) -> None:
    vertex.rig.script(final="FAILED")
    name = vertex("customJobs.create", body=jobs.custom())["name"]
    batch = vertex("batchPredictionJobs.create", body=jobs.batch())["name"]
    vertex.advance(10_000)
    error = vertex("customJobs.get", name)["error"]
    assert error["message"].startswith("The replica workerpool0-0 exited with a non-zero status of 1. ")
    assert name.rpartition("/")[2] in error["message"]
    assert vertex("batchPredictionJobs.get", batch)["error"]["message"].startswith(
        "Model server terminated: "
    )


def test_a_cancel_takes_its_time(vertex: Vertex, jobs: Jobs) -> None:
    name = vertex("customJobs.create", body=jobs.custom())["name"]
    vertex.advance(300)
    vertex("customJobs.cancel", name)
    assert vertex("customJobs.get", name)["state"] == "JOB_STATE_RUNNING"
    vertex.advance(6)
    assert vertex("customJobs.get", name)["state"] == "JOB_STATE_CANCELLED"


def test_a_job_may_end_before_its_cancel_is_heeded(vertex: Vertex, jobs: Jobs) -> None:
    vertex.rig.script(timeline={"QUEUED": 1, "PREPARING": 1, "RUNNING": 10})
    name = vertex("customJobs.create", body=jobs.custom())["name"]
    vertex.advance(11.9)
    vertex("customJobs.cancel", name)
    vertex.advance(60)
    assert vertex("customJobs.get", name)["state"] == "JOB_STATE_SUCCEEDED"


def test_a_job_that_runs_longer_than_its_timeout(vertex: Vertex, jobs: Jobs) -> None:
    vertex.rig.script(final="RUNNING")
    body = jobs.custom(scheduling={"timeout": "60s"})
    name = vertex("customJobs.create", body=body)["name"]
    vertex.advance(600)
    assert vertex("customJobs.get", name)["state"] == "JOB_STATE_CANCELLED"


def test_a_job_that_finds_no_machine_in_time(vertex: Vertex, jobs: Jobs) -> None:
    vertex.rig.script(final="PENDING")
    pool = jobs.pool("g2-standard-4", kind="NVIDIA_L4", count=1)
    scheduling = {"strategy": "FLEX_START", "maxWaitDuration": "1800s"}
    name = vertex("customJobs.create", body=jobs.custom("c", pool, scheduling=scheduling))["name"]
    assert states(vertex, "customJobs.get", name, 1799, 1801) == ["PENDING", "FAILED"]
    assert vertex("customJobs.get", name)["error"] == {
        "code": 8,
        "message": "Resources are insufficient in region: us-central1. Try a different region or use a "
        "different accelerator.",
    }


def test_web_access(vertex: Vertex, jobs: Jobs) -> None:
    body = jobs.custom("c", jobs.pool(), jobs.pool(replicas=2), enableWebAccess=True)
    name = vertex("customJobs.create", body=body)["name"]
    assert "webAccessUris" not in vertex("customJobs.get", name)
    vertex.advance(200)
    uris = vertex("customJobs.get", name)["webAccessUris"]
    assert list(uris) == ["workerpool0-0", "workerpool1-0", "workerpool1-1"]


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


def gpu_job(jobs: Jobs, name: str = "c", count: int = 1, **spec: Any) -> Json:
    machine = {1: "g2-standard-4", 2: "g2-standard-24"}[count]
    job: Json = jobs.custom(name, jobs.pool(machine, kind="NVIDIA_L4", count=count), **spec)
    return job


def test_a_quota_that_refuses(vertex: Vertex, jobs: Jobs) -> None:
    vertex.control("POST", "quotas", {"metric": L4, "limit": 2, "location": "^us-"})
    first = vertex("customJobs.create", body=gpu_job(jobs))["name"]
    error = vertex.refuse("customJobs.create", body=gpu_job(jobs, count=2))
    assert error.as_json() == {
        "error": {
            "code": 429,
            "message": f"The following quota metrics exceed quota limits: aiplatform.googleapis.com/{L4}",
            "status": "RESOURCE_EXHAUSTED",
        }
    }
    vertex("customJobs.create", body=gpu_job(jobs))
    vertex("customJobs.create", body=jobs.custom())
    vertex.location = "europe-west4"
    vertex("customJobs.create", body=gpu_job(jobs, count=2))
    vertex.location = "us-central1"
    vertex("customJobs.cancel", first)
    vertex.advance(10)
    vertex("customJobs.create", body=gpu_job(jobs))
    vertex.control("DELETE", "quotas")
    vertex("customJobs.create", body=gpu_job(jobs, count=2))


def test_a_quota_that_lets_wait(vertex: Vertex, jobs: Jobs) -> None:
    vertex.control(
        "POST", "quotas", {"metric": f"aiplatform.googleapis.com/{L4}", "limit": 1, "face": "queue"}
    )
    vertex.rig.script(timeline={"QUEUED": 1, "PREPARING": 1, "RUNNING": 100})
    made = [vertex("customJobs.create", body=gpu_job(jobs, f"j{number}"))["name"] for number in range(3)]
    vertex.advance(90)
    assert [vertex("customJobs.get", name)["state"][10:] for name in made] == ["RUNNING", "QUEUED", "QUEUED"]
    vertex.advance(90)  # the first has ended at 102 s, and the second has begun then
    assert [vertex("customJobs.get", name)["state"][10:] for name in made] == [
        "SUCCEEDED",
        "RUNNING",
        "QUEUED",
    ]
    started = vertex("customJobs.get", made[1])["startTime"]
    assert started.endswith("16:55:03Z")
    vertex("customJobs.cancel", made[2])
    vertex.advance(10)
    assert vertex("customJobs.get", made[2])["state"] == "JOB_STATE_CANCELLED"
    waiting = vertex("customJobs.create", body=gpu_job(jobs, "last"))["name"]
    vertex.advance(5)
    assert vertex("customJobs.get", waiting)["state"] == "JOB_STATE_QUEUED"
    vertex.control("DELETE", "quotas")
    vertex.advance(5)
    assert vertex("customJobs.get", waiting)["state"] in ("JOB_STATE_PENDING", "JOB_STATE_RUNNING")


def test_a_quota_that_lets_fail(vertex: Vertex, jobs: Jobs) -> None:
    vertex.control("POST", "quotas", {"metric": "custom_model_training_cpus", "limit": 3, "face": "fail"})
    name = vertex("customJobs.create", body=jobs.custom())["name"]
    seen = states(vertex, "customJobs.get", name, *(step * 0.5 for step in range(1, 600)))
    assert [state for state, _ in itertools.groupby(seen)] == ["QUEUED", "PENDING", "FAILED"]
    error = vertex("customJobs.get", name)["error"]
    assert error["code"] == 8
    assert error["message"].endswith("aiplatform.googleapis.com/custom_model_training_cpus")


def test_a_tuning_job_takes_its_trials_share(vertex: Vertex, jobs: Jobs) -> None:
    vertex.control("POST", "quotas", {"metric": L4, "limit": 3})
    spec = gpu_job(jobs)["jobSpec"]
    vertex("hyperparameterTuningJobs.create", body=jobs.tuning(trialJobSpec=spec, parallelTrialCount=3))
    assert vertex.refuse("customJobs.create", body=gpu_job(jobs)).code == 429
    spot = gpu_job(jobs, scheduling={"strategy": "SPOT"})
    vertex("customJobs.create", body=spot)  # of another quota
    vertex.advance(300)
    assert len(vertex("customJobs.list")["customJobs"]) > 1  # trials are not refused


def test_everything_is_forgotten_on_reset(vertex: Vertex, jobs: Jobs) -> None:
    vertex.control("POST", "quotas", {"metric": L4, "limit": 0})
    vertex("customJobs.create", body=jobs.custom())
    assert vertex.control("GET", "health")["jobs"] == 1
    vertex.control("POST", "reset")
    assert vertex.control("GET", "health")["jobs"] == 0
    vertex("customJobs.create", body=gpu_job(jobs))
