"""While nothing changes the operator writes nothing, for a minute and over restarts: the audit log tells.

In that minute it polls the service and lists all resources again several times, so that both are covered.
"""

from collections.abc import Callable
from datetime import datetime

import pytest

from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Job, Json, Kubectl, Namespace, eventually, prediction, training
from tests.e2e.support_stack import OPERATOR_USER, Emulator, Operator

MINUTE = 60.0


@pytest.fixture(scope="module")
def operator_options() -> dict[str, object]:
    return {"settings": {"MLJOBS_RESYNC_INTERVAL": "5"}}


@pytest.fixture
def writes(control_plane: ControlPlane) -> Callable[[], list[Json]]:
    """The writes of the operator so far, whatever became of them."""
    return lambda: control_plane.writes(user=OPERATOR_USER)


def seconds(row: Json) -> float:
    return datetime.fromisoformat(row["time"]).timestamp()


def until_polled(emulator: Emulator, job: Job, times: int, after: int) -> None:
    """Wait until a job has been read so many times since a row of the ledger."""
    eventually(
        lambda: len(emulator.effects(after=after, method="get", jobId=job.job_id)),
        lambda count: count >= times,
        what=f"{times} polls of {job.name}",
        report=job.namespace.report,
    )


def until_gauges_are_shown(emulator: Emulator, job: Job) -> None:
    """Wait until a status has what its job says that moves by itself: it is written later than the rest."""
    found = emulator.job(job.job_id)
    job.until_status(
        lambda status: all(status.get(name) == found.get(name) for name in ("jobPosition", "etag")),
        "its gauges",
    )


def in_every_state(namespace: Namespace, emulator: Emulator) -> list[Job]:
    """Resources of both kinds in every state in which one can rest; the first two are active."""
    taken = f"{namespace.name}_taken"
    emulator.create({"jobId": taken, "trainingInput": training("x")["spec"]["trainingInput"]})
    emulator.fault("error", method="create", jobId=f"^{namespace.name}_rejected_", status=400)
    manifests = [
        training("queued", {"labels": {"team": "a"}}),
        prediction("running"),
        training("succeeded"),
        prediction("failed"),
        training("cancelled"),
        training("lost"),
        prediction("held-back", {"suspend": True}),
        training("suspended"),
        training("second-attempt"),
        training("taken", {"jobId": taken}),
        prediction("rejected"),
        training("orphan", {"deletionPolicy": "Orphan"}),
    ]
    jobs = {job.name: job for job in namespace.create_all(manifests)}
    emulator.force(jobs["running"].job_id, "RUNNING")
    jobs["running"].until_state("RUNNING")
    for state in ("SUCCEEDED", "FAILED", "CANCELLED"):
        emulator.force(jobs[state.lower()].job_id, state)
        jobs[state.lower()].until_state(state)
    emulator.vanish(jobs["lost"].job_id)
    jobs["lost"].until_condition("Stalled", "True", "Lost")
    for name in ("suspended", "second-attempt"):
        jobs[name].until_state("QUEUED")
        jobs[name].patch_spec(suspend=True)
        jobs[name].until_condition("Suspended", "True", "Suspended")
    jobs["second-attempt"].patch_spec(suspend=False)
    jobs["second-attempt"].until_status(lambda status: status.get("attempt") == 2, "the second attempt")
    jobs["second-attempt"].until_state("QUEUED")
    jobs["held-back"].until_condition("Suspended", "True")
    jobs["taken"].until_condition("Stalled", "True", "JobIdTaken")
    jobs["rejected"].until_condition("Stalled", "True", "Rejected")
    jobs["orphan"].until_state("QUEUED")
    emulator.fix()
    return [jobs[manifest["metadata"]["name"]] for manifest in manifests]


def versions(namespace: Namespace) -> dict[str, str]:
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in namespace.all()}


def test_sixty_seconds_without_a_change_bring_no_write(
    namespace: Namespace, emulator: Emulator, operator: Operator, writes: Callable[[], list[Json]]
) -> None:
    jobs = in_every_state(namespace, emulator)
    active = [job for job in jobs if job.name in ("queued", "running", "second-attempt", "orphan")]
    for job in active:
        until_gauges_are_shown(emulator, job)
    operator.until_posted()
    quiet = versions(namespace)
    before, count = emulator.last, len(writes())
    assert count > len(jobs)
    eventually(
        lambda: [seconds(row) for row in emulator.effects(after=before, method="get")],
        lambda times: times[-1:] and times[-1] - times[0] >= MINUTE,
        what="a minute of polls",
        within=2 * MINUTE,
        glance=1.0,
    )
    assert writes()[count:] == []
    assert versions(namespace) == quiet
    rows = emulator.effects(after=before)
    assert {row["method"] for row in rows} == {"ml.projects.jobs.get"}
    assert {row["jobId"] for row in rows} == {job.job_id for job in active}  # what has ended costs nothing
    for restart in (operator.kill, operator.stop):
        restart()
        before = emulator.last
        operator.start()
        for job in jobs[:2]:
            until_polled(emulator, job, 4, before)
        assert writes()[count:] == []
        assert versions(namespace) == quiet


def test_what_others_write_into_a_resource_is_no_reason_to_write(
    namespace: Namespace, emulator: Emulator, operator: Operator, writes: Callable[[], list[Json]]
) -> None:
    job, other = namespace.create_all([training("census"), training("other")])
    for one in (job, other):
        one.until_state("QUEUED")
        until_polled(emulator, one, 2, emulator.last)
        until_gauges_are_shown(emulator, one)
    operator.until_posted()
    count = len(writes())
    for number in range(5):
        job.annotate(note=str(number))
        job.patch({"metadata": {"labels": {"note": str(number)}}})
    other.patch_spec(labels={"team": "b"})  # a change that the operator has to answer, after those
    other.until_observed()
    touched = {write["objectRef"]["name"] for write in writes()[count:]}
    assert job.name not in touched
    assert other.name in touched


def test_applying_the_same_manifest_again_is_no_change(
    namespace: Namespace,
    emulator: Emulator,
    operator: Operator,
    kubectl: Kubectl,
    writes: Callable[[], list[Json]],
) -> None:
    manifest = training("census", {"labels": {"team": "a"}})
    kubectl.apply(manifest)
    job = namespace.job("TrainingJob", "census")
    job.until_state("QUEUED")
    until_polled(emulator, job, 2, emulator.last)
    until_gauges_are_shown(emulator, job)
    operator.until_posted()
    count, version = len(writes()), job.metadata()["resourceVersion"]
    assert "unchanged" in kubectl.apply(manifest)
    until_polled(emulator, job, 2, emulator.last)
    assert writes()[count:] == []
    assert job.metadata()["resourceVersion"] == version
