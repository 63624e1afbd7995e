"""A job goes on to another region when one is exhausted, and the story can be read afterwards."""

import pytest

from tests.e2e.support import Job, Json, Kubectl, Namespace, condition, conditions, eventually, training
from tests.e2e.support_plugin import Plugin
from tests.e2e.support_stack import PROJECT, Emulator, Operator
from tests.faults.vertex import TABLES

STOCK_OUT = "Resources are insufficient in region: {}. Try a different region or use a different accelerator."
"""How the service ends a job whose Spot machines were taken away, once its own restarts are used up."""

HERE, THERE = ({"region": region, "strategy": "SPOT"} for region in ("us-central1", "europe-west4"))
CPUS = "custom_model_training_preemptible_cpus"


@pytest.fixture(scope="module")
def operator_options() -> dict[str, object]:
    return {"settings": {"MLJOBS_SERVICE": "VertexAI", "MLJOBS_TABLES": str(TABLES)}}


def number(status: Json) -> str:
    return str(status["jobName"]).rpartition("/")[2]


def preempt(job: Job, emulator: Emulator, region: str) -> None:
    """Let the job that runs lose its machines."""
    status = job.status()
    for state in ("PENDING", "RUNNING"):
        emulator.force(number(status), state)
    emulator.force(number(status), "FAILED", STOCK_OUT.format(region))


def until_attempt(job: Job, attempt: int) -> Json:
    return job.until_status(lambda status: status.get("attempt") == attempt, f"attempt {attempt}", within=60)


def cloud_jobs(emulator: Emulator, namespace: Namespace, region: str) -> list[Json]:
    """The service's jobs of a namespace in a region, the oldest first."""
    page = emulator._json("GET", f"/v1/projects/{PROJECT}/locations/{region}/customJobs")
    found = [
        job
        for job in page.get("customJobs", [])
        if job.get("labels", {}).get("mljobs-namespace") == namespace.name
    ]
    return sorted(found, key=lambda job: str(job["createTime"]))


def messages(job: Job, reason: str) -> list[str]:
    return [event["message"] for event in job.namespace.events(job.uid) if event["reason"] == reason]


def test_spot_is_preempted_twice_and_then_moved_to_another_region(
    namespace: Namespace, emulator: Emulator, kubectl: Kubectl, plugin: Plugin
) -> None:
    job = namespace.create(training("census", {"placements": [HERE, HERE, THERE]}))
    for attempt in (1, 2):
        status = until_attempt(job, attempt)
        assert status["location"] == "us-central1"
        preempt(job, emulator, "us-central1")
    status = until_attempt(job, 3)
    assert status["location"] == "europe-west4"
    assert status["placement"] == {"number": 3, "round": 1, "region": "europe-west4", "strategy": "SPOT"}
    for state in ("PENDING", "RUNNING", "SUCCEEDED"):
        emulator.force(number(status), state)
    status = job.until_status(lambda shown: shown.get("outcome") == "Succeeded", "its end")
    assert [
        (row["state"], row["cause"], row["placement"]["number"], row["placement"]["region"])
        for row in status["attempts"]
    ] == [("FAILED", "NoCapacity", 1, "us-central1"), ("FAILED", "NoCapacity", 2, "us-central1")]
    made = [cloud_jobs(emulator, namespace, region) for region in ("us-central1", "europe-west4")]
    assert [[one["state"].removeprefix("JOB_STATE_") for one in jobs] for jobs in made] == [
        ["FAILED", "FAILED"],
        ["SUCCEEDED"],
    ]
    for one in (*made[0], *made[1]):
        assert one["jobSpec"]["scheduling"]["strategy"] == "SPOT"
    first, second = eventually(
        lambda: messages(job, "Retrying"), lambda told: len(told) == 2, what="events", report=namespace.report
    )
    assert "Attempt 1 has failed (NoCapacity) in placement 1 of 3 (us-central1, SPOT)." in first
    assert "in placement 3 of 3 (europe-west4, SPOT);" in second
    assert STOCK_OUT.format("us-central1") in second
    row = kubectl.out("get", "tj", "-n", namespace.name, "-o", "wide").splitlines()[1].split()
    assert {"census", "SUCCEEDED", "europe-west4", "JobSucceeded"} <= set(row)
    told = kubectl.out("describe", "tj/census", "-n", namespace.name)
    assert "Attempt 2 has failed (NoCapacity) in placement 2 of 3 (us-central1, SPOT)." in told
    page = plugin.ok("describe", "census")
    assert "3 (europe-west4, SPOT)" in page
    assert "1 (us-central1, SPOT)" in page


def test_a_machine_that_a_region_lacks_is_followed_by_another_one(
    namespace: Namespace, emulator: Emulator, plugin: Plugin
) -> None:
    ladder = [
        {"machineType": "n1-standard-8", "acceleratorType": "NVIDIA_TESLA_V100", "acceleratorCount": 1},
        {"machineType": "n1-standard-16", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 2},
    ]
    custom = {"scaleTier": "CUSTOM", "masterType": "n1-standard-4"}
    job = namespace.create(training("census", {"placements": ladder}, **custom))
    until_attempt(job, 1)
    preempt(job, emulator, "us-central1")
    status = until_attempt(job, 2)
    assert status["placement"] == {"number": 2, "round": 1, "region": "us-central1", **ladder[1]}
    assert status["attempts"][0]["placement"] == {
        "number": 1,
        "round": 1,
        "region": "us-central1",
        **ladder[0],
    }
    made = cloud_jobs(emulator, namespace, "us-central1")
    assert [[pool["machineSpec"] for pool in one["jobSpec"]["workerPoolSpecs"]] for one in made] == [
        [ladder[0]],
        [ladder[1]],
    ]
    page = plugin.ok("describe", "census")
    assert "2 (us-central1, n1-standard-16, 2 NVIDIA_TESLA_T4)" in page
    assert "1 (us-central1, n1-standard-8, 1 NVIDIA_TESLA_V100)" in page


def test_what_a_region_refuses_for_lack_of_quota_runs_in_the_next_one(
    namespace: Namespace, emulator: Emulator
) -> None:
    quota = {"metric": CPUS, "limit": 0, "project": PROJECT, "location": "^us-"}
    emulator._post("/_emulator/quotas", quota)
    try:
        job = namespace.create(training("census", {"placements": [HERE, THERE]}))
        status = until_attempt(job, 1)
        assert (status["location"], status["placement"]["number"]) == ("europe-west4", 2)
        (told,) = eventually(lambda: messages(job, "NextPlacement"), what="an Event", report=namespace.report)
        assert told.startswith(
            "Placement 1 of 2 (us-central1, SPOT) has refused the job: The following quota"
        )
        assert told.endswith("Placement 2 of 2 (europe-west4, SPOT) follows.")
        assert conditions(status)["Submitted"] == ("True", "Accepted")
    finally:
        emulator._json("DELETE", "/_emulator/quotas")


def test_what_all_regions_refuse_waits_for_somebody_to_change_something(
    namespace: Namespace, emulator: Emulator, operator: Operator
) -> None:
    emulator._post("/_emulator/quotas", {"metric": CPUS, "limit": 0, "project": PROJECT})
    try:
        job = namespace.create(training("census", {"placements": [HERE, THERE]}))
        status = job.until_status(lambda shown: shown.get("outcome") == "Refused", "its outcome")
        assert condition(status, "Stalled")["reason"] == "PlacementsExhausted"
        operator.kill()
        operator.start()
        job.until_status(lambda shown: shown.get("outcome") == "Refused", "its outcome, again")
    finally:
        emulator._json("DELETE", "/_emulator/quotas")
    job.patch_spec(placements=[HERE, THERE, {**HERE, "strategy": "STANDARD"}])
    assert until_attempt(job, 1)["location"] == "europe-west4"


def test_a_job_that_does_not_start_in_time_is_moved(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census", {"placements": [{**HERE, "startDeadlineSeconds": 2}, THERE]}))
    status = until_attempt(job, 2)
    assert status["location"] == "europe-west4"
    (earlier,) = status["attempts"]
    assert (earlier["state"], earlier["cause"]) == ("CANCELLED", "StartDeadline")
    (first,) = cloud_jobs(emulator, namespace, "us-central1")
    assert first["state"] == "JOB_STATE_CANCELLED"
