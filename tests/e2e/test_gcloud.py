"""The gcloud command line as a client of the emulator: its own exit codes and messages come out right."""

from pathlib import Path

import pytest

from tests.e2e.support_gcloud import Gcloud
from tests.e2e.support_stack import PROJECT, Emulator

SUBMIT = "submit training {} --region us-central1 --master-image-uri gcr.io/p/t:1"


def test_a_training_job_from_submission_to_cancellation(gcloud: Gcloud, emulator: Emulator) -> None:
    assert "state: QUEUED" in gcloud.ok(f"{SUBMIT.format('census')} --labels team=a")
    emulator.force("census", "RUNNING")
    described = gcloud.read("describe census")
    assert described["state"] == "RUNNING"
    assert described["trainingInput"] == {
        "masterConfig": {"imageUri": "gcr.io/p/t:1"},
        "region": "us-central1",
    }
    gcloud.ok("update census --update-labels x=y")
    assert gcloud.read("describe census")["labels"] == {"team": "a", "x": "y"}
    gcloud.ok("cancel census")
    assert gcloud.read("describe census")["state"] in ("CANCELLING", "CANCELLED")
    assert emulator.applied("cancel", "census") == ["census"]


def test_a_training_job_from_a_config_file_with_arguments(gcloud: Gcloud, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "trainingInput:\n  scaleTier: CUSTOM\n  masterType: n1-standard-8\n  hyperparameters:\n"
        "    goal: MINIMIZE\n    maxTrials: 2\n    params:\n"
        "    - {parameterName: lr, type: DOUBLE, minValue: 0, maxValue: 1}\n"
    )
    gcloud.ok(f"{SUBMIT.format('tuned')} --config {config} --job-dir gs://bucket/job -- --epochs 3")
    sent = gcloud.read("describe tuned")["trainingInput"]
    assert sent["args"] == ["--epochs", "3"]
    assert sent["jobDir"] == "gs://bucket/job"
    assert sent["scaleTier"] == "CUSTOM"
    assert sent["hyperparameters"]["params"][0]["parameterName"] == "lr"


def test_a_prediction_job(gcloud: Gcloud, emulator: Emulator) -> None:
    gcloud.ok(
        "submit prediction score --region us-central1 --data-format text --input-paths gs://bucket/in* "
        "--output-path gs://bucket/out/ --model m --version v1 --max-worker-count 3"
    )
    emulator.force("score", "RUNNING")
    emulator.force("score", "SUCCEEDED")
    described = gcloud.read("describe score")
    assert described["predictionInput"]["versionName"] == f"projects/{PROJECT}/models/m/versions/v1"
    assert described["predictionInput"]["maxWorkerCount"] == "3"
    assert described["predictionOutput"]["outputPath"] == "gs://bucket/out/"


def test_list_filters_and_limits(gcloud: Gcloud) -> None:
    for name in ("list_a", "list_b", "other_c"):
        gcloud.ok(SUBMIT.format(name))
    found = gcloud.read("list --filter jobId:list_*")
    assert [job["jobId"] for job in found] == ["list_b", "list_a"]
    assert len(gcloud.read("list --limit 1")) == 1
    pages = gcloud.read("list --page-size 1 --filter jobId:list_*")
    assert [job["jobId"] for job in pages] == ["list_b", "list_a"]


def test_logs_are_streamed_until_the_job_ends(gcloud: Gcloud, emulator: Emulator) -> None:
    gcloud.ok(SUBMIT.format("talks"))
    emulator.force("talks", "RUNNING")
    emulator.force("talks", "SUCCEEDED")
    done = gcloud("stream-logs talks --polling-interval 1")
    assert done.returncode == 0, done.stderr
    assert "Job completed successfully" in done.stdout + done.stderr


WRONG: dict[str, tuple[str, str]] = {
    "an id that is taken": (SUBMIT.format("taken"), "A job with this id already exists."),
    "an id with a digit in front": (
        SUBMIT.format("1st"),
        "Field: job_id Error: A name should start with a letter and contain only letters, numbers",
    ),
    "a region that there is not": (
        "submit training mars --region mars --master-image-uri gcr.io/p/t:1",
        "Field: region Error: The provided GCE region 'mars' is not available.",
    ),
    "a job that there is not": ("describe nowhere", "NOT_FOUND"),
    "cancelling a job that there is not": ("cancel nowhere", "NOT_FOUND"),
    "cancelling a job that has ended": ("cancel taken", "FAILED_PRECONDITION|INVALID_ARGUMENT"),
}


@pytest.fixture(scope="module")
def taken(gcloud: Gcloud, emulator: Emulator) -> None:
    gcloud.ok(SUBMIT.format("taken"))
    emulator.force("taken", "RUNNING")
    emulator.force("taken", "SUCCEEDED")


@pytest.mark.usefixtures("taken")
@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_in_the_services_words(case: str, gcloud: Gcloud) -> None:
    command, words = WRONG[case]
    done = gcloud(command)
    assert done.returncode == 1
    assert any(word in done.stderr for word in words.split("|")), done.stderr
