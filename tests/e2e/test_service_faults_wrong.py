"""A service that cannot be reached, lists wrongly, loses jobs, or takes back what it has said."""

import json
from collections.abc import Iterator

import pytest

from mljobs.backends.mlv1.facts import PAGES_FROM
from mljobs.domain.errors import Throttled
from mljobs.domain.job.resource import FORCE_RELEASE
from mljobs.domain.reasons import Reason
from tests.e2e.support import Job, Json, Namespace, condition, eventually, training
from tests.e2e.support_proxy import Last, Proxy, honest
from tests.e2e.support_stack import PROJECT, Emulator, Operator
from tests.e2e.test_service_faults import ACTIONS, BINDINGS
from tools.docs.fault_table import TABLE, Fault, FaultedCall

CROWD = PAGES_FROM + 5

THROTTLED = {fault for row in TABLE if row.error is Throttled for fault in row.faults}
"""Faults after which a project is left alone."""


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
    return {"settings": {"MLJOBS_REQUEST_TIMEOUT": "2"}}


@pytest.fixture(autouse=True)
def _honest_again(proxy: Proxy, emulator: Emulator) -> Iterator[None]:
    yield
    proxy.tamper = honest
    proxy.wrong = False
    emulator.fix()


def shown_on_refusal(call: FaultedCall) -> dict[str, tuple[str, str]]:
    """What the table says of a refused connection."""
    (row,) = [row for row in TABLE if row.call is call and Fault.REFUSED in row.faults]
    return {kind.value: (status, reason.value) for kind, status, reason in row.shown}


def test_no_connection(namespace: Namespace, emulator: Emulator, proxy: Proxy) -> None:
    running = {
        call: namespace.create(training(call.name.lower().replace("_", "-"), {"labels": {"team": "a"}}))
        for call in (FaultedCall.POLL, FaultedCall.PATCH, FaultedCall.CANCEL, FaultedCall.GET_POLICY)
    }
    ids = {call: job.job_id for call, job in running.items()}
    for job in running.values():
        job.until_condition("Submitted", "True")
    proxy.down()
    try:
        created = namespace.create(training("create"))
        running[FaultedCall.PATCH].patch_spec(labels={"team": "b"})
        running[FaultedCall.GET_POLICY].patch_spec(iamBindings=BINDINGS)
        running[FaultedCall.CANCEL].delete()
        for call, job in {FaultedCall.CREATE: created, **running}.items():
            for kind, (status, reason) in shown_on_refusal(call).items():
                job.until_condition(kind, status, reason)
    finally:
        proxy.up()
    created.until_condition("Submitted", "True")
    running[FaultedCall.CANCEL].until_gone()
    running[FaultedCall.PATCH].until_status(lambda status: status["labels"]["team"] == "b", "the new label")
    running[FaultedCall.GET_POLICY].until_status(bound, "the bindings")
    emulator.force(ids[FaultedCall.POLL], "RUNNING")
    running[FaultedCall.POLL].until_state("RUNNING")
    made = emulator.applied("create", f"{namespace.name}_")
    assert sorted(made) == sorted([*ids.values(), created.job_id])
    assert emulator.applied("cancel", f"{namespace.name}_") == [ids[FaultedCall.CANCEL]]


LAST: dict[FaultedCall, Last] = {
    FaultedCall.READ_AFTER_CREATE: lambda verb, path, status: (
        verb == "POST" and "/jobs?" in path and status == 409
    ),
    FaultedCall.SET_POLICY: lambda _verb, path, _status: ":getIamPolicy" in path,
    FaultedCall.TEST_PERMISSIONS: lambda _verb, path, status: ":cancel" in path and status == 403,
}
"""The answer after which no connection comes about, so that it is this call which is refused."""


@pytest.mark.parametrize("call", LAST)
def test_no_connection_from_one_call_to_the_next(
    namespace: Namespace, emulator: Emulator, proxy: Proxy, operator: Operator, call: FaultedCall
) -> None:
    if call is FaultedCall.READ_AFTER_CREATE:
        emulator.fault("dropAfter", method="create", project=f"^{PROJECT}$", times=1)
        proxy.last = LAST[call]
    job = namespace.create(training(call.name.lower().replace("_", "-")))
    if call is not FaultedCall.READ_AFTER_CREATE:
        job.until_condition("Submitted", "True")
        proxy.last = LAST[call]
    if call is FaultedCall.SET_POLICY:
        job.patch_spec(iamBindings=BINDINGS)
    elif call is FaultedCall.TEST_PERMISSIONS:
        emulator.fault("error", method="cancel", project=f"^{PROJECT}$", times=1, status=403)
        job.delete()
    try:
        for kind, (status, reason) in shown_on_refusal(call).items():
            job.until_condition(kind, status, reason)
        name = {FaultedCall.READ_AFTER_CREATE: "get", FaultedCall.TEST_PERMISSIONS: "cancel"}.get(
            call, "setIamPolicy"
        )
        eventually(operator.tail, lambda log: f"{name} failed" in log, what=f"{name} has failed")
    finally:
        proxy.up()
    if call is FaultedCall.READ_AFTER_CREATE:
        job.until_condition("Submitted", "True", Reason.ADOPTED)
    elif call is FaultedCall.SET_POLICY:
        job.until_status(bound, "the bindings")
    else:
        assert "ml.jobs.cancel" not in condition(job.status(), "Stalled")["message"]
        job.annotate(**{FORCE_RELEASE: "true"})
        job.until_gone()
    assert len(emulator.applied("create", f"{namespace.name}_")) == 1


def bound(status: Json) -> bool:
    """Whether the bindings are recorded, and nothing is left to do about them."""
    recorded = status.get("record", {}).get("iamBindings")
    return bool(recorded == BINDINGS and condition(status, "Reconciling")["status"] == "False")


def test_a_lost_job_is_not_submitted_again(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("lost"))
    job_id = job.job_id
    emulator.vanish(job_id)
    job.until_condition("Stalled", "True", Reason.LOST)
    assert condition(job.status(), "Succeeded")["reason"] == Reason.LOST
    last = emulator.last
    job.delete()
    job.until_gone()
    assert emulator.effects(last, method="get", jobId=job_id), "it might have been there again"
    assert emulator.applied("create", job_id) == [job_id]


def test_a_lost_job_that_is_there_again_is_cancelled_with_its_resource(
    namespace: Namespace, emulator: Emulator, proxy: Proxy
) -> None:
    job = namespace.create(training("lost"))
    job_id = job.job_id
    proxy.wrong = True
    job.until_condition("Stalled", "True", Reason.LOST)
    proxy.wrong = False
    job.delete()  # long before the operator looks by itself
    job.until_gone()
    assert emulator.applied("cancel", job_id) == [job_id]


def test_a_terminal_state_is_never_taken_back(
    namespace: Namespace, emulator: Emulator, proxy: Proxy, operator: Operator
) -> None:
    job = namespace.create(training("back"))
    job_id = job.job_id
    emulator.force(job_id, "RUNNING")
    job.until_state("RUNNING")

    def wrong(state: str) -> None:
        """Let the service say this of the job."""

        def tamper(verb: str, path: str, body: bytes) -> bytes:
            document = json.loads(body)
            if verb == "GET" and document.get("jobId") == job_id:
                return json.dumps({**document, "state": state}).encode()
            return body

        proxy.tamper = tamper

    wrong("SUCCEEDED")
    job.until_state("SUCCEEDED")
    wrong("RUNNING")
    operator.kill()
    operator.start()
    job.patch_spec(labels={"team": "b"})
    job.until_status(lambda status: status["observedGeneration"] == 2, "the new generation is observed")
    assert job.status()["state"] == "SUCCEEDED"
    assert condition(job.status(), "Succeeded")["status"] == "True"


@pytest.fixture
def crowd(namespace: Namespace) -> list[Job]:
    """So many jobs of one project that they are listed."""
    jobs = namespace.create_all(training(f"job-{number:02}") for number in range(CROWD))
    for job in jobs:
        job.until_condition("Submitted", "True")
    return jobs


def until_listed(emulator: Emulator) -> None:
    """Wait for the next list."""
    last = emulator.last
    eventually(lambda: emulator.effects(last, method="list"), what="a list of the jobs")


def test_a_list_that_fails_is_made_up_for_by_gets(
    namespace: Namespace, emulator: Emulator, crowd: list[Job]
) -> None:
    until_listed(emulator)
    for job, (fault, action) in zip(crowd, ACTIONS.items(), strict=False):
        emulator.fault(method="list", project=f"^{PROJECT}$", **action)
        emulator.force(job.job_id, "RUNNING")
        if fault in THROTTLED:
            until_listed(emulator)
            before = emulator.last
            until_listed(emulator)
            assert emulator.effects(before, method="get") == []
            emulator.fix()
        job.until_state("RUNNING")
        emulator.fix()
        job.expect_events(Reason.ACCEPTED)


def test_no_connection_for_a_list(
    namespace: Namespace, emulator: Emulator, proxy: Proxy, operator: Operator, crowd: list[Job]
) -> None:
    until_listed(emulator)
    length = operator.log.stat().st_size
    proxy.down()
    try:
        eventually(
            lambda: b"requests failed, the last one with" in operator.log.read_bytes()[length:],
            what="a list without connection",
        )
    finally:
        proxy.up()
    for job in crowd:
        emulator.force(job.job_id, "RUNNING")
    for job in crowd:
        job.until_state("RUNNING")
        job.expect_events(Reason.ACCEPTED)


def test_every_call_meets_a_refused_connection() -> None:
    refused = {
        call for call in FaultedCall for row in TABLE if row.call is call and Fault.REFUSED in row.faults
    }
    whole = {
        FaultedCall.CREATE,
        FaultedCall.POLL,
        FaultedCall.PATCH,
        FaultedCall.CANCEL,
        FaultedCall.GET_POLICY,
        FaultedCall.LIST,
    }
    assert refused == {*whole, *LAST}


def test_pages_that_repeat_and_skip_jobs(
    namespace: Namespace, emulator: Emulator, proxy: Proxy, crowd: list[Job]
) -> None:
    skipped, repeated = crowd[0].job_id, crowd[1].job_id
    pages: list[Json] = []

    def tamper(_verb: str, path: str, body: bytes) -> bytes:
        if "/jobs?" not in path:
            return body
        page = json.loads(body)
        kept = [job for job in page.get("jobs", ()) if job["jobId"] != skipped]
        again = [job for job in kept if job["jobId"] == repeated]
        pages.append({**page, "jobs": [*kept, *again, *again]})
        return json.dumps(pages[-1]).encode()

    until_listed(emulator)
    last = emulator.last
    proxy.tamper = tamper
    for job in crowd:
        emulator.force(job.job_id, "RUNNING")
    for job in crowd:
        job.until_state("RUNNING")
    assert pages, "the jobs were not listed"
    assert emulator.effects(last, method="get", jobId=skipped), "no page has it, so that it is read by itself"
    for job in crowd[:2]:
        job.expect_events(Reason.ACCEPTED)
