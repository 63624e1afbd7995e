"""The rows of JobClasses: the identity of each, what its service answers, and what cannot be used."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mljobs.api.jobclass import DEFAULT_CLASS, JOB_CLASS
from mljobs.api.resources import API_VERSION
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.check.support_check import rows, run
from tests.e2e.support import Json
from tests.e2e.support_identities import (
    NAME,
    PROVIDER,
    account,
    bindings,
    may_request_tokens,
    principal,
    published_keys,
    trust,
)
from tests.e2e.support_stack import Emulator

PROJECT = "class-project"
NAMESPACE = "check-classes"


@pytest.fixture(scope="module")
def account_of_check(operator_kubeconfig: Path, control_plane: ControlPlane) -> Iterator[Path]:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    control_plane.apply([namespace, account(NAMESPACE), account(NAMESPACE, "other")])
    with may_request_tokens(control_plane):
        yield operator_kubeconfig


def body(name: str, spec: Json, *, default: bool = False) -> Json:
    annotations = {DEFAULT_CLASS: "true"} if default else {}
    metadata = {"name": name, "annotations": annotations}
    return {"apiVersion": API_VERSION, "kind": "JobClass", "metadata": metadata, "spec": spec}


@pytest.fixture
def classes(control_plane: ControlPlane, emulator: Emulator, tmp_path: Path) -> Iterator[None]:
    place = {"endpoint": emulator.url, "projects": [PROJECT], "locations": ["us-central1"]}
    mine = {"namespaces": {"names": [NAMESPACE]}}
    made = [
        body("own", {"service": "MLv1", **place}, default=True),
        body("newer", {"service": "VertexAI", **place}, default=True),
        body(
            "tenant",
            {"service": "VertexAI", **place, **mine, "identity": {"serviceAccountRef": {"name": NAME}}},
        ),
        body(
            "not-granted",
            {"service": "MLv1", **place, **mine, "identity": {"serviceAccountRef": {"name": "other"}}},
        ),
        body(
            "refused",
            {
                "service": "MLv1",
                **place,
                **mine,
                "identity": {"serviceAccountRef": {"name": NAME}, "impersonate": "boss@p.example"},
            },
        ),
        body("tables", {"service": "VertexAI", **place, "defaults": {"tables": {"wrong": 1}}}),
    ]
    control_plane.apply(made)
    trust(
        control_plane,
        emulator,
        published_keys(control_plane, tmp_path),
        required=False,
        bindings=bindings({principal(NAMESPACE): [PROJECT]}),
    )
    yield
    for one in made:
        path = f"/apis/{API_VERSION}/{JOB_CLASS.plural}/{one['metadata']['name']}"
        control_plane.client.request("DELETE", path)


@pytest.mark.usefixtures("classes")
def test_each_class_is_tried_as_whom_it_says(account_of_check: Path, emulator: Emulator) -> None:
    start = emulator.last
    options = [f"--token-endpoint={emulator.url}", f"--identity-provider={PROVIDER}"]
    options += ["--anonymous", f"--endpoint={emulator.url}", "-o", "json"]
    found = rows(run(account_of_check, *options), passed=False)
    assert found[f"JobClass own, project {PROJECT}"]["status"] == "ok"
    newer = found[f"JobClass newer, projects/{PROJECT}/locations/us-central1"]
    assert (newer["status"], newer["found"].endswith("(as the operator)")) == ("ok", True)
    tenant = found[f"JobClass tenant in {NAMESPACE}, projects/{PROJECT}/locations/us-central1"]
    assert (tenant["status"], f"(as ServiceAccount {NAMESPACE}/{NAME})" in tenant["found"]) == ("ok", True)
    assert principal(NAMESPACE) in {row["identity"] for row in emulator.effects(start)}
    denied = found[f"JobClass not-granted in {NAMESPACE}"]
    assert denied["status"] == "failed"
    assert "rbac.identityServiceAccounts" in denied["remedy"]
    refused = found[f"JobClass refused in {NAMESPACE}, project {PROJECT}"]
    assert refused["status"] == "failed"
    assert "boss@p.example" in refused["found"]
    assert found["JobClass tables"]["status"] == "failed"
    assert "spec.defaults.tables" in found["JobClass tables"]["found"]
    assert found["Default JobClass"]["status"] == "warning"
    assert "Job service" not in found


def test_without_classes_the_settings_are_the_class(account_of_check: Path, emulator: Emulator) -> None:
    found = rows(
        run(account_of_check, "--anonymous", f"--endpoint={emulator.url}", "-o", "json"), passed=True
    )
    assert not [check for check in found if check.startswith("JobClass")]
    assert any(check.startswith("Job service") for check in found)
