"""Runs all checks, in the order in which their failures explain each other."""

from collections.abc import Callable
from datetime import datetime

from mljobs.admin.check.classes import check_classes
from mljobs.admin.check.cluster import Cluster, ClusterError, open_cluster
from mljobs.admin.check.definitions import check_definitions
from mljobs.admin.check.finding import Finding, failed
from mljobs.admin.check.load import Load, check_quotas, read_load
from mljobs.admin.check.permissions import check_permissions
from mljobs.admin.check.policies import check_policies
from mljobs.admin.check.server import check_clock, check_version
from mljobs.admin.check.service import check_credentials, check_service
from mljobs.backends.google.calls import check_endpoint
from mljobs.config import Settings

NOTHING = Load()
"""What is known where the resources could not be read."""


async def run_checks(settings: Settings, clock: Callable[[], datetime], *, user: str = "") -> list[Finding]:
    """Check everything; nothing is changed anywhere.

    Args:
        settings: those of the operator.
        clock: our time, with a zone.
        user: the Kubernetes user to check the permissions of; empty: the one who runs the check.

    Raises:
        ValueError: the endpoint cannot work with these settings.
    """
    check_endpoint(settings.endpoint, anonymous=settings.anonymous)
    check_endpoint(settings.token_endpoint, anonymous=False)
    findings, load = check_cluster(settings, clock, user)
    classes = await _check_classes(settings, user) if load is not NOTHING else []
    if classes:
        return [*findings, await check_credentials(settings), *classes]
    projects = load.projects or ((settings.project_id,) if settings.project_id else ())
    return [
        *findings,
        *await check_service(settings, projects),
        *(check_quotas(load, settings) if load.resources else []),
    ]


def check_cluster(
    settings: Settings, clock: Callable[[], datetime], user: str = ""
) -> tuple[list[Finding], Load]:
    """Check the Kubernetes side, and count what is there."""
    findings: list[Finding] = []
    try:
        with open_cluster(user) as cluster:
            asked = clock()
            answer = cluster.get("/version")
            findings += [check_version(answer, cluster.host), check_clock(answer, asked, clock())]
            findings += [*check_definitions(cluster), *check_policies(cluster)]
            findings += check_permissions(cluster, settings)
            return findings, _read_load(cluster, settings)
    except ClusterError as error:
        return [*findings, failed("Kubernetes API", str(error), error.remedy)], NOTHING


async def _check_classes(settings: Settings, user: str) -> list[Finding]:
    """Check each class; without any, the settings are the class."""
    try:
        with open_cluster(user) as cluster:
            return await check_classes(cluster, settings)
    except ClusterError as error:
        return [failed("JobClasses", str(error), error.remedy)]


def _read_load(cluster: Cluster, settings: Settings) -> Load:
    try:
        return read_load(cluster, settings)
    except ClusterError as error:
        if error.status in (403, 404):  # said already: the permission or the CRD is missing
            return NOTHING
        raise
