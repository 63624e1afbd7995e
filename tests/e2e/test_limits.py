"""Limits of classes: what exceeds them waits, in turn, through crashes, and says what it waits for."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from mljobs.api.jobclass import JOB_CLASS
from mljobs.api.resources import GROUP, VERSION
from tests.e2e.support import Job, Json, Namespace, condition, eventually, job_classes, training
from tests.e2e.support_stack import Emulator, Operator

PROJECT = "limited-project"
RUNS = {"QUEUED", "PREPARING", "RUNNING"}


@pytest.fixture
def limited(admin: client.ApiClient, emulator: Emulator, operator: Operator) -> Iterator[None]:
    base = {"service": "MLv1", "endpoint": emulator.url, "projects": [PROJECT]}
    narrow = {**base, "limits": {"activeJobs": 2, "accelerators": 8, "perNamespace": {"accelerators": 4}}}
    with job_classes(admin, {"narrow": narrow}):
        yield


pytestmark = pytest.mark.usefixtures("limited")


def active(emulator: Emulator, place: Namespace | None = None) -> list[str]:
    """The jobs that have not ended, by id."""
    prefix = f"{place.name}_" if place else ""
    jobs = emulator.jobs(project=PROJECT)
    return [job["jobId"] for job in jobs if job["state"] in RUNS and job["jobId"].startswith(prefix)]


def end(emulator: Emulator, job_id: str) -> None:
    emulator.force(job_id, "SUCCEEDED", project=PROJECT)


def prioritized(name: str, priority: int) -> Json:
    return training(name, scheduling={"priority": priority})


def waits(job: Job) -> Json:
    return job.until_condition("Reconciling", "True", "LimitReached")


def test_what_exceeds_the_limit_waits_and_goes_by_priority_and_age(
    namespace: Namespace, emulator: Emulator, admin: client.ApiClient, operator: Operator
) -> None:
    running = namespace.create_all(training(f"running-{number}") for number in range(2))
    ids = [job.job_id for job in running]
    old = namespace.create(training("old"))
    said = waits(old)
    assert (
        "The JobClass narrow is full: limits.activeJobs, 2 of 2 in use. Position 1 of 1;" in said["message"]
    )
    assert old.metadata().get("finalizers") is None
    urgent = namespace.create(prioritized("urgent", 5))
    waits(urgent)
    custom: Any = client.CustomObjectsApi(admin)
    eventually(
        lambda: 'mljobs_class_jobs{job_class="narrow",state="waiting"} 2.0' in operator.metrics(),
        what="the metrics tell it",
    )
    assert 'mljobs_class_limit{amount="activeJobs",job_class="narrow"} 2.0' in operator.metrics()
    end(emulator, ids[0])
    urgent.until_state("QUEUED")
    assert condition(old.status(), "Reconciling")["reason"] == "LimitReached"
    end(emulator, ids[1])
    old.until_state("QUEUED")
    assert len(active(emulator, namespace)) == 2
    shown = eventually(
        lambda: custom.get_cluster_custom_object(GROUP, VERSION, JOB_CLASS.plural, "narrow")["status"],
        lambda status: status.get("activeJobs") is not None,
        what="the class tells what it has",
    )
    assert {"activeJobs", "waitingJobs", "accelerators"} <= shown.keys()


def gpus(name: str, count: int) -> Json:
    return training(
        name,
        scaleTier="CUSTOM",
        masterType="n1-standard-8",
        masterConfig={
            "imageUri": "gcr.io/p/image:1",
            "acceleratorConfig": {"type": "NVIDIA_TESLA_T4", "count": count},
        },
    )


def test_accelerators_are_counted_and_too_many_are_refused(namespace: Namespace, emulator: Emulator) -> None:
    first = namespace.create(gpus("first", 4))
    first.until_state("QUEUED")
    assert first.status()["record"]["jobClass"]["accelerators"] == 4
    second = namespace.create(gpus("second", 1))
    assert "limits.perNamespace.accelerators" in waits(second)["message"]
    none = namespace.create(training("none"))
    none.until_state("QUEUED")  # who wants none passes
    huge = namespace.create(gpus("huge", 8))
    said = huge.until_condition("Stalled", "True", "NotAllowed")
    assert "limits.perNamespace.accelerators is 4" in said["message"]


def test_a_waiting_resource_is_deleted_at_once_and_leaves_the_line(
    namespace: Namespace, emulator: Emulator
) -> None:
    running = namespace.create_all(training(f"running-{number}") for number in range(2))
    ids = [job.job_id for job in running]
    first, second = namespace.create_all([training("first"), training("second")])
    waits(first)
    waits(second)
    first.delete()
    first.until_gone()
    end(emulator, ids[0])
    second.until_state("QUEUED")


def test_one_job_of_another_namespace_waits_for_no_thousand(
    namespace: Namespace, elsewhere: Namespace, emulator: Emulator
) -> None:
    crowd = namespace.create_all(prioritized(f"crowd-{number}", 1000) for number in range(1000))
    ids = eventually(
        lambda: active(emulator, namespace), lambda found: len(found) == 2, what="two jobs run", within=60
    )
    lone = elsewhere.create(training("lone"))
    waits(lone)
    start = emulator.last
    end(emulator, ids[0])
    end(emulator, ids[1])
    lone.until_state("QUEUED")
    created = [row["jobId"] for row in emulator.effects(start, method="create") if row["applied"]]
    assert any(job_id.startswith(f"{elsewhere.name}_") for job_id in created[:2])
    assert len(active(emulator)) <= 2
    assert len(crowd) == 1000


def test_a_crash_exceeds_no_limit(
    namespace: Namespace, elsewhere: Namespace, emulator: Emulator, operator: Operator
) -> None:
    """The operator dies while jobs are submitted and end; the service never has more than two at once."""
    for place in (namespace, elsewhere):
        place.create_all(training(f"job-{number}") for number in range(6))
    most = 0
    for _ in range(6):
        found = eventually(lambda: active(emulator), bool, what="a job runs", report=operator.tail)
        most = max(most, len(found))
        end(emulator, found[0])
        operator.kill()
        operator.start()
        most = max(most, len(active(emulator)))
    assert 0 < most <= 2
