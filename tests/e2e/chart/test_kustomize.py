"""`kubectl apply -k` works as it stands, and brings the same operator as the chart."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mljobs.admin import crds as crds_command
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.chart.support_chart import CRDS, ROOT, Helm, Objects, ReleasedOperator
from tests.e2e.support import Json, Kubectl, Namespace, connect, eventually, training
from tests.e2e.support_stack import Emulator

OVERLAYS = {"cluster": "mljobs-system", "namespace": "mljobs"}
overlays = pytest.mark.parametrize("overlay", OVERLAYS)


@pytest.fixture
def applied(admin_kubectl: Kubectl, plane: ControlPlane) -> Callable[[str], Objects]:
    """Applies an overlay, and gives what it consists of. Both can be there at once."""

    def apply(overlay: str) -> Objects:
        folder = str(ROOT / "deploy" / "overlays" / overlay)
        admin_kubectl.out("apply", "-k", folder)
        plane.client.wait_established(CRDS)
        return Objects.read(admin_kubectl.out("kustomize", folder))

    return apply


KUSTOMIZE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
FOLDERS = sorted(
    {
        path.parent.relative_to(ROOT)
        for top in ("crds", "deploy", "helm", "docs")
        for name in KUSTOMIZE_NAMES
        for path in (ROOT / top).rglob(name)
    }
)
"""All folders that kustomize, and so Flux and Argo CD too, takes for its own."""


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_kustomize_builds_each_folder_that_has_a_file_of_its_name(
    admin_kubectl: Kubectl, folder: Path
) -> None:
    assert Objects.read(admin_kubectl.out("kustomize", str(ROOT / folder))).documents


@pytest.mark.parametrize("how", [[], ["--server-side"]], ids=["client-side", "server-side"])
@pytest.mark.parametrize("what", ["-f", "-k"])
def test_the_crds_and_policies_alone_can_be_applied_and_again_without_a_change(
    admin_kubectl: Kubectl, plane: ControlPlane, what: str, how: list[str]
) -> None:
    crds = [what, str(ROOT / "crds")]

    def versions() -> list[str]:
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        return [plane.client.get(f"{path}/{name}")["metadata"]["resourceVersion"] for name in CRDS]

    admin_kubectl.out("apply", *how, *crds)
    plane.client.wait_established(CRDS)
    before = eventually(versions, lambda seen: seen == versions(), what="the API server has done its part")
    said = admin_kubectl.out("apply", *how, *crds).splitlines()
    ending = "serverside-applied" if how else "unchanged"
    assert [line.rpartition(" ")[2] for line in said] == [ending] * len(crds_command.manifests())
    assert versions() == before
    admin_kubectl.out("delete", *crds)


@overlays
def test_server_side_apply_works_too(admin_kubectl: Kubectl, overlay: str) -> None:
    """It stands before the others, so that it meets no object that was applied in the other way."""
    said = admin_kubectl.out("apply", "--server-side", "-k", str(ROOT / "deploy" / "overlays" / overlay))
    assert said.count("serverside-applied") == len(said.splitlines()) > 10


@overlays
def test_every_object_is_there(applied: Callable[[str], Objects], plane: ControlPlane, overlay: str) -> None:
    objects = applied(overlay)
    for one in objects:
        found = plane.client.get(plane.client.path_of(one))
        assert found["metadata"].get("namespace", OVERLAYS[overlay]) == OVERLAYS[overlay]
    cluster_wide = [role["metadata"]["name"] for role in objects.of("ClusterRole")]
    own = ["mljobs-operator"] if overlay == "cluster" else []
    assert sorted(cluster_wide) == sorted(
        [*own, *(f"mljobs-operator-{role}" for role in ("view", "edit", "admin"))]
    )


@overlays
def test_applying_it_again_would_change_nothing(
    applied: Callable[[str], Objects], admin_kubectl: Kubectl, overlay: str
) -> None:
    applied(overlay)
    folder = str(ROOT / "deploy" / "overlays" / overlay)
    assert admin_kubectl.out("diff", "-k", folder) == ""
    changed = [
        line for line in admin_kubectl.out("apply", "-k", folder).splitlines() if "unchanged" not in line
    ]
    # of a budget's selector the API says that a patch replaces it, so that kubectl always sends one
    assert changed == ["poddisruptionbudget.policy/mljobs-operator configured"]


@overlays
def test_the_pods_are_let_into_the_namespace(
    applied: Callable[[str], Objects], admin_kubectl: Kubectl, overlay: str
) -> None:
    """The namespace enforces the standard `restricted`."""
    objects = applied(overlay)
    assert (
        objects.one("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    )
    spec = objects.one("Deployment")["spec"]["template"]["spec"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    judge = ["create", "-n", OVERLAYS[overlay], "--dry-run=server", "-f", "-"]
    assert "created" in admin_kubectl.out(*judge, stdin=yaml.safe_dump(pod))
    pod["spec"]["securityContext"]["runAsNonRoot"] = False
    assert "violates PodSecurity" in admin_kubectl.run(*judge, stdin=yaml.safe_dump(pod)).stderr


@overlays
def test_the_operator_works_with_it(
    applied: Callable[[str], Objects],
    plane: ControlPlane,
    emulator: Emulator,
    overlay: str,
    tmp_path: Path,
) -> None:
    """As a process with the file, the variables and the ServiceAccount of the Deployment."""
    objects = applied(overlay)
    home = OVERLAYS[overlay]
    (container,) = objects.one("Deployment")["spec"]["template"]["spec"]["containers"]
    config = tmp_path / "config.yaml"
    config.write_text(objects.one("ConfigMap")["data"]["config.yaml"], "utf-8")
    kubeconfig = plane.service_account_kubeconfig(home, "mljobs-operator", tmp_path / "kubeconfig")
    given = {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}
    variables = {name: value.replace("$(POD_NAMESPACE)", home) for name, value in given.items()}
    operator = ReleasedOperator(
        kubeconfig,
        config,
        tmp_path / "log",
        {
            **variables,
            "MLJOBS_ENDPOINT": emulator.url,
            "MLJOBS_ANONYMOUS": "true",
            "MLJOBS_PROJECT_ID": "p",
            "MLJOBS_LOG_FORMAT": "text",
        },
    )
    operator.start()
    try:
        team = Namespace(connect(plane.kubeconfig), home, operator.tail)
        job = team.create(training("census"))
        job.until_state("QUEUED")
        job.delete()
        job.until_gone()
        lease = plane.client.get(f"/apis/coordination.k8s.io/v1/namespaces/{home}/leases/mljobs-operator")
        assert lease["spec"]["holderIdentity"]
    finally:
        operator.stop()
    assert "forbidden" not in operator.tail(1_000_000).lower()


def test_it_is_the_same_operator_as_the_chart_s(helm: Helm, admin_kubectl: Kubectl) -> None:
    """But for names: the chart's have the release in them."""
    built = Objects.read(admin_kubectl.out("kustomize", str(ROOT / "deploy" / "overlays" / "cluster")))
    chart = helm.render({"fullnameOverride": "mljobs-operator"})

    def compared(objects: Objects) -> Json:
        spec: Json = objects.one("Deployment")["spec"]
        template = spec["template"]
        template["metadata"] = spec["selector"] = {}
        (volume,) = template["spec"]["volumes"]
        volume["configMap"].pop("name")
        budget: Json = objects.one("PodDisruptionBudget")["spec"]
        service: Json = objects.one("Service")["spec"]
        for one in (budget, service):
            one.pop("selector")
        roles = {
            role["metadata"]["name"].removesuffix("-lease"): role["rules"]
            for kind in ("ClusterRole", "Role")
            for role in objects.of(kind)
        }
        return {"deployment": spec, "budget": budget, "service": service, "roles": roles}

    assert compared(built) == compared(chart)
