"""The rows of the cluster, on a control plane of its own: CRDs and roles are broken one after another."""

import copy
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mljobs.admin import crds as crds_command
from mljobs.admin.check.cluster import Cluster
from mljobs.admin.check.definitions import check_definitions
from mljobs.admin.check.finding import Finding, Status
from mljobs.admin.check.load import check_quotas, read_load
from mljobs.admin.check.permissions import check_permissions
from mljobs.admin.check.policies import check_policies
from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import KINDS, JobKind
from mljobs.config import Settings
from mljobs.controller.kube import rights
from mljobs.controller.kube.blocking import Client
from mljobs.controller.kube.kubeconfig import find_access
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.check.support_check import rows, run
from tests.e2e.support import Json, eventually, training
from tests.e2e.support_stack import ACCOUNT, OPERATOR_USER, PROJECT, Emulator

ROOT = Path(__file__).parents[3]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
POLICIES = "validatingadmissionpolicies"
ROLES = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="module")
def plane(binaries_dir: Path) -> Iterator[ControlPlane]:
    with ControlPlane(binaries_dir=binaries_dir, audit=True) as running:
        running.apply(crds_command.manifests())
        for name in ("namespace", "rbac"):
            running.apply(ROOT / "deploy" / "base" / f"{name}.yaml")
        yield running


@pytest.fixture(scope="module")
def account(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of the operator's ServiceAccount."""
    return plane.service_account_kubeconfig(*ACCOUNT, tmp_path_factory.mktemp("account") / "kubeconfig")


def test_all_is_well_with_the_role_of_deploy(
    plane: ControlPlane, cluster: Cluster, account: Path, emulator: Emulator, job: str
) -> None:
    done = run(account, "--anonymous", f"--endpoint={emulator.url}", "--leader-election", "-o", "json")
    found = rows(done, passed=True)
    assert {check: row["status"] for check, row in found.items()} == {
        "Kubernetes version": "ok",
        "Clock": "ok",
        "CRD trainingjobs.mljobs.dev": "ok",
        "CRD predictionjobs.mljobs.dev": "ok",
        "CRD jobclasses.mljobs.dev": "ok",
        "CRD jobschedules.mljobs.dev": "ok",
        "policy trainingjobs.mljobs.dev": "skipped",
        "policy predictionjobs.mljobs.dev": "skipped",
        "Permissions in all namespaces": "ok",
        "Lease mljobs-system/mljobs-operator": "ok",
        "Google credentials": "skipped",
        f"Job service, project {PROJECT}": "ok",
        f"Permissions in project {PROJECT}": "ok",
    }
    assert "it has no holder yet" in found["Lease mljobs-system/mljobs-operator"]["found"]
    # read-only: nothing was asked for but access reviews, and nothing of the service changed
    written = {(row["verb"], row["objectRef"]["resource"]) for row in plane.writes(user=OPERATOR_USER)}
    assert written == {("create", "selfsubjectaccessreviews")}
    assert emulator.applied("create") == [row["jobId"] for row in emulator.effects() if row["applied"]]


def test_the_table_says_the_same(account: Path, cluster: Cluster, emulator: Emulator) -> None:
    done = run(account, "--anonymous", "--endpoint=http://127.0.0.1:1")
    assert done.returncode == 1
    for text in ("CRD trainingjobs.mljobs.dev", "ok", "failed", "→ check host and port", "127.0.0.1:1"):
        assert text in done.stdout


def test_the_administrator_can_ask_for_the_account(
    plane: ControlPlane, account: Path, cluster: Cluster, emulator: Emulator
) -> None:
    arguments = ["--anonymous", f"--endpoint={emulator.url}", "-o", "json", "--namespace=elsewhere"]
    assert rows(run(plane.kubeconfig, *arguments), passed=True)["Permissions in elsewhere"]["status"] == "ok"
    stranger = rows(
        run(plane.kubeconfig, *arguments, "--as=system:serviceaccount:default:nobody"), passed=False
    )
    assert "may not get trainingjobs" in stranger["Permissions in elsewhere"]["found"]
    refused = rows(run(account, *arguments, "--as=somebody"), passed=False)
    assert "cannot impersonate" in refused["Kubernetes API"]["found"]


def cluster_role(plane: ControlPlane, rules: Sequence[Json]) -> Json:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": ACCOUNT[1]},
        "rules": list(rules),
    }


def without(rules: Sequence[Json], resource: str, verb: str) -> list[Json]:
    """Rules, one for each resource, that lack one permission."""
    return [
        {**rule, "resources": [one], "verbs": [v for v in rule["verbs"] if (one, v) != (resource, verb)]}
        for rule in rules
        for one in rule["resources"]
    ]


def permissions(cluster: Cluster, settings: Settings | None = None) -> dict[str, Finding]:
    return {finding.check: finding for finding in check_permissions(cluster, settings or Settings())}


def replace(plane: ControlPlane, kind: str, place: str, rules: list[Json]) -> None:
    """Give the operator's role other rules; an empty list of verbs is not allowed."""
    path = f"{ROLES}/{place}{kind}/{ACCOUNT[1]}"
    role = plane.client.get(path)
    role["rules"] = [rule for rule in rules if rule["verbs"]]
    plane.client.request("PUT", path, role)


RESOURCE_RIGHTS = [(resource, verb) for _, resource, verb, _ in rights.permissions(rights.RESOURCES)]
LEASE_RIGHTS = [(resource, verb) for _, resource, verb, _ in rights.permissions(rights.leases(ACCOUNT[1]))]


@pytest.mark.parametrize(("resource", "verb"), RESOURCE_RIGHTS)
def test_a_missing_permission_is_named(
    plane: ControlPlane, cluster: Cluster, resource: str, verb: str
) -> None:
    check = "Permissions in all namespaces"
    whole = plane.client.get(f"{ROLES}/clusterroles/{ACCOUNT[1]}")["rules"]
    replace(plane, "clusterroles", "", without(whole, resource, verb))
    try:
        found = eventually(
            lambda: permissions(cluster)[check],
            lambda finding: finding.status is Status.FAILED,
            what="the permission is missed",
        )
    finally:
        replace(plane, "clusterroles", "", whole)
    assert found.found == f"it may not {verb} {resource}"
    assert f'"resources": ["{resource}"], "verbs": ["{verb}"]' in found.remedy
    eventually(
        lambda: permissions(cluster)[check], lambda finding: finding.status is Status.OK, what="it is fixed"
    )


@pytest.mark.parametrize(("resource", "verb"), LEASE_RIGHTS)
def test_a_missing_permission_on_the_lease_is_named(
    plane: ControlPlane, cluster: Cluster, resource: str, verb: str
) -> None:
    settings, check = Settings(leader_election=True), "Lease mljobs-system/mljobs-operator"
    place = f"namespaces/{ACCOUNT[0]}/"
    whole = plane.client.get(f"{ROLES}/{place}roles/{ACCOUNT[1]}")["rules"]
    replace(plane, "roles", place, without(whole, resource, verb))
    try:
        found = eventually(
            lambda: permissions(cluster, settings)[check],
            lambda finding: finding.status is Status.FAILED,
            what="the permission is missed",
        )
    finally:
        replace(plane, "roles", place, whole)
    assert found.found == f"it may not {verb} {resource}"
    assert "Permissions in all namespaces" in permissions(cluster, settings)
    assert check not in permissions(cluster)  # nobody needs the Lease without leader election


def test_the_holder_of_the_lease_is_named(plane: ControlPlane, cluster: Cluster) -> None:
    lease: Json = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": ACCOUNT[1], "namespace": ACCOUNT[0]},
        "spec": {"holderIdentity": "pod-1", "leaseDurationSeconds": 12},
    }
    plane.apply([lease])
    found = permissions(cluster, Settings(leader_election=True))["Lease mljobs-system/mljobs-operator"]
    assert found.status is Status.OK
    assert "held by pod-1" in found.found


def test_the_holder_of_each_shard_s_lease_is_named(plane: ControlPlane, cluster: Cluster) -> None:
    for name, holder in ((ACCOUNT[1], "pod-1_of_2"), (f"{ACCOUNT[1]}-1", "pod-2_of_2")):
        lease: Json = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": ACCOUNT[0]},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 12},
        }
        plane.apply([lease])
    settings, checks = Settings(leader_election=True, shards=2), [f"Lease {ACCOUNT[0]}/{ACCOUNT[1]}"]
    checks.append(f"{checks[0]}-1")
    assert permissions(cluster, settings)[checks[0]].found == "it may not update leases"
    place = f"namespaces/{ACCOUNT[0]}/"
    whole = plane.client.get(f"{ROLES}/{place}roles/{ACCOUNT[1]}")["rules"]
    replace(plane, "roles", place, [rule.document() for rule in rights.leases(ACCOUNT[1], 2)])
    try:
        found = eventually(
            lambda: permissions(cluster, settings),
            lambda findings: all(findings[check].status is Status.OK for check in checks),
            what="the permissions are granted",
        )
    finally:
        replace(plane, "roles", place, whole)
    for number, check in enumerate(checks, 1):
        assert f"held by pod-{number}_of_2" in found[check].found


def test_namespaces_are_checked_one_by_one(plane: ControlPlane, cluster: Cluster) -> None:
    plane.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}}])
    whole = plane.client.get(f"{ROLES}/clusterroles/{ACCOUNT[1]}")["rules"]
    subject = {"kind": "ServiceAccount", "name": ACCOUNT[1], "namespace": ACCOUNT[0]}
    role: Json = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "mljobs", "namespace": "team-a"},
        "rules": whole,
    }
    binding: Json = {
        **role,
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "mljobs"},
        "subjects": [subject],
    }
    del binding["rules"]
    plane.apply([role, binding])
    replace(plane, "clusterroles", "", [])
    settings = Settings(namespaces=("team-a", "team-b"))
    try:
        found = eventually(
            lambda: permissions(cluster, settings),
            lambda seen: (
                seen["Permissions in team-b"].status is Status.FAILED
                and seen["Permissions in team-a"].status is Status.OK
            ),
            what="one namespace is allowed",
        )
        deletion = "Deletion of a watched namespace"
        assert set(found) == {"Permissions in team-a", "Permissions in team-b", deletion}
        assert found[deletion].status is Status.WARNING
        assert "it may not patch trainingjobs, patch predictionjobs" in found[deletion].found
        assert "rbac.namespaceDeletion" in found[deletion].remedy
        # together with its own namespace the operator is gone, too
        alone = settings.model_copy(update={"namespaces": ("team-a",), "lease_namespace": "team-a"})
        assert deletion not in permissions(cluster, alone)
        replace(plane, "clusterroles", "", [rule.document() for rule in rights.LASTING["Patch"]])
        eventually(
            lambda: permissions(cluster, settings)[deletion],
            lambda finding: finding.status is Status.OK,
            what="the rights outlive a namespace",
        )
        assert read_load(cluster, Settings(namespaces=("team-a",))).resources == 0
    finally:
        replace(plane, "clusterroles", "", whole)


def definitions(cluster: Cluster, kind: JobKind) -> Finding:
    (found,) = [row for row in check_definitions(cluster) if row.check == f"CRD {kind.crd_name}"]
    return found


def altered(kind: JobKind, change: str) -> Json:
    """The CRD of another version."""
    document = copy.deepcopy(crds_command.definition(kind))
    version = document["spec"]["versions"][0]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    match change:
        case "a field is missing":
            del spec["properties"][kind.input_field]["properties"]["region"]
        case "a field is unknown":
            spec["properties"]["colour"] = {"type": "string"}
        case "a limit differs":
            spec["properties"]["jobId"]["maxLength"] = 99
        case "the rules are missing":
            patterns = spec["properties"]["failurePolicy"]["properties"]["rules"]["items"]["properties"]
            del patterns["onMessagePatterns"]["items"]["x-kubernetes-validations"]
        case "no field can be selected":
            del version["selectableFields"]
        case "a comment differs":
            spec["properties"]["jobId"]["description"] = "An id."
        case "the status is no subresource":
            del version["subresources"]
    return document


CHANGES = [
    ("a field is missing", Status.FAILED, "missing: spec.{input}.region"),
    ("a field is unknown", Status.FAILED, "unknown: spec.colour"),
    ("a limit differs", Status.FAILED, "differs: spec.jobId maxLength"),
    (
        "the rules are missing",
        Status.FAILED,
        "missing: spec.failurePolicy.rules[].onMessagePatterns[] x-kubernetes-validations",
    ),
    ("no field can be selected", Status.FAILED, "missing: x-kubernetes-selectable-fields"),
    ("the status is no subresource", Status.FAILED, "the subresource status is missing"),
    ("a comment differs", Status.WARNING, "only its comments differ from"),
]


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
@pytest.mark.parametrize(("change", "status", "text"), CHANGES, ids=[change for change, _, _ in CHANGES])
def test_a_definition_of_another_version_is_named(
    plane: ControlPlane, cluster: Cluster, kind: JobKind, change: str, status: Status, text: str
) -> None:
    path = f"{CRDS}/{kind.crd_name}"
    put(plane, path, altered(kind, change))
    try:
        found = eventually(
            lambda: definitions(cluster, kind),
            lambda seen: text.format(input=kind.input_field) in seen.found or seen.status is status,
            what=change,
        )
        assert found.status is status
        assert text.format(input=kind.input_field) in found.found
        assert "mljobs crds | kubectl apply" in found.remedy
    finally:
        put(plane, path, crds_command.definition(kind))
    eventually(
        lambda: definitions(cluster, kind).status, lambda seen: seen is Status.OK, what="it is this version's"
    )


def put(plane: ControlPlane, path: str, document: Json) -> None:
    version = plane.client.get(path)["metadata"]["resourceVersion"]
    metadata = {**document["metadata"], "resourceVersion": version}
    plane.client.request("PUT", path, {**document, "metadata": metadata})


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_missing_definition_is_named(plane: ControlPlane, cluster: Cluster, kind: JobKind) -> None:
    plane.client.request("DELETE", f"{CRDS}/{kind.crd_name}")
    try:
        found = eventually(
            lambda: definitions(cluster, kind),
            lambda seen: "it is not installed" in seen.found,
            what="it is missed",
        )
        assert found.status is Status.FAILED
        assert "mljobs crds | kubectl apply" in found.remedy
    finally:
        plane.apply([crds_command.definition(kind)])
    eventually(
        lambda: [row.status for row in check_definitions(cluster)],
        lambda seen: set(seen) == {Status.OK},
        what="all are there again",
    )


@pytest.fixture
def admin_cluster(plane: ControlPlane) -> Iterator[Cluster]:
    """The API server as an administrator sees it, who may read policies."""
    with Client(find_access(str(plane.kubeconfig)), "test", retries=False) as api:
        yield Cluster(api)


def policies(cluster: Cluster, kind: JobKind) -> Finding:
    (found,) = [row for row in check_policies(cluster) if row.check == f"policy {kind.crd_name}"]
    return found


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_policy_that_is_missing_or_another_version_s_is_named(
    plane: ControlPlane, admin_cluster: Cluster, cluster: Cluster, kind: JobKind
) -> None:
    assert policies(cluster, kind).status is Status.SKIPPED
    assert policies(admin_cluster, kind).status is Status.OK
    document, binding = crds_command.policy(kind)
    for one, plural in ((binding, "validatingadmissionpolicybindings"), (document, POLICIES)):
        path = f"/apis/admissionregistration.k8s.io/v1/{plural}/{kind.crd_name}"
        changed = copy.deepcopy(one)
        if one is document:
            changed["spec"]["validations"][0]["expression"] = "true"
        else:
            changed["spec"]["validationActions"] = ["Audit"]
        put(plane, path, changed)
        found = policies(admin_cluster, kind)
        assert (found.status, "is not that of version" in found.found) == (Status.WARNING, True)
        plane.client.request("DELETE", path)
        found = policies(admin_cluster, kind)
        assert found.status is Status.WARNING
        assert f"its {one['kind']} is not installed" in found.found
        assert "mljobs crds | kubectl apply" in found.remedy
        plane.apply(crds_command.policy(kind))
        assert policies(admin_cluster, kind).status is Status.OK


def test_no_definition_at_all(
    plane: ControlPlane, cluster: Cluster, account: Path, emulator: Emulator
) -> None:
    for kind in ALL_KINDS.values():
        plane.client.request("DELETE", f"{CRDS}/{kind.crd_name}")
    try:
        eventually(
            lambda: [row.status for row in check_definitions(cluster)],
            lambda seen: set(seen) == {Status.FAILED},
            what="all are missed",
        )
        found = rows(run(account, "--anonymous", f"--endpoint={emulator.url}", "-o", "json"), passed=False)
        assert {check for check, row in found.items() if row["status"] == "failed"} == {
            f"CRD {kind.crd_name}" for kind in ALL_KINDS.values()
        }
    finally:
        plane.apply(crds_command.manifests())


@pytest.mark.parametrize(
    ("cluster_change", "user_change", "found"),
    [
        ({}, {"token": "nobody's"}, "401: it does not know this user"),
        ({"server": "https://127.0.0.1:1"}, {}, "the connection was refused"),
        ({"server": "{emulator}"}, {}, "404"),
        ({"certificate-authority": ""}, {}, "its certificate is not trusted"),
    ],
)
def test_an_api_server_that_cannot_be_used(
    account: Path,
    emulator: Emulator,
    tmp_path: Path,
    cluster_change: Json,
    user_change: Json,
    found: str,
) -> None:
    document = json.loads(account.read_text())
    for name, value in cluster_change.items():
        document["clusters"][0]["cluster"].pop(name)
        if value:
            document["clusters"][0]["cluster"][name] = value.format(emulator=emulator.url)
    document["users"][0]["user"].update(user_change)
    broken = tmp_path / "kubeconfig"
    broken.write_text(json.dumps(document))
    done = run(broken, "--anonymous", f"--endpoint={emulator.url}", "-o", "json")
    assert found in rows(done, passed=False)["Kubernetes API"]["found"]


def test_wrong_settings_end_it_at_once(account: Path) -> None:
    done = run(account, "--poll-interval=0", "--endpoint=http://ml.example")
    assert done.returncode == 2
    assert 'pollInterval: "0" (--poll-interval) is not allowed' in done.stderr
    done = run(account, "--endpoint=http://ml.example")
    assert done.returncode == 2
    assert "clear text" in done.stderr


def test_the_reads_of_active_jobs_are_compared_with_the_quota(
    plane: ControlPlane, cluster: Cluster, account: Path, emulator: Emulator
) -> None:
    def resource(name: str, project: str | None, status: Json) -> None:
        spec = {"projectId": project} if project else {}
        plane.apply([{**training(name, spec), "metadata": {"name": name, "namespace": "default"}}])
        path = f"/apis/mljobs.dev/v1alpha1/namespaces/default/trainingjobs/{name}"
        found: Any = plane.client.get(path)
        plane.client.request("PUT", f"{path}/status", {**found, "status": status})

    for number in range(3):
        job_name = f"projects/{PROJECT}/jobs/j{number}"
        resource(f"runs-{number}", None, {"observedGeneration": 1, "state": "RUNNING", "jobName": job_name})
    ended = {"observedGeneration": 1, "state": "SUCCEEDED", "jobName": "projects/other/jobs/j"}
    resource("ended", "other", ended)
    resource("waits", "third", {"observedGeneration": 1})
    stalled = {
        "type": "Stalled",
        "status": "True",
        "reason": "Rejected",
        "message": "no",
        "observedGeneration": 1,
    }
    stalled["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    resource("refused", "third", {"observedGeneration": 1, "conditions": [stalled]})

    settings = Settings(project_id=PROJECT, poll_interval=1, others_per_minute=60, creates_per_minute=0.5)
    load = read_load(cluster, settings)
    assert (load.resources, load.active, load.waiting) == (6, {PROJECT: 3}, {"third": 1})
    assert set(load.projects) == {PROJECT, "other", "third"}
    creates, found = check_quotas(load, settings)
    assert (creates.check, creates.status) == ("Create quota of project third", Status.WARNING)
    assert found.status is Status.WARNING
    assert found.found == "3 active jobs take 180 reads a minute, and 60 are allowed: a status may be 3 s old"
    assert "pollInterval to 3" in found.remedy

    shown = rows(run(account, "--anonymous", f"--endpoint={emulator.url}", "-o", "json"), passed=True)
    assert shown[f"Quota of project {PROJECT}"]["status"] == "ok"
    assert {check for check in shown if check.startswith("Job service")} == {
        f"Job service, project {project}" for project in (PROJECT, "other", "third")
    }
