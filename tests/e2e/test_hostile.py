"""Hostile manifests by the hundred: refused, invalid or submitted; nobody waits long, and no secret leaks."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import client

from mljobs.api.resources import GROUP, KINDS, VERSION
from tests.e2e.support import Json, Namespace, conditions, eventually, training
from tests.e2e.support_stack import Emulator, Operator
from tests.hostile import COUNT, SECRET, hostile

CROWD = 200
PAUSE = 20
"""Seconds that the service asks a crowd to wait; less than the operator's calls would wait for their turn."""
POLL_INTERVAL = 0.25
LONG = 100.0

REFUSED = frozenset({400, 413, 422})
"""What the API server answers to what it does not take."""


@pytest.fixture(scope="module")
def operator_options() -> dict[str, object]:
    # calls wait for the end of a pause as long as for an answer: here longer than the pause of the crowd
    settings = {"MLJOBS_REQUEST_TIMEOUT": str(PAUSE + 10), "MLJOBS_LOG_LEVEL": "DEBUG"}
    return {"project": "my-project", "poll_interval": POLL_INTERVAL, "settings": settings}


def create(admin: client.ApiClient, namespace: Namespace, manifest: Json) -> int:
    """Make a resource; gives the HTTP status."""
    api = client.CustomObjectsApi(admin)
    plural = KINDS[manifest["kind"]].plural
    try:
        api.create_namespaced_custom_object(GROUP, VERSION, namespace.name, plural, manifest)
    except client.ApiException as error:
        return int(error.status or 0)
    return 201


def is_ours(item: Json) -> bool:
    """Whether no other controller is named."""
    return item["spec"].get("managedBy") in (None, "", "mljobs.dev/operator")


def end_of(item: Json) -> str:
    """How a resource ended; empty while it has not."""
    shown = conditions(item.get("status") or {})
    if shown.get("Submitted", ("", ""))[0] == "True":
        return "submitted"
    if shown.get("Suspended", ("", ""))[0] == "True":
        return "suspended"
    return shown["Stalled"][1] if "Stalled" in shown else ""


def test_hostile_manifests(
    admin: client.ApiClient, namespace: Namespace, emulator: Emulator, operator: Operator
) -> None:
    emulator.fault("delay", method="create", project="^my-project$", seconds=0.1)
    flood = hostile()
    assert len(flood) == COUNT
    answers: Counter[int] = Counter()
    for manifest in flood[: COUNT // 2]:
        answers[create(admin, namespace, manifest)] += 1
    small = namespace.create(training("small", {"projectId": "small-project"}))
    for manifest in flood[COUNT // 2 :]:
        answers[create(admin, namespace, manifest)] += 1
    assert set(answers) <= {201, *REFUSED}, answers
    small_id = small.job_id

    def unfinished() -> list[Json]:
        return [item for item in namespace.all() if is_ours(item) and not end_of(item)]

    eventually(
        unfinished,
        lambda left: not left,
        what="all have come to an end",
        within=LONG,
        report=namespace.report,
    )
    emulator.fix()
    everything = namespace.all()
    assert answers[201] == len(everything) - 1
    items = [item for item in everything if is_ours(item)]
    assert len(items) < len(everything)
    for item in everything:
        if not is_ours(item):
            assert item["status"] == {"observedGeneration": -1}
            assert "finalizers" not in item["metadata"]
    ends = Counter(end_of(item) for item in items)
    assert set(ends) <= {"submitted", "suspended", "InvalidSpec", "Rejected"}
    assert ends["submitted"] > COUNT // 6
    # what only the service can know: which machine types, regions and images there are
    known = re.compile(r"Field: (region|\w+_type|\w+\.image_uri) Error: ")
    for item in items:
        if end_of(item) == "Rejected":
            assert known.search(item["status"]["conditions"][0]["message"]), item["status"]

    made = [row["jobId"] for row in emulator.effects(method="create") if row["applied"]]
    assert len(made) == len(set(made)) == ends["submitted"]
    assert small_id in made[:-10], "the small job had to wait for the flood"
    expect_no_trace(admin, namespace, operator, items)


def expect_no_trace(
    admin: client.ApiClient, namespace: Namespace, operator: Operator, items: list[Json]
) -> None:
    """No crash in the log, and no secret anywhere but in the specs."""
    log = operator.log.read_text("utf-8", "replace")
    assert operator.running
    assert "Traceback" not in log
    assert " ERROR " not in log
    assert SECRET not in log
    for item in items:
        assert SECRET not in str(item.get("status"))
        for condition in item["status"]["conditions"]:
            assert len(condition["message"]) <= 32768
            assert all(char.isprintable() or char == "\n" for char in condition["message"]), condition
    events = client.CoreV1Api(admin).list_namespaced_event(namespace.name).items
    assert not [event.message for event in events if SECRET in (event.message or "")]


def crowd_of(namespace: Namespace, project: str) -> Callable[[], int]:
    """Many resources of one project; gives how many of them have been submitted."""
    namespace.create_all(training(f"crowd-{n:03}", {"projectId": project}) for n in range(CROWD))
    return lambda: sum(
        end_of(item) == "submitted"
        for item in namespace.all()
        if item["metadata"]["name"].startswith("crowd-")
    )


@pytest.mark.parametrize("retry_after", [None, PAUSE])
@pytest.mark.parametrize("same_project", [False, True])
def test_a_deletion_does_not_wait_for_a_throttled_crowd(
    namespace: Namespace, emulator: Emulator, retry_after: int | None, same_project: bool
) -> None:
    crowded = f"crowd-{namespace.name}"
    witness = namespace.create(training("witness", {"projectId": f"witness-{namespace.name}"}))
    running = namespace.create(training("running", {"projectId": crowded if same_project else "quiet"}))
    job_id, witness_id = running.job_id, witness.job_id
    for job in (running, witness):
        job.until_condition("Submitted", "True")
    fault: dict[str, Any] = {} if retry_after is None else {"retryAfter": retry_after}
    emulator.fault("error", method="create", project=f"^{crowded}$", status=429, **fault)
    submitted = crowd_of(namespace, crowded)
    last = emulator.last
    running.delete()
    running.until_gone()
    rows = emulator.effects(last)
    (cancel,) = [row for row in rows if row["method"].endswith(".cancel")]
    assert cancel["jobId"] == job_id
    assert submitted() == 0
    # the witness is polled at every interval, which tells the time without a clock
    polls = sum(row["jobId"] == witness_id and row["seq"] < cancel["seq"] for row in rows)
    assert polls < PAUSE / POLL_INTERVAL / 2, "the deletion waited for the pause of the crowd"
    emulator.fix()
