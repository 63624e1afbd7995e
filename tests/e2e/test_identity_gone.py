"""Jobs whose class has the identity of their namespace, and what becomes of them when that goes."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Json, Kubectl, Namespace, condition, eventually, job_classes, training
from tests.e2e.support_identities import (
    NAME,
    OPERATOR,
    account,
    bindings,
    identity_options,
    principal,
    published_keys,
    trust,
)
from tests.e2e.support_stack import Emulator, Operator

PROJECT = "tenant-project"


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
def tenant(
    control_plane: ControlPlane,
    emulator: Emulator,
    namespace: Namespace,
    admin: client.ApiClient,
    operator: Operator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Namespace]:
    """A namespace with an account and a class of its own; the operator may act in the project as well."""
    control_plane.apply(account(namespace.name))
    trust(
        control_plane,
        emulator,
        published_keys(control_plane, tmp_path_factory.mktemp("keys")),
        bindings=bindings({principal(namespace.name): [PROJECT], OPERATOR: [PROJECT]}),
    )
    with job_classes(admin, {f"of-{namespace.name}": tenant_class(namespace, emulator)}, gone=True):
        yield namespace


def tenant_class(namespace: Namespace, emulator: Emulator) -> Json:
    return {
        "service": "MLv1",
        "endpoint": emulator.url,
        "projects": [PROJECT],
        "namespaces": {"names": [namespace.name]},
        "identity": {"serviceAccountRef": {"name": NAME}},
    }


def callers(emulator: Emulator, method: str) -> list[Any]:
    return [row["identity"] for row in emulator.effects(method=method) if row["project"] == PROJECT]


def test_jobs_run_as_the_account_of_their_namespace(tenant: Namespace, emulator: Emulator) -> None:
    job = tenant.create(training("census"))
    job.until_state("QUEUED")
    record = job.status()["record"]["jobClass"]
    assert record["identity"]["serviceAccountRef"]["name"] == NAME
    assert record["identity"]["serviceAccountRef"]["provider"]  # the operator's setting, which may change
    job.delete()
    job.until_gone()
    assert {*callers(emulator, "create"), *callers(emulator, "cancel")} == {principal(tenant.name)}


def test_a_job_outlives_its_identity_and_says_so(
    tenant: Namespace, emulator: Emulator, control_plane: ControlPlane
) -> None:
    job = tenant.create(training("census"))
    job.until_state("QUEUED")
    path = f"/api/v1/namespaces/{tenant.name}/serviceaccounts/{NAME}"
    control_plane.client.request("DELETE", path)
    emulator.revoke(principal(tenant.name))
    stalled = job.until_condition("Stalled", "True", "Denied")
    assert f"there is no ServiceAccount {tenant.name}/{NAME}" in stalled["message"]
    control_plane.apply(account(tenant.name))
    emulator.force(job.status()["jobId"], "RUNNING", project=PROJECT)
    job.until_state("RUNNING", within=90)  # what is denied is tried again after half a minute
    assert not condition(job.status(), "Stalled")
    job.delete()
    job.until_gone()


def test_a_job_whose_identity_is_gone_is_ended_by_the_operator_itself(
    tenant: Namespace, emulator: Emulator, control_plane: ControlPlane
) -> None:
    job = tenant.create(training("census"))
    job_id = job.job_id
    start = emulator.last
    control_plane.client.request("DELETE", f"/api/v1/namespaces/{tenant.name}/serviceaccounts/{NAME}")
    emulator.revoke(principal(tenant.name))
    job.delete()
    job.until_gone()
    ends = [row for row in emulator.effects(start, method="cancel") if row["applied"]]
    assert [(row["jobId"], row["identity"]) for row in ends] == [(job_id, OPERATOR)]


def test_a_namespace_deleted_with_its_account_its_class_and_its_jobs_ends(
    tenant: Namespace,
    emulator: Emulator,
    admin: client.ApiClient,
    kubectl: Kubectl,
    operator: Operator,
    has_controller_manager: bool,
) -> None:
    if not has_controller_manager:
        pytest.skip("deleting namespaces needs kube-controller-manager: mljobs controlplane ensure --with it")
    jobs = tenant.create_all(training(f"job-{number}") for number in range(10))
    ids = sorted(job.job_id for job in jobs)
    late = tenant.create_all(training(f"late-{number}") for number in range(10))
    kubectl.out("delete", "jobclass", f"of-{tenant.name}", "--wait=false")
    kubectl.out("delete", "serviceaccount", NAME, "--wait=false")
    kubectl.out("delete", "namespace", tenant.name, "--wait=false")
    kubectl.out("delete", "trainingjobs", "--all", "--wait=false")
    emulator.revoke(principal(tenant.name))
    core: Any = client.CoreV1Api(admin)
    eventually(
        lambda: [one.metadata.name for one in core.list_namespace().items],
        lambda names: tenant.name not in names,
        what="the namespace is gone",
        within=60,
        report=lambda: f"{tenant.report()}\n{operator.tail()}",
    )
    cancelled = {row["jobId"] for row in emulator.effects(method="cancel") if row["applied"]}
    created = {row["jobId"] for row in emulator.effects(method="create") if row["applied"]}
    ours = {job_id for job_id in created if job_id.startswith(f"{tenant.name}_")}
    assert cancelled >= ours >= set(ids)
    assert len(late) == 10
