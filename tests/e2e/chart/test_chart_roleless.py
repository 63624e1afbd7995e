"""A watched namespace without the operator's Role is not passed over in silence."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.chart.support_chart import FULLNAME, Helm, Release, ReleasedOperator, reach
from tests.e2e.support import Namespace, connect, eventually, training
from tests.e2e.support_rights import RBAC
from tests.e2e.support_stack import Emulator

TEAMS = ("with-role", "roleless")
PLURALS = ("trainingjobs", "predictionjobs", "jobschedules")
BINDING = f"{RBAC}/namespaces/roleless/rolebindings"


@pytest.fixture
def operator(
    cluster_helm: Helm, plane: ControlPlane, emulator: Emulator, tmp_path: Path
) -> Iterator[ReleasedOperator]:
    """Of a release that watches two namespaces; it does not run yet."""
    release = Release(cluster_helm, plane)
    for name in TEAMS:
        plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    release.install(reach(emulator, watchNamespaces=list(TEAMS), rbac={"namespaceDeletion": "None"}))
    running = release.operator(tmp_path)
    yield running
    running.stop()
    release.uninstall()


def test_a_namespace_without_a_role_is_told_of(operator: ReleasedOperator, plane: ControlPlane) -> None:
    whole = plane.client.get(f"{BINDING}/{FULLNAME}")
    metadata = {key: whole["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    binding = {**whole, "metadata": metadata}
    plane.client.request("DELETE", f"{BINDING}/{FULLNAME}")
    operator.launch()
    with connect(plane.kubeconfig) as api:
        there, roleless = (Namespace(api, name, operator.tail) for name in TEAMS)
        for plural in PLURALS:
            until_shown(operator, plural, 1)
        assert not operator.ready
        job, unseen = there.create(training("census")), roleless.create(training("census"))
        job.until_state("QUEUED")
        assert "state" not in unseen.status()
        plane.apply(binding)
        unseen.until_state("QUEUED", within=60)  # a list is tried again after half a minute
        for plural in PLURALS:
            until_shown(operator, plural, 0)
        eventually(lambda: operator.ready, what="/readyz", report=operator.tail)
        log = operator.log.read_text("utf-8")
        for plural in PLURALS:
            assert log.count(f"the watch of {plural} in roleless is forbidden, so that nothing") == 1
            assert log.count(f"the watch of {plural} in roleless is allowed now") == 1
        for one in (job, unseen):
            one.delete()
            one.until_gone()


def until_shown(operator: ReleasedOperator, plural: str, value: int) -> None:
    """Wait for the metric of a resource in that namespace; that of the other one says that all is well."""
    row = 'mljobs_watch_forbidden{{resource="{}",watched_namespace="{}"}} {}.0'
    eventually(
        lambda: row.format(plural, "roleless", value) in operator.metrics(),
        what=f"{plural}: {value}",
        within=60,
        report=operator.tail,
    )
    assert row.format(plural, "with-role", 0) in operator.metrics()
