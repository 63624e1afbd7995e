"""What deleting a resource does to its job: one cancel where it runs, no call at all where it does not."""

import pytest

from mljobs.api.resources import KINDS, JobKind
from tests.e2e.support import Job, Kubectl, Namespace, condition, eventually, of_kind, prediction, training
from tests.e2e.support_stack import PROJECT, Emulator

both = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)


def gone_without_a_call(emulator: Emulator, job: Job, job_id: str) -> None:
    """Delete a resource, which goes away, and nothing is asked or told about its job."""
    before = emulator.last
    job.delete()
    job.until_gone()
    assert emulator.effects(after=before, jobId=job_id) == []


@pytest.mark.parametrize("state", ["QUEUED", "PREPARING", "RUNNING"])
@both
def test_a_job_that_has_not_ended_is_cancelled_once(
    namespace: Namespace, emulator: Emulator, kind: JobKind, state: str
) -> None:
    job = namespace.create(of_kind(kind, "census"))
    job_id = job.job_id
    if state != "QUEUED":
        emulator.force(job_id, state)
    job.until_state(state)
    job.delete()
    job.until_gone()
    assert emulator.applied("cancel", namespace.name) == [job_id]
    assert emulator.applied("create", namespace.name) == [job_id]
    assert len(emulator.effects(method="cancel", jobId=job_id)) == 1
    eventually(
        lambda: emulator.job(job_id)["state"],
        lambda state: state == "CANCELLED",
        what="the job ends without anybody's help",
    )


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELLED"])
@both
def test_an_ended_job_is_left_alone(
    namespace: Namespace, emulator: Emulator, kind: JobKind, state: str
) -> None:
    job = namespace.create(of_kind(kind, "census"))
    job_id = job.job_id
    emulator.force(job_id, state)
    job.until_state(state)
    gone_without_a_call(emulator, job, job_id)


@both
def test_a_job_that_was_never_submitted_needs_no_call(
    namespace: Namespace, emulator: Emulator, kind: JobKind
) -> None:
    job = namespace.create(of_kind(kind, "census", {"suspend": True}))
    job.until_condition("Suspended", "True", "Suspended")
    assert "finalizers" not in job.metadata()
    job.delete()
    job.until_gone()
    assert [row for row in emulator.effects() if row["jobId"].startswith(f"{namespace.name}_")] == []


@both
def test_orphan_leaves_the_job_running(namespace: Namespace, emulator: Emulator, kind: JobKind) -> None:
    job = namespace.create(of_kind(kind, "census", {"deletionPolicy": "Orphan"}))
    job_id = job.job_id
    emulator.force(job_id, "RUNNING")
    job.until_state("RUNNING")
    gone_without_a_call(emulator, job, job_id)
    assert emulator.job(job_id)["state"] == "RUNNING"


def test_the_policy_can_still_be_changed_while_the_job_runs(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census", {"deletionPolicy": "Orphan"}))
    job_id = job.job_id
    job.patch_spec(deletionPolicy="Cancel")
    job.delete()
    job.until_gone()
    assert emulator.applied("cancel", namespace.name) == [job_id]


def test_a_job_that_somebody_else_is_cancelling_is_not_cancelled_again(
    namespace: Namespace, emulator: Emulator
) -> None:
    emulator.script(f"^{namespace.name}_", timeline={"QUEUED": 1e9, "CANCELLING": 1e9})
    job = namespace.create(training("census"))
    job_id = job.job_id
    emulator.cancel(job_id)
    job.until_state("CANCELLING")
    gone_without_a_call(emulator, job, job_id)
    assert emulator.applied("cancel", namespace.name) == [job_id]


def test_a_job_that_ends_just_before_the_cancel_holds_nothing_up(
    namespace: Namespace, emulator: Emulator
) -> None:
    job = namespace.create(training("census"))
    job_id = job.job_id
    emulator.fault("error", method="get", jobId=job_id)  # so that the operator does not see the end coming
    emulator.fault("error", method="list")
    emulator.force(job_id, "SUCCEEDED")
    job.delete()
    eventually(
        lambda: [row["status"] for row in emulator.effects(method="cancel", jobId=job_id)],
        lambda statuses: statuses == [400],
        what="the service refuses to cancel what has ended",
        report=namespace.report,
    )
    emulator.fix()
    job.until_gone()
    assert emulator.applied("cancel", namespace.name) == []


def test_a_job_that_has_vanished_holds_nothing_up(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census"))
    job_id = job.job_id
    emulator.fault("error", jobId=job_id)
    emulator.vanish(job_id)
    job.delete()
    job.until_condition("Reconciling", "True", "ServiceUnavailable")
    emulator.fix()
    job.until_gone()
    assert emulator.applied("create", namespace.name) == [job_id]


def test_a_job_that_lost_our_label_is_not_cancelled(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census"))
    job_id = job.job_id
    emulator.relabel(job_id, {"owner": "bob"})
    job.until_status(lambda status: status.get("labels") == {"owner": "bob"}, "the new labels")
    job.delete()
    job.until_gone()
    assert emulator.applied("cancel", namespace.name) == []
    assert emulator.job(job_id)["labels"] == {"owner": "bob"}


def test_deleted_at_once_there_is_no_job_left(namespace: Namespace, emulator: Emulator) -> None:
    jobs = namespace.create_all(training(f"job-{number}") for number in range(40))
    for job in jobs:
        job.delete()
    for job in jobs:
        job.until_gone()
    # some may go before their job is cancelled: the API server does not see a finalizer set during the delete
    eventually(
        lambda: [sorted(emulator.applied(method, namespace.name)) for method in ("create", "cancel")],
        lambda both: both[0] == both[1],
        what="each job that was created is cancelled",
        report=namespace.report,
    )
    created = emulator.applied("create", namespace.name)
    assert len(set(created)) == len(created)


def test_kubectl_delete_returns_once_the_cancel_is_accepted(
    namespace: Namespace, emulator: Emulator, kubectl: Kubectl
) -> None:
    job = namespace.create(training("census"))
    job_id = job.job_id
    kubectl.out("delete", "tj", "census", "--timeout=30s")
    assert job.object() is None
    assert emulator.applied("cancel", namespace.name) == [job_id]


def test_deleting_the_namespace_cancels_what_runs_in_it(
    namespace: Namespace, emulator: Emulator, kubectl: Kubectl, has_controller_manager: bool
) -> None:
    if not has_controller_manager:
        pytest.skip("deleting namespaces needs kube-controller-manager: mljobs controlplane ensure --with it")
    running, finished, suspended = namespace.create_all(
        [training("running"), prediction("finished"), training("suspended", {"suspend": True})]
    )
    running_id, finished_id = running.job_id, finished.job_id
    suspended.until_condition("Suspended", "True")
    emulator.force(finished_id, "SUCCEEDED")
    finished.until_state("SUCCEEDED")
    kubectl.out("delete", "namespace", namespace.name, "--timeout=60s")
    assert emulator.applied("cancel", namespace.name) == [running_id]


# --- the service is down


def test_while_the_service_is_down_deletion_waits_and_says_why(
    namespace: Namespace, emulator: Emulator
) -> None:
    job = namespace.create(training("census"))
    job_id = job.job_id
    emulator.fault("error", jobId=f"^{namespace.name}_", status=503, message="The service is on holiday.")
    job.delete()
    shown = job.until_condition("Reconciling", "True", "ServiceUnavailable")
    assert "The service is on holiday." in shown["message"]
    assert job.metadata()["finalizers"] == ["mljobs.dev/cancel-job"]
    assert condition(job.status(), "Submitted")["status"] == "True"
    emulator.fix()
    job.until_gone()
    assert emulator.applied("cancel", namespace.name) == [job_id]


def test_a_create_call_without_an_answer_is_cleared_up_before_the_resource_goes(
    namespace: Namespace, emulator: Emulator
) -> None:
    emulator.fault("dropAfter", method="create", jobId=f"^{namespace.name}_", times=1)
    emulator.fault("error", method="get", jobId=f"^{namespace.name}_")
    job = namespace.create(training("census"))
    job.until_condition("Submitted", "Unknown", "OutcomeUnknown")
    job.delete()
    job.until_condition("Reconciling", "True")
    emulator.fix()
    job.until_gone()
    assert emulator.applied("create", namespace.name) == emulator.applied("cancel", namespace.name)
    assert len(emulator.applied("create", namespace.name)) == 1


def test_force_release_lets_go_and_names_what_is_left_behind(
    namespace: Namespace, emulator: Emulator
) -> None:
    job = namespace.create(training("census"))
    job_id, uid = job.job_id, job.uid
    emulator.fault("dropBefore", jobId=f"^{namespace.name}_")
    job.delete()
    job.until_condition("Reconciling", "True", "ServiceUnavailable")
    job.annotate(**{"mljobs.dev/force-release": "true"})
    job.until_gone()
    event = namespace.events(uid)[-1]
    assert (event["type"], event["reason"]) == ("Warning", "LeftBehind")
    assert f"projects/{PROJECT}/jobs/{job_id}" in event["message"]
    emulator.fix()
    assert emulator.applied("cancel", namespace.name) == []


@pytest.mark.parametrize("value", ["false", "yes", ""])
def test_force_release_means_true_and_nothing_else(
    namespace: Namespace, emulator: Emulator, value: str
) -> None:
    job = namespace.create(training("census"))
    job_id = job.job_id
    job.annotate(**{"mljobs.dev/force-release": value})
    job.delete()
    job.until_gone()
    assert emulator.applied("cancel", namespace.name) == [job_id]
