"""Two classes on two services, two tenants with an identity each: a broken one holds up its own jobs alone.

`python -m bench.tenants` measures the same with 500 jobs.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Json, Namespace, condition, eventually, job_classes
from tests.e2e.support_identities import identity_options, principal
from tests.e2e.support_stack import Emulator, Operator
from tests.e2e.support_tenants import NO_ACCOUNT, accepted, admit, breaks, classes, create_jobs

JOBS = 24

SAID = {
    NO_ACCOUNT: ("Stalled", "Denied", "there is no ServiceAccount {tenant}/mljobs-identity"),
    "STS does not answer": ("Reconciling", "Throttled", "the token service has not answered yet"),
    "STS answers 503": ("Reconciling", "OutcomeUnknown", "503"),
}
"""What each of the broken tenant's resources says: condition, reason and words."""


@pytest.fixture(scope="module")
def operator_options(
    control_plane: ControlPlane,
    operator_kubeconfig: object,
    emulator: Emulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Json]:
    with identity_options(control_plane, emulator, tmp_path_factory.mktemp("own")) as options:
        yield options


@pytest.fixture
def tenants(
    control_plane: ControlPlane,
    emulator: Emulator,
    namespace: Namespace,
    elsewhere: Namespace,
    admin: client.ApiClient,
    tmp_path: Path,
) -> Iterator[tuple[Namespace, Namespace]]:
    """Two namespaces with all that they need."""
    names = [namespace.name, elsewhere.name]
    admit(control_plane, emulator, tmp_path, names)
    with job_classes(admin, classes(emulator, names)):
        yield namespace, elsewhere
        emulator.fix()
        for place in (namespace, elsewhere):  # while there are classes, which say in whose place they end
            place.delete_all()
            eventually(place.all, lambda left: not left, what="it is empty", within=60, report=place.report)


@pytest.mark.parametrize("fault", SAID)
def test_a_broken_identity_holds_up_its_own_jobs_alone(
    control_plane: ControlPlane,
    emulator: Emulator,
    operator: Operator,
    tenants: tuple[Namespace, Namespace],
    fault: str,
) -> None:
    well, broken = tenants
    breaks(control_plane, emulator, broken.name, fault)
    create_jobs([well, broken], JOBS)
    taken = eventually(
        lambda: accepted(emulator, well.name),
        lambda found: len(found) == JOBS // 2,
        what="all jobs of the other tenant are submitted",
        report=operator.tail,
    )
    assert {identity for _, identity in taken.values()} == {principal(well.name)}
    kind, reason, words = SAID[fault]
    held = eventually(
        broken.all,
        lambda found: all(condition(one.get("status") or {}, kind).get("reason") == reason for one in found),
        what="the held ones say why",
        report=broken.report,
    )
    assert len(held) == JOBS // 2
    for one in held:
        assert words.format(tenant=broken.name) in condition(one["status"], kind)["message"]
    assert not accepted(emulator, broken.name)
