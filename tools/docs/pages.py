"""The pages of the documentation that are made from the code: conditions, settings and metrics.

Called by `tools.generate`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prometheus_client.metrics import MetricWrapperBase
from pydantic.alias_generators import to_camel

from mljobs.config import Settings, allowed, flag, variable
from mljobs.controller.process.metrics import Metrics
from mljobs.domain.reasons import MEANING, ConditionType, Reason
from mljobs.domain.show.events import WARNINGS
from tools.packaging.values import CHART_SETS

CONDITIONS: Mapping[ConditionType, tuple[str, str, str]] = {
    ConditionType.SUBMITTED: (
        "the service has accepted the job",
        "it has not, and the reason says why",
        "the create call got no usable answer: the job may exist",
    ),
    ConditionType.SUCCEEDED: (
        "the job has succeeded",
        "the job has failed, was cancelled, or is lost",
        "the job has not ended, or there is none yet",
    ),
    ConditionType.RECONCILING: (
        "the operator still has something to do before the service owns the job, or is cancelling it",
        "there is nothing to do but watch, or nothing that could be done",
        "–",
    ),
    ConditionType.SUSPENDED: (
        "`spec.suspend` holds the job back, or ends or has ended it; or a schedule starts no runs",
        "nothing is suspended, or not yet; or the job has ended otherwise",
        "–",
    ),
    ConditionType.STALLED: ("somebody has to change something; the message says what", "–", "–"),
    ConditionType.TRANSLATED: (
        "Vertex AI can do all that the spec says",
        "something of the spec is lost or replaced there; the message names each",
        "–",
    ),
    ConditionType.DUE: (
        "of a JobSchedule: a run is due and waits; the message says for what",
        "no run waits",
        "–",
    ),
}
"""What each condition means when it is True, False and Unknown."""

SHOWN: Mapping[Reason, Sequence[str]] = {
    Reason.ACCEPTED: ("Submitted=True",),
    Reason.ADOPTED: ("Submitted=True",),
    Reason.OUTCOME_UNKNOWN: ("Submitted=Unknown", "Succeeded=Unknown", "Reconciling=True"),
    Reason.THROTTLED: ("Submitted=False", "Submitted=Unknown", "Succeeded=Unknown", "Reconciling=True"),
    Reason.NO_CAPACITY: (
        "Submitted=False",
        "Submitted=Unknown",
        "Succeeded=False",
        "Succeeded=Unknown",
        "Reconciling=True",
    ),
    Reason.SERVICE_UNAVAILABLE: (
        "Submitted=False",
        "Submitted=Unknown",
        "Succeeded=Unknown",
        "Reconciling=True",
    ),
    Reason.INVALID_SPEC: ("Submitted=False", "Succeeded=Unknown", "Stalled=True"),
    Reason.REJECTED: ("Submitted=False", "Succeeded=Unknown", "Stalled=True"),
    Reason.JOB_ID_TAKEN: ("Submitted=False", "Succeeded=Unknown", "Stalled=True"),
    Reason.DENIED: ("Submitted=False", "Submitted=Unknown", "Succeeded=Unknown", "Stalled=True"),
    Reason.PROJECT_NOT_FOUND: ("Submitted=False", "Submitted=Unknown", "Succeeded=Unknown", "Stalled=True"),
    Reason.NOTHING_TO_ADOPT: ("Submitted=False", "Succeeded=Unknown", "Stalled=True"),
    Reason.NO_JOB_CLASS: ("Submitted=False", "Succeeded=Unknown", "Stalled=True"),
    Reason.NOT_ALLOWED: ("Submitted=False", "Succeeded=Unknown", "Stalled=True"),
    Reason.LIMIT_REACHED: ("Submitted=False", "Succeeded=Unknown", "Reconciling=True"),
    Reason.TAKEN: ("Stalled=True", "Suspended=False", "Suspended=True"),
    Reason.LABELS_CONTESTED: ("Reconciling=True",),
    Reason.LOST: ("Succeeded=False", "Stalled=True", "Suspended=False", "Suspended=True"),
    Reason.FOUND_AGAIN: ("Succeeded=Unknown",),
    Reason.NOT_FINISHED: ("Succeeded=Unknown",),
    Reason.JOB_SUCCEEDED: ("Succeeded=True",),
    Reason.PARTIALLY_SUCCEEDED: ("Succeeded=True",),
    Reason.JOB_FAILED: ("Succeeded=False",),
    Reason.JOB_CANCELLED: ("Succeeded=False",),
    Reason.RETRYING: ("Succeeded=Unknown", "Reconciling=True"),
    Reason.BACKOFF_LIMIT_EXCEEDED: ("Succeeded=False",),
    Reason.NEXT_PLACEMENT: ("Submitted=False", "Succeeded=Unknown", "Reconciling=True"),
    Reason.PLACEMENTS_EXHAUSTED: (
        "Submitted=False",
        "Succeeded=False",
        "Succeeded=Unknown",
        "Stalled=True",
    ),
    Reason.DEADLINE_EXCEEDED: ("Succeeded=False", "Reconciling=True"),
    Reason.START_DEADLINE_EXCEEDED: ("Succeeded=False", "Reconciling=True"),
    Reason.WATCHING: ("Reconciling=False",),
    Reason.FINISHED: ("Reconciling=False", "Suspended=False"),
    Reason.DELETING: ("Reconciling=True", "Suspended=True"),
    Reason.RELEASED: (
        "Submitted=False",
        "Submitted=Unknown",
        "Succeeded=Unknown",
        "Reconciling=False",
        "Suspended=True",
    ),
    Reason.SUSPENDED: ("Submitted=False", "Succeeded=Unknown", "Reconciling=False", "Suspended=True"),
    Reason.SUSPENDING: ("Reconciling=True", "Suspended=False", "Suspended=True"),
    Reason.RESUMING: ("Succeeded=Unknown", "Reconciling=True", "Suspended=True"),
    Reason.NOT_SUSPENDED: ("Suspended=False",),
    Reason.WAITING: ("Reconciling=False",),
    Reason.LEFT_BEHIND: (),
    Reason.EXTRA_JOB: (),
    Reason.SPEC_WARNING: (),
    Reason.NOT_STORED: (),
    Reason.EXACT: ("Translated=True",),
    Reason.LOSSY: ("Translated=False",),
    Reason.NOT_DUE: ("Due=False",),
    Reason.RUN_ACTIVE: ("Due=True",),
    Reason.REPLACING: ("Due=True",),
    Reason.NOT_CREATED: ("Due=True", "Stalled=True"),
    Reason.NAME_TAKEN: ("Due=True", "Stalled=True"),
    Reason.RUN_STARTED: (),
    Reason.RUN_REPLACED: (),
    Reason.RUN_MISSED: (),
}
"""The conditions with each reason; none for reasons of Events alone."""


def conditions() -> str:
    """Make the page of conditions, reasons and Events."""
    return _page(
        "# Conditions and reasons",
        "Every resource carries these conditions, each with a reason for programs, a message for people that "
        "says what to do, the generation that it speaks of, and the time at which its status last changed. "
        "`Stalled` is absent unless it is True, and `Translated` unless the service is Vertex AI, which has "
        "words of its own. A JobSchedule has `Suspended`, `Due` and `Stalled`. How they follow each other is "
        "described in "
        "[Concepts](../concepts.md#conditions).",
        _table(
            ("Condition", "True", "False", "Unknown"),
            ((f"`{kind}`", *CONDITIONS[kind]) for kind in ConditionType),
        ),
        "## Reasons",
        "A reason is a stable word. Each change of a condition is also a Kubernetes Event with the same "
        "reason and message, of the type in the third column; those that change together for one reason are "
        "one Event.",
        _table(
            ("Reason", "Met in", "Event", "Meaning"),
            (
                (
                    f"`{reason}`",
                    "<br>".join(f"`{place}`" for place in SHOWN[reason]) or "an Event alone",
                    "Warning" if reason in WARNINGS else "Normal",
                    MEANING[reason],
                )
                for reason in Reason
            ),
        ),
    )


def settings() -> str:
    """Make the page of the operator's settings."""
    return _page(
        "# Settings",
        "`mljobs run` reads its settings from a file (`--config`), from the environment and from flags; the "
        "later wins. The [chart](chart.md) writes the file. An unknown setting or a wrong value stops the "
        "start with its name, its origin and what is allowed; all problems are reported. No setting is a "
        "secret.",
        _table(
            ("In the file", "Default", "Meaning", "Allowed"),
            (
                (f"`{to_camel(name)}`", _default(field.default), _line(field.description), allowed(name))
                for name, field in Settings.model_fields.items()
            ),
        ),
        "In the environment a list is written as `a,b`. A variable that is empty counts as not set.",
        _table(
            ("In the file", "Environment", "Flag", "In the chart's values"),
            (
                (f"`{to_camel(name)}`", f"`{variable(name)}`", f"`{flag(name)}`", _value(name))
                for name in Settings.model_fields
            ),
        ),
    )


def _value(name: str) -> str:
    """The chart's value for a setting."""
    if name not in CHART_SETS:
        return f"`config.{to_camel(name)}`"
    return "`watchNamespaces`" if name == "namespaces" else "set by the chart"


def metrics() -> str:
    """Make the page of the operator's metrics."""
    return _page(
        "# Metrics",
        "Served as `/metrics` on the port of the health checks, in the format that is asked for: OpenMetrics "
        "or Prometheus' text, compressed or not. Names, labels and buckets that controller-runtime and "
        "client-go have are the same here. No label holds the name of a resource or a job, so that the "
        "number of series does not grow with the number of jobs.",
        _table(
            ("Metric", "Type", "Labels", "Meaning"),
            (
                (f"`{name}`", kind, ", ".join(f"`{label}`" for label in labels) or "–", text)
                for name, kind, labels, text in _families(Metrics())
            ),
        ),
        "Besides these there are `process_…` for CPU, memory and open files, and `python_info`. A replica "
        "that waits for the Lease has no resources and no jobs.",
        "What to monitor is described in [Operations](../operations.md#what-to-watch).",
    )


def _families(made: Metrics) -> Iterable[tuple[str, str, Sequence[str], str]]:
    for metric in vars(made).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            suffix = "_total" if family.type == "counter" else ""
            labels: Sequence[str] = metric._labelnames
            yield family.name + suffix, family.type, labels, family.documentation


def _page(*parts: str) -> str:
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


def _default(value: Any) -> str:
    match value:
        case None | "" | ():
            return "–"
        case bool():
            return f"`{str(value).lower()}`"
        case _:
            return f"`{value}`"
