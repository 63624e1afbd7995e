"""A finished resource goes after its ttl, leaves a record, and says how it has ended in one word."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.support import Json, Kubectl, Namespace, eventually, training
from tests.e2e.support_plugin import Plugin
from tests.e2e.support_stack import Emulator, Operator


def records(operator: Operator) -> Iterator[Json]:
    for line in operator.log.read_text("utf-8").splitlines():
        if line.startswith('{"mljobs.dev/finished"'):
            yield json.loads(line)


def test_a_finished_resource_goes_after_its_ttl_and_leaves_a_record(
    namespace: Namespace, emulator: Emulator, operator: Operator, plugin: Plugin
) -> None:
    ttl = {"ttlSecondsAfterFinished": 1, "ttlSecondsByOutcome": {"failed": 3600}}
    job, failed = (namespace.create(training(name, ttl)) for name in ("done", "failed"))
    uid, job_id = job.uid, job.job_id
    emulator.force(failed.job_id, "FAILED")
    failed.until_state("FAILED")
    emulator.force(job_id, "SUCCEEDED")
    job.until_gone()
    assert failed.status()["outcome"] == "Failed"
    (record,) = [record for record in records(operator) if record["uid"] == uid]
    assert (record["name"], record["outcome"]) == ("done", "Succeeded")
    assert [(one["jobId"], one["state"]) for one in record["attempts"]] == [(job_id, "SUCCEEDED")]
    shown = plugin.ok("history", "done", "-f", str(operator.log))
    assert shown.splitlines()[1].split()[-3:] == ["Succeeded", "1", job_id]
    assert len(emulator.applied("create", namespace.name)) == 2
    assert emulator.applied("cancel", namespace.name) == []


def test_a_ttl_that_passes_while_no_operator_runs(
    namespace: Namespace, emulator: Emulator, operator: Operator
) -> None:
    job = namespace.create(training("census", {"ttlSecondsAfterFinished": 3600}))
    uid = job.uid
    emulator.force(job.job_id, "SUCCEEDED")
    job.until_state("SUCCEEDED")
    operator.kill()
    job.patch_spec(ttlSecondsAfterFinished=0)
    operator.start()
    job.until_gone()
    assert [record["outcome"] for record in records(operator) if record["uid"] == uid] == ["Succeeded"]
    assert len(emulator.applied("create", namespace.name)) == 1


def test_a_resource_that_a_user_deletes_leaves_a_record_if_it_has_finished(
    namespace: Namespace, emulator: Emulator, operator: Operator
) -> None:
    ended, running = (namespace.create(training(name)) for name in ("ended", "running"))
    uids = {ended.uid: "Cancelled"}
    emulator.force(ended.job_id, "CANCELLED")
    ended.until_state("CANCELLED")
    running.until_state("QUEUED")
    others = running.uid
    for job in (ended, running):
        job.delete()
        job.until_gone()
    found = {record["uid"]: record["outcome"] for record in records(operator)}
    assert uids.items() <= found.items()
    assert others not in found


def test_an_outcome_can_be_waited_for_and_selected(
    namespace: Namespace, emulator: Emulator, kubectl: Kubectl
) -> None:
    good, bad = (namespace.create(training(name)) for name in ("good", "bad"))
    waiting = kubectl.start(
        "wait", "tj/good", "-n", namespace.name, "--for=jsonpath={.status.outcome}", "--timeout=60s"
    )
    emulator.force(good.job_id, "SUCCEEDED")
    emulator.force(bad.job_id, "FAILED")
    assert waiting.wait(60) == 0
    bad.until_state("FAILED")

    def selected(outcome: str) -> list[str]:
        selector = f"--field-selector=status.outcome={outcome}"
        return kubectl.out("get", "tj", "-n", namespace.name, selector, "-o", "name").split()

    assert selected("Succeeded") == ["trainingjob.mljobs.dev/good"]
    assert selected("Failed") == ["trainingjob.mljobs.dev/bad"]


@pytest.mark.parametrize("lifted", [False, True], ids=["stays", "corrected"])
def test_a_refused_resource_says_so_until_it_is_corrected(
    namespace: Namespace, emulator: Emulator, lifted: bool
) -> None:
    emulator.fault("error", method="create", jobId=f"^{namespace.name}_", status=400, times=1)
    job = namespace.create(training("census", {"ttlSecondsAfterFinished": 0}))
    status = job.until_condition("Stalled", "True", "Rejected")
    assert job.status()["outcome"] == "Refused", status
    if lifted:
        job.annotate(**{"mljobs.dev/retry-requested-at": "now"})
        status = job.until_state("QUEUED")
        assert "outcome" not in status
    else:
        eventually(lambda: job.status()["outcome"], lambda word: word == "Refused", what="it stays")
