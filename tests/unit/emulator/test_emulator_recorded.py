"""The emulator's answers have the shape of answers that were recorded from the service."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from mljobs_dev.emulator.lifecycle import State
from mljobs_dev.emulator.schema import ml_v1
from tests.corpus import CORPUS

Json = dict[str, Any]
Rig = Any
RECORDED = CORPUS / "recorded"
JOB = ml_v1().message("GoogleCloudMlV1__Job")


OWN: Json = {
    "jobId": "own",
    "trainingInput": {"region": "us-east1", "masterConfig": {"imageUri": "gcr.io/p/trainer:1"}},
    "createTime": "2026-01-01T00:00:00Z",
    "startTime": "2026-01-01T00:01:00Z",
    "endTime": "2026-01-01T00:02:00Z",
    "state": "SUCCEEDED",
    "trainingOutput": {"consumedMLUnits": 0.02},
    "etag": "AAECAwQFBgc=",
}
"""A job in the recorded shape, for where the recordings are not at hand."""


def recorded_jobs() -> list[Any]:
    """Every recorded Job, with the name of its file."""
    found = [pytest.param(OWN, id="own")]
    files = [*RECORDED.glob("get_job_*.json"), *RECORDED.glob("ml-job*/get-*.json")]
    for file in sorted(files):
        document = json.loads(file.read_text())
        body = document.get("body", document)
        found += [pytest.param(job, id=file.parent.name + file.stem) for job in body.get("jobs", [body])]
    return found


@pytest.mark.parametrize("job", recorded_jobs())
def test_recorded_jobs_are_canonical(job: Json) -> None:
    assert JOB.prune(JOB.decode(job, "job")) == job


@pytest.mark.parametrize("job", recorded_jobs())
def test_the_same_job_looks_the_same(rig: Rig, training: Callable[..., Json], job: Json) -> None:
    program = {"runtimeVersion": "1.2"} if "packageUris" in job["trainingInput"] else {}
    body = {"jobId": job["jobId"], "trainingInput": {**job["trainingInput"], **program}}
    rig.script(timeline={"QUEUED": 10, "PREPARING": 20, "RUNNING": 100, "CANCELLING": 5}, final=final(job))
    rig.create(body)
    rig.time.advance(60)
    if job["state"] == "CANCELLED":
        rig("cancel", job["jobId"])
    rig.time.advance(1000)
    shown = rig("get", job["jobId"])
    assert shape(shown) == shape({**job, "trainingInput": body["trainingInput"]})
    assert shown["state"] == job["state"]
    if job["state"] == "CANCELLED":
        assert shown["errorMessage"] == job["errorMessage"]


def final(job: Json) -> str:
    return job["state"] if job["state"] != State.CANCELLED else State.SUCCEEDED


def shape(value: Any) -> Any:
    """Names and types."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


def recorded_creates() -> dict[str, tuple[Json, Json]]:
    """Requests of `create` and their answers."""
    answer = {name: OWN[name] for name in ("jobId", "trainingInput", "createTime", "etag")}
    request = {"jobId": "own", "trainingInput": {**OWN["trainingInput"], "scaleTier": "BASIC"}}
    found = {"own": (request, {**answer, "state": "QUEUED"})}
    for file in sorted(RECORDED.glob("ml-job-create.audit.json")):
        entry = json.loads(file.read_text())["protoPayload"]
        entry["response"].pop("@type")
        found[file.name] = (entry["request"]["job"], entry["response"])
    return found


CREATES = recorded_creates()


@pytest.mark.parametrize("name", CREATES)
def test_create_answers_as_recorded(rig: Rig, name: str) -> None:
    request, answer = CREATES[name]
    created = rig.create(request)
    assert created.keys() == answer.keys()
    for field in ("jobId", "state", "trainingInput"):
        assert created[field] == answer[field]
