"""Two tenants with an identity each, two classes on a service each, and what breaks one of the identities."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Json, Namespace, training
from tests.e2e.support_identities import NAME, OPERATOR, account, bindings, principal, published_keys, trust
from tests.e2e.support_stack import Emulator

SERVICES = {"mlv1": "MLv1", "vertex": "VertexAI"}
"""Of the classes, by their names."""

STS_FAULTS: dict[str, Json] = {
    "STS does not answer": {"action": "delay", "seconds": 3600},
    "STS answers 503": {"action": "error", "status": 503},
}
NO_ACCOUNT = "no ServiceAccount"
CLIENTS = 8


def classes(emulator: Emulator, tenants: Sequence[str]) -> dict[str, Json]:
    """A class for each service, for everybody, that calls as the account of the namespace."""
    common = {
        "endpoint": emulator.url,
        "projects": list(tenants),
        "locations": ["us-central1"],
        "identity": {"serviceAccountRef": {"name": NAME}},
    }
    return {name: {"service": service, **common} for name, service in SERVICES.items()}


def admit(plane: ControlPlane, emulator: Emulator, folder: Path, tenants: Sequence[str]) -> None:
    """Give each namespace an account, and the account the project of the namespace's name."""
    plane.apply([account(name) for name in tenants])
    projects = {principal(name): [name] for name in tenants}
    known = bindings({**projects, OPERATOR: tenants})
    trust(plane, emulator, published_keys(plane, folder), bindings=known)


def breaks(plane: ControlPlane, emulator: Emulator, tenant: str, fault: str) -> None:
    """Let a tenant get no token.

    Args:
        plane: where its account is.
        emulator: whose STS it needs.
        tenant: its namespace.
        fault: one of `STS_FAULTS`, or `NO_ACCOUNT`.
    """
    if fault == NO_ACCOUNT:
        plane.client.request("DELETE", f"/api/v1/namespaces/{tenant}/serviceaccounts/{NAME}")
        return
    subject = re.escape(f"system:serviceaccount:{tenant}:")
    emulator._post("/_emulator/faults", [{"method": "sts.token", "account": subject, **STS_FAULTS[fault]}])


def create_jobs(tenants: Sequence[Namespace], jobs: int) -> dict[str, datetime]:
    """Make so many resources by some clients at once, the tenants and their classes in turn.

    Returns:
        When each was sent, by its name.
    """
    names = list(SERVICES)

    def create(number: int) -> tuple[str, datetime]:
        tenant, job_class = tenants[number % len(tenants)], names[number // len(tenants) % len(names)]
        spec = {"projectId": tenant.name, "jobClassName": job_class}
        name, sent = f"job-{number}", datetime.now(UTC)
        tenant.create(training(name, spec))
        return name, sent

    with ThreadPoolExecutor(CLIENTS) as pool:
        return dict(pool.map(create, range(jobs)))


def accepted(emulator: Emulator, tenant: str) -> dict[str, tuple[datetime, str]]:
    """When the service took which of a tenant's jobs, and from whom, by the name of the resource."""
    return {
        row["labels"]["mljobs-name"]: (datetime.fromisoformat(row["time"]), row["identity"])
        for row in emulator.effects(project=tenant)
        if row["method"].endswith(".create") and row["applied"]
    }
