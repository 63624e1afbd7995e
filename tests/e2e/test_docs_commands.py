"""The kubectl commands of the documentation do what its pages say, on a real API server with the operator."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Job, Namespace, condition, eventually, training
from tests.e2e.support_stack import Emulator
from tests.unit.docs.markdown import DOCS, Block, blocks

PAGES = ("quickstart", "concepts", "troubleshooting", "uninstall")
ELSEWHERE = (" -n mljobs-system", "kubectl mljobs", " -k ", "kubectl delete crd", "deploy/samples")
"""What needs an installed operator or the plugin, or is tested with samples, chart and overlays."""


def shell_blocks() -> dict[str, Block]:
    """The shell blocks that work on the resources of one namespace."""
    found = {}
    for page in PAGES:
        for number, block in enumerate(blocks(DOCS / f"{page}.md")):
            calls = "kubectl " in block.text and not any(word in block.text for word in ELSEWHERE)
            if block.language == "sh" and calls:
                found[f"{page} {number}: {block.heading}"] = block
    return found


SHELL = shell_blocks()
(MANIFEST,) = (
    block.manifests[0]
    for block in blocks(DOCS / "quickstart.md")
    if block.heading == "Write your own" and block.manifests
)


def test_there_are_blocks_to_try() -> None:
    assert len(SHELL) >= 9


class Shell:
    """bash as a reader has it: kubectl on the PATH, and a context in one namespace.

    Args:
        folder: the current folder, in which `census.yaml` lies.
        control_plane: the cluster.
        binaries: the folder with kubectl.
        namespace: the context's.
    """

    def __init__(self, folder: Path, control_plane: ControlPlane, binaries: Path, namespace: str) -> None:
        self._folder = folder
        self._namespace = namespace
        config: dict[str, Any] = yaml.safe_load(control_plane.kubeconfig.read_text("utf-8"))
        for context in config["contexts"]:
            context["context"]["namespace"] = namespace
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(config), "utf-8")
        self._environment = {
            **os.environ,
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "KUBECONFIG": str(path),
            "KUBECACHEDIR": str(folder / "cache"),
        }

    def __call__(self, script: str) -> str:
        """Run a block; other namespaces are not ours to touch."""
        script = re.sub(r" --all-namespaces(?= --no-headers|$)", "", script, flags=re.MULTILINE)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def shell(tmp_path: Path, control_plane: ControlPlane, binaries_dir: Path, namespace: Namespace) -> Shell:
    (tmp_path / "census.yaml").write_text(yaml.safe_dump(MANIFEST), "utf-8")
    return Shell(tmp_path, control_plane, binaries_dir, namespace.name)


def running(namespace: Namespace, emulator: Emulator) -> Job:
    """The quick start's job, while it runs."""
    job = namespace.create(MANIFEST)
    project = MANIFEST["spec"]["projectId"]
    emulator.force(job.job_id, "RUNNING", project=project)
    job.until_state("RUNNING")
    return job


@pytest.mark.parametrize("name", SHELL)
def test_the_block_works(name: str, shell: Shell, namespace: Namespace, emulator: Emulator) -> None:
    script = SHELL[name].text
    job = running(namespace, emulator)
    if "kubectl wait" in script:
        emulator.force(job.job_id, "SUCCEEDED", project=MANIFEST["spec"]["projectId"])
    if '"suspend":true' in script:
        job.until_observed()
    shell(script)
    if "kubectl delete" in script and "kubectl delete jsch" not in script:
        job.until_gone()


def test_the_job_of_the_quick_start(shell: Shell, namespace: Namespace, emulator: Emulator) -> None:
    shell("kubectl apply -f census.yaml")
    job = namespace.job("TrainingJob", "census")
    project = MANIFEST["spec"]["projectId"]
    emulator.force(job.job_id, "SUCCEEDED", project=project)
    out = shell("kubectl wait --for=condition=Succeeded tj/census --timeout=30s; kubectl get mljobs")
    assert "condition met" in out
    assert "SUCCEEDED" in out
    assert condition(job.status(), "Succeeded")["reason"] == "JobSucceeded"


def test_orphaned_jobs_go_on(shell: Shell, namespace: Namespace, emulator: Emulator) -> None:
    job = running(namespace, emulator)
    job_id, project = job.job_id, MANIFEST["spec"]["projectId"]
    (script,) = (block.text for block in SHELL.values() if '"deletionPolicy":"Orphan"' in block.text)
    shell(script)
    job.until_gone()
    assert emulator.job(job_id, project=project)["state"] == "RUNNING"


def test_a_resource_is_let_go_by_force(shell: Shell, namespace: Namespace, emulator: Emulator) -> None:
    job = running(namespace, emulator)
    uid = job.uid
    emulator.fault("error", method="cancel", status=403)
    try:
        job.delete()
        job.until_condition("Stalled", "True", "Denied")
        shell("kubectl annotate tj census mljobs.dev/force-release=true")
        job.until_gone()
    finally:
        emulator.fix()
    assert "LeftBehind" in [event["reason"] for event in namespace.events(uid)]


def test_the_admission_policy_of_the_security_page_ties_a_namespace_to_a_project(
    control_plane: ControlPlane, namespace: Namespace
) -> None:
    (block,) = (block for block in blocks(DOCS / "security.md") if "ValidatingAdmissionPolicy" in block.text)
    policy, binding = block.manifests
    only_here = {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}}
    binding["spec"]["matchResources"] = {"namespaceSelector": only_here}
    about = {"name": namespace.name, "annotations": {"ml-project": "project-a"}}
    control_plane.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": about}])
    control_plane.apply([policy, binding])
    try:
        eventually(
            lambda: [
                namespace.would_take(training("x", spec))
                for spec in ({"projectId": "project-a"}, {"projectId": "project-b"}, {"projectId": None})
            ],
            lambda taken: taken == [True, False, False],
            what="the policy is in force",
        )
    finally:
        for manifest in (binding, policy):
            control_plane.client.request("DELETE", control_plane.client.path_of(manifest))
