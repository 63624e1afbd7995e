"""The load of the existing resources on the job service, against the quotas."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mljobs.admin.check.cluster import Cluster, Json
from mljobs.admin.check.finding import Finding, ok, warning
from mljobs.api.outputs import TERMINAL_STATES
from mljobs.api.resources import API_VERSION, KINDS
from mljobs.backends import Terms, service_named
from mljobs.config import Settings
from mljobs.main import limits_of


@dataclass(frozen=True)
class Load:
    """The resources that are watched.

    Attributes:
        resources: how many there are.
        active: jobs that have not ended, by project.
        waiting: resources whose job is still to be submitted, by project.
        projects: all projects that are named, and the default one.
    """

    resources: int = 0
    active: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    projects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quotas:
    """The calls that may be made in each project.

    Attributes:
        service: its name.
        poll_interval: seconds between two polls.
        creates: create calls a minute, and the setting or field that says so; 0 is no limit.
        others: all other calls, likewise.
    """

    service: str
    poll_interval: float
    creates: tuple[float, str]
    others: tuple[float, str]

    @classmethod
    def of(cls, settings: Settings) -> "Quotas":
        """Those of the settings."""
        return cls.of_class(settings, settings.service)

    @classmethod
    def of_class(
        cls, settings: Settings, service: str, creates: int | None = None, reads: int | None = None
    ) -> "Quotas":
        """Those of a class at a service; what it does not limit, the settings do."""
        standard = limits_of(settings, service)
        return cls(
            service,
            settings.poll_interval,
            (standard.creates_per_minute or 0, "createsPerMinute")
            if creates is None
            else (creates, "spec.limits.createsPerMinute"),
            (standard.others_per_minute or 0, "othersPerMinute")
            if reads is None
            else (reads, "spec.limits.readsPerMinute"),
        )


def read_load(cluster: Cluster, settings: Settings) -> Load:
    """Read all watched resources.

    Raises:
        ClusterError: they may not be read.
    """
    return load_of(read_items(cluster, settings), settings.project_id)


def read_items(cluster: Cluster, settings: Settings) -> Iterator[Json]:
    """Read all watched resources one by one.

    Raises:
        ClusterError: they may not be read.
    """
    for kind in KINDS.values():
        for scope in [f"namespaces/{name}/" for name in settings.namespaces] or [""]:
            yield from cluster.items(f"/apis/{API_VERSION}/{scope}{kind.plural}")


def load_of(items: Iterable[Json], default_project: str | None) -> Load:
    """Count resources.

    Args:
        items: the resources.
        default_project: of those that name none.
    """
    count, active, waiting = 0, Counter[str](), Counter[str]()
    projects = {default_project: None} if default_project else {}
    for item in items:
        count += 1
        project = _project(item) or default_project
        if project:
            projects[project] = None
            active[project] += _is_active(item)
            waiting[project] += _is_waiting(item)
    return Load(count, +active, +waiting, tuple(projects))


def _project(item: Json) -> str:
    """The project of the recorded job, else of the spec."""
    name = str((item.get("status") or {}).get("jobName") or "").split("/")
    if len(name) > 2:
        return name[1]
    return str((item.get("spec") or {}).get("projectId") or "")


def _is_active(item: Json) -> bool:
    status = item.get("status") or {}
    return bool(status.get("jobName")) and status.get("state") not in TERMINAL_STATES


def _is_waiting(item: Json) -> bool:
    status = item.get("status") or {}
    stalled = any(row.get("type") == "Stalled" for row in status.get("conditions") or ())
    held = stalled or (item.get("spec") or {}).get("suspend") or "deletionTimestamp" in item["metadata"]
    return not status.get("jobName") and not held


def check_quotas(load: Load, settings: Settings) -> list[Finding]:
    """Compare the calls that the resources need with the limits, for each project."""
    return compare_quotas(load, Quotas.of(settings)) or [
        ok("Quotas", f"{load.resources} resources, none of which has an active job or waits for one")
    ]


def compare_quotas(load: Load, quotas: Quotas, prefix: str = "") -> list[Finding]:
    """Compare the calls that the resources need with quotas, for each project.

    Args:
        load: what there is.
        quotas: what may be called.
        prefix: of the checks' names.
    """
    return [
        *(_check_creates(project, count, quotas, prefix) for project, count in load.waiting.items()),
        *(_check_reads(project, count, quotas, prefix) for project, count in load.active.items()),
    ]


def _check_creates(project: str, count: int, quotas: Quotas, prefix: str) -> Finding:
    check = f"{prefix}Create quota of project {project}"
    limit, name = quotas.creates
    text = f"{count} jobs wait to be submitted"
    if not limit:
        return ok(check, f"{text}; no limit is set ({name})")
    text = f"{text}, of {limit:g} allowed a minute ({name})"
    if count <= limit:
        return ok(check, text)
    return warning(
        check,
        f"{text}: the last has to wait for about {math.ceil(count / limit)} minutes",
        f"wait; with a higher quota, raise {name}",
    )


def _check_reads(project: str, count: int, quotas: Quotas, prefix: str) -> Finding:
    check = f"{prefix}Quota of project {project}"
    polling = service_named(quotas.service).facts(Terms()).polling
    reads = count if count < polling.pages_from else math.ceil(count / polling.page_size)
    wanted = reads * 60 / quotas.poll_interval
    limit, name = quotas.others
    text = f"{count} active jobs take {wanted:.0f} reads a minute"
    if not limit:
        return ok(check, f"{text}; no limit is set ({name})")
    if wanted <= limit:
        return ok(check, f"{text}, of {limit:g} allowed ({name})")
    seconds = math.ceil(reads * 60 / limit)
    return warning(
        check,
        f"{text}, and {limit:g} are allowed: a status may be {seconds} s old",
        f"set pollInterval to {seconds} or more; with a higher quota, raise {name}",
    )
