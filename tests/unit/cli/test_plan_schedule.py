"""`mljobs plan` of a JobSchedule: its next run, when that is due, and what is wrong with it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mljobs.admin.plan_schedules import next_run
from mljobs.console.documents.reading import Document
from tests.unit.cli.test_plan import Json, manifest, planned

IMAGE = {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/p/trainer:1"}}
JOB: Json = {"projectId": "p", "trainingInput": IMAGE}


def schedule(job: Json = JOB, kind: str = "TrainingJob", **fields: Any) -> Json:
    spec = {"schedule": "0 3 * * *", "template": {"kind": kind, "spec": job}, **fields}
    return manifest(spec, "JobSchedule", name="nightly")


@pytest.mark.parametrize(
    ("fields", "first", "times"),
    [
        ({}, "29394900", ["2025-11-21T03:00Z", "2025-11-22T03:00Z"]),
        ({"timeZone": "Europe/Berlin"}, "29394840", ["2025-11-21T02:00Z", "2025-11-22T02:00Z"]),
        ({"schedule": "@monthly"}, "29409120", ["2025-12-01T00:00Z", "2026-01-01T00:00Z"]),
    ],
)
def test_the_next_run_as_if_it_were_created_now(fields: Json, first: str, times: list[str]) -> None:
    now = datetime(2025, 11, 20, 12, tzinfo=UTC)
    found = next_run(Document(schedule(**fields), exact=True), now, "p")
    assert found.run
    assert found.run.value["metadata"] == {"name": f"nightly-{first}", "namespace": "team-a"}
    assert found.notes[0].startswith(f"the next 5 runs are due at {', '.join(times)}, ")


def test_the_request_is_that_of_the_same_job_but_for_its_name() -> None:
    made, alone = planned(schedule()), planned(manifest(JOB, name="nightly-29394900"))
    assert made.code == 0
    assert made.request["trainingInput"] == alone.request["trainingInput"]
    assert made.request["labels"].keys() == alone.request["labels"].keys()
    assert made.request["labels"]["mljobs-name"].startswith("nightly-")
    assert made.err[0].startswith("note: the next 5 runs are due at ")


def test_suspended() -> None:
    made = planned(schedule(suspend=True))
    assert made.code == 0
    assert "note: spec.suspend is true: no run is started until it is false" in made.err


@pytest.mark.parametrize(
    ("document", "line"),
    [
        (schedule(schedule="61 * * * *"), 'spec.schedule: Invalid value: "61 * * * *": is not a cron'),
        (schedule(timeZone="Mars/Olympus"), 'spec.timeZone: Invalid value: "Mars/Olympus": must be a name'),
        (schedule(concurency="Forbid"), "spec.concurency: "),
        (schedule({**JOB, "jobId": "a"}), 'spec.template.spec.jobId: Forbidden: "a": must not be set'),
        (
            schedule({"projectId": "p", "trainingInput": {}}),
            "spec.template.spec.trainingInput.region: Required value",
        ),
        (
            {**schedule(), "apiVersion": "mljobs.dev/v1"},
            'apiVersion: Invalid value: "mljobs.dev/v1"',
        ),
        ({**schedule(), "specs": {}}, "specs: "),
        ({**schedule(), "metadata": {}}, "metadata.name: Required value: a resource needs a name"),
        ({**schedule(), "metadata": {"name": "a" * 53}}, "metadata.name: Invalid value"),
        ({**schedule(), "spec": []}, "spec.schedule: Required value"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(document: Json, line: str) -> None:
    made = planned(document)
    assert made.code == 1
    assert [said for said in made.out if said.startswith(line)], made.out


def test_what_only_a_service_refuses_has_its_place_in_the_template() -> None:
    given = {"modelName": "projects/p/models/m", "region": "us-central1", "dataFormat": "JSON"}
    paths = {"inputPaths": ["gs://b/i"], "outputPath": "gs://b/o"}
    job = {"projectId": "p", "predictionInput": {**given, **paths}}
    made = planned(schedule(job, "PredictionJob"), "--service", "VertexAI")
    assert made.code == 1
    assert made.out[0].startswith("spec.template.spec.predictionInput.modelName: Invalid value: ")
    assert any("spec.template.spec.predictionInput.outputPath: " in line for line in made.err)


def test_another_groups_schedule_is_not_ours() -> None:
    made = planned([{**schedule(), "apiVersion": "example.com/v1"}, manifest(JOB)])
    assert made.code == 0
    assert made.err[0] == "note: document 1, JobSchedule: not ours, skipped"
