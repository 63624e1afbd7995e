"""The service denies jobs that it has accepted: because the endpoint is wrong for a while, or for good."""

import json
import time
from collections.abc import Iterator

import pytest

from mljobs.domain.job.resource import FORCE_RELEASE
from mljobs.domain.reasons import Reason
from tests.e2e.support import Job, Namespace, condition, eventually, training
from tests.e2e.support_proxy import Proxy
from tests.e2e.support_stack import Emulator, Operator

LOST_AFTER = 3.0
A_WHILE = 20.0
"""Seconds for which an endpoint is wrong: long enough for every job to be lost, many times over."""


@pytest.fixture(scope="module")
def proxy(emulator: Emulator) -> Iterator[Proxy]:
    made = Proxy(emulator.url)
    yield made
    made.down()


@pytest.fixture(scope="module")
def operator_endpoint(proxy: Proxy) -> str:
    return proxy.url


@pytest.fixture(scope="module")
def operator_options() -> dict[str, object]:
    """It looks at lost jobs every other second."""
    return {"settings": {"MLJOBS_LOST_AFTER": str(LOST_AFTER), "MLJOBS_LOST_INTERVAL": "2"}}


@pytest.fixture(autouse=True)
def _right_again(proxy: Proxy, namespace: Namespace) -> Iterator[None]:
    yield
    proxy.wrong = False


def running(namespace: Namespace, emulator: Emulator, *names: str) -> list[Job]:
    jobs = [namespace.create(training(name)) for name in names]
    for job in jobs:
        emulator.force(job.job_id, "RUNNING")
        job.until_state("RUNNING")
    return jobs


def stay_wrong(proxy: Proxy, seconds: float) -> None:
    """Let the wrong service answer for so long, and often."""
    until, answers = time.monotonic() + seconds, proxy.denied
    proxy.wrong = True
    eventually(
        lambda: (proxy.denied - answers, time.monotonic()),
        lambda seen: seen[0] > 10 and seen[1] >= until,
        what="the wrong service has answered often",
        within=seconds + 30,
    )


def test_many_jobs_that_are_missing_at_once_stay_as_they_are(
    namespace: Namespace, emulator: Emulator, proxy: Proxy, operator: Operator
) -> None:
    jobs = running(namespace, emulator, "a", "b", "c", "d")
    ids = {job.name: job.job_id for job in jobs}
    versions = [job.metadata()["resourceVersion"] for job in jobs]
    stay_wrong(proxy, A_WHILE)
    assert [job.metadata()["resourceVersion"] for job in jobs] == versions
    assert operator.log.read_text().count("of 4 active jobs of projects/") == 1
    assert "mljobs_missing_jobs 4.0" in operator.metrics()
    deleted, forced = jobs[0], jobs[1]
    deleted.delete()
    forced.delete()
    for job in (deleted, forced):
        shown = job.until_condition("Reconciling", "True", Reason.DELETING)
        assert FORCE_RELEASE in shown["message"]
    stay_wrong(proxy, 2 * LOST_AFTER)
    assert deleted.metadata()["finalizers"]
    forced.annotate(**{FORCE_RELEASE: "true"})
    forced.until_gone()
    proxy.wrong = False
    deleted.until_gone()
    assert emulator.applied("cancel", f"{namespace.name}_") == [ids["a"]]
    for job in jobs[2:]:
        emulator.force(ids[job.name], "SUCCEEDED")
        job.until_state("SUCCEEDED")
        job.expect_events(Reason.ACCEPTED, Reason.JOB_SUCCEEDED)
    eventually(operator.metrics, lambda text: "mljobs_missing_jobs 0.0" in text, what="no job is missing")
    emulator.cancel(ids["b"])


def test_a_lost_job_is_taken_back_when_the_endpoint_is_right_again(
    namespace: Namespace, emulator: Emulator, proxy: Proxy
) -> None:
    (job,) = running(namespace, emulator, "census")
    proxy.wrong = True
    job.until_condition("Stalled", "True", Reason.LOST)
    assert condition(job.status(), "Succeeded")["status"] == "False"
    proxy.wrong = False
    job.until_condition("Succeeded", "Unknown", Reason.FOUND_AGAIN)
    assert not condition(job.status(), "Stalled")
    emulator.force(job.job_id, "SUCCEEDED")
    job.until_condition("Succeeded", "True", Reason.JOB_SUCCEEDED)
    job.expect_events(Reason.ACCEPTED, Reason.LOST, Reason.FOUND_AGAIN, Reason.JOB_SUCCEEDED)
    assert emulator.applied("create", job.job_id) == [job.job_id]


def test_a_deletion_waits_until_the_job_is_there_again_and_cancels_it(
    namespace: Namespace, emulator: Emulator, proxy: Proxy
) -> None:
    (job,) = running(namespace, emulator, "census")
    job_id = job.job_id
    proxy.wrong = True
    job.delete()
    job.until_condition("Reconciling", "True", Reason.DELETING)
    proxy.wrong = False
    job.until_gone()
    assert emulator.applied("cancel", job_id) == [job_id]


def test_a_create_call_that_meets_the_wrong_service_names_the_project(
    namespace: Namespace, emulator: Emulator, proxy: Proxy
) -> None:
    proxy.wrong = True
    job = namespace.create(training("census", {"projectId": "no-such-project"}))
    stalled = job.until_condition("Stalled", "True", Reason.PROJECT_NOT_FOUND)
    assert "spec.projectId: 'no-such-project'" in stalled["message"]
    proxy.wrong = False
    job.patch_spec(projectId=None)
    job.until_condition("Submitted", "True")
    assert not condition(job.status(), "Stalled")
    assert json.dumps(emulator.jobs()).count(job.job_id) == 1
