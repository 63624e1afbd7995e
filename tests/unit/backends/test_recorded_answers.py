"""Answers of the real service, through the client and into a status, unchanged in meaning."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mljobs.backends import Access, Limits, open_job_service
from mljobs.backends.mlv1.facts import MlV1Facts
from mljobs.backends.mlv1.read import read
from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.decisions import Finish, Watch
from mljobs.domain.job import naming
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import FINALIZER, Resource
from mljobs.domain.port import Job, Owner, Scope
from mljobs.domain.show.project import project
from tests.corpus import CORPUS
from tests.unit.backends.raw_server import RawServer, answer

RECORDED = CORPUS / "recorded"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UID = "11111111-2222-3333-4444-555555555555"
TUNED: dict[str, Any] = {
    "jobId": "tuned",
    "trainingInput": {"region": "us-central1", "hyperparameters": {"goal": "MINIMIZE"}},
    "createTime": "2018-08-06T13:01:02Z",
    "startTime": "2018-08-06T13:02:29Z",
    "endTime": "2018-08-06T14:02:29Z",
    "state": "SUCCEEDED",
    "trainingOutput": {
        "completedTrialCount": "2",
        "trials": [
            {
                "trialId": "1",
                "hyperparameters": {"n": "10"},
                "finalMetric": {"trainingStep": "1", "objectiveValue": 0.9},
            },
            {
                "trialId": "2",
                "hyperparameters": {"n": "20"},
                "finalMetric": {"trainingStep": "7", "objectiveValue": 0.8},
            },
        ],
        "consumedMLUnits": 1.56,
        "isHyperparameterTuningJob": True,
    },
    "etag": "LOwaqm0k7uI=",
}
"""In the shape of recorded tuning jobs, for where the recordings are not at hand."""


def _recorded() -> dict[str, dict[str, Any]]:
    jobs = {"the shape of a tuning job": TUNED}
    for file in sorted([*RECORDED.glob("get_job_*.json"), *RECORDED.glob("ml-job*/*.json")]):
        document = json.loads(file.read_text())
        body = document.get("body", document)
        for number, job in enumerate(body.get("jobs", [body])):
            jobs[f"{file.parent.name}/{file.name} {number}"] = job
    return jobs


JOBS = _recorded()
INPUTS = ("trainingInput", "predictionInput")
TIMES = ("createTime", "startTime", "endTime")


async def received(job: dict[str, Any]) -> tuple[Job, Job]:
    """The job as the client reads it from get and from list."""
    with RawServer([answer(200, job), answer(200, {"jobs": [job], "nextPageToken": "n"})]) as server:
        async with open_job_service(
            Access(endpoint=server.url, anonymous=True, timeout=5, limits=Limits(0, 0))
        ) as service:
            got = await service.get("p", job["jobId"])
            page = await service.list_page("p")
    assert page.next_page_token == "n"
    scope = Scope("projects/p")
    return read(got, scope), read(page.jobs[0], scope)


def shown(job: Job, answered: dict[str, Any]) -> dict[str, Any]:
    labels = naming.ownership_labels(Owner("ns", "name", UID), 1)
    owned = Job.parse({**job.document, "labels": {**job.labels, **labels}})
    kind = "PredictionJob" if "predictionInput" in answered else "TrainingJob"
    spec = {key: answered[key] for key in INPUTS if key in answered}
    resource = Resource(
        kind=kind,
        namespace="ns",
        name="name",
        uid=UID,
        finalizers=(FINALIZER,),
        spec=spec,
        facts=MlV1Facts(),
        status={
            "attempt": 1,
            "jobId": job.job_id,
            "jobName": f"projects/p/jobs/{job.job_id}",
            "projectId": "p",
            "record": {"accepted": "Created"},
            "conditions": [
                {
                    "type": "Submitted",
                    "status": "True",
                    "reason": "Accepted",
                    "message": "",
                    "lastTransitionTime": "2018-01-01T00:00:00Z",
                }
            ],
        },
    )
    known = Observation(since=NOW, target=resource.target).saw(owned, NOW)
    decision = decide(resource, known, AdminPolicy(), NOW)
    assert isinstance(decision, Finish | Watch)
    return project(resource, known, decision, NOW)


@pytest.mark.parametrize("name", JOBS)
async def test_nothing_of_an_answer_is_lost_but_the_input(name: str) -> None:
    job = JOBS[name]
    got, listed = await received(job)
    assert got == listed
    assert (got.job_id, got.state, got.etag, got.labels) == (
        job["jobId"],
        job["state"],
        job.get("etag", ""),
        job.get("labels", {}),
    )
    fields = {field: {"region": job[field]["region"]} for field in INPUTS if field in job}
    assert got.document == {**job, **fields}
    status = shown(got, job)
    assert status["state"] == job["state"]
    assert {time: status.get(time) for time in TIMES} == {time: job.get(time) for time in TIMES}
    assert status.get("errorMessage") == job.get("errorMessage")
    for output in ("trainingOutput", "predictionOutput"):
        assert untrialled(status.get(output, {})) == untrialled(job.get(output, {}))


def untrialled(output: dict[str, Any]) -> dict[str, Any]:
    """An output whose trials are compared by number, since a status has them best first."""
    own = {"trials", "bestTrial"}
    trials = sorted(output.get("trials", ()), key=lambda trial: int(trial["trialId"]))
    return {**{key: value for key, value in output.items() if key not in own}, "trials": trials}


@pytest.mark.parametrize("name", JOBS)
async def test_the_outcome_is_the_services(name: str) -> None:
    job = JOBS[name]
    got, _ = await received(job)
    conditions = {row["type"]: row["status"] for row in shown(got, job)["conditions"]}
    expected = {"SUCCEEDED": "True", "FAILED": "False", "CANCELLED": "False"}.get(job["state"], "Unknown")
    assert conditions["Succeeded"] == expected


async def test_the_best_trial_is_the_best_for_the_goal() -> None:
    got, _ = await received(TUNED)
    output = shown(got, TUNED)["trainingOutput"]
    assert [trial["trialId"] for trial in output["trials"]] == ["2", "1"]
    assert output["bestTrial"]["hyperparameters"] == {"n": "20"}
