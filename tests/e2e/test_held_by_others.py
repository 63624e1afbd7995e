"""Resources that are being deleted and that other controllers hold by their finalizers."""

import pytest

from mljobs.domain.reasons import Reason
from tests.e2e.support import Job, Namespace, condition, conditions, training
from tests.e2e.support_stack import Emulator, Operator

OTHERS = "example.com/hold"


@pytest.fixture
def held(namespace: Namespace, emulator: Emulator) -> Job:
    """A resource whose job runs, held by us and by another controller."""
    manifest = training("census")
    manifest["metadata"]["finalizers"] = [OTHERS]
    job = namespace.create(manifest)
    emulator.force(job.job_id, "RUNNING")
    job.until_state("RUNNING")
    assert set(job.metadata()["finalizers"]) == {OTHERS, "mljobs.dev/cancel-job"}
    return job


def current(job: Job) -> bool:
    """Whether the whole status speaks of the newest generation."""
    generation, status = job.metadata()["generation"], job.status()
    return (
        {status["observedGeneration"]}
        == {generation}
        == {row["observedGeneration"] for row in status["conditions"]}
    )


def test_the_job_of_what_others_hold_is_cancelled_and_shown_to_its_end(held: Job, emulator: Emulator) -> None:
    job_id = held.job_id
    held.delete()
    held.until_state("CANCELLED")
    assert held.metadata()["finalizers"] == [OTHERS]
    assert current(held)
    assert conditions(held.status()) == {
        "Submitted": ("True", Reason.ACCEPTED),
        "Succeeded": ("False", Reason.JOB_CANCELLED),
        "Reconciling": ("False", Reason.FINISHED),
        "Suspended": ("False", Reason.NOT_SUSPENDED),
    }
    assert emulator.applied("cancel", job_id) == [job_id]
    held.patch({"metadata": {"finalizers": None}})
    held.until_gone()


@pytest.mark.parametrize("annotations", [True, False])
def test_our_finalizer_is_taken_off_while_the_operator_is_away(
    held: Job, emulator: Emulator, operator: Operator, annotations: bool
) -> None:
    job_id = held.job_id
    operator.kill()
    held.delete()
    held.patch({"metadata": {"finalizers": [OTHERS], **({} if annotations else {"annotations": None})}})
    operator.start()
    held.until_state("CANCELLED")
    assert emulator.applied("cancel", job_id) == [job_id]
    assert current(held)
    assert held.metadata()["finalizers"] == [OTHERS]
    held.patch({"metadata": {"finalizers": None}})
    held.until_gone()


def test_a_job_that_outlives_its_resource_is_shown_while_others_hold_that(
    held: Job, emulator: Emulator
) -> None:
    job_id = held.job_id
    held.patch_spec(deletionPolicy="Orphan")
    held.delete()
    shown = held.until_condition("Reconciling", "False", Reason.RELEASED)
    assert "another finalizer" in shown["message"]
    emulator.force(job_id, "SUCCEEDED")
    held.until_state("SUCCEEDED")
    assert current(held)
    assert emulator.applied("cancel", job_id) == []
    held.patch({"metadata": {"finalizers": None}})
    held.until_gone()


def test_what_never_had_a_job_says_that_nothing_is_left_to_do(namespace: Namespace) -> None:
    manifest = training("census", {"suspend": True})
    manifest["metadata"]["finalizers"] = [OTHERS]
    job = namespace.create(manifest)
    job.until_condition("Suspended", "True", Reason.SUSPENDED)
    job.delete()
    job.until_condition("Submitted", "False", Reason.RELEASED)
    assert current(job)
    assert condition(job.status(), "Reconciling")["status"] == "False"
    job.patch({"metadata": {"finalizers": None}})
    job.until_gone()
