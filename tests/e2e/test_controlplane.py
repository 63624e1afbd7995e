"""The control plane itself: what it serves, what becomes of it when parts die, and that it leaves nothing."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3

from mljobs_dev.controlplane.binaries import ensure
from mljobs_dev.controlplane.client import ApiClient, ApiError
from mljobs_dev.controlplane.controlplane import ControlPlane, ControlPlaneError
from mljobs_dev.controlplane.process import Exit

pytestmark = pytest.mark.e2e
DEADLINE = 60.0


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE:g} s: {what}"
        time.sleep(0.05)


def gone(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return not state or state.startswith("Z")


def config_map(name: str, value: str = "1") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}}


def crd(plural: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "singular": plural[:-1], "kind": kind}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.org"},
        "spec": {"group": "example.org", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def client_of(kubeconfig: Path) -> "TokenClient":
    return TokenClient(json.loads(kubeconfig.read_text()))


class TokenClient:
    """Sends requests with the token of a kubeconfig."""

    def __init__(self, config: dict[str, Any]) -> None:
        ca = config["clusters"][0]["cluster"]["certificate-authority"]
        self.url = config["clusters"][0]["cluster"]["server"]
        self.headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
        self.pool = urllib3.PoolManager(ca_certs=ca, retries=False)

    def status(self, method: str, path: str) -> int:
        return self.pool.request(method, self.url + path, headers=self.headers).status


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane(audit=True) as running:
        yield running


def test_it_is_a_real_cluster_with_rbac_and_default_admission(plane: ControlPlane, tmp_path: Path) -> None:
    version = plane.client.get("/version")
    assert version["gitVersion"].startswith("v1.")
    assert version["gitVersion"] != "v0.0.0-master+$Format:%H$"
    plane.apply([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}}])
    role = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": "default"}
    rbac = "rbac.authorization.k8s.io"
    plane.apply(
        [
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": "reader"},
                "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "reader"},
                "subjects": [subject],
            },
            {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "reader"}, "rules": [role]},
        ]
    )
    path = plane.service_account_kubeconfig("default", "reader", tmp_path / "reader")
    assert path.stat().st_mode & 0o777 == 0o600
    reader = client_of(path)
    assert reader.status("GET", "/api/v1/namespaces/default/configmaps") == 200
    assert reader.status("GET", "/api/v1/namespaces/default/secrets") == 403
    assert reader.status("DELETE", "/api/v1/namespaces/default/configmaps/x") == 403


def test_pod_security_judges_pods(plane: ControlPlane) -> None:
    metadata = {"name": "strict", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": "strict"},
    }
    plane.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, account])
    container = {"name": "main", "image": "example.org/image"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "bold"},
        "spec": {"containers": [container], "hostNetwork": True},
    }
    with pytest.raises(ApiError, match="violates PodSecurity") as refused:
        plane.client.request("POST", "/api/v1/namespaces/strict/pods?dryRun=All", pod)
    assert refused.value.status == 403


def test_a_client_certificate_names_user_and_groups(plane: ControlPlane, tmp_path: Path) -> None:
    (user,) = json.loads(plane.kubeconfig_for("kim", ["team-a"], tmp_path / "kim").read_text())["users"]
    pair = Path(user["user"]["client-certificate"])
    assert user["user"]["client-key"] == str(pair)
    assert pair.stat().st_mode & 0o777 == 0o600
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    client = ApiClient(plane.url, plane.ca, pair)
    info = client.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)["status"][
        "userInfo"
    ]
    client.close()
    assert info["username"] == "kim"
    assert info["groups"] == ["team-a", "system:authenticated"]


def test_apply_sorts_manifests_and_waits_for_their_definitions(plane: ControlPlane, tmp_path: Path) -> None:
    thing = {
        "apiVersion": "example.org/v1",
        "kind": "Thing",
        "metadata": {"name": "one", "namespace": "things"},
        "size": 1,
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "things"}}
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "a.yaml").write_text("---\n---\n" + "\n---\n".join(map(json.dumps, [thing, namespace])))
    (folder / "b.yaml").write_text(json.dumps(crd("things", "Thing")))
    applied = plane.apply(folder)
    assert [item["kind"] for item in applied] == ["CustomResourceDefinition", "Namespace", "Thing"]
    again = plane.apply({**thing, "size": 2})
    assert again[0]["size"] == 2
    assert again[0]["metadata"]["uid"] == applied[2]["metadata"]["uid"]


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({"apiVersion": "v1", "kind": "Nonsense", "metadata": {"name": "x"}}, "does not serve kind Nonsense"),
        (
            {"apiVersion": "no.such/v1", "kind": "X", "metadata": {"name": "x"}},
            "does not serve /apis/no.such/v1",
        ),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}},
            "needs apiVersion, kind and metadata.name",
        ),
        ({"apiVersion": "v1", "metadata": {"name": "x"}}, "needs apiVersion, kind and metadata.name"),
    ],
)
def test_a_manifest_that_cannot_be_applied_is_named(
    plane: ControlPlane, manifest: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plane.apply(manifest)


CLIENT = """
import sys, time
from kubernetes import client, config

for path in sys.argv[1:]:
    api = config.new_client_from_config(path)
    client.VersionApi(api).get_code()
print("ready", flush=True)
time.sleep(600)
"""


def test_a_client_that_is_killed_leaves_no_temporary_file(plane: ControlPlane, tmp_path: Path) -> None:
    """The official client copies certificates that stand in a kubeconfig itself into files."""
    plane.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "killed"}})
    account = plane.service_account_kubeconfig("default", "killed", tmp_path / "account")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-c", CLIENT, str(plane.kubeconfig), str(account)]
    env = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "ready\n"
        killed.kill()
    assert list(temporary.iterdir()) == []


def test_a_missing_account_gets_no_kubeconfig(plane: ControlPlane, tmp_path: Path) -> None:
    with pytest.raises(ApiError, match='serviceaccounts "nobody" not found'):
        plane.service_account_kubeconfig("default", "nobody", tmp_path / "nobody")
    assert list(tmp_path.iterdir()) == []


def test_the_audit_log_counts_each_write_once_and_no_reads(plane: ControlPlane) -> None:
    before = len(plane.writes(resource="configmaps", user="kubernetes-admin"))
    plane.apply(config_map("counted"))
    plane.apply(config_map("counted", "2"))
    plane.client.get("/api/v1/namespaces/default/configmaps/counted")
    plane.client.request("DELETE", "/api/v1/namespaces/default/configmaps/counted")
    events = plane.writes(resource="configmaps", user="kubernetes-admin")[before:]
    assert [event["verb"] for event in events] == ["patch", "patch", "delete"]
    assert {event["level"] for event in events} == {"Metadata"}
    assert plane.writes(user="somebody else") == []


def test_servers_that_are_killed_come_back_with_the_same_data() -> None:
    exits: list[Exit] = []
    back: list[str] = []
    with ControlPlane(
        restart=True, on_exit=exits.append, on_restart=lambda process: back.append(process.name)
    ) as plane:
        plane.apply(config_map("kept"))
        for name in ("kube-apiserver", "etcd"):
            first = plane.pids[name]
            os.kill(first, signal.SIGKILL)
            wait_for(lambda name=name: name in back, f"the return of {name}")  # type: ignore[misc]
            plane.wait_ready()
            assert plane.pids[name] != first
            assert plane.client.get("/api/v1/namespaces/default/configmaps/kept")["data"] == {"value": "1"}
        assert back == ["kube-apiserver", "etcd"]
        assert [(ended.name, ended.code) for ended in exits] == [
            ("kube-apiserver", -signal.SIGKILL),
            ("etcd", -signal.SIGKILL),
        ]


def credentials(plane: ControlPlane) -> str:
    """The administrator's certificate and key, where the kubeconfig says they are."""
    (user,) = json.loads(plane.kubeconfig.read_text())["users"]
    return Path(user["user"]["client-key"]).read_text()


def test_a_state_folder_goes_on_where_it_stopped_and_serves_one_run_at_a_time(tmp_path: Path) -> None:
    state = tmp_path / ("deep" * 30) / "state"  # longer than a socket's path may be
    with ControlPlane(state_dir=state) as first:
        first.apply(config_map("kept"))
        url, ca, admin = first.url, first.ca.read_bytes(), credentials(first)
        with pytest.raises(ControlPlaneError, match="in use by another run"):
            ControlPlane(state_dir=state).start()
        assert first.client.ready()
    assert first.pids == {}
    with ControlPlane(state_dir=state) as second:
        assert second.url == url
        assert second.ca.read_bytes() == ca
        assert credentials(second) != admin
        assert second.client.get("/api/v1/namespaces/default/configmaps/kept")["data"] == {"value": "1"}


def test_two_control_planes_at_once_do_not_meet() -> None:
    with contextlib.ExitStack() as stack:
        with ThreadPoolExecutor(2) as pool:
            planes = [
                stack.enter_context(plane)
                for plane in pool.map(ControlPlane.start, [ControlPlane(), ControlPlane()])
            ]
        assert planes[0].url != planes[1].url
        for number, plane in enumerate(planes):
            plane.apply(config_map(f"of-{number}"))
        for number, plane in enumerate(planes):
            items = plane.client.get("/api/v1/namespaces/default/configmaps")["items"]
            names = {item["metadata"]["name"] for item in items}
            assert names & {"of-0", "of-1"} == {f"of-{number}"}
        pids = [pid for plane in planes for pid in plane.pids.values()]
        planes[0].stop()
        assert planes[1].client.ready()
    assert all(gone(pid) for pid in pids)
    assert not any(plane.folder.exists() for plane in planes)


def test_the_controller_manager_deletes_namespaces_and_owned_objects() -> None:
    with ControlPlane(controller_manager=True) as plane:
        assert set(plane.pids) == {"etcd", "kube-apiserver", "kube-controller-manager"}
        plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
        owner = plane.apply(config_map("owner"))[0]
        owned = config_map("owned")
        reference = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": "owner",
            "uid": owner["metadata"]["uid"],
        }
        owned["metadata"]["ownerReferences"] = [reference]
        plane.apply(owned)
        plane.client.request("DELETE", "/api/v1/namespaces/default/configmaps/owner")
        plane.client.request("DELETE", "/api/v1/namespaces/team")

        def missing(path: str) -> bool:
            try:
                plane.client.get(path)
            except ApiError as error:
                if error.status == 404:
                    return True
                raise
            return False

        wait_for(lambda: missing("/api/v1/namespaces/team"), "the end of the namespace")
        wait_for(lambda: missing("/api/v1/namespaces/default/configmaps/owned"), "garbage collection")


@pytest.mark.parametrize("broken", ["etcd", "kube-apiserver"])
def test_a_server_that_dies_at_once_is_told_with_its_last_words(tmp_path: Path, broken: str) -> None:
    real = ensure()
    for name in ("etcd", "kube-apiserver"):
        (tmp_path / name).symlink_to(real / name)
    (tmp_path / broken).unlink()
    (tmp_path / broken).write_text("#!/bin/sh\necho something is wrong with me\nexit 9\n")
    (tmp_path / broken).chmod(0o755)
    plane = ControlPlane(binaries_dir=tmp_path)
    with pytest.raises(ControlPlaneError, match=rf"{broken} .* exited with code 9[\s\S]*something is wrong"):
        plane.start()
    assert plane.pids == {}
    assert not plane.folder.exists()


OWNER = """
import json, sys, threading, time
from mljobs_dev.controlplane.controlplane import ControlPlane

plane = ControlPlane(controller_manager=True)
thread = threading.Thread(target=plane.start)
thread.start()
thread.join()
guardians = [process.guardian_pid for process in plane.processes.values()]
print(json.dumps({"pids": list(plane.pids.values()) + guardians, "folder": str(plane.folder)}), flush=True)
time.sleep(600)
"""


def test_no_server_and_no_file_outlives_an_owner_that_was_killed() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        told = json.loads(owner.stdout.readline())
    assert len(told["pids"]) == 6
    assert not any(gone(pid) for pid in told["pids"])
    owner.kill()
    owner.wait()
    wait_for(lambda: all(gone(pid) for pid in told["pids"]), "the end of all servers")
    wait_for(lambda: not Path(told["folder"]).exists(), "the removal of the files")
