"""`kubectl mljobs import`: resources for jobs that a project has already, which the operator then adopts."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mljobs.kubectl.failure import REFUSED, Failure
from mljobs.kubectl.options import (
    AnonymousOption,
    ContextOption,
    DryRun,
    DryRunOption,
    EndpointOption,
    KubeconfigOption,
    NamespaceOption,
    connect,
)

if TYPE_CHECKING:
    from mljobs.kubectl.cluster import Cluster
    from mljobs.kubectl.manifest import Manifest

Json = Mapping[str, Any]

IMPORTED = "mljobs.dev/imported-from"
"""The annotation that says by a full name of which job a resource was made as a copy. It is for people and
for the next import: the job stays nobody's."""


@dataclass(frozen=True)
class Plan:
    """What an import would do.

    Attributes:
        manifests: of the new resources, in the order of the jobs.
        left_out: a line for each job that gets none, with the reason.
        refused: a line for each job whose input breaks a rule.
        warnings: what is odd in the manifests, in a line each.
    """

    manifests: Sequence["Manifest"]
    left_out: Sequence[str]
    refused: Sequence[str]
    warnings: Sequence[str] = ()


def import_jobs(
    project: Annotated[str, typer.Option(help="Google Cloud project of the jobs.", show_default=False)],
    location: Annotated[
        str, typer.Option(metavar="REGION", help="Import Vertex AI's jobs of this region; else ml v1's.")
    ] = "",
    query: Annotated[
        str,
        typer.Option(
            "--filter",
            metavar="FILTER",
            help="The API's filter, such as `jobId:census* AND state:RUNNING`; on Vertex AI "
            '`display_name:"census*"`.',
        ),
    ] = "",
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="The maximum number of jobs to read, the newest first; all by default."),
    ] = None,
    deletion_policy: Annotated[
        str | None,
        typer.Option(
            metavar="Cancel|Orphan",
            help="What becomes of a job when its new resource is deleted: Cancel where left out.",
        ),
    ] = None,
    job_class: Annotated[
        str | None,
        typer.Option(
            "--job-class-name",
            metavar="CLASS",
            help="Of the new resources; the default class where left out.",
        ),
    ] = None,
    dry_run: DryRunOption = DryRun.NONE,
    endpoint: EndpointOption = "",
    anonymous: AnonymousOption = False,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Make resources for jobs of a project, which nobody submits a second time.

    Each job that has no resource gets one. A job of ml v1 is taken over: the annotation mljobs.dev/adopt
    makes the operator label the job and watch it. Nobody can label a job of Vertex AI, so that nobody can
    take it over: its resource is suspended, and `resume` submits the same job again. The jobs are read with
    your own Google credentials.
    """
    from mljobs.api.resources import KINDS
    from mljobs.console.text import dump
    from mljobs.kubectl.importing_vertex import plan_copies, read_jobs
    from mljobs.kubectl.service import ask

    extra = {
        **({"jobClassName": job_class} if job_class else {}),
        **({"deletionPolicy": deletion_policy} if deletion_policy else {}),
    }
    if location:
        jobs = ask(read_jobs(endpoint, anonymous, project, location, query, limit))
    else:
        jobs = ask(_gather(endpoint, anonymous, project, query, limit))
    cluster = connect(namespace, context, kubeconfig)
    make = plan_copies if location else plan_import
    plan = make(jobs, project, cluster.items(KINDS.values()), extra, namespace)
    for line in plan.warnings:
        print(f"warning: {line}", file=sys.stderr)
    for line in plan.left_out:
        print(f"note: {line}", file=sys.stderr)
    if dry_run is DryRun.CLIENT:
        print("---\n".join(dump(made, "yaml") for made in plan.manifests), end="")
        failures = list(plan.refused)
    else:
        failures = [*plan.refused, *_create(cluster, plan.manifests, dry_run)]
    made = len(plan.manifests) + len(plan.refused) - len(failures)
    done = "imported" if dry_run is DryRun.NONE else "to import"
    print(
        f"{len(jobs)} jobs: {made} {done}, {len(plan.left_out)} left out, {len(failures)} refused",
        file=sys.stderr,
    )
    if failures:
        raise Failure(failures[0], *failures[1:], code=REFUSED)


async def _gather(endpoint: str, anonymous: bool, project: str, query: str, limit: int | None) -> list[Json]:
    from mljobs.backends import Access, open_job_service

    async with open_job_service(Access(endpoint=endpoint, anonymous=anonymous)) as service:
        found: list[Json] = []
        token = ""
        while True:
            page = await service.list_page(project, query=query, page_token=token)
            found += page.jobs
            token = page.next_page_token
            if not token or (limit and len(found) >= limit):
                return found[:limit]


def plan_import(
    jobs: Iterable[Json],
    project: str,
    existing: Sequence[Json],
    extra: Json | None = None,
    namespace: str | None = None,
) -> Plan:
    """Make the manifests of jobs of `ml` v1.

    Args:
        jobs: documents of the API's `Job`.
        project: where they are.
        existing: the resources of the namespace.
        extra: fields of the new resources' specs, such as `deletionPolicy`.
        namespace: for the manifests; None to leave it open.
    """
    from mljobs.domain.job.resource import ADOPT
    from mljobs.kubectl.manifest import manifest, resource_names

    manifests: list[Manifest] = []
    left_out: list[str] = []
    refused: list[str] = []
    here = {_target(item, project): item["metadata"]["name"] for item in existing}
    wanted: list[Json] = []
    for job in jobs:
        reason = _reason_to_leave(job, project, here)
        if reason:
            left_out.append(f"{job['jobId']}: {reason}")
        else:
            wanted.append(job)
    titles = {job["jobId"]: job["jobId"] for job in wanted}
    names = resource_names(titles, {item["metadata"]["name"] for item in existing})
    for job in wanted:
        kind, spec, problems = _spec(job, project, extra or {})
        refused += [f"{job['jobId']}: {problem}" for problem in problems[:1]]
        if not problems:
            annotations = {ADOPT: "true"}
            name = names[job["jobId"]]
            manifests.append(manifest(kind, name, spec, namespace=namespace, annotations=annotations))
    return Plan(manifests, left_out, refused)


def _target(item: Json, project: str) -> tuple[str, str]:
    """Project and job of a resource."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    return (
        str(status.get("projectId") or spec.get("projectId") or project),
        str(status.get("jobId") or spec.get("jobId") or ""),
    )


def _reason_to_leave(job: Json, project: str, here: Mapping[tuple[str, str], str]) -> str:
    """Why a job gets no resource; empty if it gets one."""
    from mljobs.api.resources import KINDS

    known = here.get((project, job["jobId"]))
    if known:
        return f"is {known}'s already"
    owned = owned_by(job.get("labels") or {})
    if owned:
        return owned
    if not any(kind.input_field in job for kind in KINDS.values()):
        return "has neither trainingInput nor predictionInput"
    return ""


def owned_by(labels: Json) -> str:
    """Which resource a job's labels name as its owner, as a reason to leave it alone; empty if none."""
    from mljobs.domain.job.naming import NAME_LABEL, NAMESPACE_LABEL, UID_LABEL

    if UID_LABEL not in labels:
        return ""
    owner = f"{labels.get(NAMESPACE_LABEL, '?')}/{labels.get(NAME_LABEL, '?')}"
    return f"belongs to {owner}, as its label {UID_LABEL} says"


def _spec(job: Json, project: str, extra: Json) -> tuple[str, Json, list[str]]:
    """Kind and spec of a job's resource, and what in it breaks a rule."""
    from mljobs.api.resources import KINDS
    from mljobs.domain.spec.defaults import with_required
    from mljobs.domain.spec.lenient import canonical
    from mljobs.domain.spec.validate import validate

    kind = next(kind for kind in KINDS.values() if kind.input_field in job)
    spec: dict[str, Any] = {"projectId": project, "jobId": job["jobId"]}
    if job.get("labels"):
        spec["labels"] = job["labels"]
    spec |= extra
    read, spelled = canonical(kind.name, {**spec, kind.input_field: job[kind.input_field]})
    made = with_required(kind.name, read)
    validated = validate(kind.name, made)
    return kind.name, made, [problem.text for problem in (*spelled, *validated.problems)]


def _create(cluster: "Cluster", manifests: Sequence["Manifest"], dry_run: DryRun) -> list[str]:
    """Create the resources, and return a line for each that the API server refuses."""
    from mljobs.console.text import print_resource
    from mljobs.kubectl.references import kind_named

    refused = []
    for made in manifests:
        copied = made["metadata"]["annotations"].get(IMPORTED, "")
        job = copied or made["spec"]["jobId"]
        try:
            body = cluster.create(kind_named(made["kind"]), made, dry_run=dry_run is DryRun.SERVER)
        except Failure as failure:
            refused.append(f"{job}: {failure}")
            continue
        done = "created (server dry run)" if dry_run is DryRun.SERVER else "created"
        print_resource(body, "", f"{done}, suspended: a copy of {job}" if copied else f"{done}, adopts {job}")
    return refused
