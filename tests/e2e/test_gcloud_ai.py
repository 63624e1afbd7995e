"""`gcloud ai custom-jobs` and `hp-tuning-jobs` as clients of the emulator's Vertex AI."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support_gcloud import Gcloud
from tests.e2e.support_stack import PROJECT, Emulator

REGION = "--region us-central1"
CUSTOM = (
    f"custom-jobs create {REGION} --display-name {{}} --labels team=a --args=--epochs=3 "
    "--worker-pool-spec=machine-type=n1-standard-4,replica-count=1,container-image-uri=gcr.io/p/t:1"
)
TUNING = """
studySpec:
  metrics: [{metricId: accuracy, goal: MAXIMIZE}]
  parameters:
  - parameterId: lr
    doubleValueSpec: {minValue: 0.1, maxValue: 0.9}
trialJobSpec:
  workerPoolSpecs:
  - machineSpec: {machineType: n1-standard-4}
    replicaCount: 1
    containerSpec: {imageUri: gcr.io/p/t:1}
"""


def run(gcloud: Gcloud, command: str) -> str:
    done = gcloud.ask(["ai", *shlex.split(command)])
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(gcloud: Gcloud, command: str) -> Any:
    return json.loads(run(gcloud, f"{command} --format json"))


def test_a_custom_job_from_creation_to_cancellation(gcloud: Gcloud, emulator: Emulator) -> None:
    created = read(gcloud, CUSTOM.format("census"))
    assert created["state"] == "JOB_STATE_PENDING"
    job_id = created["name"].rpartition("/")[2]
    emulator.force(job_id, "RUNNING")
    described = read(gcloud, f"custom-jobs describe {job_id} {REGION}")
    assert described["state"] == "JOB_STATE_RUNNING"
    assert described["labels"] == {"team": "a"}
    pool = described["jobSpec"]["workerPoolSpecs"][0]
    assert (pool["replicaCount"], pool["containerSpec"]["args"]) == ("1", ["--epochs=3"])
    listed = read(gcloud, f"custom-jobs list {REGION} --filter labels.team=a")
    assert [job["name"] for job in listed] == [created["name"]]
    run(gcloud, f"custom-jobs cancel {job_id} {REGION}")
    cancelled = read(gcloud, f"custom-jobs describe {created['name']}")
    assert cancelled["state"] in ("JOB_STATE_RUNNING", "JOB_STATE_CANCELLING", "JOB_STATE_CANCELLED")
    rows = emulator.effects()
    assert {row["project"] for row in rows} == {PROJECT}
    assert [row["jobId"] for row in rows if row["method"].endswith("customJobs.cancel")] == [job_id]


def test_a_tuning_job(gcloud: Gcloud, emulator: Emulator, tmp_path: Path) -> None:
    config = tmp_path / "tune.yaml"
    config.write_text(TUNING)
    created = read(
        gcloud,
        f"hp-tuning-jobs create {REGION} --display-name tune --config {config} "
        "--max-trial-count 3 --parallel-trial-count 3",
    )
    emulator.force("tune", "RUNNING")
    emulator.force("tune", "SUCCEEDED")
    described = read(gcloud, f"hp-tuning-jobs describe {created['name']}")
    assert described["state"] == "JOB_STATE_SUCCEEDED"
    assert sorted(trial["id"] for trial in described["trials"]) == ["1", "2", "3"]
    listed = read(gcloud, f"hp-tuning-jobs list {REGION}")
    assert [job["displayName"] for job in listed] == ["tune"]
    run(gcloud, f"hp-tuning-jobs cancel {created['name']}")


@pytest.mark.parametrize("group", ["custom-jobs", "hp-tuning-jobs"])
def test_logs_are_streamed_until_the_job_ends(
    gcloud: Gcloud, emulator: Emulator, tmp_path: Path, group: str
) -> None:
    config = tmp_path / "tune.yaml"
    config.write_text(TUNING)
    command = (
        CUSTOM if group == "custom-jobs" else f"{group} create {REGION} --display-name {{}} --config {config}"
    )
    name = read(gcloud, command.format(f"talks-{group}"))["name"]
    emulator.force(name.rpartition("/")[2], "RUNNING")
    emulator.force(name.rpartition("/")[2], "SUCCEEDED")
    done = gcloud.ask(["ai", group, "stream-logs", name, "--polling-interval", "1"])
    assert done.returncode == 0, done.stderr
    assert "Job completed successfully" in done.stdout + done.stderr


def test_what_is_wrong_is_refused_in_the_services_words(gcloud: Gcloud) -> None:
    wrong = CUSTOM.format("x").replace(
        "machine-type=", "accelerator-type=NVIDIA_TESLA_T4,accelerator-count=3,machine-type="
    )
    for command, words in (
        (wrong, "job_spec.worker_pool_specs[0].machine_spec.accelerator_count"),
        (f"custom-jobs describe 1 {REGION}", "The CustomJob does not exist."),
        (f"hp-tuning-jobs describe 1 {REGION}", "The HyperparameterTuningJob does not exist."),
    ):
        done = gcloud.ask(["ai", *shlex.split(command)])
        assert done.returncode == 1
        assert words in done.stderr
