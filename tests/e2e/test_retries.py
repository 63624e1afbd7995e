"""A job that fails is tried again, as often as its resource says, and the story can be read afterwards."""

import pytest

from mljobs.api.resources import KINDS, JobKind
from tests.e2e.support import Job, Json, Kubectl, Namespace, condition, conditions, of_kind, training
from tests.e2e.support_stack import Emulator, Operator

both = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)

EXITED = "The replica master 0 exited with a non-zero status of {}."


def fail(job: Job, emulator: Emulator, message: str) -> Json:
    """Let the job that runs fail, and wait until the resource says so."""
    job_id = job.job_id
    emulator.force(job_id, "FAILED", message)
    return job.until_status(lambda status: status["state"] == "FAILED", f"{job_id} has failed")


def until_attempt(job: Job, attempt: int) -> Json:
    return job.until_status(lambda status: status.get("attempt") == attempt, f"attempt {attempt}", within=60)


@both
def test_a_failed_job_is_tried_again_and_then_no_more(
    namespace: Namespace, emulator: Emulator, kubectl: Kubectl, kind: JobKind
) -> None:
    job = namespace.create(of_kind(kind, "census", {"backoffLimit": 1}))
    first = job.job_id
    status = fail(job, emulator, EXITED.format(3))
    assert (status["cause"], status["exitCode"]) == ("UserCode", 3)
    assert "outcome" not in status
    shown = condition(status, "Succeeded")
    assert (shown["status"], shown["reason"]) == ("Unknown", "Retrying")
    assert "exit code 3" in shown["message"]
    status = until_attempt(job, 2)
    assert [(row["jobId"], row["state"], row["cause"]) for row in status["attempts"]] == [
        (first, "FAILED", "UserCode")
    ]
    assert conditions(status)["Reconciling"] == ("False", "Watching")
    status = fail(job, emulator, EXITED.format(4))
    assert status["outcome"] == "Failed"
    assert conditions(status)["Succeeded"] == ("False", "BackoffLimitExceeded")
    assert len(emulator.applied("create", namespace.name)) == 2
    assert "Retrying" in kubectl.out("describe", f"{kind.short_name}/census", "-n", namespace.name)


def test_a_rule_decides_by_the_exit_code(namespace: Namespace, emulator: Emulator) -> None:
    rules = [{"onExitCodes": [42], "action": "Fail"}]
    job = namespace.create(training("census", {"backoffLimit": 5, "failurePolicy": {"rules": rules}}))
    status = fail(job, emulator, EXITED.format(42))
    assert status["outcome"] == "Failed"
    assert conditions(status)["Succeeded"] == ("False", "JobFailed")
    assert len(emulator.applied("create", namespace.name)) == 1


def test_a_rule_decides_by_the_message(namespace: Namespace, emulator: Emulator) -> None:
    rules = [
        {"onCauses": ["UserCode"], "onMessagePatterns": [r"(?i)nccl (error|timeout)"], "action": "Retry"},
        {"onMessagePatterns": ["."], "action": "Fail"},
    ]
    job = namespace.create(training("census", {"backoffLimit": 5, "failurePolicy": {"rules": rules}}))
    fail(job, emulator, f"{EXITED.format(1)} NCCL timeout after 1800 s")
    until_attempt(job, 2)
    status = fail(job, emulator, f"{EXITED.format(1)} ModuleNotFoundError: No module named 'census'")
    assert status["outcome"] == "Failed"
    assert len(emulator.applied("create", namespace.name)) == 2


def test_killed_between_two_attempts(namespace: Namespace, emulator: Emulator, operator: Operator) -> None:
    job = namespace.create(training("census", {"backoffLimit": 1}))
    fail(job, emulator, EXITED.format(1))
    operator.kill()
    operator.start()
    until_attempt(job, 2)
    assert len(emulator.applied("create", namespace.name)) == 2


def test_the_program_is_told_its_attempt(namespace: Namespace, emulator: Emulator) -> None:
    said = {"args": ["--attempt=$(MLJOBS_ATTEMPT)"], "jobDir": "gs://bucket/$(MLJOBS_NAME)/$(MLJOBS_ATTEMPT)"}
    job = namespace.create(training("census", {"backoffLimit": 1}, **said))
    first = job.job_id
    fail(job, emulator, EXITED.format(1))
    second = until_attempt(job, 2)["jobId"]
    for attempt, job_id in ((1, first), (2, second)):
        made = emulator.job(job_id)
        assert made["trainingInput"]["args"] == [f"--attempt={attempt}"]
        assert made["trainingInput"]["jobDir"] == f"gs://bucket/census/{attempt}"
        assert made["labels"]["mljobs-attempt"] == str(attempt)
