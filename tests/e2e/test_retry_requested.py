"""A job that the service has refused is tried again when its user says so, without a change of the spec."""

import pytest

from mljobs.api.resources import KINDS, JobKind
from mljobs.domain.job.resource import RETRY
from tests.e2e.support import Namespace, of_kind
from tests.e2e.support_stack import Emulator, Operator


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_each_request_is_one_try(
    namespace: Namespace, emulator: Emulator, operator: Operator, kind: JobKind
) -> None:
    emulator.fault("error", method="create", status=400, jobId=f"^{namespace.name}_", times=2)
    job = namespace.create(of_kind(kind, "census"))
    job.until_condition("Stalled", "True", "Rejected")
    generation = job.metadata()["generation"]

    job.patch({"metadata": {"annotations": {RETRY: "1"}}})
    job.until_status(
        lambda status: ((status.get("record") or {}).get("refused") or {}).get("retry") == "1",
        "refused again",
    )
    operator.kill()
    operator.start()
    namespace.create(of_kind(kind, "other")).until_state("QUEUED")
    rows = [row for row in emulator.effects(method="create") if "_census_" in row["jobId"]]
    mine = [row for row in rows if row["jobId"].startswith(f"{namespace.name}_")]
    assert [row["status"] for row in mine] == [400, 400]

    job.patch({"metadata": {"annotations": {RETRY: "2"}}})
    job.until_state("QUEUED")
    assert job.metadata()["generation"] == generation
    assert "refused" not in job.status()["record"]
