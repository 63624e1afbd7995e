"""The job service: credentials, reachability, and what may be done there."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from mljobs.admin.check.finding import Finding, Status, failed, ok, skipped, warning
from mljobs.admin.check.network import trouble
from mljobs.backends import MLV1, Access, Limits, Terms, open_job_service, service_named
from mljobs.backends.google.probe import identify
from mljobs.backends.mlv1.client import MlV1Client
from mljobs.config import Settings
from mljobs.domain import errors
from mljobs.main import access_of, terms_of

PROJECTS = 10
"""The maximum number of projects to try."""

PUBLIC = "https://ml.googleapis.com"
"""The root URL of the discovery document."""

ON_A_JOB = ("ml.jobs.get", "ml.jobs.update", "ml.jobs.cancel")
"""Permissions that can be tried on a job without touching it (testIamPermissions); `ml.jobs.list` shows in
the list, and `ml.jobs.create` only when a job is created."""

FOR_BINDINGS = ("ml.jobs.getIamPolicy", "ml.jobs.setIamPolicy")
"""Permissions that only `spec.iamBindings` needs."""

_BIND = (
    "bind the operator's ServiceAccount with Workload Identity, or mount a key file and set "
    "GOOGLE_APPLICATION_CREDENTIALS to its path"
)
_ROLE = (
    "grant the account a role with ml.jobs.create, get, list, update and cancel on the project; "
    "roles/ml.developer lacks cancel"
)

_BINDINGS = "grant them on the project if resources are to have spec.iamBindings"


async def check_service(settings: Settings, projects: Sequence[str]) -> list[Finding]:
    """Check the credentials, then the service with each project.

    Args:
        settings: the operator's.
        projects: those to list the jobs of; `PROJECTS` of them are tried.
    """
    findings = [await check_credentials(settings)]
    if findings[0].status is Status.FAILED:
        return [*findings, skipped("Job service", "not tried without credentials")]
    if not projects:
        remedy = "set projectId, or name one for this check with --project"
        return [*findings, skipped("Job service", "no project is known to try it with", remedy)]
    access = replace(access_of(settings), threads=1, limits=Limits(0, 0))
    findings += await try_service(settings.service, access, terms_of(settings), projects[:PROJECTS])
    if settings.service == MLV1 and len(projects) > PROJECTS:
        left = ", ".join(projects[PROJECTS : 2 * PROJECTS])
        more = f"{len(projects) - PROJECTS} more projects were not tried: {left}"
        findings.append(skipped("Job service", more, "name one of them with --project"))
    return findings


async def try_service(
    service: str, access: Access, terms: Terms, projects: Sequence[str], what: str = "Job service"
) -> list[Finding]:
    """List the jobs of some projects, and say what is missing.

    Args:
        service: its name.
        access: how it is reached, and as whom.
        terms: where jobs may run.
        projects: whose jobs are listed.
        what: begins the checks' names.
    """
    if service != MLV1:
        return await _check_places(service, access, terms, projects, what)
    findings: list[Finding] = []
    async with open_job_service(access) as client:
        for project in projects:
            findings += await _check_project(client, access.endpoint or PUBLIC, project, what)
    return findings


async def _check_places(
    service: str, access: Access, terms: Terms, projects: Sequence[str], what: str
) -> list[Finding]:
    """List the jobs of each project in each location that jobs may run in."""
    findings = []
    async with service_named(service).open(access, terms) as backend:
        for project in projects:
            scopes = backend.facts.scopes(project)
            if not scopes:
                remedy = "set locations, and check again"
                check = f"{what}, project {project}"
                findings.append(skipped(check, "no location is known to try it in", remedy))
            for scope in scopes:
                check = f"{what}, {scope}"
                try:
                    await backend.active(scope)
                except errors.JobServiceError as error:
                    findings.append(_judge_place(check, scope, error))
                else:
                    findings.append(ok(check, f"the jobs of {scope} are listed"))
    return findings


def _judge_place(check: str, scope: str, error: errors.JobServiceError) -> Finding:
    text = f"the jobs of {scope} cannot be listed: {error.message}"
    match error:
        case errors.Denied():
            return failed(check, text, error.hint)
        case errors.Throttled():
            return warning(check, text, "lower othersPerMinute, or ask Google for a higher quota")
        case errors.ProjectNotFound() | errors.Rejected():
            return failed(check, text, "check the project's id and the setting locations")
        case _:
            return failed(check, text, "see the message; try again if the service is down")


async def check_credentials(settings: Settings) -> Finding:
    """Check the operator's own credentials."""
    check = "Google credentials"
    if settings.anonymous:
        if settings.endpoint:
            return skipped(check, "requests carry none (anonymous)")
        return failed(
            check,
            "requests carry none (anonymous), and the public service requires them",
            "set anonymous to false, or endpoint to that of an emulator",
        )
    try:
        identity = await asyncio.to_thread(
            identify, endpoint=settings.endpoint, timeout=settings.request_timeout
        )
    except errors.Unavailable as error:
        found = trouble(error)
        text = f"{error.message} ({found.what})" if found else error.message
        return failed(check, text, found.remedy if found else _BIND)
    except errors.JobServiceError as error:
        return failed(check, error.message, _BIND)
    return ok(check, f"a token was obtained for {identity.account} ({identity.kind}, from {identity.source})")


async def _check_project(service: MlV1Client, where: str, project: str, what: str) -> list[Finding]:
    check = f"{what}, project {project}"
    try:
        page = await service.list_page(project, page_size=1)
    except errors.JobServiceError as error:
        return [_judge(check, where, project, error)]
    job_id = page.jobs[0]["jobId"] if page.jobs else ""
    rights = await _check_rights(service, project, job_id, what)
    return [ok(check, f"{where} lists its jobs"), rights]


async def _check_rights(service: MlV1Client, project: str, job_id: str, what: str) -> Finding:
    own = what == "Job service"
    check = f"Permissions in project {project}" if own else f"{what}, permissions in project {project}"
    if not job_id:
        return skipped(check, "there is no job to try them on", "check again once there is one")
    wanted = (*ON_A_JOB, *FOR_BINDINGS)
    try:
        held = await service.test_iam_permissions(project, job_id, wanted)
    except errors.JobServiceError as error:
        return skipped(check, f"the service does not answer that: {error.message}")
    missing = [permission for permission in wanted if permission not in held]
    text = f"the account lacks {', '.join(missing)} on {job_id}"
    if set(missing) & set(ON_A_JOB):
        return failed(check, text, _ROLE)
    if missing:
        return warning(check, f"{text}, which only spec.iamBindings needs", _BINDINGS)
    return ok(check, f"{', '.join(wanted)} are granted on {job_id}")


def _judge(check: str, where: str, project: str, error: errors.JobServiceError) -> Finding:
    match error:
        case errors.Denied(status=403):
            text = f"{where} denies ml.jobs.list on projects/{project}: {error.message}"
            return failed(check, text, _remedy(error))
        case errors.Denied():
            return failed(check, f"{where} does not accept the credentials: {error.message}", _BIND)
        case errors.Throttled():
            return warning(
                check,
                f"{where} is reached, and a quota of the project is used up: {error.message}",
                "lower othersPerMinute, or ask Google for a higher quota",
            )
        case errors.NotFound() | errors.Rejected():
            return failed(
                check,
                f"{where} refuses projects/{project}: {error.message}",
                "check the project's id, and that the API is enabled in it",
            )
        case _:
            return _unreached(check, where, error)


def _remedy(error: errors.Denied) -> str:
    if error.cause in (errors.Denial.PERMISSION, errors.Denial.UNKNOWN):
        return _ROLE
    return error.hint


def _unreached(check: str, where: str, error: errors.JobServiceError) -> Finding:
    found = trouble(error)
    if found is None:
        answer = f" answers HTTP {error.status}" if error.status else ""
        return failed(
            check, f"{where}{answer}: {error.message}", "see the message; try again if the service is down"
        )
    return failed(check, f"{where} cannot be used: {found.what}", _toward(where, found.remedy))


def _toward(where: str, remedy: str) -> str:
    url = urlsplit(where)
    port = url.port or (443 if url.scheme == "https" else 80)
    return f"{remedy} (egress to {url.hostname}:{port} is needed)"
