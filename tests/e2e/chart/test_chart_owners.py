"""Helm 4 applies server-side: who owns what of the CRDs and of a chart's jobs, and how conflicts end."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mljobs.api.resources import KINDS
from mljobs.controller.kube.blocking import Client
from mljobs.controller.kube.kubeconfig import find_access
from mljobs.kubectl.cancel import MANAGER
from mljobs.kubectl.cluster import Cluster
from mljobs.kubectl.failure import Failure
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.chart.support_chart import (
    CHART,
    CRDS,
    NAMESPACE,
    ROOT,
    ClusterKubectl,
    Helm,
    Release,
    delete_crds,
)
from tests.e2e.support import Json, Kubectl, training
from tests.unit.docs.markdown import DOCS, blocks

CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
JOBS = "/apis/mljobs.dev/v1alpha1/namespaces/default/trainingjobs"


def flags(page: str, *words: str) -> list[str]:
    """The flags of the one command of a page that begins with these words and is about conflicts."""
    found = [
        block.text.split()
        for block in blocks(DOCS / f"{page}.md")
        if block.heading == "Conflicts" and block.text.split()[: len(words)] == list(words)
    ]
    (command,) = found
    return command[len(words) :]


def changed(limit: re.Match[str]) -> str:
    return re.sub("[0-9]+(?=[)]?$)", lambda number: str(int(number[0]) - 1), limit[0])


def another_version(folder: Path) -> Path:
    """Change a limit in all CRDs and policies of a folder."""
    for file in folder.glob("*.yaml"):
        text, count = re.subn(r"maxLength: 32768|substring\(0, 4096\)", changed, file.read_text("utf-8"))
        assert count
        file.write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def newer_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart with CRDs of another version."""
    chart = tmp_path_factory.mktemp("newer") / CHART.name
    shutil.copytree(CHART, chart)
    another_version(chart / "templates" / "crds")
    return chart


@pytest.fixture(scope="module")
def newer_crds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `crds/` of another version."""
    folder = tmp_path_factory.mktemp("newer") / "crds"
    shutil.copytree(ROOT / "crds", folder)
    return another_version(folder)


@pytest.fixture
def release(cluster_helm: Helm, plane: ControlPlane, admin_kubectl: Kubectl) -> Iterator[Release]:
    """A release that is not there yet; at the end nothing of it is left."""
    yield Release(cluster_helm, plane)
    cluster_helm.run("uninstall", "r", f"--namespace={NAMESPACE}", "--ignore-not-found")
    delete_crds(admin_kubectl)


def owners_of_versions(plane: ControlPlane) -> list[set[str]]:
    """Who owns the versions of each CRD."""
    return [
        {
            entry["manager"]
            for entry in plane.client.get(f"{CRD_PATH}/{name}")["metadata"]["managedFields"]
            if "f:versions" in entry["fieldsV1"].get("f:spec", {})
        }
        for name in CRDS
    ]


KUBECTL = {
    "server-side": (["--server-side"], "kubectl"),
    "client-side": ([], "kubectl-client-side-apply"),
}
"""How kubectl applies, and under which name."""


@pytest.mark.parametrize(("how", "manager"), KUBECTL.values(), ids=KUBECTL)
def test_crds_that_kubectl_has_applied_go_to_the_release_by_one_forced_upgrade(
    release: Release,
    cluster_helm: Helm,
    plane: ControlPlane,
    admin_kubectl: Kubectl,
    newer_chart: Path,
    how: list[str],
    manager: str,
) -> None:
    admin_kubectl.out("apply", *how, "-k", str(ROOT / "crds"))
    release.install(None, "--take-ownership")
    assert owners_of_versions(plane) == [{manager, "helm"}] * len(CRDS)
    refused = cluster_helm.run("upgrade", "r", str(newer_chart), f"--namespace={NAMESPACE}")
    assert refused.returncode == 1
    assert re.search(rf'conflict with \\?"{manager}\\?"[^\n]*: \.spec\.versions', refused.stderr)
    release.upgrade(
        None, *flags("upgrade", "helm", "upgrade", "mljobs", "helm/mljobs-operator")[2:], chart=newer_chart
    )
    assert owners_of_versions(plane) == [{"helm"}] * len(CRDS)
    release.upgrade()
    release.rollback(3)


def test_crds_of_another_version_are_taken_over_by_a_forced_install(
    release: Release, cluster_helm: Helm, admin_kubectl: Kubectl, newer_crds: Path
) -> None:
    admin_kubectl.out("apply", "--server-side", "-k", str(newer_crds))
    arguments = ["install", "r", str(CHART), f"--namespace={NAMESPACE}", "--create-namespace"]
    refused = cluster_helm.run(*arguments, "--take-ownership")
    assert 'conflict with "kubectl": .spec.versions' in refused.stderr
    cluster_helm.out("uninstall", "r", f"--namespace={NAMESPACE}")
    release.install(None, "--take-ownership", "--force-conflicts")


def test_crds_that_kubectl_applies_in_the_name_of_helm_never_conflict(
    release: Release, plane: ControlPlane, admin_kubectl: Kubectl, newer_chart: Path
) -> None:
    assert "`--field-manager=helm`" in (DOCS / "install.md").read_text("utf-8")
    admin_kubectl.out("apply", "--server-side", "--field-manager=helm", "-k", str(ROOT / "crds"))
    release.install(None, "--take-ownership")
    release.upgrade(chart=newer_chart)
    assert owners_of_versions(plane) == [{"helm"}] * len(CRDS)


def test_kept_crds_go_to_kubectl_by_one_forced_apply(
    release: Release, plane: ControlPlane, admin_kubectl: Kubectl, newer_crds: Path
) -> None:
    release.install()
    release.uninstall()
    refused = admin_kubectl.run("apply", "--server-side", "-k", str(newer_crds))
    assert 'conflict with "helm": .spec.versions' in refused.stderr
    *more, _ = flags("upgrade", "kubectl", "apply")
    admin_kubectl.out("apply", *more, str(newer_crds))
    assert owners_of_versions(plane) == [{"kubectl"}] * len(CRDS)
    admin_kubectl.out("apply", "--server-side", "-k", str(ROOT / "crds"))
    release.install({"crds": {"enabled": False}})


def test_crds_that_a_release_gives_up_stay(release: Release, admin_kubectl: Kubectl) -> None:
    release.install()
    release.upgrade({"crds": {"enabled": False}})
    assert admin_kubectl.out("get", "crd", *CRDS, "-o", "name").split()


@dataclass
class TeamChart:
    """A team's own chart with one job, as a release `jobs` in the namespace `default`."""

    folder: Path
    helm: Helm
    plane: ControlPlane
    environment: dict[str, str]

    @property
    def kubeconfig(self) -> Path:
        return self.plane.kubeconfig

    def run(self, verb: str, *args: str, **values: Any) -> "subprocess.CompletedProcess[str]":
        if verb == "uninstall":
            return self.helm.run(verb, "jobs", "--namespace=default")
        return self.helm.run(verb, "jobs", str(self.folder), "--namespace=default", *args, values=values)

    def ok(self, verb: str, *args: str, **values: Any) -> None:
        done = self.run(verb, *args, **values)
        assert done.returncode == 0, done.stderr

    def refused(self, **values: Any) -> None:
        """An upgrade to these values meets the plugin's conflict, and changes nothing."""
        before = self.job["spec"]
        done = self.run("upgrade", **values)
        assert done.returncode == 1
        assert re.search(r'conflict with \\?"kubectl-mljobs-cancel\\?"[^\n]*: \.spec\.suspend', done.stderr)
        assert self.job["spec"] == before

    def plugin(self, *words: str) -> str:
        """Run `kubectl mljobs …`; what it says on stderr."""
        done = subprocess.run(
            [*shlex.split("kubectl mljobs"), *words, "--namespace=default"],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stderr

    @property
    def job(self) -> Json:
        found: Json = self.plane.client.get(f"{JOBS}/census")
        return found

    @property
    def suspend(self) -> bool:
        return bool(self.job["spec"]["suspend"])

    @property
    def owners(self) -> list[str]:
        """Who owns `spec.suspend`."""
        return [
            entry["manager"]
            for entry in self.job["metadata"]["managedFields"]
            if "f:suspend" in entry["fieldsV1"].get("f:spec", {})
        ]


@pytest.fixture
def team_chart(
    release: Release, cluster_helm: Helm, helm_binaries: Path, plane: ControlPlane, tmp_path: Path
) -> Iterator[TeamChart]:
    """The chart, not installed; `suspend` is a value of it that may be left out. No operator runs."""
    release.install()
    templates = tmp_path / "jobs" / "templates"
    templates.mkdir(parents=True)
    about = {"apiVersion": "v2", "name": "jobs", "version": "1.0.0"}
    (tmp_path / "jobs" / "Chart.yaml").write_text(yaml.safe_dump(about), "utf-8")
    manifest = training("census", {"labels": {"model": "LABEL"}, "suspend": "SUSPEND"})
    text = yaml.safe_dump(manifest).replace("LABEL", "{{ .Values.model | default 1 | quote }}")
    line = '{{ if hasKey .Values "suspend" }}suspend: {{ .Values.suspend }}{{ end }}'
    (templates / "job.yaml").write_text(text.replace("suspend: SUSPEND", line), "utf-8")
    path = f"{helm_binaries}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "KUBECONFIG": str(plane.kubeconfig)}
    yield TeamChart(tmp_path / "jobs", cluster_helm, plane, environment)
    cluster_helm.run("uninstall", "jobs", "--namespace=default", "--ignore-not-found")


def test_a_chart_that_leaves_suspend_out_never_conflicts(team_chart: TeamChart) -> None:
    team_chart.ok("install")
    assert "sets spec.suspend" not in team_chart.plugin("cancel", "census")
    team_chart.ok("upgrade", model=2)
    assert (team_chart.suspend, team_chart.job["spec"]["labels"]) == (True, {"model": "2"})
    team_chart.plugin("resume", "census")
    assert (team_chart.suspend, team_chart.owners) == (False, [])
    team_chart.ok("upgrade", model=3)


def test_resume_gives_the_field_back_to_the_chart(team_chart: TeamChart) -> None:
    team_chart.ok("install", suspend=False)
    assert "helm sets spec.suspend, too" in team_chart.plugin("cancel", "census")
    team_chart.refused(suspend=False, model=2)
    team_chart.plugin("resume", "census")
    team_chart.ok("upgrade", suspend=False, model=2)
    assert (team_chart.suspend, team_chart.owners) == (False, ["helm"])
    team_chart.ok("upgrade", suspend=True)
    assert team_chart.suspend


def test_a_chart_that_agrees_is_not_refused_and_takes_over_later(team_chart: TeamChart) -> None:
    team_chart.ok("install", suspend=False)
    team_chart.plugin("cancel", "census")
    team_chart.ok("upgrade", suspend=True)
    assert sorted(team_chart.owners) == ["helm", "kubectl-mljobs-cancel"]
    assert "helm sets spec.suspend, too" in team_chart.plugin("resume", "census")
    team_chart.ok("upgrade", suspend=False)
    assert not team_chart.suspend


def test_force_lets_the_chart_decide_from_now_on(team_chart: TeamChart) -> None:
    team_chart.ok("install", suspend=False)
    team_chart.plugin("cancel", "census")
    team_chart.ok("upgrade", "--force-conflicts", suspend=False)
    assert (team_chart.suspend, team_chart.owners) == (False, ["helm"])
    team_chart.ok("upgrade", suspend=True)
    assert team_chart.suspend


def test_a_cancel_of_what_the_chart_has_suspended_owns_nothing(team_chart: TeamChart) -> None:
    team_chart.ok("install", suspend=True)
    team_chart.plugin("cancel", "census")
    assert team_chart.owners == ["helm"]
    team_chart.ok("upgrade", suspend=False)
    assert not team_chart.suspend


def test_a_job_that_was_resumed_by_hand_is_not_suspended_by_the_next_upgrade(team_chart: TeamChart) -> None:
    team_chart.ok("install", suspend=True)
    assert "helm sets spec.suspend, too" in team_chart.plugin("resume", "census")
    team_chart.refused(suspend=True, model=2)
    team_chart.ok("upgrade", "--force-conflicts", suspend=True)
    assert team_chart.suspend


def test_a_resource_that_is_gone_is_not_made_again(team_chart: TeamChart) -> None:
    team_chart.ok("install", suspend=False)
    kind, before = KINDS["TrainingJob"], team_chart.job
    cluster = Cluster(Client(find_access(str(team_chart.kubeconfig)), "test"), "default")
    team_chart.ok("uninstall")
    with pytest.raises(Failure, match="uid"):
        cluster.apply(kind, before, {"suspend": True}, MANAGER)
    assert cluster.get(kind, "census") is None
    team_chart.ok("install", suspend=False)
    with pytest.raises(Failure, match="uid"):
        cluster.apply(kind, before, {"suspend": True}, MANAGER)
    assert not team_chart.suspend


APPLIED: list[tuple[list[str], bool]] = [
    (["--server-side"], True),
    (["--server-side", "--force-conflicts"], False),
    ([], False),
]
"""How a manifest with `suspend: false` is applied, and whether a job that was cancelled stays so."""


@pytest.mark.parametrize(("how", "stays"), APPLIED, ids=["server-side", "forced", "client-side"])
def test_what_kubectl_apply_does_after_a_cancel(
    team_chart: TeamChart, admin_kubectl: ClusterKubectl, how: list[str], stays: bool
) -> None:
    first = [word for word in how if word != "--force-conflicts"]
    manifest = json.dumps(training("census", {"suspend": False}))
    admin_kubectl.out("apply", *first, "-f", "-", stdin=manifest)
    name = "kubectl" if first else "kubectl apply"
    assert f"note: {name} sets spec.suspend, too" in team_chart.plugin("cancel", "census")
    done = admin_kubectl.run("apply", *how, "-f", "-", stdin=manifest)
    assert (done.returncode != 0) is stays
    assert ('conflict with "kubectl-mljobs-cancel": .spec.suspend' in done.stderr) is stays
    assert team_chart.suspend is stays
    admin_kubectl.out("delete", "trainingjob", "census")
