"""Helm, and a cluster of its own: the chart brings the CRDs, which the common one has already."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mljobs_dev.controlplane import binaries
from mljobs_dev.controlplane.controlplane import ControlPlane
from mljobs_dev.controlplane.progress import BinariesError
from tests.e2e.chart.support_chart import ClusterKubectl, Helm
from tests.e2e.conftest import _no_build
from tests.e2e.support import Kubectl
from tests.e2e.support_rights import ACCOUNTS


@pytest.fixture(scope="session")
def helm_binaries() -> Path:
    """The folder of the control plane's binaries, kubectl and helm."""
    try:
        return binaries.ensure(["kubectl", "helm"], build=_no_build)
    except BinariesError as error:
        if os.environ.get("CI"):
            pytest.fail(f"no helm, and CI must have it: {error}")
        pytest.skip(f"run `mljobs controlplane ensure --with kubectl,helm` first: {error}")


@pytest.fixture(scope="session")
def helm(helm_binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """helm without a cluster."""
    return Helm(helm_binaries / "helm", tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def has_controllers(helm_binaries: Path) -> bool:
    """Whether there is a controller manager, which aggregates roles and deletes namespaces."""
    return not binaries.missing(helm_binaries, [binaries.CONTROLLER_MANAGER])


@pytest.fixture(scope="module")
def plane(helm_binaries: Path, has_controllers: bool) -> Iterator[ControlPlane]:
    """A fresh control plane without the CRDs, whose audit log tells what ServiceAccounts read."""
    with ControlPlane(
        binaries_dir=helm_binaries, audit_reads_of=[ACCOUNTS], controller_manager=has_controllers
    ) as running:
        yield running


@pytest.fixture(scope="module")
def cluster_helm(helm: Helm, plane: ControlPlane) -> Helm:
    """helm on the cluster."""
    return helm.on(plane.kubeconfig)


@pytest.fixture(scope="module")
def admin_kubectl(helm_binaries: Path, plane: ControlPlane) -> Kubectl:
    """kubectl with the administrator's rights."""
    return ClusterKubectl(helm_binaries / "kubectl", plane.kubeconfig)
