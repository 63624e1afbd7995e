"""Prometheus metrics, with controller-runtime's names where it has them. No label ever holds a job's name."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """All metrics of one operator, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.reconciles = Counter(
            "controller_runtime_reconcile",
            "Reconciliations by kind and result.",
            ("controller", "result"),
            registry=registry,
        )
        self.reconcile_errors = Counter(
            "controller_runtime_reconcile_errors",
            "Reconciliations that failed.",
            ("controller",),
            registry=registry,
        )
        self.reconcile_seconds = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "Duration of reconciliations.",
            ("controller",),
            buckets=_FAST,
            registry=registry,
        )
        self.queue_depth = Gauge(
            "workqueue_depth", "Resources that wait for a worker.", ("name",), registry=registry
        )
        self.resources = Gauge("mljobs_resources", "Resources that the operator knows.", registry=registry)
        self.watched = Gauge("mljobs_watched_jobs", "Cloud jobs that are polled.", registry=registry)
        self.missing = Gauge(
            "mljobs_missing_jobs",
            "Active jobs that the service does not show, in projects where so many are missing at once that "
            "the service is believed to be wrong.",
            registry=registry,
        )
        self.cloud_requests = Counter(
            "mljobs_cloud_requests", "Requests to the job service.", ("method", "code"), registry=registry
        )
        self.cloud_seconds = Histogram(
            "mljobs_cloud_request_duration_seconds",
            "Duration of requests to the job service.",
            ("method",),
            buckets=_FAST,
            registry=registry,
        )
        self.throttle_seconds = Counter(
            "mljobs_throttle_wait_seconds",
            "Time that calls waited for the project's quota.",
            ("method",),
            registry=registry,
        )
        self.status_writes = Counter(
            "mljobs_status_writes", "Writes of a resource's status.", ("kind",), registry=registry
        )
        self.events = Counter(
            "mljobs_events", "Kubernetes Events posted.", ("type", "reason"), registry=registry
        )
        self.leader = Gauge(
            "leader_election_master_status",
            "Whether this process holds the Lease.",
            ("name",),
            registry=registry,
        )
        self.kind_defined = Gauge(
            "mljobs_kind_defined",
            "Whether the cluster has the definition (CRD) of a kind.",
            ("kind",),
            registry=registry,
        )
        self.poll_lag = Gauge(
            "mljobs_poll_lag_seconds",
            "How much longer than the interval the slowest project's last poll took.",
            registry=registry,
        )

    def cloud_request(self, method: str, code: str, seconds: float) -> None:
        """Count one request to the job service."""
        self.cloud_requests.labels(method, code).inc()
        self.cloud_seconds.labels(method).observe(seconds)

    def defined(self, kind: str, there: bool) -> None:
        """Say whether the cluster has a kind's definition."""
        self.kind_defined.labels(kind).set(there)

    def throttled(self, method: str, seconds: float) -> None:
        """Count the time that a call waited for the quota."""
        self.throttle_seconds.labels(method).inc(seconds)
