"""What the administrator allows: the jobs of other namespaces too, or no adoption at all."""

import pytest

from tests.e2e.support import Namespace
from tests.e2e.support_stack import Emulator
from tests.e2e.test_adoption import adopting, existing, running


@pytest.fixture(scope="module", params=["Any", "Never"])
def adoption(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def operator_options(adoption: str) -> dict[str, object]:
    return {"settings": {"MLJOBS_ADOPTION": adoption}}


def test_a_job_that_is_nobodys(namespace: Namespace, emulator: Emulator, adoption: str) -> None:
    job_id = f"{namespace.name}_existing"
    existing(emulator, job_id)
    job = namespace.create(adopting("census", job_id))
    if adoption == "Any":
        job.until_condition("Submitted", "True", "Adopted")
        return
    stalled = job.until_condition("Stalled", "True", "NotAllowed")
    assert "the setting adoption is Never" in stalled["message"]
    assert emulator.effects(jobId=job_id)[1:] == []  # the operator has not even looked
    assert "mljobs-uid" not in emulator.job(job_id).get("labels", {})


def test_another_namespaces_job_that_is_named(
    namespace: Namespace, elsewhere: Namespace, emulator: Emulator, adoption: str
) -> None:
    old = running(elsewhere, emulator)
    new = namespace.create(adopting("census", old.job_id, {"labels": {"team": "a"}}, owner=old.uid))
    if adoption == "Any":
        new.until_condition("Submitted", "True", "Adopted")
        old.until_condition("Stalled", "True", "Taken")
    else:
        new.until_condition("Stalled", "True", "NotAllowed")
        assert emulator.job(old.job_id)["labels"]["mljobs-uid"] == old.uid


def test_another_namespaces_job_that_is_not_named(
    namespace: Namespace, elsewhere: Namespace, emulator: Emulator, adoption: str
) -> None:
    old = running(elsewhere, emulator)
    new = namespace.create(adopting("census", old.job_id))
    new.until_condition("Stalled", "True", "JobIdTaken" if adoption == "Any" else "NotAllowed")
    assert emulator.job(old.job_id)["labels"]["mljobs-uid"] == old.uid
