"""A release on a real API server: installed, upgraded with other CRDs, rolled back, uninstalled with jobs."""

import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mljobs import __version__
from mljobs.api.jobclass import JOB_CLASS
from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import KINDS, JobKind
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.chart.support_chart import (
    CHART,
    CRDS,
    FULLNAME,
    NAMESPACE,
    ROOT,
    Helm,
    Release,
    ReleasedOperator,
    delete_crds,
    reach,
)
from tests.e2e.support import Json, Kubectl, Namespace, connect, eventually, of_kind, training
from tests.e2e.support_stack import MLJOBS, Emulator

OLD = "0.0.9"
UPGRADE_PAGE = ROOT / "docs" / "upgrade.md"
CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def release(cluster_helm: Helm, plane: ControlPlane, admin_kubectl: Kubectl) -> Iterator[Release]:
    """A release that is not there yet; at the end nothing of it is left."""
    yield Release(cluster_helm, plane)
    cluster_helm.run("uninstall", "r", f"--namespace={NAMESPACE}", "--ignore-not-found")
    for kind in KINDS.values():
        left = admin_kubectl.run(
            "get", kind.plural, "-A", "-o", "jsonpath={range .items[*]}{.metadata.name} {end}"
        )
        for name in left.stdout.split():
            admin_kubectl.run(
                "patch",
                kind.singular,
                name,
                "-n",
                "team",
                "--type=merge",
                '-p={"metadata":{"finalizers":null}}',
            )
    delete_crds(admin_kubectl)
    # the operator's own; the next one would wait until it has run out
    admin_kubectl.run("delete", "lease", FULLNAME, "-n", NAMESPACE, "--ignore-not-found")


@pytest.fixture
def operators(tmp_path: Path) -> Iterator[Callable[[Release], ReleasedOperator]]:
    """Starts operators of a release; at the end they are stopped."""
    started: list[ReleasedOperator] = []

    def start(release: Release) -> ReleasedOperator:
        folder = tmp_path / f"operator-{len(started)}"
        folder.mkdir()
        started.append(release.operator(folder))
        started[-1].start()
        return started[-1]

    yield start
    for operator in started:
        operator.stop()


@pytest.fixture
def team(plane: ControlPlane) -> Callable[[], Namespace]:
    """Gives the namespace `team`; to be called once the CRDs are there."""
    api = connect(plane.kubeconfig)

    def make() -> Namespace:
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
        plane.apply(manifest)
        return Namespace(api, "team", str)

    return make


@pytest.fixture(scope="module")
def old_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart as an earlier version might have been: without `spec.suspend`, and without NetworkPolicy."""
    chart = tmp_path_factory.mktemp("old") / CHART.name
    shutil.copytree(CHART, chart)
    about = chart / "Chart.yaml"
    about.write_text(about.read_text("utf-8").replace(f"ersion: {__version__}", f"ersion: {OLD}"), "utf-8")
    for kind in KINDS.values():
        template = chart / "templates" / "crds" / f"{kind.plural}.yaml"
        text, count = re.subn(r"(?m)^( +)suspend:\n(?:\1 +.*\n)+", "", template.read_text("utf-8"))
        assert count == 1
        template.write_text(text, "utf-8")
    (chart / "templates" / "networkpolicy.yaml").unlink()
    values = yaml.safe_load((chart / "values.yaml").read_text("utf-8"))
    del values["networkPolicy"]
    (chart / "values.yaml").write_text(yaml.safe_dump(values), "utf-8")
    return chart


def has_suspend(release: Release, kind: JobKind) -> bool:
    (version,) = release.get(f"{CRD_PATH}/{kind.crd_name}")["spec"]["versions"]
    return "suspend" in version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


def image(release: Release) -> str:
    return str(release.deployment()["spec"]["template"]["spec"]["containers"][0]["image"])


def test_lint_has_nothing_to_say(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm.out("lint", "--strict", str(CHART))


def test_from_nothing_to_the_first_status(
    release: Release,
    emulator: Emulator,
    operators: Callable[[Release], ReleasedOperator],
    admin_kubectl: Kubectl,
    record_property: Any,
) -> None:
    """Three commands: install, apply, wait. The operator runs as a process, since there is no kubelet."""
    begin = time.monotonic()
    release.install(reach(emulator))
    operators(release)
    admin_kubectl.apply(training("first"))
    admin_kubectl.out("wait", "--for=jsonpath={.status.state}=QUEUED", "trainingjob/first", "--timeout=30s")
    record_property("commands from nothing to the first status", 3)
    record_property("seconds from nothing to the first status", round(time.monotonic() - begin, 2))
    admin_kubectl.out("delete", "trainingjob", "first", "--timeout=30s")


def test_upgrade_and_rollback_take_the_crds_along_and_keep_the_resources(
    release: Release,
    cluster_helm: Helm,
    old_chart: Path,
    team: Callable[[], Namespace],
    admin_kubectl: Kubectl,
) -> None:
    release.install({"replicaCount": 3}, chart=old_chart)
    namespace = team()
    jobs = [namespace.create(of_kind(kind, "census")) for kind in KINDS.values()]
    uids = [job.uid for job in jobs]
    assert image(release) == f"mljobs-operator:{OLD}"
    suspended = training("suspended", {"suspend": True})
    refused = admin_kubectl.run("apply", "-n", "team", "-f", "-", stdin=yaml.safe_dump(suspended))
    assert 'unknown field "spec.suspend"' in refused.stderr

    lacking = cluster_helm.run("upgrade", "r", str(CHART), f"--namespace={NAMESPACE}", "--reuse-values")
    assert lacking.returncode != 0, "the old values suffice"
    assert "networkpolicy.yaml" in lacking.stderr
    assert "nil pointer evaluating interface {}.enabled" in lacking.stderr
    command = re.findall("^helm upgrade .*$", UPGRADE_PAGE.read_text("utf-8"), re.MULTILINE)[0]
    release.upgrade(None, *shlex.split(command)[6:])
    assert image(release) == f"mljobs-operator:{__version__}"
    assert release.deployment()["spec"]["replicas"] == 3
    for kind, job in zip(KINDS.values(), jobs, strict=True):
        eventually(lambda kind=kind: has_suspend(release, kind), what="the CRD is upgraded")  # type: ignore[misc]
        eventually(
            lambda job=job: job.patch_spec(suspend=True)["spec"].get("suspend"),  # type: ignore[misc]
            what="the new field is stored",
        )
    assert [job.uid for job in jobs] == uids

    release.rollback(1)
    assert image(release) == f"mljobs-operator:{OLD}"
    assert not any(has_suspend(release, kind) for kind in KINDS.values())
    assert [job.uid for job in jobs] == uids
    assert release.history() == [
        (1, "superseded", OLD),
        (2, "superseded", __version__),
        (3, "deployed", OLD),
    ]


def test_a_change_of_the_settings_rolls_the_pods_and_nothing_else_does(release: Release) -> None:
    def template() -> Json:
        found: Json = release.deployment()["spec"]["template"]
        return found

    release.install()
    first = template()
    release.upgrade({"service": {"annotations": {"a": "b"}}, "replicaCount": 3})
    assert template() == first
    release.upgrade({"config": {"pollInterval": 11}})
    changed = template()
    assert changed != first
    for one in (first, changed):
        del one["metadata"]["annotations"]["checksum/config"]
    assert changed == first


def test_the_rollout_never_has_less_than_all_replicas(release: Release) -> None:
    release.install()
    spec = release.deployment()["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }


def test_after_uninstall_jobs_go_on_and_a_new_release_takes_them_over(
    release: Release,
    emulator: Emulator,
    operators: Callable[[Release], ReleasedOperator],
    team: Callable[[], Namespace],
) -> None:
    release.install(reach(emulator))
    operator = operators(release)
    namespace = team()
    running, deleted = (namespace.create(training(name)) for name in ("running", "deleted"))
    ids = [job.job_id for job in (running, deleted)]
    before = emulator.last

    said = release.uninstall()
    operator.stop()
    for crd in CRDS:
        assert crd in said
        assert "deletionTimestamp" not in release.get(f"{CRD_PATH}/{crd}")["metadata"]
    with pytest.raises(Exception, match="NotFound"):
        release.deployment()
    deleted.delete()
    assert deleted.metadata()["deletionTimestamp"]
    for job_id in ids:
        assert emulator.job(job_id)["state"] == "QUEUED"
    assert not [row for row in emulator.effects(after=before) if row["applied"]]

    release.install(reach(emulator))
    operators(release)
    deleted.until_gone()
    emulator.force(ids[0], "SUCCEEDED")
    running.until_state("SUCCEEDED")
    assert emulator.job(ids[1])["state"] in ("CANCELLING", "CANCELLED")
    assert [row["method"] for row in emulator.effects(after=before) if row["applied"]] == [
        "ml.projects.jobs.cancel"
    ]


def crds_left(release: Release) -> list[Json]:
    return [crd for crd in release.get(CRD_PATH)["items"] if crd["metadata"]["name"] in CRDS]


def test_crds_go_with_the_release_only_if_they_are_not_kept(release: Release) -> None:
    release.install({"crds": {"keep": False}})
    release.uninstall()
    eventually(lambda: crds_left(release), lambda left: not left, what="the CRDs are gone")


def test_crds_that_are_not_kept_hang_in_deletion_while_jobs_run(
    release: Release,
    emulator: Emulator,
    operators: Callable[[Release], ReleasedOperator],
    team: Callable[[], Namespace],
) -> None:
    release.install(reach(emulator, crds={"keep": False}))
    operator = operators(release)
    job = team().create(training("running"))
    job_id = job.job_id
    operator.stop()
    release.uninstall()
    eventually(lambda: job.metadata().get("deletionTimestamp"), what="the resource is asked to go")
    assert "trainingjobs.mljobs.dev" in [crd["metadata"]["name"] for crd in crds_left(release)]
    assert emulator.job(job_id)["state"] == "QUEUED"
    job.patch({"metadata": {"finalizers": None}})
    eventually(lambda: crds_left(release), lambda left: not left, what="the CRDs are gone")


def test_another_release_takes_kept_crds_over(
    release: Release, cluster_helm: Helm, plane: ControlPlane
) -> None:
    release.install()
    release.uninstall()
    other = Release(cluster_helm, plane, "other")
    refused = cluster_helm.run("install", "r", str(CHART), "--namespace=other", "--create-namespace")
    assert "cannot be imported into the current release" in refused.stderr
    other.install(None, "--take-ownership")
    assert other.deployment()
    other.uninstall()


def test_two_releases_share_the_crds(release: Release, cluster_helm: Helm, plane: ControlPlane) -> None:
    for name in ("team-a", "team-b", "second"):
        plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    release.install({"watchNamespaces": ["team-a"]})
    second = Release(cluster_helm, plane, "second")
    second.install({"watchNamespaces": ["team-b"], "crds": {"enabled": False}, "rbac": {"aggregate": False}})
    second.uninstall()
    assert len(crds_left(release)) == len(CRDS)
    assert release.deployment()


def test_the_pod_of_helm_test_finds_all_that_is_needed(
    helm: Helm,
    release: Release,
    emulator: Emulator,
    operators: Callable[[Release], ReleasedOperator],
    admin_kubectl: Kubectl,
    tmp_path: Path,
) -> None:
    """Its command, as a process with the release's ServiceAccount: there is no kubelet to run the Pod."""
    values = reach(emulator)
    release.install(values)
    operator = operators(release)
    eventually(
        lambda: admin_kubectl.run("get", "lease", FULLNAME, "-n", NAMESPACE).returncode,
        lambda code: code == 0,
        what="the Lease",
    )
    (container,) = helm.render(values).one("Pod")["spec"]["containers"]
    command, given = container["args"][0], container["args"][1]
    assert given == "--config=/etc/mljobs/config/config.yaml"
    env = {**os.environ, "KUBECONFIG": str(operator.kubeconfig)}
    file = f"--config={operator.log.parent / 'config.yaml'}"
    done = subprocess.run(
        [*MLJOBS, command, file], capture_output=True, text=True, timeout=60, check=False, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    admin_kubectl.out("delete", "rolebinding", f"{FULLNAME}-lease", "-n", NAMESPACE)
    done = subprocess.run(
        [*MLJOBS, command, file], capture_output=True, text=True, timeout=60, check=False, env=env
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "leases" in done.stdout


def test_the_cluster_roles_of_users_get_the_kinds_that_users_make(
    release: Release, admin_kubectl: Kubectl, has_controllers: bool
) -> None:
    """The aggregation is the controller manager's; without it only the labels can be seen."""
    release.install()
    for role in ("view", "edit", "admin"):
        labels = release.get(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{FULLNAME}-{role}")[
            "metadata"
        ]["labels"]
        assert labels[f"rbac.authorization.k8s.io/aggregate-to-{role}"] == "true"
    if not has_controllers:
        return
    admin_kubectl.run("create", "rolebinding", "viewer", "--clusterrole=view", "--user=vera")
    admin_kubectl.run("create", "rolebinding", "editor", "--clusterrole=edit", "--user=ed")

    def may(user: str, verb: str, *resource: str) -> bool:
        asked = admin_kubectl.run("auth", "can-i", verb, *resource, f"--as={user}")
        assert asked.stdout.strip() in ("yes", "no"), asked.stderr
        return asked.stdout.strip() == "yes"

    for kind in (kind for kind in ALL_KINDS.values() if kind.namespaced):
        eventually(lambda kind=kind: may("vera", "list", kind.plural), what="view reads")  # type: ignore[misc]
        eventually(lambda kind=kind: may("ed", "create", kind.plural), what="edit writes")  # type: ignore[misc]
        assert not may("vera", "create", kind.plural)
        assert not may("ed", "patch", kind.plural, "--subresource=status")
    assert not may("ed", "create", JOB_CLASS.plural), "who makes a class lends the operator's identity"


@pytest.fixture(scope="module")
def restricted(plane: ControlPlane) -> str:
    """A namespace that lets in only Pods that keep to the standard `restricted`."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "restricted", "labels": labels}}
    plane.apply(manifest)
    return "restricted"


VARIANTS: dict[str, Json] = {
    "default": {},
    "key": {"credentials": {"existingSecret": {"name": "google"}}},
    "federation": {"credentials": {"federation": {"configMap": "c", "audience": "a"}}},
    "OpenShift": {"runAsUser": None},
}


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_all_pods_are_restricted(
    helm: Helm, plane: ControlPlane, admin_kubectl: Kubectl, restricted: str, values: Json
) -> None:
    objects = helm.render(values)
    account = objects.one("ServiceAccount")
    plane.apply({**account, "metadata": {"name": account["metadata"]["name"], "namespace": restricted}})
    for template in objects.pods:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": template["spec"]}
        judge = ["create", "-n", restricted, "--dry-run=server", "-f", "-"]
        assert "created" in admin_kubectl.out(*judge, stdin=yaml.safe_dump(pod))
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        refused = admin_kubectl.run(*judge, stdin=yaml.safe_dump(pod))
        assert 'violates PodSecurity "restricted' in refused.stderr


def test_everything_is_taken_by_the_api_server(helm: Helm, release: Release) -> None:
    """All objects but those of the Prometheus operator, whose CRDs are not here."""
    more = {
        "dashboard": {"enabled": True},
        "networkPolicy": {"enabled": True},
        "watchNamespaces": [NAMESPACE],
    }
    release.install(more)
    for one in helm.render(more):
        if one["kind"] != "Pod":
            assert release.stored(one)["metadata"]["name"] == one["metadata"]["name"]


def test_only_pods_that_need_the_token_have_it(helm: Helm) -> None:
    objects = helm.render()
    assert objects.one("ServiceAccount")["automountServiceAccountToken"] is False
    assert all(pod["spec"]["automountServiceAccountToken"] is True for pod in objects.pods)


def test_the_notes_say_what_to_do_next(cluster_helm: Helm) -> None:
    plain = cluster_helm.out("install", "r", str(CHART), f"--namespace={NAMESPACE}", "--dry-run=client")
    assert f"kubectl -n {NAMESPACE} rollout status deployment/{FULLNAME}" in plain
    assert "No credentials are configured" in plain
    assert "projectId: MY_PROJECT" in plain
    given = {"config": {"projectId": "p"}, "credentials": {"existingSecret": {"name": "g"}}}
    ready = cluster_helm.out(
        "install", "r", str(CHART), f"--namespace={NAMESPACE}", "--dry-run=client", values=given
    )
    assert "No credentials are configured" not in ready
    assert "MY_PROJECT" not in ready
