"""Deadlines end a job in time, across restarts, and the reason says which."""

import time

from tests.e2e.support import Job, Kubectl, Namespace, conditions, eventually, training
from tests.e2e.support_stack import Emulator, Operator


def until_exceeded(job: Job, reason: str) -> None:
    job.until_condition("Succeeded", "False", reason)
    status = job.status()
    assert status["state"] == "CANCELLED"
    assert conditions(status)["Reconciling"] == ("False", "Finished")


def test_a_job_that_takes_too_long_is_cancelled(
    namespace: Namespace, emulator: Emulator, kubectl: Kubectl
) -> None:
    job = namespace.create(training("census", {"activeDeadlineSeconds": 2}))
    first = job.job_id
    emulator.force(first, "RUNNING")
    until_exceeded(job, "DeadlineExceeded")
    assert emulator.applied("cancel", namespace.name) == [first]
    assert len(emulator.applied("create", namespace.name)) == 1
    shown = kubectl.out("describe", "tj/census", "-n", namespace.name)
    assert "activeDeadlineSeconds" in shown
    job.expect_events("Accepted", "DeadlineExceeded", "Finished")


def test_a_job_that_does_not_start_is_cancelled(namespace: Namespace, emulator: Emulator) -> None:
    late = namespace.create(training("late", {"startDeadlineSeconds": 2}))
    started = namespace.create(training("started", {"startDeadlineSeconds": 2}))
    emulator.force(started.job_id, "RUNNING")
    until_exceeded(late, "StartDeadlineExceeded")
    assert emulator.applied("cancel", namespace.name) == [late.job_id]
    assert started.until_state("RUNNING")["record"].get("exceeded") is None


def test_a_deadline_that_passes_while_no_operator_runs(
    namespace: Namespace, emulator: Emulator, operator: Operator
) -> None:
    job = namespace.create(training("census", {"activeDeadlineSeconds": 2}))
    first = job.job_id
    accepted = time.monotonic()
    operator.kill()
    eventually(
        lambda: time.monotonic() > accepted + 3, what="the deadline has passed", report=namespace.report
    )
    assert emulator.applied("cancel", namespace.name) == []
    operator.start()
    until_exceeded(job, "DeadlineExceeded")
    assert emulator.applied("cancel", namespace.name) == [first]


def test_a_suspension_gives_all_the_time_again(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census", {"activeDeadlineSeconds": 3600}))
    since = job.until_state("QUEUED")["record"]["activeSince"]
    job.patch_spec(suspend=True)
    job.until_condition("Suspended", "True", "Suspended")
    job.patch_spec(activeDeadlineSeconds=1)
    job.until_observed()
    assert conditions(job.status())["Succeeded"] == ("Unknown", "Suspended")
    job.patch_spec(activeDeadlineSeconds=3600, suspend=False)
    status = job.until_status(lambda status: status.get("attempt") == 2, "attempt 2")
    assert status["record"]["activeSince"] >= since
    job.patch_spec(activeDeadlineSeconds=1)
    until_exceeded(job, "DeadlineExceeded")
    assert len(emulator.applied("create", namespace.name)) == 2
