"""A control plane, an emulator and a source of operators for the fault tests alone: they break the servers.

Usually a sample of every kind of fault runs, which takes three or four minutes, and no test marked `faults`.
MLJOBS_FAULTS=all tries every point; `make test-faults` runs both.
"""

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mljobs.admin import crds as crds_command
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.conftest import binaries_dir, has_controller_manager
from tests.e2e.support_stack import ACCOUNT, HELD, LONG, Emulator
from tests.faults.backend import BACKENDS, Backend
from tests.faults.lab import Lab, open_lab
from tests.faults.process import Forks

__all__ = ["binaries_dir", "has_controller_manager"]

ROOT = Path(__file__).parents[2]
_figures: dict[str, Any] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.e2e)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _figures:
        terminalreporter.section("figures of the fault tests")
        for name, value in _figures.items():
            terminalreporter.write_line(f"{name}: {json.dumps(value)}")
    if file := os.environ.get("MLJOBS_FAULTS_REPORT"):
        Path(file).write_text(json.dumps(_figures, indent=2), "utf-8")


@pytest.fixture(scope="session")
def figures() -> dict[str, Any]:
    """What was measured, for the end of the run."""
    return _figures


@pytest.fixture(scope="session")
def plane(binaries_dir: Path, has_controller_manager: bool) -> Iterator[ControlPlane]:
    """A control plane that these tests may stop and start, with the resources and the operator's account."""
    with ControlPlane(binaries_dir=binaries_dir, controller_manager=has_controller_manager) as running:
        running.apply(crds_command.manifests())
        running.apply(ROOT / "deploy" / "base" / "namespace.yaml")
        running.apply(ROOT / "deploy" / "base" / "rbac.yaml")
        yield running


@pytest.fixture(scope="session")
def token(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The token of the operator's ServiceAccount."""
    file = plane.service_account_kubeconfig(*ACCOUNT, tmp_path_factory.mktemp("token") / "kubeconfig")
    return str(yaml.safe_load(file.read_text("utf-8"))["users"][0]["user"]["token"])


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The job service; its jobs stay in every state until a test moves them on."""
    server = Emulator(tmp_path_factory.mktemp("emulator") / "log")
    server.start()
    server.script("", timeline={**HELD["timeline"], "CANCELLING": LONG})
    yield server
    server.stop()


@pytest.fixture(scope="session")
def forks() -> Forks:
    """Starts operators."""
    return Forks()


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each job service that the operator knows."""
    found: Backend = request.param
    return found


@pytest.fixture
async def lab(
    plane: ControlPlane, service: Emulator, backend: Backend, forks: Forks, token: str, tmp_path: Path
) -> AsyncIterator[Lab]:
    """Everything, for one test."""
    async with open_lab(plane, service, backend, forks, token, tmp_path) as opened:
        yield opened
