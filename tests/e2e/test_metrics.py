"""What Prometheus is told of jobs: of those that are there, and once of each that has come or ended."""

import time
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.support import Namespace, eventually, prediction, training
from tests.e2e.support_stack import Emulator, Operator

Samples = Callable[..., float]


def samples(operator: Operator) -> Samples:
    """What is scraped now: a function from a sample's name and labels to its value, 0 if there is none."""
    families = text_string_to_metric_families(operator.metrics())
    found = {
        (row.name, frozenset(row.labels.items())): row.value for family in families for row in family.samples
    }
    return lambda name, /, **labels: found.get((name, frozenset(labels.items())), 0.0)


def counted(operator: Operator, name: str, **labels: str) -> float:
    return samples(operator)(name, **labels)


def test_a_job_is_measured_through_its_life_and_a_restart_counts_nothing_twice(
    operator: Operator, namespace: Namespace, emulator: Emulator
) -> None:
    kind = "TrainingJob"
    done = {"kind": kind, "state": "SUCCEEDED"}
    job = namespace.create(training("census"))
    namespace.create(prediction("scores")).until_status(lambda status: status.get("state"), "a state")
    broken = namespace.create(training("broken", {"suspend": True}))
    emulator.force(job.job_id, "RUNNING")
    job.until_status(lambda status: status.get("state") == "RUNNING", "RUNNING")
    emulator.force(job.job_id, "SUCCEEDED")
    eventually(  # which is counted once the status is written
        lambda: counted(operator, "mljobs_jobs_ended_total", **done),
        what="it has ended",
        report=operator.tail,
    )
    seen = samples(operator)
    assert seen("mljobs_jobs", **done) == 1
    assert seen("mljobs_jobs", kind="PredictionJob", state="QUEUED") == 1
    assert seen("mljobs_jobs", kind=kind, state="STATE_UNSPECIFIED") == 1
    assert seen("mljobs_acceptance_wait_seconds_count", kind=kind) == 1
    assert seen("mljobs_acceptance_wait_seconds_count", kind="PredictionJob") == 1
    assert seen("mljobs_jobs_ended_total", **done) == 1
    assert seen("mljobs_job_run_seconds_count", **done) == 1
    queue = {"name": "mljobs", "controller": "mljobs"}
    assert (
        seen("workqueue_adds_total", **queue) >= seen("workqueue_work_duration_seconds_count", **queue) >= 3
    )
    assert seen("controller_runtime_reconcile_total", controller=kind, result="success") >= 1
    assert seen("controller_runtime_max_concurrent_reconciles", controller=kind) == 64

    operator.stop()
    operator.start()
    eventually(
        lambda: counted(operator, "mljobs_jobs", **done),
        lambda number: number == 1,
        what="the job is known again",
        report=operator.tail,
    )
    namespace.create(training("later"))
    eventually(
        lambda: counted(operator, "mljobs_acceptance_wait_seconds_count", kind=kind),
        lambda number: number == 1,
        what="the new one alone is counted",
        report=operator.tail,
    )
    seen = samples(operator)
    assert seen("mljobs_jobs_ended_total", **done) == 0
    assert seen("mljobs_acceptance_wait_seconds_count", kind="PredictionJob") == 0
    assert broken.status().get("state") is None


def test_how_long_the_service_has_said_nothing(
    operator: Operator, namespace: Namespace, emulator: Emulator
) -> None:
    name = "mljobs_oldest_poll_age_seconds"
    namespace.create(training("census")).until_status(lambda status: status.get("state"), "a state")
    began = time.monotonic()
    emulator.fault("error", method="get", status=503, times=100_000)
    eventually(lambda: counted(operator, name), lambda age: age > 2, what="it grows")
    assert counted(operator, name) < time.monotonic() - began + 5
    emulator.fix()
    eventually(lambda: counted(operator, name), lambda age: age < 1, what="it is small again", within=60)


def test_requests_to_the_api_server_are_counted(operator: Operator, namespace: Namespace) -> None:
    namespace.create(training("census")).until_status(lambda status: status.get("state"), "a state")
    text = operator.metrics()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    counts = {
        (row.labels["method"], row.labels["code"]): row.value
        for row in families["rest_client_requests"].samples
    }
    assert counts["GET", "200"] >= 4
    assert counts["PATCH", "200"] >= 2
    assert counts["POST", "201"] >= 1
