"""Causes that take turns, and Events by the dozen: neither is worth a write each."""

from collections.abc import Callable

import pytest

from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Job, Json, Namespace, condition, eventually, training
from tests.e2e.support_stack import OPERATOR_USER, Emulator

CAUSES = (503, 429, 503)
"""More of them would take so long that the first one is no longer reported."""


@pytest.fixture(scope="module")
def operator_options() -> dict[str, object]:
    return {"settings": {"MLJOBS_GAUGE_INTERVAL": "600"}}  # no status is written for gauges alone


@pytest.fixture
def writes(control_plane: ControlPlane) -> Callable[[Job], list[str]]:
    """What the operator has written of a resource so far, in order: the subresources."""

    def written(job: Job) -> list[str]:
        rows: list[Json] = control_plane.writes(user=OPERATOR_USER)
        about = [row["objectRef"] for row in rows]
        place = (job.namespace.name, job.name)
        return [
            one.get("subresource", "") for one in about if (one.get("namespace"), one.get("name")) == place
        ]

    return written


def in_turn(emulator: Emulator, method: str, pattern: str, *statuses: int) -> None:
    """Let the next calls fail with these, one after the other."""
    for status in statuses:
        emulator.fault("error", method=method, jobId=pattern, status=status, times=1)


def test_503_and_429_in_turn_are_one_write_and_one_event(
    namespace: Namespace, emulator: Emulator, writes: Callable[[Job], list[str]]
) -> None:
    in_turn(emulator, "create", f"^{namespace.name}_", *CAUSES)
    job = namespace.create(training("census"))
    job.until_condition("Submitted", "True", within=120)
    rows = emulator.effects(method="create", jobId=job.job_id)
    assert [row["status"] for row in rows] == [*CAUSES, 200]
    assert writes(job) == ["", "status", "status"]  # the intent, the first cause, the job
    job.expect_events("OutcomeUnknown", "Accepted", "Watching")


def test_what_happens_again_and_again_is_counted_and_bounded(
    namespace: Namespace, emulator: Emulator
) -> None:
    job = namespace.create(training("census"))
    job.until_state("QUEUED")
    labels = emulator.job(job.job_id)["labels"]
    for _ in range(15):
        emulator.relabel(job.job_id, {})
        job.until_condition("Stalled", "True", "Taken")
        emulator.relabel(job.job_id, labels)
        job.until_status(lambda status: not condition(status, "Stalled"), "it is not stalled")
    found = eventually(
        lambda: namespace.events(job.uid),
        lambda rows: sum(row["count"] for row in rows) >= 16,
        what="all are told",
        report=namespace.report,
    )
    assert {row["reason"]: row["count"] for row in found} == {"Accepted": 1, "Taken": 15}
    assert len(found) == 2
