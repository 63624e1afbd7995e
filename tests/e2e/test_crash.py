"""The operator killed with SIGKILL in the middle of its work, and started again."""

import pytest

from mljobs.api.resources import KINDS
from tests.e2e.support import Job, Json, Kubectl, Namespace, condition, eventually, of_kind, training
from tests.e2e.support_stack import Emulator, Operator

JOBS = 50


def manifests() -> list[Json]:
    kinds = list(KINDS.values())
    return [of_kind(kinds[number % 2], f"job-{number:02}") for number in range(JOBS)]


def every_job(namespace: Namespace) -> list[Job]:
    return [namespace.job(item["kind"], item["metadata"]["name"]) for item in namespace.all()]


def slow(emulator: Emulator, namespace: Namespace, method: str) -> None:
    """Let calls take 0.2 s, and be applied also when their caller is dead: their outcome is then unknown."""
    emulator.fault("delay", method=method, jobId=f"^{namespace.name}_", seconds=0.2)


def until_applied(emulator: Emulator, namespace: Namespace, method: str, count: int) -> None:
    eventually(
        lambda: len(emulator.applied(method, namespace.name)),
        lambda applied: applied >= count,
        what=f"{count} calls of {method}",
        report=namespace.report,
    )


def expect_one_true_job_each(namespace: Namespace, emulator: Emulator) -> list[str]:
    """Each resource has one job of its own, and says of it what the service says. Gives the jobs' ids."""
    jobs = every_job(namespace)
    assert len(jobs) == JOBS
    for job in jobs:
        job.until_condition("Submitted", "True")
    created = emulator.applied("create", namespace.name)
    assert sorted(created) == sorted(job.job_id for job in jobs)
    known = {found["jobId"]: found for found in emulator.jobs() if found["jobId"] in created}
    for job in jobs:
        found = known[job.job_id]
        status = job.until_state(found["state"])
        assert found["labels"]["mljobs-uid"] == job.uid
        assert status["createTime"] == found["createTime"]
        assert condition(status, "Submitted")["reason"] in ("Accepted", "Adopted")
    return created


@pytest.mark.parametrize("creates", [1, 20, 40])
def test_killed_while_fifty_jobs_are_being_created(
    namespace: Namespace, emulator: Emulator, operator: Operator, kubectl: Kubectl, creates: int
) -> None:
    slow(emulator, namespace, "create")
    kubectl.apply(*manifests())
    until_applied(emulator, namespace, "create", creates)
    operator.kill()
    assert len(emulator.applied("create", namespace.name)) < JOBS  # it was in the middle of it
    emulator.fix()
    operator.start()
    created = expect_one_true_job_each(namespace, emulator)
    namespace.delete_all()
    eventually(namespace.all, lambda left: not left, what="all are gone", report=namespace.report)
    assert sorted(emulator.applied("cancel", namespace.name)) == sorted(created)


def test_killed_again_and_again(
    namespace: Namespace, emulator: Emulator, operator: Operator, kubectl: Kubectl
) -> None:
    slow(emulator, namespace, "create")
    kubectl.apply(*manifests())
    for creates in (5, 18, 31):
        until_applied(emulator, namespace, "create", creates)
        operator.kill()
        operator.start()
    emulator.fix()
    expect_one_true_job_each(namespace, emulator)


def test_killed_while_fifty_jobs_are_being_cancelled(
    namespace: Namespace, emulator: Emulator, operator: Operator, kubectl: Kubectl
) -> None:
    kubectl.apply(*manifests())
    created = expect_one_true_job_each(namespace, emulator)
    slow(emulator, namespace, "cancel")
    namespace.delete_all()
    until_applied(emulator, namespace, "cancel", 20)
    operator.kill()
    assert namespace.all(), "it was in the middle of it"
    emulator.fix()
    operator.start()
    eventually(namespace.all, lambda left: not left, what="all are gone", report=namespace.report)
    assert sorted(emulator.applied("cancel", namespace.name)) == sorted(created)


def test_what_happened_while_it_was_dead_is_in_the_status(
    namespace: Namespace, emulator: Emulator, operator: Operator
) -> None:
    ended, cancelled, lost, deleted, released = namespace.create_all(
        training(name) for name in ("ended", "cancelled", "lost", "deleted", "released")
    )
    ids = {job.name: job.job_id for job in (ended, cancelled, lost, deleted, released)}
    emulator.force(ids["released"], "SUCCEEDED")
    released.until_state("SUCCEEDED")
    operator.kill()
    emulator.force(ids["ended"], "FAILED", "Out of memory.")
    emulator.cancel(ids["cancelled"])
    emulator.vanish(ids["lost"])
    for job in (deleted, released):
        job.delete()
    made = namespace.create(training("made"))
    before = emulator.last
    operator.start()
    assert ended.until_state("FAILED")["errorMessage"] == "Out of memory."
    cancelled.until_state("CANCELLED")
    lost.until_condition("Stalled", "True", "Lost")
    made.until_state("QUEUED")
    for job in (deleted, released):
        job.until_gone()
    assert emulator.applied("cancel", f"{namespace.name}_deleted") == [ids["deleted"]]
    assert emulator.effects(after=before, jobId=ids["released"]) == []
    assert sorted(emulator.applied("create", namespace.name)) == sorted([*ids.values(), made.job_id])
