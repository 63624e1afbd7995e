"""A crowd in one project that waits for its quota is no reason for anybody else to wait."""

from contextlib import suppress

import pytest
from kubernetes import client

from tests.e2e.support import Namespace, conditions, eventually, training
from tests.e2e.support_stack import Emulator

CROWD = 200


@pytest.fixture(scope="module")
def operator_options() -> dict[str, object]:
    return {"settings": {"MLJOBS_OTHERS_PER_MINUTE": "300", "MLJOBS_WORKERS": "16"}}


def test_a_deletion_does_not_wait_for_a_crowd_of_deletions(namespace: Namespace, emulator: Emulator) -> None:
    witness = namespace.create(training("witness", {"projectId": f"witness-{namespace.name}"}))
    crowded = f"crowd-{namespace.name}"
    crowd = namespace.create_all(training(f"crowd-{n:03}", {"projectId": crowded}) for n in range(CROWD))
    witness_id = witness.job_id
    eventually(
        lambda: [item for item in namespace.all() if "Submitted" not in conditions(item.get("status") or {})],
        lambda left: not left,
        what="all are submitted",
        report=namespace.report,
    )
    last = emulator.last
    for job in crowd:
        job.delete()
    asked = len(emulator.effects(last, method="cancel"))
    assert asked < CROWD / 2, "the quota has let most through already"
    witness.delete()
    witness.until_gone()
    cancelled = [row["jobId"] for row in emulator.effects(last, method="cancel")]
    assert cancelled.index(witness_id) - asked < CROWD / 4, "the witness waited for the crowd"
    for job in crowd:  # the quota would let the rest go in half a minute
        with suppress(client.ApiException):
            job.patch_spec(deletionPolicy="Orphan")
