"""What is measured, and the formats in which it is served."""

import gzip
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as classic

from mljobs.controller.loop.queue import WorkQueue
from mljobs.controller.loop.shard import WHOLE, Shard
from mljobs.controller.loop.store import Key, Store
from mljobs.controller.process.health import Health
from mljobs.controller.process.metrics import QUEUE, Metrics, QueueMeter
from mljobs.controller.process.serve import serve
from mljobs.domain.show.counted import Counted
from tests.unit.domain.world import NOW

OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.5"


def value(metrics: Metrics, sample: str, /, **labels: str) -> float | None:
    """A sample, as it would be scraped now."""
    metrics.refresh()
    return metrics.registry.get_sample_value(sample, labels)


class TestFormats:
    @pytest.fixture
    async def url(self) -> AsyncIterator[str]:
        metrics = Metrics()
        metrics.cloud_request("ml.projects.jobs.get", "200", 0.1)
        metrics.jobs.labels("TrainingJob", "RUNNING").set(3)
        async with serve(Health(), metrics, host="127.0.0.1", port=0) as served:
            yield f"{served}/metrics"

    async def get(self, url: str, **headers: str) -> tuple[str, str, bytes]:
        """The content type and encoding, and the body as it was sent."""
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.get(url, headers={"Accept-Encoding": "identity", **headers}) as answer,
        ):
            assert answer.status == 200
            found = answer.headers
            return found["Content-Type"], found.get("Content-Encoding", ""), await answer.read()

    async def test_who_asks_for_openmetrics_gets_it(self, url: str) -> None:
        kind, _, body = await self.get(url, Accept=OPENMETRICS)
        assert kind.startswith("application/openmetrics-text; version=1.0.0")
        families = {family.name: family for family in openmetrics(body.decode())}  # type: ignore[no-untyped-call]
        assert families["mljobs_cloud_requests"].type == "counter"
        assert families["mljobs_jobs"].samples[0].value == 3

    @pytest.mark.parametrize("accept", ["text/plain", "*/*", "text/html"])
    async def test_everybody_else_gets_the_text_format(self, url: str, accept: str) -> None:
        kind, _, body = await self.get(url, Accept=accept)
        assert kind.startswith("text/plain; version=0.0.4")
        assert "mljobs_cloud_requests" in {family.name for family in classic(body.decode())}

    @pytest.mark.parametrize("accept", [OPENMETRICS, "text/plain"])
    async def test_it_is_compressed_for_who_takes_that(self, url: str, accept: str) -> None:
        plain, packed = [
            await self.get(url, Accept=accept, **{"Accept-Encoding": encoding})
            for encoding in ("identity", "gzip")
        ]
        assert (plain[1], packed[1]) == ("", "gzip")
        assert b"mljobs_jobs{" in gzip.decompress(packed[2])
        assert len(packed[2]) < len(plain[2]) / 3

    @pytest.mark.parametrize("accept", [OPENMETRICS, "text/plain"])
    async def test_no_series_only_says_when_the_process_began(self, url: str, accept: str) -> None:
        _, _, body = await self.get(url, Accept=accept)
        assert b"_created" not in body
        assert b"process_start_time_seconds" in body


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class TestQueue:
    """The work queue is measured as client-go measures its own."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    async def test_a_key_s_way(self, clock: Clock) -> None:
        metrics = Metrics()
        queue: WorkQueue[str] = WorkQueue(QueueMeter(metrics, clock))

        def now(name: str) -> float | None:
            return value(metrics, f"workqueue_{name}", name=QUEUE, controller=QUEUE)

        queue.add("a")
        queue.add("a")
        queue.add("b")
        assert now("adds_total") == 2
        clock.now += 3
        await queue.get()
        assert (now("queue_duration_seconds_count"), now("queue_duration_seconds_sum")) == (1, 3)
        clock.now += 5
        await queue.get()
        queue.add("a")  # while it is reconciled: it comes back
        clock.now += 2
        assert now("adds_total") == 3
        assert (now("unfinished_work_seconds"), now("longest_running_processor_seconds")) == (9, 7)
        queue.done("a")
        assert (now("work_duration_seconds_count"), now("work_duration_seconds_sum")) == (1, 7)
        await queue.get()
        assert now("queue_duration_seconds_sum") == 3 + 8 + 2
        assert now("retries_total") == 0
        queue.add_later("c", 1000)
        assert now("retries_total") == 1
        queue.close()

    def test_the_buckets_are_those_of_client_go(self) -> None:
        metrics = Metrics()
        metrics.queue_seconds.labels(QUEUE, QUEUE)
        (family,) = metrics.queue_seconds.collect()
        bounds = [float(row.labels["le"]) for row in family.samples if row.name.endswith("_bucket")]
        assert bounds == [pytest.approx(10.0**power) for power in range(-8, 4)] + [float("inf")]


def job(state: str = "", *, stalled: str = "", kind: str = "TrainingJob", **status: Any) -> dict[str, Any]:
    """An object with a job in a state."""
    rows = [{"type": "Stalled", "status": "True", "reason": stalled}] if stalled else []
    rows.append({"type": "Suspended", "status": "True", "reason": "Whatever"})
    created = (NOW - timedelta(seconds=90)).isoformat().replace("+00:00", "Z")
    return {
        "kind": kind,
        "metadata": {"name": "a", "creationTimestamp": created},
        "status": {"state": state, "conditions": rows, **status},
    }


def census(metrics: Metrics, *bodies: dict[str, Any]) -> None:
    """Count these as the resources that there are."""
    store = Store(NOW)
    for number, body in enumerate(bodies):
        meta = {**body["metadata"], "name": f"job-{number}", "uid": f"u{number}", "resourceVersion": "1"}
        store.put({**body, "metadata": meta})
    metrics.count_resources(store.counted(WHOLE))


def test_the_census_forgets_what_is_no_more() -> None:
    metrics = Metrics()
    census(metrics, job("RUNNING"), job("RUNNING"), job(kind="PredictionJob"), job(stalled="InvalidSpec"))
    assert value(metrics, "mljobs_jobs", kind="TrainingJob", state="RUNNING") == 2
    assert value(metrics, "mljobs_jobs", kind="PredictionJob", state="STATE_UNSPECIFIED") == 1
    assert value(metrics, "mljobs_stalled_resources", kind="TrainingJob", reason="InvalidSpec") == 1
    census(metrics, {"kind": "TrainingJob", "metadata": {}})
    assert value(metrics, "mljobs_jobs", kind="TrainingJob", state="RUNNING") is None
    assert value(metrics, "mljobs_jobs", kind="TrainingJob", state="STATE_UNSPECIFIED") == 1
    assert value(metrics, "mljobs_stalled_resources", kind="TrainingJob", reason="InvalidSpec") is None


def test_the_census_leaves_out_what_other_controllers_look_after() -> None:
    metrics = Metrics()
    theirs = {**job("RUNNING"), "spec": {"managedBy": "example.com/another"}}
    ours = {**job("RUNNING"), "spec": {"managedBy": "mljobs.dev/operator"}}
    census(metrics, theirs, theirs, ours)
    assert value(metrics, "mljobs_jobs", kind="TrainingJob", state="RUNNING") == 1


def test_the_census_counts_the_newest_state_of_the_shard_alone() -> None:
    store = Store(NOW)
    for version, state in (("1", "QUEUED"), ("2", "RUNNING")):
        meta = {"namespace": "team-a", "name": "a", "uid": "u", "resourceVersion": version}
        store.put({**job(state), "metadata": meta})
    found = [list(store.counted(Shard(number, 2))) for number in (0, 1)]
    assert sorted(found) == [[], [Counted("TrainingJob", "RUNNING", "")]]
    store.drop(Key("TrainingJob", "team-a", "a"), "u")
    assert not list(store.counted(WHOLE))


def accepted(**status: Any) -> dict[str, Any]:
    rows = [{"type": "Submitted", "status": "True", "reason": "Accepted"}]
    found = {"attempt": 1, "projectId": "p", "jobId": "a_1", "createTime": "x", "conditions": rows}
    return job(**{"state": "QUEUED", **found, **status})


def test_a_job_is_counted_once_at_each_milestone() -> None:
    metrics = Metrics()
    metrics.wrote(accepted(), {}, NOW)
    assert value(metrics, "mljobs_acceptance_wait_seconds_sum", kind="TrainingJob") == 90
    running = accepted(startTime="2026-01-01T10:00:00Z")
    metrics.wrote(running, accepted()["status"], NOW)
    ended = {**running["status"], "state": "SUCCEEDED", "endTime": "2026-01-01T11:30:00.5Z"}
    metrics.wrote({**running, "status": ended}, running["status"], NOW)
    metrics.wrote({**running, "status": {**ended, "labels": {"a": "b"}}}, ended, NOW)
    labels = {"kind": "TrainingJob", "state": "SUCCEEDED"}
    assert value(metrics, "mljobs_acceptance_wait_seconds_count", kind="TrainingJob") == 1
    assert value(metrics, "mljobs_jobs_ended_total", **labels) == 1
    assert value(metrics, "mljobs_job_run_seconds_sum", **labels) == 5400.5


def test_a_second_attempt_is_a_job_of_its_own_that_was_accepted_before() -> None:
    metrics = Metrics()
    first = accepted(state="FAILED")["status"]
    second = accepted(attempt=2, jobId="a_2", createTime="y")
    metrics.wrote(second, first, NOW)
    assert value(metrics, "mljobs_acceptance_wait_seconds_count", kind="TrainingJob") is None
    metrics.wrote({**second, "status": {**second["status"], "state": "FAILED"}}, second["status"], NOW)
    assert value(metrics, "mljobs_jobs_ended_total", kind="TrainingJob", state="FAILED") == 1


def test_a_failed_job_is_counted_by_its_cause() -> None:
    metrics = Metrics()
    metrics.wrote(accepted(state="FAILED", cause="Unknown"), accepted()["status"], NOW)
    assert value(metrics, "mljobs_jobs_failed_total", kind="TrainingJob", cause="Unknown") == 1


def test_a_job_that_never_ran_has_ended_without_a_run_time() -> None:
    metrics = Metrics()
    metrics.wrote(accepted(state="CANCELLED"), accepted()["status"], NOW)
    labels = {"kind": "TrainingJob", "state": "CANCELLED"}
    assert value(metrics, "mljobs_jobs_ended_total", **labels) == 1
    assert value(metrics, "mljobs_job_run_seconds_count", **labels) is None


def test_no_label_can_hold_a_name() -> None:
    """Series grow with the number of kinds, states and reasons, never with that of resources or jobs."""
    labels = {label for metric in vars(Metrics()).values() for label in getattr(metric, "_labelnames", ())}
    assert labels <= {
        *("name", "controller", "result", "kind", "state", "reason", "type"),
        *("method", "verb", "code", "host", "version", "cause"),
        *("job_class", "amount"),  # administrators make classes, and few
        *("resource", "watched_namespace"),  # of the setting watchNamespaces
    }
