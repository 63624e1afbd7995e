"""Each JobClass: whether jobs can use it, as whom its service is called, and what may be done there."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mljobs.admin.check.cluster import Cluster, ClusterError, Json
from mljobs.admin.check.finding import Finding, failed, ok, skipped, warning
from mljobs.admin.check.load import Quotas, compare_quotas, load_of, read_items
from mljobs.admin.check.service import PROJECTS, try_service
from mljobs.api.jobclass import JOB_CLASS
from mljobs.api.resources import GROUP, VERSION
from mljobs.backends import Limits, Terms, facts_of_class, open_identities
from mljobs.config import Settings
from mljobs.domain.classes.choice import default_of, other_defaults
from mljobs.domain.classes.job_class import JobClass, problem_of
from mljobs.domain.errors import Denied, Unavailable
from mljobs.domain.port import OPERATOR
from mljobs.main import access_of

NAMESPACES = 3
"""Namespaces of a class that are tried, where each has an identity of its own."""

_PATH = f"/apis/{GROUP}/{VERSION}/{JOB_CLASS.plural}"
_TOKENS = (
    "name {name!r} in the chart's value rbac.identityServiceAccounts, or grant "
    "`create serviceaccounts/token` with that resourceName"
)


async def check_classes(cluster: Cluster, settings: Settings) -> list[Finding]:
    """Check each class; none where there is none, or where the operator watches namespaces and reads none.

    Raises:
        ClusterError: the API server does not answer.
    """
    bodies = [] if settings.namespaces else _read(cluster)
    if not bodies:
        return []
    classes, findings = _parsed(bodies, settings)
    findings += _check_default(classes)
    items = _items_by_class(cluster, settings, classes)
    for name, given in sorted(classes.items()):
        findings += await _check_class(cluster, settings, given, items.get(name, ()))
    return findings


def _read(cluster: Cluster) -> list[Json]:
    try:
        return list(cluster.items(_PATH))
    except ClusterError as error:
        if error.status in (403, 404):  # said already: the permission or the CRD is missing
            return []
        raise


def _parsed(bodies: Sequence[Json], settings: Settings) -> tuple[Mapping[str, JobClass], list[Finding]]:
    classes, findings = {}, []
    for body in bodies:
        name = body["metadata"]["name"]
        try:
            made = JobClass.parse(body, settings.identity_provider)
            facts_of_class(made)
        except ValueError as error:
            text = f"jobs cannot use it: {problem_of(error)}"
            findings.append(failed(f"JobClass {name}", text, "correct the class"))
        else:
            classes[name] = made
    return classes, findings


def _check_default(classes: Mapping[str, JobClass]) -> list[Finding]:
    check, default = "Default JobClass", default_of(classes)
    others = other_defaults(classes)
    if default is None:
        return [skipped(check, "there is none: each resource has to name its class")]
    if others:
        text = f"{default.name} is the newest of several: {', '.join([default.name, *others])}"
        return [warning(check, text, "take the annotation off the others")]
    return [ok(check, f"{default.name}")]


def _items_by_class(
    cluster: Cluster, settings: Settings, classes: Mapping[str, JobClass]
) -> Mapping[str, Sequence[Json]]:
    """The resources of each class: as recorded, else as they name it."""
    default = default_of(classes)
    found: dict[str, list[Json]] = {}
    for item in read_items(cluster, settings):
        status, spec = item.get("status") or {}, item.get("spec") or {}
        name = status.get("jobClassName") or spec.get("jobClassName") or (default.name if default else "")
        found.setdefault(str(name), []).append(item)
    return found


async def _check_class(
    cluster: Cluster, settings: Settings, given: JobClass, items: Sequence[Json]
) -> list[Finding]:
    what = f"JobClass {given.name}"
    load = load_of(items, given.default_project)
    limits = given.limits
    limited = Quotas.of_class(settings, given.service, limits.creates_per_minute, limits.reads_per_minute)
    quotas = compare_quotas(load, limited, f"{what}: ")
    projects = tuple(dict.fromkeys([*given.projects, *load.projects]))[:PROJECTS]
    if not projects:
        text = "it names no project, and no resource of it does"
        return [skipped(what, text, "name one in spec.projects, or check again once there is a job"), *quotas]
    namespaces = _namespaces(given, items)
    if given.identity and given.identity.service_account_ref and not namespaces:
        text = "each namespace has an identity of its own, and there is none yet to try it with"
        return [skipped(what, text, "check again once there is a resource of the class"), *quotas]
    findings: list[Finding] = []
    for namespace in namespaces or [""]:
        findings += await _check_identity(cluster, settings, given, namespace, projects)
    return [*findings, *quotas]


def _namespaces(given: JobClass, items: Sequence[Json]) -> Sequence[str]:
    """Those to try where each has its own identity: that use the class, or that it names."""
    if not (given.identity and given.identity.service_account_ref):
        return ()
    named = (given.namespaces.names or ()) if given.namespaces else ()
    used = sorted({item["metadata"]["namespace"] for item in items})
    return tuple(dict.fromkeys([*used, *named]))[:NAMESPACES]


async def _check_identity(
    cluster: Cluster, settings: Settings, given: JobClass, namespace: str, projects: Sequence[str]
) -> list[Finding]:
    """Call the service as the class does for a namespace."""
    caller = given.route(namespace).caller
    what = f"JobClass {given.name}" + (f" in {namespace}" if namespace else "")
    if caller.account:
        missing = _check_tokens(cluster, what, namespace, caller.account)
        if missing:
            return [missing]

    def token(of: str, name: str, audience: str, /) -> str:
        try:
            return cluster.account_token(of, name, audience)
        except ClusterError as error:
            if error.status in (403, 404):
                raise Denied(str(error)) from error
            raise Unavailable(str(error)) from error

    identities = open_identities(token, endpoint=settings.token_endpoint, timeout=settings.request_timeout)
    own = caller == OPERATOR
    access = replace(
        access_of(settings),
        endpoint=given.endpoint,
        anonymous=settings.anonymous and own,
        threads=1,
        limits=Limits(0, 0),
        credentials=None if own else identities.credentials(caller),
    )
    findings = await try_service(given.service, access, Terms(given.locations, given.tables), projects, what)
    return [replace(one, found=f"{one.found} (as {caller})") for one in findings]


def _check_tokens(cluster: Cluster, what: str, namespace: str, account: str) -> Finding | None:
    """Why the operator gets no token of a namespace's account; None if it does."""
    if not cluster.may("", "serviceaccounts/token", "create", account, namespace=namespace):
        text = f"it may not create serviceaccounts/token of {namespace}/{account}"
        return failed(what, text, _TOKENS.format(name=account))
    return None
