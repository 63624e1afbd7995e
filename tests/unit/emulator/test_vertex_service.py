"""Vertex AI's jobs in the emulator: how they live, follow scripts, fail and are cancelled."""

import re
from typing import Any

import pytest

from mljobs_dev.emulator.clock import rfc3339_nano

Json = dict[str, Any]
Vertex = Any
Jobs = Any
QUICK = {"QUEUED": 1, "PREPARING": 1, "RUNNING": 10, "CANCELLING": 5}


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


def test_a_job_that_would_be_ended_some_day_is_cancelled_before(vertex: Vertex, jobs: Jobs) -> None:
    vertex.rig.script(timeline={**QUICK, "RUNNING": 1e9})  # more than the week that a job may run
    name = vertex("customJobs.create", body=jobs.custom())["name"]
    vertex.advance(300)
    vertex("customJobs.cancel", name)
    vertex("customJobs.cancel", name)
    vertex.advance(8)
    assert vertex("customJobs.get", name)["state"] == "JOB_STATE_CANCELLED"


def test_a_script_holds_from_the_first_moment(
    vertex: Vertex, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    vertex.rig.script(timeline={"QUEUED": 1e6})
    clock = vertex.rig.emulator.clock
    now = clock.now

    def late() -> float:
        vertex.advance(0.2)  # so slow is the machine
        return float(now())

    monkeypatch.setattr(clock, "now", late)
    name = vertex("batchPredictionJobs.create", body=jobs.batch())["name"]
    monkeypatch.undo()
    assert states(vertex, "batchPredictionJobs.get", name, 1, 100) == ["QUEUED", "QUEUED"]


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
