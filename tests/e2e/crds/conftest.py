"""A namespace of the common control plane, for resources that no operator looks after."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mljobs.admin import crds
from mljobs.api.kinds import ALL_KINDS
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.crds.support_crds import NAMESPACE, Kubectl, wait_until_published


@pytest.fixture(scope="module")
def kubectl(
    control_plane: ControlPlane, binaries_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubectl]:
    """kubectl in a namespace of its own, on a control plane that serves the CRDs with all rules."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    control_plane.apply([*crds.manifests(), namespace])
    wait_until_published(control_plane)
    program = Kubectl(binaries_dir / "kubectl", control_plane.kubeconfig, tmp_path_factory.mktemp("kubectl"))
    yield program
    for kind in ALL_KINDS.values():
        done = program.run("delete", kind.plural, "--all", "--wait=false")
        assert done.returncode == 0, done.stderr  # kubectl warns that the cluster's own have no namespace
