"""What `kubectl mljobs` says to do next about each kind of refusal, as a real API server words it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Namespace, eventually
from tests.e2e.support_plugin import Plugin
from tests.e2e.support_stack import Emulator

IMAGE = ("--region=us-central1", "--master-image-uri=gcr.io/team/trainer:1")


def refused(plugin: Plugin, job: str, *words: str, **env: str) -> str:
    (line,) = plugin.refused(1, "submit", "training", job, *IMAGE, *words, **env)
    return line


def test_a_name_that_is_in_use(plugin: Plugin, namespace: Namespace) -> None:
    plugin.ok("submit", "training", "census", *IMAGE, "--suspend")
    line = refused(plugin, "census")
    assert line.endswith('"census" already exists; choose another name, or delete that one first')


def test_a_name_that_is_being_deleted(plugin: Plugin, namespace: Namespace) -> None:
    plugin.ok("submit", "training", "census", *IMAGE, "--suspend")
    job = namespace.job("TrainingJob", "census")
    job.patch({"metadata": {"finalizers": ["example.com/keep"]}})
    job.delete()
    line = refused(plugin, "census")
    assert "object is being deleted" in line
    assert "delete that one" not in line
    hint = line.partition("; ")[2]
    command = f"kubectl wait --for=delete trainingjobs.mljobs.dev/census -n {namespace.name} --timeout=10m"
    assert hint == (
        f"that one goes once its job is known to end: choose another name, or wait with `{command}`"
    )
    job.patch({"metadata": {"finalizers": None}})
    job.until_gone()


def test_a_missing_right(
    plugin: Plugin, namespace: Namespace, control_plane: ControlPlane, tmp_path: Path
) -> None:
    account = client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="nobody"))
    client.CoreV1Api(namespace.api).create_namespaced_service_account(namespace.name, account)
    path = control_plane.service_account_kubeconfig(namespace.name, "nobody", tmp_path / "kubeconfig")
    nobody = {"KUBECONFIG": str(path)}
    hint = "see `kubectl auth can-i {} trainingjobs.mljobs.dev {}`"
    assert refused(plugin, "census", **nobody).endswith(hint.format("create", f"-n {namespace.name}"))
    (line,) = plugin.refused(1, "list", **nobody)
    assert line.endswith(hint.format("list", f"-n {namespace.name}"))
    (line,) = plugin.refused(1, "list", "-A", **nobody)
    assert line.endswith(hint.format("list", "-A"))


def test_a_quota(plugin: Plugin, namespace: Namespace) -> None:
    core = client.CoreV1Api(namespace.api)
    none = {"count/trainingjobs.mljobs.dev": "0"}
    quota = client.V1ResourceQuota(
        metadata=client.V1ObjectMeta(name="none"), spec=client.V1ResourceQuotaSpec(hard=none)
    )
    core.create_namespaced_resource_quota(namespace.name, quota)
    # as the quota controller does, which not every control plane of the tests has
    counted = {"status": {"hard": none, "used": none}}
    core.patch_namespaced_resource_quota_status("none", namespace.name, counted)
    line = refused(plugin, "census")
    assert "exceeded quota: none" in line
    assert "can-i" not in line
    assert f"see `kubectl describe resourcequota -n {namespace.name}`" in line


def test_a_project_that_was_deleted(plugin: Plugin, namespace: Namespace, emulator: Emulator) -> None:
    emulator.fault("error", project="^gone-project$", status=403, message="Project #123456 has been deleted.")
    job_id = f"{namespace.name}_gone"
    plugin.ok("submit", "training", job_id, *IMAGE, "--project=gone-project")
    lines = plugin.refused(1, "wait", job_id, "--for=submitted", "--timeout=30s")
    said = "Project #123456 has been deleted. No permission helps here: the project does not exist"
    assert said in lines[-1]
    assert "Grant" not in lines[-1]
    (line,) = plugin.refused(2, "import", "--project=gone-project")
    assert line.startswith("error: Project #123456 has been deleted; no permission helps here: the project")
    emulator.fix()


@pytest.fixture
def leaving(namespace: Namespace) -> Iterator[str]:
    """A namespace that is being deleted, and held."""
    core, name = client.CoreV1Api(namespace.api), f"{namespace.name}-leaving"
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    held = client.V1ObjectMeta(name="held", finalizers=["example.com/keep"])
    core.create_namespaced_config_map(name, client.V1ConfigMap(metadata=held))
    core.delete_namespace(name)
    yield name
    core.patch_namespaced_config_map("held", name, {"metadata": {"finalizers": None}})


def test_a_namespace_that_is_being_deleted(plugin: Plugin, leaving: str) -> None:
    line = refused(plugin, "census", "-n", leaving)
    assert "is being terminated" in line
    assert line.endswith("; choose another namespace, or wait until this one is deleted and create it again")


def test_a_policy_of_the_cluster_speaks_for_itself(plugin: Plugin, namespace: Namespace) -> None:
    name = f"{namespace.name}-small-jobs"
    policies: Any = client.AdmissionregistrationV1Api(namespace.api)
    policies.create_validating_admission_policy(
        {
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {
                    "resourceRules": [
                        {
                            "apiGroups": ["mljobs.dev"],
                            "apiVersions": ["*"],
                            "operations": ["CREATE"],
                            "resources": ["trainingjobs"],
                        }
                    ]
                },
                "validations": [
                    {
                        "expression": "object.metadata.name != 'big'",
                        "message": "big jobs need a ticket",
                        "reason": "Forbidden",
                    }
                ],
            },
        }
    )
    policies.create_validating_admission_policy_binding(
        {
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}}
                },
            },
        }
    )
    try:
        line = eventually(
            lambda: plugin.run("submit", "training", "big", *IMAGE, "--dry-run=server").stderr,
            what="the policy is in force",
        )
    finally:
        policies.delete_validating_admission_policy_binding(name)
        policies.delete_validating_admission_policy(name)
    assert line.endswith("big jobs need a ticket\n")
