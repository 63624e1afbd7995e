"""Prometheus metrics, with controller-runtime's names where it has them. No label ever holds a job's name."""

import time
from collections import Counter as Tally
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from mljobs import __version__
from mljobs.api.base import JsonObject
from mljobs.api.jobclass import Limits
from mljobs.api.outputs import State
from mljobs.api.resources import KINDS
from mljobs.domain.classes.turns import Used
from mljobs.domain.show.counted import Counted
from mljobs.domain.show.milestones import milestones

QUEUE = "mljobs"
"""The name of the one work queue, which all kinds share."""

NO_STATE = State.STATE_UNSPECIFIED.value
"""The state of a resource without a job: the API's word for none."""

_CLOUD = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_REST = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60)
"""Those of client-go."""

_QUEUE = tuple(10.0**power for power in range(-8, 4))
"""Those of client-go's workqueue."""

_RECONCILE = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1),
    *(1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60),
)
"""Those of controller-runtime."""

_MINUTE, _HOUR = 60, 3600
_WAIT = (1, 2, 5, 10, 30, *(_MINUTE * n for n in (1, 2, 5, 10, 30)), *(_HOUR * n for n in (1, 3, 6, 12, 24)))
_RUN = (*(_MINUTE * n for n in (1, 5, 15, 30)), *(_HOUR * n for n in (1, 2, 4, 8, 12, 24, 48, 96, 168)))


class Amount:
    """A number that is told by setting it."""

    value = 0.0

    def set(self, value: float, /) -> None:
        """Set it again."""
        self.value = value


class Settable(Protocol):
    """What can be told a number."""

    def set(self, value: float, /) -> None:
        """Set it again."""


class PollGauges(Protocol):
    """What a poller tells of itself."""

    @property
    def watched(self) -> Settable:
        """Jobs that it polls."""

    @property
    def missing(self) -> Settable:
        """Jobs that are missing in places where so many are that the service is assumed to be wrong."""

    @property
    def poll_lag(self) -> Settable:
        """Seconds that its slowest poll has taken longer than the interval."""


class PollShare:
    """What one of several pollers tells, for gauges that show all of them together."""

    def __init__(self) -> None:
        self.watched, self.missing, self.poll_lag = Amount(), Amount(), Amount()


class Metrics:
    """All metrics of one operator, in a registry of their own.

    Attributes:
        registry: what is served.
        scraped: called before each scrape, for what is only counted then.
    """

    def __init__(self) -> None:
        # an additional series for each counter, with nothing but the start of the process
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.scraped: list[Callable[[], None]] = []
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._define_runtime()
        self._define_jobs()
        self._define_calls()
        self._define_process()

    def _define_runtime(self) -> None:
        """What controller-runtime has, by its names, labels and buckets."""
        self.reconciles = self._counter(
            "controller_runtime_reconcile", "Reconciliations by kind and result.", "controller", "result"
        )
        self.reconcile_errors = self._counter(
            "controller_runtime_reconcile_errors", "Reconciliations that failed.", "controller"
        )
        self.reconcile_seconds = self._histogram(
            "controller_runtime_reconcile_time_seconds",
            "Duration of reconciliations.",
            _RECONCILE,
            "controller",
        )
        self.active_workers = self._gauge(
            "controller_runtime_active_workers", "Reconciliations in progress.", "controller"
        )
        self.max_workers = self._gauge(
            "controller_runtime_max_concurrent_reconciles",
            "Reconciliations in progress at most, of all kinds together.",
            "controller",
        )
        queue = ("name", "controller")
        self.queue_depth = self._gauge("workqueue_depth", "Resources that wait for a worker.", *queue)
        self.queue_adds = self._counter(
            "workqueue_adds", "How often a resource was added to the queue.", *queue
        )
        self.queue_retries = self._counter(
            "workqueue_retries",
            "How often a resource was requeued with a delay.",
            *queue,
        )
        self.queue_seconds = self._histogram(
            "workqueue_queue_duration_seconds", "How long resources waited for a worker.", _QUEUE, *queue
        )
        self.work_seconds = self._histogram(
            "workqueue_work_duration_seconds", "How long resources were processed.", _QUEUE, *queue
        )
        self.unfinished_seconds = self._gauge(
            "workqueue_unfinished_work_seconds", "How long all work in progress has taken so far.", *queue
        )
        self.longest_seconds = self._gauge(
            "workqueue_longest_running_processor_seconds",
            "How long the longest work in progress has taken so far.",
            *queue,
        )
        self.leader = self._gauge(
            "leader_election_master_status", "Whether this process holds the Lease.", "name"
        )

    def _define_jobs(self) -> None:
        self.resources = self._gauge("mljobs_resources", "Resources in the operator's cache.")
        self.kind_defined = self._gauge(
            "mljobs_kind_defined", "Whether the cluster has the definition (CRD) of a kind.", "kind"
        )
        self.watch_forbidden = self._gauge(
            "mljobs_watch_forbidden",
            "Whether a list or watch is forbidden; without a namespace: in the whole cluster.",
            "resource",
            "watched_namespace",
        )
        self.jobs = self._gauge(
            "mljobs_jobs",
            f"Resources by the state of their newest job; {NO_STATE} if there is none yet.",
            "kind",
            "state",
        )
        self.stalled = self._gauge(
            "mljobs_stalled_resources",
            "Resources that are stalled, by reason.",
            "kind",
            "reason",
        )
        self.class_jobs = self._gauge(
            "mljobs_class_jobs",
            "Jobs of a JobClass: `active` ones have not ended, `waiting` ones wait for room.",
            "job_class",
            "state",
        )
        self.class_accelerators = self._gauge(
            "mljobs_class_accelerators", "Accelerators of the active jobs of a JobClass.", "job_class"
        )
        self.class_limits = self._gauge(
            "mljobs_class_limit",
            "What the jobs of a JobClass may use together: `activeJobs` and `accelerators`.",
            "job_class",
            "amount",
        )
        self.acceptance_seconds = self._histogram(
            "mljobs_acceptance_wait_seconds",
            "Time from a resource's creation until the service has accepted its first job. Jobs that were "
            "accepted before this process started are not counted.",
            _WAIT,
            "kind",
        )
        self.jobs_failed = self._counter(
            "mljobs_jobs_failed",
            "Jobs that have failed, as observed by this process, by cause; Unknown where no table knows it.",
            "kind",
            "cause",
        )
        self.jobs_ended = self._counter(
            "mljobs_jobs_ended",
            "Jobs that have ended, as observed by this process, by terminal state.",
            "kind",
            "state",
        )
        self.run_seconds = self._histogram(
            "mljobs_job_run_seconds",
            "Run time of ended jobs, as observed by this process, by the service's clock.",
            _RUN,
            "kind",
            "state",
        )
        self.run_start_seconds = self._histogram(
            "mljobs_run_start_wait_seconds",
            "Time from when a schedule's run is due until its resource is made.",
            _WAIT,
        )
        self.runs_missed = self._counter(
            "mljobs_runs_missed", "Runs of schedules that were not started, and are not any more."
        )
        self.status_writes = self._counter("mljobs_status_writes", "Writes of a resource's status.", "kind")
        self.events = self._counter("mljobs_events", "Kubernetes Events posted.", "type", "reason")
        self.events_waiting = self._gauge(
            "mljobs_events_waiting", "Kubernetes Events that are not posted yet."
        )

    def poll_share(self) -> PollShare:
        """What one more poller tells of itself: sums, and the slowest, are shown."""
        share = PollShare()
        self._shares.append(share)
        self.watched.set_function(lambda: sum(one.watched.value for one in self._shares))
        self.missing.set_function(lambda: sum(one.missing.value for one in self._shares))
        self.poll_lag.set_function(lambda: max(one.poll_lag.value for one in self._shares))
        return share

    def _define_calls(self) -> None:
        self._shares: list[PollShare] = []
        self.watched = self._gauge("mljobs_watched_jobs", "Cloud jobs that are polled.")
        self.missing = self._gauge(
            "mljobs_missing_jobs",
            "Active jobs that the service does not find, in projects where so many are missing at once that "
            "the service is assumed to be wrong.",
        )
        self.extra_jobs = self._counter(
            "mljobs_extra_jobs",
            "Jobs that an attempt had too many after an unanswered create call, and that were cancelled.",
        )
        self.poll_lag = self._gauge(
            "mljobs_poll_lag_seconds",
            "How much longer than the interval the slowest project's last poll took.",
        )
        self.poll_age = self._gauge(
            "mljobs_oldest_poll_age_seconds",
            "The longest time since the service answered about an active job.",
        )
        self.cloud_requests = self._counter(
            "mljobs_cloud_requests", "Requests to the job service.", "method", "code"
        )
        self.cloud_seconds = self._histogram(
            "mljobs_cloud_request_duration_seconds",
            "Duration of requests to the job service.",
            _CLOUD,
            "method",
        )
        self.throttle_seconds = self._counter(
            "mljobs_throttle_wait_seconds", "Time that calls waited for the project's quota.", "method"
        )
        self.rest_requests = self._counter(
            "rest_client_requests",
            "Requests to the API server; the code is <error> if there was no answer.",
            "code",
            "method",
            "host",
        )
        self.rest_seconds = self._histogram(
            "rest_client_request_duration_seconds",
            "Time until the API server began to answer.",
            _REST,
            "verb",
            "host",
        )
        # three for each resource: finding a child anew costs as much as all else that is counted
        self._rest_requests_of = cache(self.rest_requests.labels)
        self._rest_seconds_of = cache(self.rest_seconds.labels)

    def _define_process(self) -> None:
        self.build = self._gauge("mljobs_build_info", "The running version; always 1.", "version")
        self.build.labels(__version__).set(1)

    def refresh(self) -> None:
        """Count what is only counted for a scrape."""
        for count in self.scraped:
            count()

    def count_resources(self, found: Iterable[Counted]) -> None:
        """Count the resources by state and by stalled reason."""
        states: Tally[tuple[str, str]] = Tally()
        reasons: Tally[tuple[str, str]] = Tally()
        for one, number in Tally(found).items():
            if one.kind in KINDS:
                states[one.kind, one.state or NO_STATE] += number
            if one.stalled:
                reasons[one.kind, one.stalled] += number
        for gauge, tally in ((self.jobs, states), (self.stalled, reasons)):
            gauge.clear()
            for labels, number in tally.items():
                gauge.labels(*labels).set(number)

    def count_classes(self, rows: Iterable[tuple[str, Used, int, Limits]]) -> None:
        """Count what classes use and have, for the gauges that tell it.

        Args:
            rows: of each class its name, what its jobs use, how many wait, and its limits.
        """
        for gauge in (self.class_jobs, self.class_accelerators, self.class_limits):
            gauge.clear()
        for name, used, waiting, limits in rows:
            self.class_jobs.labels(name, "active").set(used.jobs)
            self.class_jobs.labels(name, "waiting").set(waiting)
            self.class_accelerators.labels(name).set(used.accelerators)
            for amount, most in (
                ("activeJobs", limits.active_jobs),
                ("accelerators", limits.accelerators),
            ):
                if most is not None:
                    self.class_limits.labels(name, amount).set(most)

    def wrote(self, body: JsonObject, before: Mapping[str, Any], now: datetime) -> None:
        """Count what a resource's new status shows for the first time.

        Args:
            body: the object after the write.
            before: the status that was there.
            now: the machine's time, with a zone.
        """
        kind, status = body["kind"], body.get("status") or {}
        reached = milestones(before, status)
        if reached.accepted:
            created = datetime.fromisoformat(body["metadata"]["creationTimestamp"])
            self.acceptance_seconds.labels(kind).observe(max((now - created).total_seconds(), 0.0))
        if reached.ended:
            self.jobs_ended.labels(kind, reached.ended).inc()
        if reached.cause:
            self.jobs_failed.labels(kind, reached.cause).inc()
        if reached.ran is not None:
            self.run_seconds.labels(kind, reached.ended).observe(reached.ran)

    def cloud_request(self, method: str, code: str, seconds: float) -> None:
        """Count one request to the job service."""
        self.cloud_requests.labels(method, code).inc()
        self.cloud_seconds.labels(method).observe(seconds)

    def rest_request(self, method: str, code: str, host: str, seconds: float) -> None:
        """Count one request to the API server."""
        self._rest_requests_of(code, method, host).inc()
        self._rest_seconds_of(method, host).observe(seconds)

    def defined(self, kind: str, there: bool) -> None:
        """Say whether the cluster has a kind's definition."""
        self.kind_defined.labels(kind).set(there)

    def forbidden(self, resource: str, namespace: str, there: bool) -> None:
        """Say whether the operator may not list or watch a resource."""
        self.watch_forbidden.labels(resource, namespace).set(there)

    def throttled(self, method: str, seconds: float) -> None:
        """Count the time that a call waited for the quota."""
        self.throttle_seconds.labels(method).inc(seconds)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=tuple(buckets), registry=self.registry)


class QueueMeter:
    """Measures the work queue, as client-go measures its own.

    Args:
        metrics: where to.
        clock: seconds, by a clock that never jumps.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        labels = QUEUE, QUEUE
        self._adds = metrics.queue_adds.labels(*labels)
        self._retries = metrics.queue_retries.labels(*labels)
        self._waited = metrics.queue_seconds.labels(*labels)
        self._worked = metrics.work_seconds.labels(*labels)
        self._clock = clock
        self._since: dict[Hashable, float] = {}
        self._begun: dict[Hashable, float] = {}
        metrics.unfinished_seconds.labels(*labels).set_function(lambda: sum(self._spent()))
        metrics.longest_seconds.labels(*labels).set_function(lambda: max(self._spent(), default=0.0))

    def added(self, key: Hashable) -> None:
        """A key has to be worked on, and did not have to before."""
        self._adds.inc()
        self._since.setdefault(key, self._clock())

    def taken(self, key: Hashable) -> None:
        """A worker begins with a key."""
        now = self._begun[key] = self._clock()
        self._waited.observe(now - self._since.pop(key, now))

    def done(self, key: Hashable) -> None:
        """The work on a key has ended."""
        now = self._clock()
        self._worked.observe(now - self._begun.pop(key, now))

    def delayed(self) -> None:
        """A key shall come back later."""
        self._retries.inc()

    def _spent(self) -> list[float]:
        now = self._clock()
        return [now - begun for begun in self._begun.values()]
