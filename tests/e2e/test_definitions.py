"""One CRD is away: the other kind goes on, a message says what is missing, and it is taken up again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from mljobs.admin import crds as crds_command
from mljobs.api.resources import GROUP, PREDICTION_JOB, TRAINING_JOB, VERSION, JobKind
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import connect, eventually, prediction, training
from tests.e2e.support_stack import ACCOUNT, Emulator, Operator

ROOT = Path(__file__).parents[2]
DEFINITIONS = {definition["metadata"]["name"]: definition for definition in crds_command.definitions()}
MANIFESTS = {TRAINING_JOB.name: training, PREDICTION_JOB.name: prediction}


@pytest.fixture
def plane(binaries_dir: Path) -> Iterator[ControlPlane]:
    """A control plane of its own, without definitions."""
    with ControlPlane(binaries_dir=binaries_dir) as running:
        running.apply(ROOT / "deploy" / "base" / "namespace.yaml")
        running.apply(ROOT / "deploy" / "base" / "rbac.yaml")
        running.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}}])
        yield running


@pytest.fixture
def api(plane: ControlPlane) -> Iterator[client.ApiClient]:
    with connect(plane.kubeconfig) as opened:
        yield opened


@pytest.fixture
def operator(plane: ControlPlane, emulator: Emulator, tmp_path: Path) -> Iterator[Operator]:
    """The operator, not started yet; it lists often."""
    kubeconfig = plane.service_account_kubeconfig(*ACCOUNT, tmp_path / "kubeconfig")
    settings = {"MLJOBS_RESYNC_INTERVAL": "1"}
    server = Operator(kubeconfig, emulator.url, tmp_path / "log", settings=settings)
    yield server
    server.stop()


def define(plane: ControlPlane, *kinds: JobKind) -> None:
    plane.apply([DEFINITIONS[kind.crd_name] for kind in kinds])


def works(api: client.ApiClient, operator: Operator, kind: JobKind, name: str) -> str:
    """See that a new resource of a kind is submitted, and give the id of its job."""
    place = {"group": GROUP, "version": VERSION, "namespace": "team-a", "plural": kind.plural}
    custom: Any = client.CustomObjectsApi(api)
    custom.create_namespaced_custom_object(**place, body=MANIFESTS[kind.name](name))
    found = eventually(
        lambda: custom.get_namespaced_custom_object(**place, name=name).get("status") or {},
        lambda status: status.get("state"),
        what=f"{name} is submitted",
        report=operator.tail,
    )
    return str(found["jobId"])


def logged(operator: Operator, text: str) -> int:
    return operator.log.read_text().count(text)


def is_told(operator: Operator, kind: JobKind) -> None:
    """See that a message, and a metric, say what is missing."""
    eventually(
        lambda: f'mljobs_kind_defined{{kind="{kind.name}"}} 0.0' in operator.metrics(),
        what=f"{kind.plural} are missed",
        report=operator.tail,
    )
    assert logged(operator, f"{kind.crd_name} is not defined in the cluster") == 1


def undo(api: client.ApiClient, kind: JobKind) -> None:
    """Delete a definition, with all that is of it."""
    extensions: Any = client.ApiextensionsV1Api(api)
    extensions.delete_custom_resource_definition(kind.crd_name)
    eventually(
        lambda: [item.metadata.name for item in extensions.list_custom_resource_definition().items],
        lambda names: kind.crd_name not in names,
        what="the definition is gone",
    )


@pytest.mark.parametrize("gone", [PREDICTION_JOB, TRAINING_JOB], ids=lambda kind: kind.plural)
def test_a_definition_goes_and_comes_back(
    plane: ControlPlane, api: client.ApiClient, operator: Operator, emulator: Emulator, gone: JobKind
) -> None:
    (other,) = {TRAINING_JOB, PREDICTION_JOB} - {gone}
    define(plane, gone, other)
    operator.start()
    process = operator.pid
    job_id = works(api, operator, gone, "before")
    undo(api, gone)
    assert emulator.applied("cancel", job_id) == [job_id]
    is_told(operator, gone)
    works(api, operator, other, "meanwhile")
    define(plane, gone)
    works(api, operator, gone, "after")
    assert logged(operator, f"{gone.crd_name} is defined now, and is watched") == 1
    assert (operator.running, operator.pid, logged(operator, "Traceback")) == (True, process, 0)


def test_one_is_missing_from_the_start(
    plane: ControlPlane, api: client.ApiClient, operator: Operator
) -> None:
    define(plane, TRAINING_JOB)
    operator.start()
    is_told(operator, PREDICTION_JOB)
    works(api, operator, TRAINING_JOB, "meanwhile")
    define(plane, PREDICTION_JOB)
    works(api, operator, PREDICTION_JOB, "after")
    assert logged(operator, "Traceback") == 0
