"""The log entries of jobs."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.service import Call

Json = dict[str, Any]
Rig = Any


@pytest.fixture
def logs(rig: Rig, training: Callable[..., Json]) -> Callable[..., Json]:
    rig.script(timeline={"QUEUED": 10, "PREPARING": 10, "RUNNING": 60})
    rig.script(jobId="broken", timeline={"QUEUED": 10, "PREPARING": 10, "RUNNING": 60}, final="FAILED")
    rig.create(training("census"))
    rig.create(training("broken"))
    rig.time.advance(1000)

    def entries(filter_: str = "", **request: Any) -> Json:
        body = {"resourceNames": ["projects/p"], "filter": filter_, **request}
        answer: Json = json.loads(rig.emulator.service.call(Call("logging.entries.list", body=body)).body)
        return answer

    return entries


OF_CENSUS = 'resource.type="ml_job" AND resource.labels.job_id="census"'


def texts(answer: Json) -> list[str]:
    return [
        entry.get("textPayload") or entry["jsonPayload"]["message"] for entry in answer.get("entries", [])
    ]


def test_a_jobs_life_in_lines(logs: Callable[..., Json]) -> None:
    answer = logs(OF_CENSUS)
    assert texts(answer) == [
        "Job is queued.",
        "Waiting for job to be provisioned.",
        "Job is running.",
        "step 100: loss = 1.0000",
        "step 200: loss = 0.5000",
        "step 300: loss = 0.3333",
        "step 400: loss = 0.2500",
        "step 500: loss = 0.2000",
        "Job completed successfully.",
    ]
    entry = answer["entries"][0]
    assert entry["resource"] == {
        "type": "ml_job",
        "labels": {"job_id": "census", "project_id": "p", "task_name": "service"},
    }
    assert entry["timestamp"] == "2019-07-01T16:53:20.250000Z"
    assert entry["logName"] == "projects/p/logs/ml.googleapis.com%2Fcensus"


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        ("", 18),
        (f'{OF_CENSUS} AND timestamp>"2019-07-01T16:53:40.25Z"', 6),
        (f'{OF_CENSUS} AND timestamp>="2019-07-01T16:53:40.25Z"', 7),
        (f'{OF_CENSUS} timestamp<"2019-07-01T16:53:30Z"', 1),
        (f"{OF_CENSUS} AND severity>=ERROR", 0),
        ("severity=ERROR", 1),
        ("severity>INFO", 1),
        (f'{OF_CENSUS} AND resource.labels.task_name="master-replica-0"', 5),
        (f"{OF_CENSUS} AND resource.labels.task_name!=service", 5),
        ('textPayload:"RUNNING"', 2),
        ('jsonPayload.message=~"^step [12]00"', 4),
        ('jsonPayload.message!~"^step"', 8),
        ("provisioned", 2),
        ('labels."ml.googleapis.com/job_id/log_area"="root"', 18),
        ('logName:"ml.googleapis.com"', 8),
        ('resource.labels.job_id=("census" OR "broken")', 18),
        ('(insertId>"00000001s1" AND resource.labels.job_id=census) OR insertId="00000002s0"', 8),
        ("nope:*", 0),
        ("resource.labels.job_id:*", 18),
    ],
)
def test_filter(logs: Callable[..., Json], expression: str, count: int) -> None:
    assert len(logs(expression).get("entries", [])) == count


def test_only_what_has_been_written(rig: Rig, training: Callable[..., Json]) -> None:
    rig.script(timeline={"QUEUED": 10, "PREPARING": 10, "RUNNING": 60, "CANCELLING": 5})
    rig.create(training("census"))
    call = Call("logging.entries.list", body={"resourceNames": ["projects/p"]})
    counts = []
    for seconds in (0, 10, 10, 10, 10):
        rig.time.advance(seconds)
        counts.append(len(json.loads(rig.emulator.service.call(call).body)["entries"]))
    assert counts == [1, 2, 3, 4, 5]
    rig.time.advance(1)
    rig("cancel", "census")
    rig.time.advance(100)
    lines = texts(json.loads(rig.emulator.service.call(call).body))
    assert lines[-3:] == [
        "step 200: loss = 0.5000",
        "Job is being cancelled.",
        "Job is cancelled by the user.",
    ]


def test_pages_in_both_orders(logs: Callable[..., Json]) -> None:
    everything = logs()["entries"]
    for order, expected in (("timestamp asc", everything), ("timestamp desc", everything[::-1])):
        found: list[Json] = []
        token = ""
        while not found or token:
            page = logs(orderBy=order, pageSize=7, pageToken=token)
            found += page["entries"]
            token = page.get("nextPageToken", "")
        assert found == expected


def test_other_projects_have_no_lines_here(logs: Callable[..., Json]) -> None:
    assert logs(resourceNames=["projects/other"]) == {}
    assert len(logs(resource_names=[], project_ids=["p"], resourceNames=None)["entries"]) == 18


@pytest.mark.parametrize(
    "request_",
    [
        {"resourceNames": []},
        {"resourceNames": ["folders/1"]},
        {"orderBy": "severity"},
        {"pageSize": -1},
        {"pageToken": "x"},
        {"filter": "timestamp>yesterday"},
        {"filter": "severity>=LOUD"},
        {"filter": 'textPayload=~"("'},
        {"filter": "("},
        {"nope": 1},
    ],
)
def test_refuses(logs: Callable[..., Json], request_: Json) -> None:
    with pytest.raises(ApiError) as caught:
        logs(**{"filter_": request_.pop("filter", ""), **request_})
    assert caught.value.code == 400
