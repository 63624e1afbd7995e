"""`kubectl mljobs import` from Vertex AI: jobs become suspended resources that describe the same job.

No job there can be given labels after its creation, so that none can be taken over.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mljobs.kubectl.importing import IMPORTED, Plan, owned_by

if TYPE_CHECKING:
    from mljobs.kubectl.manifest import Manifest

Json = Mapping[str, Any]

_PLACE = re.compile(r"projects/[^/]+/(locations/.+)")


async def read_jobs(
    endpoint: str, anonymous: bool, project: str, location: str, query: str, limit: int | None
) -> list[Json]:
    """Read the jobs of a region, as whole as the service shows them.

    Raises:
        JobServiceError: one of them, or a list, cannot be read.
    """
    from mljobs.backends import Access, open_vertex

    async with open_vertex(Access(endpoint=endpoint, anonymous=anonymous, background=True)) as service:
        return [*await service.whole_jobs(project, location, query=query, limit=limit)]


def plan_copies(
    jobs: Sequence[Json],
    project: str,
    existing: Sequence[Json],
    extra: Json | None = None,
    namespace: str | None = None,
) -> Plan:
    """Make the manifests of jobs of Vertex AI.

    Args:
        jobs: custom jobs, tuning jobs and batch predictions, as `get` shows them.
        project: where they are.
        existing: the resources of the namespace.
        extra: fields of the new resources' specs, such as `deletionPolicy`.
        namespace: for the manifests; None to leave it open.
    """
    from mljobs.kubectl.manifest import resource_names

    here = {place: item["metadata"]["name"] for item in existing for place in _places(item)}
    trials = {_place(trial): _title(job) for job in jobs for trial in _trials(job)}
    left_out, wanted = [], {}
    for job in jobs:
        place = _place(str(job["name"]))
        reason = _reason_to_leave(job, here.get(place, ""), trials.get(place, ""))
        if reason:
            left_out.append(f"{_title(job)}: {reason}")
        else:
            wanted[place] = job
    titles = {place: str(job.get("displayName") or "") for place, job in wanted.items()}
    names = resource_names(titles, {item["metadata"]["name"] for item in existing})
    manifests: list[Manifest] = []
    refused: list[str] = []
    warnings: list[str] = []
    for place, job in wanted.items():
        made, problems, odd = _copy(job, names[place], project, extra or {}, namespace)
        warnings += [f"{_title(job)}: {line}" for line in odd]
        refused += [f"{_title(job)}: {line}" for line in problems[:1]]
        manifests += [] if problems else [made]
    return Plan(manifests, left_out, refused, warnings)


def _copy(
    job: Json, name: str, project: str, extra: Json, namespace: str | None
) -> tuple["Manifest", list[str], list[str]]:
    """The manifest of a job's copy, what in it breaks a rule, and what is odd in it."""
    from mljobs.domain.spec.defaults import completed
    from mljobs.domain.spec.lenient import OUTPUT_ONLY, read
    from mljobs.domain.spec.validate import validate
    from mljobs.kubectl.manifest import manifest

    reading = completed(read(job))
    spec = {"projectId": project, **reading.spec, **extra, "suspend": True}
    validated = validate(reading.kind, spec)
    spelled = [problem for problem in reading.problems if problem.id != OUTPUT_ONLY]
    broken = [problem.text for problem in spelled if problem.severity == "error"]
    odd = [problem.text for problem in (*spelled, *validated.warnings) if problem.severity != "error"]
    origin = {IMPORTED: str(job["name"])}
    made = manifest(reading.kind, name, spec, namespace=namespace, annotations=origin)
    return made, [*broken, *(problem.text for problem in validated.problems)], odd


def _reason_to_leave(job: Json, known: str, study: str) -> str:
    """Why a job gets no resource; empty if it gets one."""
    if known:
        return f"is {known}'s already"
    if study:
        return f"is a trial of {study}"
    return owned_by(job.get("labels") or {})


def _places(item: Json) -> Iterator[str]:
    """The jobs that a resource has, or is a copy of."""
    status = item.get("status") or {}
    annotations = item["metadata"].get("annotations") or {}
    rows: Iterable[Any] = (status, *(status.get("attempts") or ()))
    names = [*(row.get("jobName") for row in rows), annotations.get(IMPORTED)]
    yield from (_place(str(name)) for name in names if name)


def _place(name: str) -> str:
    """A job's full name without the project, which has an id and a number."""
    match = _PLACE.fullmatch(name)
    return match[1] if match else name


def _trials(job: Json) -> Iterator[str]:
    """The custom jobs that a tuning job's trials run as."""
    for trial in job.get("trials") or ():
        if trial.get("customJob"):
            yield str(trial["customJob"])


def _title(job: Json) -> str:
    """What a job is called in a message: two may have the same display name."""
    number = str(job["name"]).rpartition("/")[2]
    return f"{job.get('displayName') or '(no name)'} ({number})"
