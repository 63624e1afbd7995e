"""Labels follow the spec while the job lives; the labels that say whose job it is stay."""

import pytest

from mljobs.api.resources import KINDS, JobKind
from tests.e2e.support import Job, Json, Kubectl, Namespace, eventually, of_kind, training
from tests.e2e.support_stack import Emulator

BINDING = {"role": "roles/viewer", "members": ["user:a@example.com"]}

both = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)


def ours(job: Job) -> Json:
    return {
        "mljobs-uid": job.uid,
        "mljobs-attempt": "1",
        "mljobs-namespace": job.namespace.name,
        "mljobs-name": job.name,
    }


def until_labels(job: Job, emulator: Emulator, **labels: str) -> None:
    """The service has these labels and ours, and the status shows them."""
    wanted = {**labels, **ours(job)}
    eventually(
        lambda: emulator.job(job.job_id).get("labels"),
        lambda found: found == wanted,
        what=f"labels {wanted}",
        report=job.namespace.report,
    )
    job.until_status(lambda status: status.get("labels") == wanted, f"labels {wanted}")


def patches(emulator: Emulator, job: Job) -> list[int]:
    """The HTTP statuses of the calls that changed, or were to change, a job's labels."""
    return [row["status"] for row in emulator.effects(method="patch", jobId=job.job_id)]


@both
def test_a_change_of_labels_is_patched_into_the_job(
    namespace: Namespace, emulator: Emulator, kubectl: Kubectl, kind: JobKind
) -> None:
    job = namespace.create(of_kind(kind, "census", {"labels": {"team": "a", "cost": "low"}}))
    job_id = job.job_id
    before = emulator.job(job_id)
    kubectl.apply(of_kind(kind, "census", {"labels": {"team": "b", "stage": "test"}}))
    job.patch_spec(labels={"cost": None})
    until_labels(job, emulator, team="b", stage="test")
    after = emulator.job(job_id)
    assert after["etag"] != before["etag"]
    assert job.until_status(lambda status: status["etag"] == after["etag"], "the new etag")
    assert {**after, "labels": 0, "etag": 0} == {**before, "labels": 0, "etag": 0}
    assert patches(emulator, job)[-1] == 200
    job.patch_spec(labels=None)
    until_labels(job, emulator)
    job.until_observed()
    assert emulator.applied("create", namespace.name) == [job_id]
    job.expect_events("Accepted")


def test_our_own_labels_cannot_be_taken_over(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census", {"labels": {"mljobs-uid": "0", "team": "a"}}))
    until_labels(job, emulator, team="a")
    job.patch_spec(labels={"mljobs-uid": "1", "mljobs-name": "other", "team": "b"})
    until_labels(job, emulator, team="b")
    job.delete()
    job.until_gone()
    assert emulator.applied("cancel", namespace.name) != []


def test_what_somebody_else_did_to_our_labels_is_undone_and_his_own_stay(
    namespace: Namespace, emulator: Emulator
) -> None:
    job = namespace.create(training("census", {"labels": {"team": "a"}}))
    job.until_state("QUEUED")
    emulator.relabel(job.job_id, {**ours(job), "team": "x", "cost-center": "7"})
    until_labels(job, emulator, team="a", **{"cost-center": "7"})
    assert len(patches(emulator, job)) == 2  # his and ours


def test_a_cost_allocation_bot_and_the_operator_live_together(
    namespace: Namespace, emulator: Emulator
) -> None:
    job, witness = namespace.create_all([training("census", {"labels": {"team": "a"}}), training("witness")])
    job.until_state("QUEUED")
    emulator.relabel(job.job_id, {**ours(job), "team": "a", "cost-center": "7"})
    until_labels(job, emulator, team="a", **{"cost-center": "7"})
    count = len(patches(emulator, job))
    until_polled(emulator, witness, 8)
    assert len(patches(emulator, job)) == count
    job.patch_spec(labels={"team": None, "stage": "test"})
    until_labels(job, emulator, stage="test", **{"cost-center": "7"})
    assert job.status()["record"]["labelKeys"] == ["stage"]
    job.patch_spec(labels=None)
    until_labels(job, emulator, **{"cost-center": "7"})


def test_who_keeps_changing_our_labels_is_told_of_and_met_ever_more_rarely(
    namespace: Namespace, emulator: Emulator
) -> None:
    job, witness = namespace.create_all([training("census", {"labels": {"team": "a"}}), training("witness")])
    job.until_state("QUEUED")
    for _ in range(2):
        emulator.relabel(job.job_id, {**ours(job), "team": "bot"})
        until_labels(job, emulator, team="a")
    emulator.relabel(job.job_id, {**ours(job), "team": "bot"})
    told = job.until_condition("Reconciling", "True", "LabelsContested")
    assert "this resource sets: team." in told["message"]
    count = len(patches(emulator, job))
    until_polled(emulator, witness, 8)
    assert len(patches(emulator, job)) == count
    job.patch_spec(iamBindings=[BINDING])  # which need not wait for the labels
    job.until_status(lambda status: status["record"].get("iamBindings") == [BINDING], "the binding")
    job.patch_spec(labels={"team": "b"})  # a user's change does not wait either
    until_labels(job, emulator, team="b")
    eventually(
        lambda: [row["reason"] for row in namespace.events(job.uid)].count("LabelsContested"),
        lambda count: count == 1,
        what="one Event",
        report=namespace.report,
    )


def until_polled(emulator: Emulator, job: Job, times: int) -> None:
    """Wait until a job has been read so many times from now on."""
    after = emulator.last
    eventually(
        lambda: len(emulator.effects(after=after, method="get", jobId=job.job_id)),
        lambda count: count >= times,
        what=f"{times} polls of {job.name}",
        report=job.namespace.report,
    )


def test_a_stale_etag_means_to_look_and_try_again(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census", {"labels": {"team": "a"}}))
    job.until_state("QUEUED")
    emulator.fault("error", method="get", jobId=job.job_id)  # so that the operator keeps an etag that is old
    emulator.relabel(job.job_id, {**ours(job), "team": "x"})
    job.patch_spec(labels={"team": "b"})
    eventually(
        lambda: patches(emulator, job),
        lambda statuses: 409 in statuses,
        what="a patch with a stale etag",
        report=namespace.report,
    )
    emulator.fix()
    until_labels(job, emulator, team="b")
    assert patches(emulator, job).count(409) <= 2  # it did not hammer while it could not look


def test_a_job_that_is_not_ours_any_more_is_not_relabelled(namespace: Namespace, emulator: Emulator) -> None:
    job, other = namespace.create_all([training("census"), training("other")])
    job.until_state("QUEUED")
    emulator.relabel(job.job_id, {"owner": "bob"})
    job.until_status(lambda status: status.get("labels") == {"owner": "bob"}, "the new labels")
    for one in (job, other):
        one.patch_spec(labels={"team": "b"})
        one.until_observed()
    until_labels(other, emulator, team="b")
    assert emulator.job(job.job_id)["labels"] == {"owner": "bob"}


def test_an_ended_job_keeps_its_labels(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census", {"labels": {"team": "a"}}))
    emulator.force(job.job_id, "SUCCEEDED")
    job.until_state("SUCCEEDED")
    job.patch_spec(labels={"team": "b"})
    job.until_observed()
    assert patches(emulator, job) == []
