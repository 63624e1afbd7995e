"""The stack of the end-to-end tests: one control plane for all, an emulator and an operator a module.

The operator runs with the token of the ServiceAccount in `deploy/`, and so with the rights of that Role only.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from kubernetes import client

from mljobs.admin import crds as crds_command
from mljobs_dev.controlplane import binaries
from mljobs_dev.controlplane.controlplane import ControlPlane
from mljobs_dev.controlplane.progress import BinariesError, Reporter
from tests.e2e.support import Kubectl, Namespace, connect, eventually
from tests.e2e.support_gcloud import Gcloud
from tests.e2e.support_plugin import Plugin
from tests.e2e.support_rights import ACCOUNTS, Account
from tests.e2e.support_stack import ACCOUNT, Emulator, Operator

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.e2e)


def _no_build(names: Sequence[str], _folder: Path, _work: Path, _report: Reporter) -> None:
    raise BinariesError(
        f"{', '.join(names)} would have to be built first, which takes minutes: run "
        f"`mljobs controlplane ensure --with kubectl,kube-controller-manager`, or set KUBEBUILDER_ASSETS"
    )


@pytest.fixture(scope="session")
def binaries_dir() -> Path:
    """The folder of the control plane's binaries and of kubectl.

    kube-controller-manager is in it where it has been provided.
    """
    try:
        return binaries.ensure(["kubectl", binaries.CONTROLLER_MANAGER], build=_no_build)
    except BinariesError:
        pass
    try:
        return binaries.ensure(["kubectl"], build=_no_build)
    except BinariesError as error:
        if os.environ.get("CI"):
            pytest.fail(f"no control plane, and CI must have one: {error}")
        pytest.skip(f"no control plane: {error}")


@pytest.fixture(scope="session")
def has_controller_manager(binaries_dir: Path) -> bool:
    """Whether namespaces are really deleted."""
    return not binaries.missing(binaries_dir, [binaries.CONTROLLER_MANAGER])


@pytest.fixture(scope="session")
def control_plane(binaries_dir: Path, has_controller_manager: bool) -> Iterator[ControlPlane]:
    """A real control plane, bare; it keeps an audit log of all writes, and of what ServiceAccounts read.

    When all tests are over, the operator has never asked for what its role does not allow.
    """
    with ControlPlane(
        binaries_dir=binaries_dir, audit_reads_of=[ACCOUNTS], controller_manager=has_controller_manager
    ) as running:
        yield running
        assert Account(running, *ACCOUNT).forbidden == []


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> None:
    """The control plane knows the resources."""
    control_plane.apply(crds_command.manifests())


@pytest.fixture(scope="session")
def operator_kubeconfig(
    control_plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The operator's identity: the ServiceAccount of `deploy/`, with its Role and nothing else."""
    control_plane.apply(ROOT / "deploy" / "base" / "namespace.yaml")
    control_plane.apply(ROOT / "deploy" / "base" / "rbac.yaml")
    return control_plane.service_account_kubeconfig(
        *ACCOUNT, tmp_path_factory.mktemp("operator") / "kubeconfig"
    )


@pytest.fixture(scope="session")
def admin(control_plane: ControlPlane) -> Iterator[client.ApiClient]:
    """The official client with the administrator's rights."""
    with connect(control_plane.kubeconfig) as api:
        yield api


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The job service; its jobs stay in QUEUED until a test moves them on."""
    server = Emulator(tmp_path_factory.mktemp("emulator") / "log")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def operator_options() -> dict[str, object]:
    """Arguments of `Operator`; a module overrides this fixture to run another one."""
    return {}


@pytest.fixture(scope="module")
def operator_endpoint(emulator: Emulator) -> str:
    """Of the job service; a module overrides this fixture to put something between."""
    return emulator.url


@pytest.fixture(scope="module")
def operator(
    operator_kubeconfig: Path,
    operator_endpoint: str,
    operator_options: dict[str, object],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Operator]:
    """The operator, watching the whole cluster."""
    log = tmp_path_factory.mktemp("operator") / "log"
    server = Operator(operator_kubeconfig, operator_endpoint, log, **operator_options)  # type: ignore[arg-type]
    server.start()
    yield server
    server.stop()


_numbers = itertools.count(1)


@contextmanager
def _a_namespace(admin: client.ApiClient, emulator: Emulator, operator: Operator) -> Iterator[Namespace]:
    name = f"t{next(_numbers)}"
    client.CoreV1Api(admin).create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    place = Namespace(admin, name, lambda: f"{emulator.report()}\n{operator.tail()}")
    yield place
    place.delete_all()
    try:
        eventually(place.all, lambda left: not left, what=f"{name} is empty again", report=place.report)
    finally:
        place.release_all()  # so that the operators of other modules do not meet what is left


@pytest.fixture
def namespace(admin: client.ApiClient, emulator: Emulator, operator: Operator) -> Iterator[Namespace]:
    """A namespace of its own; at the end everything in it must be deletable.

    The ids of its jobs start with its name, so that ledger rows of other tests can be told apart.
    """
    with _a_namespace(admin, emulator, operator) as made:
        yield made


@pytest.fixture
def elsewhere(admin: client.ApiClient, emulator: Emulator, operator: Operator) -> Iterator[Namespace]:
    """Another namespace."""
    with _a_namespace(admin, emulator, operator) as made:
        yield made


@pytest.fixture
def kubectl(binaries_dir: Path, control_plane: ControlPlane, namespace: Namespace) -> Kubectl:
    """kubectl in the test's namespace, with the administrator's rights."""
    return Kubectl(binaries_dir / "kubectl", control_plane.kubeconfig, namespace.name)


@pytest.fixture
def plugin(
    binaries_dir: Path, control_plane: ControlPlane, namespace: Namespace, emulator: Emulator
) -> Plugin:
    """`kubectl mljobs` in the test's namespace, with the administrator's rights."""
    return Plugin(binaries_dir / "kubectl", control_plane.kubeconfig, namespace.name, emulator.url)


@pytest.fixture(scope="module")
def gcloud(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcloud]:
    """gcloud against the module's emulator, with the operator's default project."""
    with closing(Gcloud(emulator.url, tmp_path_factory.mktemp("gcloud"))) as made:
        yield made
