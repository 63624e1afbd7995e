"""The same resources on Vertex AI: what the operator does there, from the manifest to the job's end."""

import json
import re
from itertools import groupby
from typing import Any

import pytest

from mljobs_dev.emulator.aiplatform.document import COLLECTIONS
from tests.e2e.support import Job, Json, Namespace, eventually, prediction, training
from tests.e2e.support_plugin import Plugin
from tests.e2e.support_stack import LONG, PROJECT, Emulator, Operator
from tests.faults.vertex import TABLES

CREATE = "aiplatform.projects.locations.customJobs.create"
QUICK = {"QUEUED": 30, "PREPARING": 30, "RUNNING": 100, "CANCELLING": 5}
"""Emulated seconds: a job that goes through all states in two real ones."""

MANY = 200
METRIC = {"parameterName": "lr", "type": "DOUBLE", "minValue": 0.1, "maxValue": 1.0}
TUNING = {"goal": "MAXIMIZE", "hyperparameterMetricTag": "accuracy", "maxTrials": 3, "params": [METRIC]}


@pytest.fixture(scope="module")
def operator_options() -> dict[str, object]:
    settings = {
        "MLJOBS_SERVICE": "VertexAI",
        "MLJOBS_TABLES": str(TABLES),
        "MLJOBS_CONSOLE_PATH": "vertex-ai",
    }
    return {"settings": settings}


def quick(emulator: Emulator, namespace: Namespace, **script: Any) -> None:
    """Let the jobs of a namespace go through all states by themselves."""
    emulator.script(f"^{namespace.name}/", **{"timeline": QUICK, **script})


def rows(emulator: Emulator, verb: str, namespace: Namespace) -> list[Json]:
    """The ledger's rows of a method that changed something, for the jobs of a namespace."""
    jobs = {job["name"].rpartition("/")[2] for job in cloud_jobs(emulator, namespace)}
    return [
        row
        for row in emulator.effects()
        if row["method"].startswith("aiplatform.") and row["method"].endswith(f".{verb}")
        if row["applied"] and row["jobId"] in jobs
    ]


def cloud_jobs(emulator: Emulator, namespace: Namespace) -> list[Json]:
    """The service's jobs that belong to a namespace, from all pages."""
    found: dict[str, Json] = {}
    for collection in COLLECTIONS:
        token = ""
        while True:
            path = f"/v1/projects/{PROJECT}/locations/us-central1/{collection}?pageToken={token}"
            page = emulator._json("GET", path)
            found |= {job["name"]: job for job in page.get(collection, [])}
            token = page.get("nextPageToken", "")
            if not token:
                break
    return [job for job in found.values() if job.get("labels", {}).get("mljobs-namespace") == namespace.name]


def lose_answers(emulator: Emulator, times: int) -> None:
    """Let so many create calls make their jobs without a word."""
    emulator._post("/_emulator/faults", [{"method": CREATE, "action": "dropAfter", "times": times}])


def told(job: Job, reason: str) -> list[Json]:
    """The events with a reason, once there is one."""
    return eventually(
        lambda: [event for event in job.namespace.events(job.uid) if event["reason"] == reason],
        what=f"{job.name}: an event {reason}",
        report=job.namespace.report,
    )


def active(jobs: list[Json]) -> list[Json]:
    return [
        job for job in jobs if job["state"] in ("JOB_STATE_PENDING", "JOB_STATE_QUEUED", "JOB_STATE_RUNNING")
    ]


def force(emulator: Emulator, job: Job, state: str) -> None:
    """Put the job of a resource into a state, by its number."""
    number = str(job.until_status(lambda status: status.get("jobName"), "a job")["jobName"]).rpartition("/")[
        2
    ]
    emulator.force(number, state)


def test_a_training_job_to_its_end(namespace: Namespace, emulator: Emulator) -> None:
    quick(emulator, namespace)
    job = namespace.create(training("census", {"labels": {"team": "a"}}))
    status = job.until_state("SUCCEEDED")
    assert re.fullmatch(rf"projects/{PROJECT}/locations/us-central1/customJobs/\d+", status["jobName"])
    assert status["jobId"] == f"{namespace.name}/census"
    assert status["labels"]["team"] == "a"
    number = status["jobName"].rpartition("/")[2]
    page = f"/vertex-ai/locations/us-central1/training/{number}?project={PROJECT}"
    assert status["consoleUrl"].endswith(page)
    assert {"createTime", "startTime", "endTime"} <= status.keys()
    job.until_condition("Succeeded", "True", "JobSucceeded")
    job.until_condition("Translated", "True", "Exact")
    (made,) = cloud_jobs(emulator, namespace)
    pool = made["jobSpec"]["workerPoolSpecs"][0]
    assert (pool["machineSpec"]["machineType"], pool["replicaCount"]) == ("n1-standard-4", "1")


def test_a_tuning_job_shows_its_trials(namespace: Namespace, emulator: Emulator) -> None:
    quick(emulator, namespace)
    job = namespace.create(training("tuned", hyperparameters=TUNING))
    status = job.until_state("SUCCEEDED")
    output = job.until_status(
        lambda shown: len((shown.get("trainingOutput") or {}).get("trials", ())) == 3, "all trials"
    )["trainingOutput"]
    assert "/hyperparameterTuningJobs/" in status["jobName"]
    assert output["isHyperparameterTuningJob"] is True
    assert output["completedTrialCount"] == "3"
    values = [trial["finalMetric"]["objectiveValue"] for trial in output["trials"]]
    assert values == sorted(values, reverse=True)
    assert output["bestTrial"] == output["trials"][0]


def test_a_prediction_job_to_its_end(namespace: Namespace, emulator: Emulator) -> None:
    quick(emulator, namespace)
    job = namespace.create(prediction("scores"))
    status = job.until_state("SUCCEEDED")
    assert "/batchPredictionJobs/" in status["jobName"]
    assert status["predictionOutput"]["outputPath"].startswith("gs://bucket/out")
    (made,) = cloud_jobs(emulator, namespace)
    assert made["model"] == "projects/team/locations/us-central1/models/7"


def test_a_failed_job_tells_why(namespace: Namespace, emulator: Emulator) -> None:
    quick(emulator, namespace, final="FAILED", errorMessage="Replica 0 ran out of memory.")
    job = namespace.create(training("census"))
    job.until_state("FAILED")
    shown = job.until_condition("Succeeded", "False", "JobFailed")
    assert shown["message"] == "Replica 0 ran out of memory."


def test_values_of_environment_variables_are_told_nowhere(
    namespace: Namespace, emulator: Emulator, operator: Operator
) -> None:
    """Neither of a job that runs, of which a variable is warned about, nor of a spec that is refused."""
    secret = f"canary-{namespace.name}"
    variable = {"name": "API_TOKEN", "value": secret}
    quick(emulator, namespace, final="FAILED", errorMessage="exit status 1")
    block = {"jobSpec": {"workerPoolSpecs": [{"containerSpec": {"env": [variable]}}]}}
    resumed = {**TUNING, "resumePreviousJobId": "old"}
    failed = namespace.create(training("failed", {"vertex": block}))
    refused = namespace.create(training("refused", {"vertex": block}, hyperparameters=resumed))
    failed.until_condition("Succeeded", "False", "JobFailed")
    refused.until_condition("Stalled", "True", "InvalidSpec")
    (warned,) = told(failed, "SpecWarning")
    assert "env[0].value" in warned["message"]
    (made,) = cloud_jobs(emulator, namespace)
    assert made["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]["env"][0]["value"] == secret
    for job in (failed, refused):
        assert secret not in json.dumps(job.status())
        assert secret not in json.dumps(namespace.events(job.uid))
    assert secret not in operator.log.read_text("utf-8")
    assert secret not in operator.metrics()


def test_suspend_cancels_and_resume_makes_another_job(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census"))
    force(emulator, job, "RUNNING")
    job.until_state("RUNNING")
    first = job.status()["jobName"]
    namespace.patch(job.kind, job.name, {"spec": {"suspend": True}})
    job.until_state("CANCELLED")
    job.until_condition("Suspended", "True", "Suspended")
    namespace.patch(job.kind, job.name, {"spec": {"suspend": False}})
    status = job.until_status(lambda shown: shown.get("attempt") == 2 and "jobName" in shown, "attempt 2")
    assert status["jobName"] != first
    assert status["jobId"] == f"{namespace.name}/census #2"
    assert [row["jobName"] for row in status["attempts"]] == [first]
    assert len(active(cloud_jobs(emulator, namespace))) == 1


def test_deletion_cancels(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census"))
    force(emulator, job, "RUNNING")
    job.until_state("RUNNING")
    namespace.delete(job.kind, job.name)
    job.until_gone()
    assert len(rows(emulator, "cancel", namespace)) == 1
    eventually(
        lambda: [found["state"] for found in cloud_jobs(emulator, namespace)],
        lambda states: states == ["JOB_STATE_CANCELLED"],
        what="the job is cancelled",
        report=namespace.report,
    )


def test_a_refused_field_makes_no_call(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census", hyperparameters={**TUNING, "resumePreviousJobId": "old"}))
    shown = job.until_condition("Stalled", "True", "InvalidSpec")
    assert "spec.trainingInput.hyperparameters.resumePreviousJobId" in shown["message"]
    assert cloud_jobs(emulator, namespace) == []
    namespace.patch(
        job.kind, job.name, {"spec": {"trainingInput": {"hyperparameters": {"resumePreviousJobId": None}}}}
    )
    job.until_condition("Submitted", "True", "Accepted")


def test_what_is_lost_is_a_condition_and_an_event(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census", scaleTier="BASIC_GPU", scheduling={"priority": 3}))
    shown = job.until_condition("Translated", "False", "Lossy")
    for field in ("spec.trainingInput.scaleTier", "spec.trainingInput.scheduling.priority"):
        assert field in shown["message"]
    job.until_state("QUEUED")
    assert [(event["type"], event["count"]) for event in told(job, "Lossy")] == [("Warning", 1)]


def test_a_lack_of_machines_is_told_and_another_spec_tried_at_once(
    namespace: Namespace, emulator: Emulator
) -> None:
    quota = {"metric": "custom_model_training_nvidia_t4_gpus", "limit": 0}
    emulator._post("/_emulator/quotas", [quota])
    try:
        job = namespace.create(training("census", scaleTier="BASIC_GPU"))
        shown = job.until_condition("Submitted", "False", "NoCapacity")
        assert "custom_model_training_nvidia_t4_gpus" in shown["message"]
        job.until_condition("Reconciling", "True", "NoCapacity")
        assert told(job, "NoCapacity")
        namespace.patch(job.kind, job.name, {"spec": {"trainingInput": {"scaleTier": "BASIC"}}})
        job.until_condition("Submitted", "True", "Accepted")
    finally:
        emulator._json("DELETE", "/_emulator/quotas")


def test_a_job_that_shows_too_late_is_cancelled_counted_and_told(
    namespace: Namespace, emulator: Emulator, operator: Operator
) -> None:
    before = extra_jobs(operator)
    emulator._post("/_emulator/options", {"listLag": 450})  # longer than anybody waits in doubt: 3 s
    lose_answers(emulator, 1)
    try:
        job = namespace.create(training("census"))
        job.until_condition("Submitted", "Unknown", "OutcomeUnknown")
        kept = job.until_status(lambda status: status.get("jobName"), "a job")["jobName"]
        eventually(
            lambda: [found["name"].rpartition("/")[2] for found in active(cloud_jobs(emulator, namespace))],
            lambda names: names == [kept.rpartition("/")[2]] and extra_jobs(operator) == before + 1,
            what="one job is left",
            report=namespace.report,
        )
        assert len(rows(emulator, "create", namespace)) == 2
        (extra,) = told(job, "ExtraJob")
        assert kept in extra["message"]
    finally:
        emulator._post("/_emulator/options", {"listLag": 0})
        emulator.fix()


def extra_jobs(operator: Operator) -> float:
    found = re.search(r"^mljobs_extra_jobs_total (\S+)$", operator.metrics(), re.MULTILINE)
    assert found
    return float(found[1])


def test_many_creates_whose_answers_are_lost_make_as_many_jobs(
    namespace: Namespace, emulator: Emulator
) -> None:
    emulator._post("/_emulator/options", {"shuffleLists": True, "listLag": 100})
    lose_answers(emulator, MANY)
    try:
        namespace.create_all(training(f"j{number}") for number in range(MANY))
        eventually(
            lambda: sum("jobName" in (item.get("status") or {}) for item in namespace.all()),
            lambda found: found == MANY,
            what=f"{MANY} jobs are accepted",
            within=120,
            report=lambda: namespace.report()[-6000:],
        )
    finally:
        emulator.fix()
        emulator._post("/_emulator/options", {"shuffleLists": False, "listLag": 0})
    jobs = cloud_jobs(emulator, namespace)
    assert len(active(jobs)) == MANY
    assert len({job["labels"]["mljobs-uid"] for job in active(jobs)}) == MANY
    assert len(rows(emulator, "create", namespace)) == MANY


def test_no_state_steps_back_whatever_the_service_says(namespace: Namespace, emulator: Emulator) -> None:
    """It queues a job twice, pauses and updates one that runs, and lets one succeed that it was to cancel."""
    timeline = {"QUEUED": 60, "PREPARING": LONG, "RUNNING": LONG, "CANCELLING": LONG}
    emulator.script(f"^{namespace.name}/", timeline=timeline)
    emulator._post("/_emulator/options", {"shuffleLists": True, "listLag": 100})
    try:
        job = namespace.create(training("census"))
        number = str(job.until_state("PREPARING")["jobName"]).rpartition("/")[2]
        for state in ("RUNNING", "PAUSED", "UPDATING", "CANCELLING"):
            emulator.force(number, state)
            until_read(emulator, number)
        emulator.force(number, "SUCCEEDED")
        statuses = job.statuses_until("SUCCEEDED")
    finally:
        emulator._post("/_emulator/options", {"shuffleLists": False, "listLag": 0})
    states = [status["state"] for status in statuses if "state" in status]
    course = ["QUEUED", "PREPARING", "RUNNING", "CANCELLING", "SUCCEEDED"]
    assert [state for state, _ in groupby(states)] == course
    assert len({status["createTime"] for status in statuses if "state" in status}) == 1
    started = [status["startTime"] for status in statuses if "startTime" in status]
    assert started == sorted(started)
    assert all("startTime" not in status for status in statuses if status.get("state") in course[:2])


def until_read(emulator: Emulator, number: str) -> None:
    """Wait until the operator has read a job twice from now on: then it has heard of what is so now."""
    before = emulator.last
    eventually(
        lambda: [
            row
            for row in emulator.effects(after=before)
            if row["method"].endswith(".get") and row["jobId"] == number
        ],
        lambda rows: len(rows) > 1,
        what=f"job {number} is read",
        report=emulator.report,
    )


def test_logs_are_read_by_the_jobs_number_and_there_is_no_policy(
    namespace: Namespace, emulator: Emulator, plugin: Plugin
) -> None:
    quick(emulator, namespace)
    job = namespace.create(training("census"))
    job.until_state("SUCCEEDED")
    assert plugin.ok("logs", "census").strip()
    for command in ("get", "test"):
        said = " ".join(plugin.refused(1, "iam", command, "census"))
        assert "have no IAM policy of their own" in said
        assert "grant roles there" in said


def test_a_job_in_vertex_ai_s_own_words(namespace: Namespace, emulator: Emulator) -> None:
    quick(emulator, namespace)
    pool = {
        "machineSpec": {
            "machineType": "g2-standard-8",
            "acceleratorType": "NVIDIA_L4",
            "acceleratorCount": 1,
        },
        "replicaCount": "1",
        "containerSpec": {"imageUri": "gcr.io/team/trainer:1"},
    }
    manifest = training("census")
    spec = {name: value for name, value in manifest["spec"].items() if name != "trainingInput"}
    spec["vertex"] = {"region": "us-central1", "jobSpec": {"workerPoolSpecs": [pool]}}
    job = namespace.create({**manifest, "spec": spec})
    job.until_state("SUCCEEDED")
    job.until_condition("Translated", "True", "Exact")
    (made,) = cloud_jobs(emulator, namespace)
    assert made["jobSpec"]["workerPoolSpecs"][0]["machineSpec"] == pool["machineSpec"]
