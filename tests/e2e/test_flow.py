"""From `kubectl apply` through the job's life to its outcome, for both kinds."""

import json
from typing import Any

import pytest

from mljobs.api.resources import KINDS, JobKind
from tests.e2e.support import Json, Kubectl, Namespace, conditions, eventually, of_kind, training
from tests.e2e.support_stack import PROJECT, Emulator

both = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)

ZEROS: dict[str, Json] = {"TrainingJob": {}, "PredictionJob": {"errorCount": "0"}}
"""What the service leaves out of the output of a job that has succeeded, since it is zero."""

RUNS = {
    "Submitted": ("True", "Accepted"),
    "Succeeded": ("Unknown", "NotFinished"),
    "Reconciling": ("False", "Watching"),
    "Suspended": ("False", "NotSuspended"),
}


def ended(status: str, reason: str) -> dict[str, tuple[str, str]]:
    return {**RUNS, "Succeeded": (status, reason), "Reconciling": ("False", "Finished")}


@both
def test_success_in_every_state_in_order(
    namespace: Namespace, emulator: Emulator, kubectl: Kubectl, kind: JobKind
) -> None:
    kubectl.apply(of_kind(kind, "census", {"labels": {"team": "a"}}))
    job = namespace.job(kind.name, "census")
    status = job.until_state("QUEUED")
    assert conditions(status) == RUNS
    assert status["observedGeneration"] == 1
    assert status["attempt"] == 1
    assert status["jobName"] == f"projects/{PROJECT}/jobs/{status['jobId']}"
    for state in ("PREPARING", "RUNNING", "SUCCEEDED"):
        emulator.force(status["jobId"], state)
        status = job.until_state(state)
        assert conditions(status) == (RUNS if state != "SUCCEEDED" else ended("True", "JobSucceeded"))
    shown = emulator.job(status["jobId"])
    assert {name: shown[name] for name in ("createTime", "startTime", "endTime", "etag", "labels")} == {
        name: status[name] for name in ("createTime", "startTime", "endTime", "etag", "labels")
    }
    assert shown["labels"] == {
        "team": "a",
        "mljobs-uid": job.uid,
        "mljobs-namespace": namespace.name,
        "mljobs-name": "census",
        "mljobs-attempt": "1",
    }
    assert {**ZEROS[kind.name], **shown[kind.output_field]} == status[kind.output_field]
    # made by kubectl; then the intent and the finalizer; then one write for each state, and in QUEUED another
    # one if the job's place in the queue was polled, which the answer to create does not have
    statuses = job.statuses_until("SUCCEEDED")
    states = [status.get("state") for status in statuses if "jobPosition" not in status]
    assert states == [None, None, "QUEUED", "PREPARING", "RUNNING", "SUCCEEDED"]
    assert len(statuses) <= len(states) + 1
    job.expect_events("Accepted", "JobSucceeded")
    assert emulator.applied("create", namespace.name) == [status["jobId"]]


@both
def test_kubectl_waits_for_the_outcome(
    namespace: Namespace, emulator: Emulator, kubectl: Kubectl, kind: JobKind
) -> None:
    emulator.script(f"^{namespace.name}_", timeline={"QUEUED": 30, "PREPARING": 30, "RUNNING": 60})
    kubectl.apply(of_kind(kind, "census"))
    kubectl.out("wait", "--for=condition=Succeeded", f"{kind.short_name}/census", "--timeout=30s")
    assert namespace.job(kind.name, "census").status()["state"] == "SUCCEEDED"
    assert kubectl.out("wait", "--for=jsonpath={.status.state}=SUCCEEDED", f"{kind.short_name}/census")


@both
def test_kubectl_wait_tells_a_failure_too(
    namespace: Namespace, emulator: Emulator, kubectl: Kubectl, kind: JobKind
) -> None:
    emulator.script(
        f"^{namespace.name}_",
        timeline={"QUEUED": 30, "PREPARING": 30, "RUNNING": 60},
        final="FAILED",
        errorMessage="The replica master 0 exited with a non-zero status of 1.",
    )
    kubectl.apply(of_kind(kind, "census"))
    kubectl.out("wait", "--for=condition=Succeeded=False", f"{kind.short_name}/census", "--timeout=30s")
    eventually(
        lambda: kubectl.out("describe", kind.singular, "census"),
        lambda told: told.count("The replica master 0 exited with a non-zero status of 1.") == 3,
        what="job, cause and Event tell of it",
        report=namespace.report,
    )


@both
def test_failure_brings_the_message_of_the_service(
    namespace: Namespace, emulator: Emulator, kind: JobKind
) -> None:
    job = namespace.create(of_kind(kind, "census"))
    job.until_state("QUEUED")
    emulator.force(job.job_id, "RUNNING")
    emulator.force(job.job_id, "FAILED", "Out of memory on replica master 0.")
    status = job.until_state("FAILED")
    assert status["errorMessage"] == "Out of memory on replica master 0."
    assert conditions(status) == ended("False", "JobFailed")
    job.expect_events("Accepted", "JobFailed")
    event = job.events(2)[-1]
    assert event == {
        "type": "Warning",
        "reason": "JobFailed",
        "message": "Out of memory on replica master 0.",
        "count": 1,
    }


@both
def test_cancelled_by_somebody_else(namespace: Namespace, emulator: Emulator, kind: JobKind) -> None:
    job = namespace.create(of_kind(kind, "census"))
    job.until_state("QUEUED")
    emulator.force(job.job_id, "RUNNING")
    job.until_state("RUNNING")
    emulator.cancel(job.job_id)
    status = job.until_state("CANCELLED")
    assert status["errorMessage"] == "Job is cancelled by the user."
    assert conditions(status) == ended("False", "JobCancelled")
    job.expect_events("Accepted", "JobCancelled")
    assert emulator.applied("create", namespace.name) == [status["jobId"]]  # it is never started again


TUNING: Json = {
    "hyperparameterMetricTag": "accuracy",
    "maxTrials": 4,
    "maxParallelTrials": 2,
    "params": [{"parameterName": "depth", "type": "INTEGER", "minValue": 1, "maxValue": 9}],
}


def trial(number: int, objective: float | None) -> Json:
    found: Json = {"trialId": str(number), "hyperparameters": {"depth": str(number)}}
    if objective is not None:
        found["finalMetric"] = {"trainingStep": "100", "objectiveValue": objective}
    return found


@pytest.mark.parametrize(
    ("goal", "order"), [("MAXIMIZE", ["3", "1", "4", "2"]), ("MINIMIZE", ["4", "1", "3", "2"])]
)
def test_trials_come_best_first(
    namespace: Namespace, emulator: Emulator, goal: str, order: list[str]
) -> None:
    trials = [trial(1, 0.5), trial(2, None), trial(3, 0.9), trial(4, 0.0)]
    emulator.script(
        f"^{namespace.name}_", timeline={"QUEUED": 0, "PREPARING": 0, "RUNNING": 60}, trials=trials
    )
    job = namespace.create(training("search", hyperparameters={**TUNING, "goal": goal}))
    output = job.until_state("SUCCEEDED")["trainingOutput"]
    assert output["isHyperparameterTuningJob"] is True
    assert output["completedTrialCount"] == "4"
    assert [row["trialId"] for row in output["trials"]] == order
    assert output["bestTrial"] == output["trials"][0]
    assert output["bestTrial"]["hyperparameters"] == {"depth": order[0]}
    shown = emulator.job(job.job_id)["trainingOutput"]["trials"]
    assert shown[3]["finalMetric"] == {"trainingStep": "100"}  # the zero is not in the service's JSON
    zero = next(row for row in output["trials"] if row["trialId"] == "4")
    assert zero["finalMetric"] == {"trainingStep": "100", "objectiveValue": 0}


def test_many_trials_fit_into_the_status(namespace: Namespace, emulator: Emulator) -> None:
    trials = [
        {**trial(number, number / 1000), "hyperparameters": {"depth": str(number), "name": "x" * 800}}
        for number in range(1, 401)
    ]
    emulator.script(
        f"^{namespace.name}_", timeline={"QUEUED": 0, "PREPARING": 0, "RUNNING": 0}, trials=trials
    )
    job = namespace.create(training("search", hyperparameters={**TUNING, "goal": "MAXIMIZE"}))
    status = job.until_state("SUCCEEDED")
    output = status["trainingOutput"]
    assert output["bestTrial"]["trialId"] == "400"
    assert len(output["trials"]) + output["trialsTruncated"] == 400
    assert len(json.dumps(status)) < 64 * 1024


def test_int64_may_be_a_number_or_a_text(namespace: Namespace, emulator: Emulator) -> None:
    manifest = training(
        "counts",
        scaleTier="CUSTOM",
        masterType="n1-standard-4",
        workerType="n1-standard-4",
        workerCount=3,
        parameterServerType="n1-standard-4",
        parameterServerCount="2",
    )
    job = namespace.create(manifest)
    job.until_state("QUEUED")
    sent = emulator.job(job.job_id)["trainingInput"]
    assert (sent["workerCount"], sent["parameterServerCount"]) == ("3", "2")


def test_a_chosen_job_id_and_project_are_kept(namespace: Namespace, emulator: Emulator) -> None:
    job_id = f"{namespace.name}_nightly"
    job = namespace.create(training("census", {"jobId": job_id, "projectId": "another-project"}))
    status = job.until_state("QUEUED")
    assert status["jobName"] == f"projects/another-project/jobs/{job_id}"
    assert emulator.job(job_id, project="another-project")["labels"]["mljobs-uid"] == job.uid


def test_the_job_id_of_somebody_else_is_left_alone(namespace: Namespace, emulator: Emulator) -> None:
    job_id = f"{namespace.name}_taken"
    foreign = emulator.create(
        {"jobId": job_id, "labels": {"owner": "bob"}, "trainingInput": training("x")["spec"]["trainingInput"]}
    )
    job = namespace.create(training("census", {"jobId": job_id}))
    stalled = job.until_condition("Stalled", "True", "JobIdTaken")
    assert job_id in stalled["message"]
    job.expect_events("JobIdTaken")
    job.delete()
    job.until_gone()
    assert emulator.job(job_id)["etag"] == foreign["etag"]
    assert emulator.applied("create", namespace.name) == [job_id]
    assert emulator.applied("cancel", namespace.name) == []


def test_a_resource_made_again_gets_another_job(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census"))
    first = job.job_id
    job.delete()
    job.until_gone()
    second = namespace.create(training("census")).job_id
    assert first != second
    assert emulator.applied("create", namespace.name) == [first, second]


COLUMNS: list[tuple[tuple[str, ...], list[str]]] = [
    ((), ["NAME", "STATE", "JOB", "AGE"]),
    (("-o", "wide"), ["NAME", "STATE", "JOB", "PROJECT", "LOCATION", "REASON", "CLASS", "MANAGER", "AGE"]),
]


@both
def test_kubectl_get_shows_state_and_job(
    namespace: Namespace, emulator: Emulator, kubectl: Kubectl, kind: JobKind
) -> None:
    job = namespace.create(of_kind(kind, "census", {"projectId": PROJECT}))
    status = job.until_state("QUEUED")
    values: dict[str, Any] = {
        "NAME": "census",
        "STATE": "QUEUED",
        "JOB": status["jobId"],
        "PROJECT": PROJECT,
        "LOCATION": "us-central1",
        "REASON": "NotFinished",
    }
    for options, columns in COLUMNS:
        header, row = kubectl.out("get", kind.short_name, *options).splitlines()
        assert header.split() == columns
        shown = [
            values[column] for column in columns[:-1] if column in values
        ]  # no class, and nobody else manages it
        assert row.split()[:-1] == shown
    assert job.name in kubectl.out("get", "mljobs")  # the category
    found = kubectl.out("get", kind.short_name, "--field-selector=status.state=RUNNING", "-o", "name")
    assert found == ""
