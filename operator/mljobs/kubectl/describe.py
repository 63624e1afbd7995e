"""`kubectl mljobs describe`: everything about one job on one page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mljobs.kubectl.list_jobs import location
from mljobs.kubectl.options import (
    ContextOption,
    KubeconfigOption,
    NameArgument,
    NamespaceOption,
    Output,
    connect,
)

if TYPE_CHECKING:
    from mljobs.kubectl.cluster import Cluster
    from mljobs.kubectl.references import Found

Json = Mapping[str, Any]
Rows = list[list[str]]

_TRIALS_SHOWN = 20
"""Trials in the table; the resource itself has more of them."""


_DEFAULT_TAG = "training/hptuning/metric"
"""The metric that is tuned where no tag is set (discovery document, `hyperparameterMetricTag`)."""


def describe(
    name: NameArgument,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="Print the resource itself as json or yaml.")
    ] = Output.TABLE,
    trials: Annotated[int, typer.Option(min=0, help="The most trials to show.")] = _TRIALS_SHOWN,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show everything about one job.

    That is the job's state, its results and pages in the console, the resource's conditions, the trials of a
    tuning job with the best first, and the events.
    """
    from mljobs.console.text import print_resource
    from mljobs.kubectl.references import find

    cluster = connect(namespace, context, kubeconfig)
    found = find(cluster, name)
    if output in (Output.JSON, Output.YAML, Output.NAME):
        print_resource(found.body, output, "")
        return
    page(found, _events(cluster, found), trials, datetime.now(UTC))


def _events(cluster: "Cluster", found: "Found") -> Sequence[Json]:
    """The events about a resource; none for those who may see the resource but not the events."""
    import sys

    from mljobs.kubectl.failure import REFUSED, Failure

    try:
        return cluster.events(found.body["metadata"]["uid"])
    except Failure as failure:
        if failure.exit_code != REFUSED:
            raise
        print(f"note: no events: {failure}", file=sys.stderr)
        return []


def page(found: "Found", events: Sequence[Json], trials: int, now: datetime) -> None:
    """Print the page.

    Args:
        found: the resource.
        events: about it, the oldest first; see `Cluster.events`.
        trials: how many to show at most.
        now: for ages.
    """
    from mljobs.console.text import age

    status = found.status
    _pairs(_head(found, now))
    _pairs(_results(status, found.kind.output_field))
    _section(
        "Conditions",
        ["TYPE", "STATUS", "REASON", "AGE", "MESSAGE"],
        [
            [row["type"], row["status"], row["reason"], age(row["lastTransitionTime"], now), row["message"]]
            for row in status.get("conditions") or ()
        ],
    )
    _attempts(status)
    _trials(found, trials)
    _section(
        "Events",
        ["TYPE", "REASON", "AGE", "MESSAGE"],
        [[event["type"], event["reason"], age(event["time"], now), event["message"]] for event in events],
    )


def _head(found: "Found", now: datetime) -> Iterator[tuple[str, str]]:
    from mljobs.console.text import age

    meta, spec, status = found.body["metadata"], found.body.get("spec") or {}, found.status
    yield "Name", meta["name"]
    yield "Namespace", meta.get("namespace", "")
    yield "Kind", found.kind.name
    yield "Age", age(meta.get("creationTimestamp"), now)
    yield "Job", status.get("jobName", "")
    yield "State", status.get("state", "")
    yield "Location", location(found.body, found.kind)
    yield "Placement", _placement(status)
    yield "Labels", ", ".join(f"{key}={value}" for key, value in (status.get("labels") or {}).items())
    yield "Suspended", "yes, by spec.suspend" if spec.get("suspend") else ""
    yield "Managed by", spec.get("managedBy", "")
    yield "Deletion", spec.get("deletionPolicy", "")
    yield "Place in queue", str(status.get("jobPosition", "")) if status.get("state") == "QUEUED" else ""
    for label, key in (("Created", "createTime"), ("Started", "startTime"), ("Ended", "endTime")):
        yield label, f"{status[key]} ({age(status[key], now)} ago)" if key in status else ""
    yield "Error", status.get("errorMessage", "")
    yield "Error code", str(status.get("errorCode", ""))
    yield "Console", status.get("consoleUrl", "")
    yield "Logs", status.get("logsUrl", "")


def _results(status: Json, field: str) -> Iterator[tuple[str, str]]:
    output = status.get(field) or {}
    for label, key in _RESULTS:
        yield label, str(output.get(key, ""))
    built = output.get("builtInAlgorithmOutput") or {}
    yield "Model", str(built.get("modelPath", ""))
    for replica, uri in (output.get("webAccessUris") or {}).items():
        yield f"Shell of {replica}", uri


_RESULTS = (
    ("ML units", "consumedMLUnits"),
    ("Trials completed", "completedTrialCount"),
    ("Predictions", "predictionCount"),
    ("Failed instances", "errorCount"),
    ("Node hours", "nodeHours"),
    ("Output path", "outputPath"),
)


def _attempts(status: Json) -> None:
    attempts = status.get("attempts") or ()
    columns: dict[str, Callable[[Json], str]] = {
        "ATTEMPT": lambda row: str(row["attempt"]),
        "STATE": lambda row: row.get("state", ""),
        "CAUSE": lambda row: row.get("cause", ""),
        "PLACEMENT": _placement,
        "JOB": lambda row: row["jobId"],
        "ENDED": lambda row: row.get("endTime", ""),
    }
    for name in ("CAUSE", "PLACEMENT"):  # which not all resources have
        if not any(map(columns[name], attempts)):
            del columns[name]
    if attempts:
        rows = [[show(row) for show in columns.values()] for row in attempts]
        _section("Earlier attempts", list(columns), rows)


def _placement(row: Json) -> str:
    """Which of the placements an attempt is in: `2 (europe-west4, SPOT)`; empty where there are none."""
    there = row.get("placement")
    if not there:
        return ""
    words = ", ".join(there[key] for key in ("region", "strategy", "machineType") if there.get(key))
    if there.get("acceleratorType"):
        words += f"{', ' if words else ''}{there['acceleratorCount']} {there['acceleratorType']}"
    again = f", round {there['round']}" if there["round"] > 1 else ""
    return f"{there['number']} ({words}){again}" if words else f"{there['number']}{again}"


def _trials(found: "Found", limit: int) -> None:
    output = found.status.get("trainingOutput") or {}
    trials = list(output.get("trials") or ())
    if not trials:
        return
    from mljobs.domain.show.outputs import goal_of

    spec = found.body.get("spec") or {}
    tuning = (spec.get("trainingInput") or {}).get("hyperparameters") or {}
    tag = output.get("hyperparameterMetricTag") or tuning.get("hyperparameterMetricTag") or _DEFAULT_TAG
    goal = goal_of(spec) or "MAXIMIZE"
    shown = trials[:limit]
    names = sorted({name for trial in shown for name in trial.get("hyperparameters") or ()})
    rows = [_trial(trial, names) for trial in shown]
    title = f"Trials, best first ({'lowest' if goal == 'MINIMIZE' else 'highest'} {tag})"
    _section(title, ["TRIAL", "STATE", "METRIC", "STEP", *names], rows)
    left_out = len(trials) - len(shown) + int(output.get("trialsTruncated") or 0)
    if left_out:
        print(f"  and {left_out} more; --trials N shows more of them, the console all")


def _trial(trial: Json, names: Sequence[str]) -> list[str]:
    metric = trial.get("finalMetric") or {}
    values = trial.get("hyperparameters") or {}
    value = metric.get("objectiveValue")
    return [
        str(trial.get("trialId", "")),
        f"{trial.get('state', '')}{' (early)' if trial.get('isTrialStoppedEarly') else ''}",
        "" if value is None else f"{value:g}",
        str(metric.get("trainingStep", "")),
        *(str(values.get(name, "")) for name in names),
    ]


def _pairs(pairs: Iterator[tuple[str, str]]) -> None:
    from rich.text import Text

    from mljobs.console.text import cell, console

    screen = console()
    for label, value in pairs:
        if value:
            screen.print(Text(f"{label + ': ':<18}").append_text(cell(value)))


def _section(title: str, headers: Sequence[str], rows: Rows) -> None:
    from rich.padding import Padding

    from mljobs.console.text import show, table

    print(f"\n{title}:{'' if rows else ' none'}")
    if rows:
        show(Padding(table(headers, rows, wrap="MESSAGE"), (0, 0, 0, 2)), wrapping="MESSAGE" in headers)
