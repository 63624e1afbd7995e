"""What `mljobs plan` makes of a JobSchedule: its next run, which is planned as any other job is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from mljobs.api.jobschedule import JOB_SCHEDULE, JobScheduleSpec
from mljobs.api.resources import API_VERSION, GROUP
from mljobs.console.documents.reading import Document
from mljobs.domain.schedule.cron import Cron, zone_named
from mljobs.domain.schedule.schedule import run_name
from mljobs.domain.schedule.validate import TEMPLATE, validate
from mljobs.domain.spec.lenient import around
from mljobs.domain.spec.problems import Problem, join, printable

TIMES = 5
"""Times that a plan names."""


@dataclass(frozen=True)
class NextRun:
    """The run that a schedule would start next.

    Attributes:
        title: kind and name of the schedule.
        run: its manifest, with a name that follows from its time; None if the schedule breaks rules.
        problems: the rules that it breaks.
        notes: when it runs.
    """

    title: str
    run: Document | None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    def located(self, problems: Sequence[Problem]) -> tuple[Problem, ...]:
        """Problems of the run, with their places in the schedule."""
        return tuple(replace(problem, path=join(TEMPLATE, problem.path)) for problem in problems)


def is_schedule(document: Mapping[str, Any]) -> bool:
    """Whether a document is a JobSchedule."""
    version = document.get("apiVersion")
    ours = not isinstance(version, str) or version.split("/")[0] == GROUP
    return document.get("kind") == JOB_SCHEDULE.name and ours


def next_run(document: Document, now: datetime, default_project: str) -> NextRun:
    """Find the next run of a schedule, as if it were created now.

    Args:
        document: the JobSchedule.
        now: the time, with a zone.
        default_project: the project of jobs that name none.
    """
    meta, spec = _mapping(document.value.get("metadata")), _mapping(document.value.get("spec"))
    name = meta.get("name")
    name = name if isinstance(name, str) else ""
    title = f"{JOB_SCHEDULE.name} {printable(name)}".strip()
    model, problems = validate(name, spec, default_project=default_project)
    problems = (*around(document.value, JOB_SCHEDULE, exact=document.exact), *problems)
    if model is None or problems:
        return NextRun(title, None, problems)
    times = [*islice(Cron.parse(model.schedule, zone_named(model.time_zone)).times(now), TIMES)]
    run = {
        "apiVersion": API_VERSION,
        "kind": model.template.kind,
        "metadata": {"name": run_name(name, times[0]), **_namespace(meta)},
        "spec": spec["template"]["spec"],
    }
    return NextRun(title, replace(document, value=run), (), tuple(_notes(model, times)))


def _notes(spec: JobScheduleSpec, times: Sequence[datetime]) -> list[str]:
    shown = ", ".join(f"{time:%Y-%m-%dT%H:%MZ}" for time in times)
    notes = [f"the next {len(times)} runs are due at {shown}; this is the first one"]
    if spec.suspend:
        notes.append("spec.suspend is true: no run is started until it is false")
    return notes


def _namespace(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"namespace": meta["namespace"]} if "namespace" in meta else {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
