"""Runs all checks, in the order in which their failures explain each other."""

from collections.abc import Callable
from datetime import datetime

from mljobs.admin.check.cluster import Cluster, ClusterError, open_cluster
from mljobs.admin.check.definitions import check_definitions
from mljobs.admin.check.finding import Finding, failed
from mljobs.admin.check.load import Load, check_quotas, read_load
from mljobs.admin.check.permissions import check_permissions
from mljobs.admin.check.server import check_clock, check_version
from mljobs.admin.check.service import check_service
from mljobs.backends.google.calls import check_endpoint
from mljobs.config import Settings


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
    findings, load = check_cluster(settings, clock, user)
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
            findings += check_definitions(cluster)
            findings += check_permissions(cluster, settings)
            return findings, _read_load(cluster, settings)
    except ClusterError as error:
        return [*findings, failed("Kubernetes API", str(error), error.remedy)], Load()


def _read_load(cluster: Cluster, settings: Settings) -> Load:
    try:
        return read_load(cluster, settings)
    except ClusterError as error:
        if error.status in (403, 404):  # said already: the permission or the CRD is missing
            return Load()
        raise
