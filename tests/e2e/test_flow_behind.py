"""What happens to a job behind the operator's back is in the status after one round of polls.

Rounds are counted in the ledger, so that nothing depends on the machine's speed. One read may have been on
its way when the job changed; the next one must be enough.
"""

from collections.abc import Callable

import pytest

from tests.e2e.support import Job, Namespace, condition, eventually, training
from tests.e2e.support_stack import Emulator


def rounds_until(emulator: Emulator, job: Job, method: str, change: Callable[[str], None], state: str) -> int:
    """How many reads of a method it took the operator to show a change."""
    job_id = job.job_id
    before = emulator.last
    change(job_id)
    job.until_state(state)
    about = {"jobId": job_id} if method == "get" else {}
    return len(emulator.effects(after=before, method=method, **about))


CHANGES: list[tuple[str, str]] = [
    ("PREPARING", ""),
    ("RUNNING", ""),
    ("SUCCEEDED", ""),
    ("FAILED", "Out of memory."),
    ("CANCELLED", ""),
]


@pytest.mark.parametrize(("state", "error"), CHANGES, ids=[row[0] for row in CHANGES])
def test_a_change_shows_after_one_round(
    namespace: Namespace, emulator: Emulator, state: str, error: str
) -> None:
    job = namespace.create(training("census"))
    job.until_state("QUEUED")
    reads = rounds_until(emulator, job, "get", lambda job_id: emulator.force(job_id, state, error), state)
    assert reads <= 2


def test_a_cancel_by_somebody_else_shows_after_one_round(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census"))
    job.until_state("QUEUED")
    reads = rounds_until(emulator, job, "get", emulator.cancel, "CANCELLING")
    assert reads <= 2
    job.until_state("CANCELLED")


def test_an_ended_job_is_polled_no_more(namespace: Namespace, emulator: Emulator) -> None:
    ended, running = namespace.create_all([training("ended"), training("running")])
    for job in (ended, running):
        job.until_state("QUEUED")
    emulator.force(ended.job_id, "SUCCEEDED")
    ended.until_state("SUCCEEDED")
    before = emulator.last
    eventually(
        lambda: emulator.effects(after=before, method="get", jobId=running.job_id),
        lambda rows: len(rows) >= 4,
        what="four rounds of polls",
        report=namespace.report,
    )
    # the round that was in progress may still have read it
    assert len(emulator.effects(after=before, method="get", jobId=ended.job_id)) <= 1


def test_many_jobs_are_read_in_pages(namespace: Namespace, emulator: Emulator) -> None:
    jobs = namespace.create_all(training(f"job-{number}") for number in range(30))
    ids = [job.job_id for job in jobs]
    before = emulator.last
    eventually(
        lambda: [row["method"] for row in emulator.effects(after=before)][-4:],
        lambda methods: methods == ["ml.projects.jobs.list"] * 4,
        what="four rounds of one page each",
        report=namespace.report,
    )
    before = emulator.last
    reads = rounds_until(emulator, jobs[7], "list", lambda _: emulator.force(ids[7], "RUNNING"), "RUNNING")
    assert reads <= 2
    assert [row for row in emulator.effects(after=before) if row["method"].endswith(".get")] == []


def test_a_job_that_the_service_lost_is_not_submitted_again(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census"))
    job.until_state("QUEUED")
    job_id = job.job_id
    emulator.vanish(job_id)
    stalled = job.until_condition("Stalled", "True", "Lost")
    assert job_id in stalled["message"]
    assert condition(job.status(), "Succeeded")["reason"] == "Lost"
    job.expect_events("Accepted", "Lost")
    before = emulator.last
    job.delete()
    job.until_gone()
    # a deletion looks once more, and does nothing else
    calls = [(row["method"], row["status"]) for row in emulator.effects(after=before, jobId=job_id)]
    assert calls == [("ml.projects.jobs.get", 404)]
    assert emulator.applied("create", namespace.name) == [job_id]
