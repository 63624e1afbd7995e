"""`spec.suspend` holds a job back, ends the attempt that runs, and starts a new one when it is lifted."""

import pytest

from mljobs.api.resources import KINDS, JobKind
from tests.e2e.support import Job, Json, Kubectl, Namespace, conditions, eventually, of_kind, training
from tests.e2e.support_stack import LONG, Emulator, Operator

both = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)

HELD_BACK = {
    "Submitted": ("False", "Suspended"),
    "Succeeded": ("Unknown", "Suspended"),
    "Reconciling": ("False", "Suspended"),
    "Suspended": ("True", "Suspended"),
}


def until_attempt(job: Job, attempt: int) -> Json:
    return job.until_status(lambda status: status.get("attempt") == attempt, f"attempt {attempt}")


@both
def test_held_back_until_it_is_lifted(namespace: Namespace, emulator: Emulator, kind: JobKind) -> None:
    job = namespace.create(of_kind(kind, "census", {"suspend": True}))
    job.until_condition("Suspended", "True", "Suspended")
    assert conditions(job.status()) == HELD_BACK
    job.expect_events("Suspended")
    assert emulator.applied("create", namespace.name) == []
    job.patch_spec(suspend=False)
    status = job.until_state("QUEUED")
    assert status["attempt"] == 1
    assert "attempts" not in status
    assert conditions(status)["Suspended"] == ("False", "NotSuspended")
    job.expect_events("Suspended", "Accepted", "NotSuspended")


def test_a_spec_that_is_held_back_can_still_be_changed(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census", {"suspend": True}))
    job.until_condition("Suspended", "True", "Suspended")
    job.patch_spec(trainingInput={"region": "europe-west1"})
    job.patch_spec(suspend=False)
    job.until_state("QUEUED")
    assert emulator.job(job.job_id)["trainingInput"]["region"] == "europe-west1"


@both
def test_a_running_job_is_cancelled_and_a_new_attempt_starts(
    namespace: Namespace, emulator: Emulator, kubectl: Kubectl, kind: JobKind
) -> None:
    job = namespace.create(of_kind(kind, "census"))
    first = job.job_id
    emulator.force(first, "RUNNING")
    job.until_state("RUNNING")
    job.patch_spec(suspend=True)
    status = job.until_state("CANCELLED")
    job.until_condition("Suspended", "True", "Suspended")
    kubectl.out("wait", "--for=condition=Suspended", f"{kind.short_name}/census", "--timeout=30s")
    assert emulator.applied("cancel", namespace.name) == [first]
    assert conditions(job.status())["Succeeded"][0] == "Unknown"  # it is to run yet
    job.patch_spec(suspend=False)
    status = until_attempt(job, 2)
    second = status["jobId"]
    assert second != first
    assert [(row["attempt"], row["jobId"], row["state"]) for row in status["attempts"]] == [
        (1, first, "CANCELLED")
    ]
    assert conditions(status)["Suspended"] == ("False", "NotSuspended")
    emulator.force(second, "SUCCEEDED")
    status = job.until_state("SUCCEEDED")
    assert len(status["attempts"]) == 1
    assert conditions(status)["Succeeded"] == ("True", "JobSucceeded")
    assert "errorMessage" not in status
    assert emulator.applied("create", namespace.name) == [first, second]
    assert emulator.applied("cancel", namespace.name) == [first]


def test_each_suspension_makes_an_attempt_of_its_own(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census", {"jobId": f"{namespace.name}_nightly"}))
    job.until_state("QUEUED")
    for attempt in (2, 3):
        job.patch_spec(suspend=True)
        job.until_condition("Suspended", "True", "Suspended")
        job.patch_spec(suspend=False)
        until_attempt(job, attempt)
    nightly = f"{namespace.name}_nightly"
    assert emulator.applied("create", namespace.name) == [nightly, f"{nightly}_2", f"{nightly}_3"]
    assert emulator.applied("cancel", namespace.name) == [nightly, f"{nightly}_2"]
    assert [row["jobId"] for row in job.status()["attempts"]] == [nightly, f"{nightly}_2"]


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED"])
def test_an_ended_job_is_not_touched(namespace: Namespace, emulator: Emulator, state: str) -> None:
    job = namespace.create(training("census"))
    emulator.force(job.job_id, state)
    job.until_state(state)
    for suspend, reason in ((True, "Finished"), (False, "NotSuspended")):
        job.patch_spec(suspend=suspend)
        assert conditions(job.until_observed())["Suspended"] == ("False", reason)
    assert job.status()["state"] == state
    assert len(emulator.applied("create", namespace.name)) == 1
    assert emulator.applied("cancel", namespace.name) == []


def test_resumed_before_the_job_is_cancelled(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census"))
    first = job.job_id
    emulator.script(f"^{first}$", timeline={"QUEUED": LONG, "CANCELLING": LONG})
    job.patch_spec(suspend=True)
    job.until_state("CANCELLING")
    assert conditions(job.status())["Reconciling"] == ("True", "Suspending")
    job.patch_spec(suspend=False)
    shown = conditions(job.until_observed())
    assert (shown["Reconciling"], shown["Suspended"]) == (("True", "Resuming"), ("True", "Resuming"))
    emulator.force(first, "CANCELLED")
    until_attempt(job, 2)
    assert conditions(job.status())["Reconciling"] == ("False", "Watching")


def test_killed_while_it_suspends(namespace: Namespace, emulator: Emulator, operator: Operator) -> None:
    job = namespace.create(training("census"))
    first = job.job_id
    emulator.fault("delay", method="cancel", jobId=first, seconds=1)
    job.patch_spec(suspend=True)
    job.until_condition("Suspended", "True", "Suspending")
    operator.kill()
    emulator.fix()
    operator.start()
    job.until_condition("Suspended", "True", "Suspended")
    job.patch_spec(suspend=False)
    until_attempt(job, 2)
    assert emulator.applied("cancel", namespace.name) == [first]
    assert len(emulator.applied("create", namespace.name)) == 2


def test_suspended_after_a_create_call_without_an_answer(namespace: Namespace, emulator: Emulator) -> None:
    emulator.fault("dropAfter", method="create", jobId=f"^{namespace.name}_", times=1)
    emulator.fault("error", method="get", jobId=f"^{namespace.name}_")
    job = namespace.create(training("census"))
    job.until_condition("Submitted", "Unknown", "OutcomeUnknown")
    job.patch_spec(suspend=True)
    emulator.fix()
    job.until_condition("Suspended", "True", "Suspended")
    created = emulator.applied("create", namespace.name)
    assert len(created) == 1
    eventually(
        lambda: emulator.job(created[0])["state"],
        lambda state: state == "CANCELLED",
        what="the job is cancelled",
        report=namespace.report,
    )
