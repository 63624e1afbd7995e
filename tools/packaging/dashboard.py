"""The Grafana dashboard of the chart."""

import json
from dataclasses import dataclass
from typing import Any

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_OF = 'namespace=~"$namespace",job=~"$job"'
_WIDTH, _HEIGHT = 12, 8


@dataclass(frozen=True)
class Panel:
    """One graph.

    Attributes:
        title: what it shows.
        description: what to make of it.
        unit: Grafana's name of the unit.
        queries: PromQL by legend; `$of` stands for the labels of the chosen installation.
    """

    title: str
    description: str
    unit: str
    queries: dict[str, str]


PANELS = (
    Panel(
        "Resources",
        "Resources that the operator knows, and cloud jobs that it polls because they have not ended. Where "
        "many are missing at once, the service is not believed.",
        "short",
        {
            "resources": "max(mljobs_resources{$of})",
            "active jobs": "max(mljobs_watched_jobs{$of})",
            "missing jobs": "max(mljobs_missing_jobs{$of})",
        },
    ),
    Panel(
        "Jobs by state",
        "Resources by the state of their newest job. STATE_UNSPECIFIED: none has been submitted yet.",
        "short",
        {"{{kind}} {{state}}": "max by (kind, state) (mljobs_jobs{$of})"},
    ),
    Panel(
        "Jobs that ended",
        "Per hour, by the state in which they ended, and by the cause of failures; extra: further jobs of an "
        "attempt, cancelled.",
        "short",
        {
            "{{kind}} {{state}}": "sum by (kind, state) (increase(mljobs_jobs_ended_total{$of}[1h]))",
            "failed: {{cause}}": "sum by (cause) (increase(mljobs_jobs_failed_total{$of}[1h]))",
            "extra": "sum(increase(mljobs_extra_jobs_total{$of}[1h]))",
        },
    ),
    Panel(
        "Time to acceptance",
        "From a resource's creation until the service has accepted its job: half, and 95 of 100, are faster. "
        "Suspension counts.",
        "s",
        {
            f"{{{{kind}}}} {share}": (
                f"histogram_quantile({share}, sum by (kind, le) "
                "(rate(mljobs_acceptance_wait_seconds_bucket{$of}[1h])))"
            )
            for share in ("0.5", "0.95")
        },
    ),
    Panel(
        "Run time",
        "Of jobs that ended within the hour: half are faster.",
        "s",
        {
            "{{kind}} {{state}}": (
                "histogram_quantile(0.5, sum by (kind, state, le) "
                "(rate(mljobs_job_run_seconds_bucket{$of}[1h])))"
            )
        },
    ),
    Panel(
        "Runs of schedules",
        "How long after their time 95 of 100 were made, and per hour, how many were missed.",
        "short",
        {
            "seconds late": (
                "histogram_quantile(0.95, sum by (le) (rate(mljobs_run_start_wait_seconds_bucket{$of}[1h])))"
            ),
            "missed": "sum(increase(mljobs_runs_missed_total{$of}[1h]))",
        },
    ),
    Panel(
        "Jobs of classes",
        "Active jobs of each JobClass, those that wait for room, its accelerators, and its limits.",
        "short",
        {
            "{{job_class}} {{state}}": "max by (job_class, state) (mljobs_class_jobs{$of})",
            "{{job_class}} accelerators": "max by (job_class) (mljobs_class_accelerators{$of})",
            "{{job_class}} limit of {{amount}}": "max by (job_class, amount) (mljobs_class_limit{$of})",
        },
    ),
    Panel(
        "Forbidden watches",
        "Lists and watches that RBAC forbids the operator; the log says what to grant.",
        "short",
        {
            "{{resource}} {{watched_namespace}}": (
                "max by (resource, watched_namespace) (mljobs_watch_forbidden{$of})"
            ),
        },
    ),
    Panel(
        "Stalled resources",
        "Resources that are stalled until somebody changes something, by reason.",
        "short",
        {"{{kind}} {{reason}}": "max by (kind, reason) (mljobs_stalled_resources{$of})"},
    ),
    Panel(
        "Leader",
        "Which Pod holds the Lease and works. There should be exactly one.",
        "short",
        {"{{pod}}": "leader_election_master_status{$of}"},
    ),
    Panel(
        "Reconciliations",
        "Per second, by kind and result.",
        "ops",
        {
            "{{controller}} {{result}}": (
                "sum by (controller, result) "
                "(rate(controller_runtime_reconcile_total{$of}[$__rate_interval]))"
            )
        },
    ),
    Panel(
        "Time of a reconciliation",
        "99 of 100 are faster.",
        "s",
        {
            "{{controller}}": (
                "histogram_quantile(0.99, sum by (controller, le) "
                "(rate(controller_runtime_reconcile_time_seconds_bucket{$of}[$__rate_interval])))"
            )
        },
    ),
    Panel(
        "Waiting resources",
        "Resources in the queue. A queue that stays means that workers or quotas are too few.",
        "short",
        {"{{name}}": "max by (name) (workqueue_depth{$of})"},
    ),
    Panel(
        "Time in the queue and of the work",
        "99 of 100 are faster.",
        "s",
        {
            word: (
                "histogram_quantile(0.99, sum by (le) "
                f"(rate(workqueue_{name}_duration_seconds_bucket{{$of}}[$__rate_interval])))"
            )
            for word, name in {"waiting": "queue", "working": "work"}.items()
        },
    ),
    Panel(
        "Workers",
        "Reconciliations in progress, and how many there can be, of all kinds together.",
        "short",
        {
            "{{controller}}": "max by (controller) (controller_runtime_active_workers{$of})",
            "at most": "max(controller_runtime_max_concurrent_reconciles{$of})",
        },
    ),
    Panel(
        "Work in progress",
        "How long it has taken so far. What grows with the time is stuck.",
        "s",
        {
            "all": "max(workqueue_unfinished_work_seconds{$of})",
            "the longest": "max(workqueue_longest_running_processor_seconds{$of})",
        },
    ),
    Panel(
        "Work queue",
        "Resources that were added to the queue, and requeued with a delay, per second.",
        "ops",
        {
            "adds": "sum(rate(workqueue_adds_total{$of}[$__rate_interval]))",
            "retries": "sum(rate(workqueue_retries_total{$of}[$__rate_interval]))",
        },
    ),
    Panel(
        "Requests to the job service",
        "Per second, by method and HTTP status; `none` is a request without an answer.",
        "reqps",
        {
            "{{method}} {{code}}": (
                "sum by (method, code) (rate(mljobs_cloud_requests_total{$of}[$__rate_interval]))"
            )
        },
    ),
    Panel(
        "Time of a request to the job service",
        "99 of 100 are faster.",
        "s",
        {
            "{{method}}": (
                "histogram_quantile(0.99, sum by (method, le) "
                "(rate(mljobs_cloud_request_duration_seconds_bucket{$of}[$__rate_interval])))"
            )
        },
    ),
    Panel(
        "Waiting for quota",
        "Seconds that calls waited, per second. Above 1 the quota is the bottleneck.",
        "s",
        {"{{method}}": "sum by (method) (rate(mljobs_throttle_wait_seconds_total{$of}[$__rate_interval]))"},
    ),
    Panel(
        "Poll lag",
        "How much longer than the interval the last round of polls took: so old may a shown state be.",
        "s",
        {
            "lag": "max(mljobs_poll_lag_seconds{$of})",
            "oldest answer": "max(mljobs_oldest_poll_age_seconds{$of})",
        },
    ),
    Panel(
        "Requests to the API server",
        "Per second, by method and HTTP status; `<error>` is a request without an answer.",
        "reqps",
        {
            "{{method}} {{code}}": (
                "sum by (method, code) (rate(rest_client_requests_total{$of}[$__rate_interval]))"
            )
        },
    ),
    Panel(
        "Time of a request to the API server",
        "99 of 100 are faster. Watches count until they begin.",
        "s",
        {
            "{{verb}}": (
                "histogram_quantile(0.99, sum by (verb, le) "
                "(rate(rest_client_request_duration_seconds_bucket{$of}[$__rate_interval])))"
            )
        },
    ),
    Panel(
        "Versions",
        "How many Pods run which version.",
        "short",
        {"{{version}}": "count by (version) (mljobs_build_info{$of})"},
    ),
    Panel(
        "Writes",
        "Status writes and Events per second. Both are 0 while no job changes.",
        "ops",
        {
            "status {{kind}}": "sum by (kind) (rate(mljobs_status_writes_total{$of}[$__rate_interval]))",
            "event {{reason}}": "sum by (reason) (rate(mljobs_events_total{$of}[$__rate_interval]))",
        },
    ),
    Panel(
        "Waiting Events",
        "Events that are posted once there is nothing else to do, or after 10 s.",
        "short",
        {"events": "max(mljobs_events_waiting{$of})"},
    ),
)


def dashboard() -> str:
    """The dashboard as JSON text."""
    document = {
        "title": "mljobs operator",
        "uid": "mljobs-operator",
        "tags": ["mljobs", "kubernetes"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
                _variable("namespace", "Namespace", "label_values(mljobs_resources, namespace)"),
                _variable("job", "Job", 'label_values(mljobs_resources{namespace=~"$namespace"}, job)'),
            ]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, 2)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": query.replace("$of", _OF),
                "legendFormat": legend,
            }
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }
