"""Deleting a resource while nothing listens at the service's address any more."""

from tests.e2e.support import Namespace, condition, training
from tests.e2e.support_stack import PROJECT, Emulator


def test_force_release_is_the_way_out(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census"))
    job_id, uid = job.job_id, job.uid
    emulator.kill()
    job.delete()
    job.until_condition("Reconciling", "True", "ServiceUnavailable")
    address = emulator.url.removeprefix("http://")
    job.until_status(
        lambda status: address in condition(status, "Reconciling")["message"], f"{address} cannot be reached"
    )
    assert job.metadata()["finalizers"] == ["mljobs.dev/cancel-job"]
    job.annotate(**{"mljobs.dev/force-release": "true"})
    job.until_gone()
    event = namespace.events(uid)[-1]
    assert (event["type"], event["reason"]) == ("Warning", "LeftBehind")
    assert f"projects/{PROJECT}/jobs/{job_id}" in event["message"]
