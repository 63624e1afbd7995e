"""The load of the existing resources on the job service, against the quotas."""

import math
from collections import Counter
from collections.abc import Mapping
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


def read_load(cluster: Cluster, settings: Settings) -> Load:
    """Read all watched resources.

    Raises:
        ClusterError: they may not be read.
    """
    count, active, waiting = 0, Counter[str](), Counter[str]()
    projects = {settings.project_id: None} if settings.project_id else {}
    for kind in KINDS.values():
        for scope in [f"namespaces/{name}/" for name in settings.namespaces] or [""]:
            for item in cluster.items(f"/apis/{API_VERSION}/{scope}{kind.plural}"):
                count += 1
                project = _project(item) or settings.project_id
                if project:
                    projects[project] = None
                    active[project] += _is_active(item)
                    waiting[project] += _is_waiting(item)
    return Load(count, +active, +waiting, tuple(projects))


def _project(item: Json) -> str:
    """The project of the recorded job, else of the spec."""
    name = str((item.get("status") or {}).get("jobName") or "").split("/")
    if len(name) == 4:
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
    return [
        *(_check_creates(project, count, settings) for project, count in load.waiting.items()),
        *(_check_reads(project, count, settings) for project, count in load.active.items()),
    ] or [ok("Quotas", f"{load.resources} resources, none of which has an active job or waits for one")]


def _check_creates(project: str, count: int, settings: Settings) -> Finding:
    check = f"Create quota of project {project}"
    limit = settings.creates_per_minute
    text = f"{count} jobs wait to be submitted"
    if not limit:
        return ok(check, f"{text}; no limit is set (createsPerMinute)")
    text = f"{text}, of {limit:g} allowed a minute (createsPerMinute)"
    if count <= limit:
        return ok(check, text)
    return warning(
        check,
        f"{text}: the last has to wait for about {math.ceil(count / limit)} minutes",
        "wait; with a higher quota, raise createsPerMinute",
    )


def _check_reads(project: str, count: int, settings: Settings) -> Finding:
    check = f"Quota of project {project}"
    polling = service_named(settings.service).facts(Terms()).polling
    reads = count if count < polling.pages_from else math.ceil(count / polling.page_size)
    wanted = reads * 60 / settings.poll_interval
    limit = limits_of(settings).others_per_minute
    text = f"{count} active jobs take {wanted:.0f} reads a minute"
    if not limit:
        return ok(check, f"{text}; no limit is set (othersPerMinute)")
    if wanted <= limit:
        return ok(check, f"{text}, of {limit:g} allowed (othersPerMinute)")
    seconds = math.ceil(reads * 60 / limit)
    return warning(
        check,
        f"{text}, and {limit:g} are allowed: a status may be {seconds} s old",
        f"set pollInterval to {seconds} or more; with a higher quota, raise othersPerMinute",
    )
