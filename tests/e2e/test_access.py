"""The way to the API server: each of our programs goes where kubectl goes, and fails where it fails."""

import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from kubernetes import client

from mljobs.api.resources import TRAINING_JOB
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Namespace, eventually, training
from tests.e2e.support_forks import MLJOBS_FORKS
from tests.e2e.support_stack import MLJOBS, PROJECT, Emulator, Operator
from tests.e2e.support_tunnel import Tunnel

Json = dict[str, Any]

PLUGIN = [sys.executable, "-c", "from mljobs.kubectl.app import main; main()"]
NOWHERE = "127.0.0.1:1"
"""Where nobody listens."""

NAMED = "kubernetes.default"
"""A name of the API server, by its certificate, that nobody can resolve here."""


@dataclass
class Way:
    """A kubeconfig and an environment.

    Attributes:
        cluster: changes of the cluster's entry.
        user: the user's entry.
        environ: changes of the environment.
    """

    cluster: Json = field(default_factory=dict)
    user: Json = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """What a way can be made from.

    Attributes:
        plane: the control plane.
        folder: of the kubeconfig.
        tunnel: a proxy without a password.
        guarded: a proxy with one.
        token: of an account that may do everything.
    """

    plane: ControlPlane
    folder: Path
    tunnel: Tunnel
    guarded: Tunnel
    token: str

    @property
    def port(self) -> int:
        return urlsplit(self.plane.url).port or 0

    def file(self, name: str, text: str) -> str:
        """Write a file beside the kubeconfig, and give its name."""
        (self.folder / name).write_text(text)
        return name

    def credential_plugin(self, name: str, token: str) -> Json:
        """Write a plugin beside the kubeconfig, and give the user's entry for it."""
        version = "client.authentication.k8s.io/v1"
        answer = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": token}}
        self.file(f"{name}.json", json.dumps(answer))
        self.file(name, f'#!/bin/sh\ncat "{self.folder}/{name}.json"\n')
        program = self.folder / name
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return {"exec": {"command": f"./{name}", "apiVersion": version, "interactiveMode": "Never"}}

    def kubeconfig(self, way: Way) -> Path:
        """Write the kubeconfig."""
        cluster = {"server": self.plane.url, "certificate-authority": str(self.plane.ca), **way.cluster}
        document = {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": way.user or {"token": self.token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        self.file("config", json.dumps(document))
        return self.folder / "config"


def _certificate(place: Place) -> Way:
    pem = (place.plane.folder / "pki" / "admin.pem").read_bytes()
    encoded = base64.b64encode(pem).decode()
    return Way(user={"client-certificate-data": encoded, "client-key-data": encoded})


WAYS: dict[str, tuple[Callable[[Place], Way], bool, int]] = {
    "straight": (lambda _: Way(), True, 0),
    "a client certificate as data": (_certificate, True, 0),
    "a token file beside the kubeconfig": (
        lambda place: Way(user={"tokenFile": place.file("token", place.token + "\n")}),
        True,
        0,
    ),
    "a plugin beside the kubeconfig": (
        lambda place: Way(user=place.credential_plugin("get-token", place.token)),
        True,
        0,
    ),
    "a plugin that is missing": (
        lambda _: Way(
            user={
                "exec": {
                    "command": "./none",
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "interactiveMode": "Never",
                }
            }
        ),
        False,
        0,
    ),
    "a token that is not valid": (lambda _: Way(user={"token": "x"}), False, 0),
    "as somebody who may do nothing": (
        lambda place: Way(user={"token": place.token, "as": "nobody"}),
        False,
        0,
    ),
    "as a group that may do everything": (
        lambda place: Way(user={"token": place.token, "as": "nobody", "as-groups": ["system:masters"]}),
        True,
        0,
    ),
    "another name in the certificate": (
        lambda place: Way({"server": f"https://0.0.0.0:{place.port}", "tls-server-name": NAMED}),
        True,
        0,
    ),
    "a name that is not in the certificate": (
        lambda place: Way({"server": f"https://0.0.0.0:{place.port}"}),
        False,
        0,
    ),
    "an HTTP proxy with a password": (
        lambda place: Way(
            {"server": f"https://{NAMED}:6443", "proxy-url": f"http://kim:p%40ss@{place.guarded.address}"}
        ),
        True,
        1,
    ),
    "an HTTP proxy without its password": (
        lambda place: Way({"server": f"https://{NAMED}", "proxy-url": f"http://{place.guarded.address}"}),
        False,
        0,
    ),
    "a SOCKS proxy": (
        lambda place: Way({"server": f"https://{NAMED}", "proxy-url": f"socks5://{place.tunnel.address}"}),
        True,
        1,
    ),
    "a SOCKS proxy and another name": (
        lambda place: Way(
            {
                "server": "https://api.invalid",
                "tls-server-name": NAMED,
                "proxy-url": f"socks5://{place.tunnel.address}",
            }
        ),
        True,
        1,
    ),
    "a proxy of the kubeconfig before that of the environment": (
        lambda place: Way(
            {"proxy-url": f"http://{place.tunnel.address}"},
            environ={"HTTPS_PROXY": f"http://{NOWHERE}", "NO_PROXY": "*"},
        ),
        True,
        1,
    ),
    "a proxy of the environment": (
        lambda place: Way(
            {"server": f"https://0.0.0.0:{place.port}", "tls-server-name": NAMED},
            environ={"HTTPS_PROXY": place.tunnel.address, "NO_PROXY": "10.0.0.0/8,.example.com"},
        ),
        True,
        1,
    ),
    "a network without proxy": (
        lambda place: Way(
            {"server": f"https://0.0.0.0:{place.port}", "tls-server-name": NAMED},
            environ={"HTTPS_PROXY": f"http://{NOWHERE}", "NO_PROXY": "0.0.0.0/8"},
        ),
        True,
        0,
    ),
    "a proxy of the environment that is down": (
        lambda place: Way(
            {"server": f"https://0.0.0.0:{place.port}", "tls-server-name": NAMED},
            environ={"HTTPS_PROXY": f"http://{NOWHERE}"},
        ),
        False,
        0,
    ),
    "this machine without proxy": (
        lambda _: Way(environ={"HTTPS_PROXY": f"http://{NOWHERE}", "ALL_PROXY": f"http://{NOWHERE}"}),
        True,
        0,
    ),
}
"""How to make it, whether the API server is reached and answers, and how many proxies are passed."""

PROGRAMS: Mapping[str, Callable[[Path, Emulator], list[str]]] = {
    "kubectl": lambda kubectl, _: [str(kubectl), "get", TRAINING_JOB.plural],
    "plugin": lambda _kubectl, _emulator: [*PLUGIN, "list"],
    "check": lambda _kubectl, emulator: [*MLJOBS, "check", f"--endpoint={emulator.url}", "--anonymous"],
    "leftovers": lambda _kubectl, emulator: [
        *MLJOBS,
        "leftovers",
        f"--endpoint={emulator.url}",
        "--anonymous",
    ],
}


def run(command: list[str], environ: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a program with this environment."""
    if command[: len(MLJOBS)] == MLJOBS:
        return MLJOBS_FORKS.run(command[len(MLJOBS) :], env=environ, whole=True)
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def place(control_plane: ControlPlane, crds: None, tmp_path: Path) -> Any:
    control_plane.apply(
        [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "traveller"}},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": "traveller"},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": "cluster-admin",
                },
                "subjects": [{"kind": "ServiceAccount", "name": "traveller", "namespace": "default"}],
            },
        ]
    )
    token = control_plane.client.token("default", "traveller", 3600)
    with Tunnel(control_plane.url) as tunnel, Tunnel(control_plane.url, "kim:p@ss") as guarded:
        yield Place(control_plane, tmp_path, tunnel, guarded, token)


@pytest.mark.parametrize("name", WAYS)
def test_each_program_goes_kubectl_s_way(
    place: Place, emulator: Emulator, binaries_dir: Path, name: str
) -> None:
    make, reached, proxies = WAYS[name]
    way = make(place)
    names = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    environ = {key: value for key, value in os.environ.items() if key.lower() not in names}
    environ = {key: value for key, value in environ.items() if not key.startswith("MLJOBS_")}
    environ |= {"KUBECONFIG": str(place.kubeconfig(way)), **way.environ}
    asked = place.tunnel.asked, place.guarded.asked
    for program, command in PROGRAMS.items():
        for tunnel in asked:
            tunnel.clear()
        done = run(command(binaries_dir / "kubectl", emulator), environ)
        assert (done.returncode == 0) is reached, f"{program}: {done.stdout}{done.stderr}"
        assert bool(sum(map(len, asked))) is bool(proxies), f"{program}: {asked}"


@pytest.mark.parametrize(
    ("flags", "allowed"),
    [
        ([], True),
        (["--as", "nobody"], False),
        (["--as", "nobody", "--as-group=system:masters", "--as-uid=7", "--as-user-extra=why=test"], True),
    ],
)
def test_the_plugin_acts_as_kubectl_does_by_the_same_flags(
    place: Place, binaries_dir: Path, flags: list[str], allowed: bool
) -> None:
    environ = {**os.environ, "KUBECONFIG": str(place.kubeconfig(Way()))}
    for command in ([str(binaries_dir / "kubectl"), *flags, "get", "tj"], [*PLUGIN, *flags, "list"]):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100, check=False)
        assert (done.returncode == 0) is allowed, f"{command}: {done.stdout}{done.stderr}"
        assert allowed or 'User "nobody" cannot list' in done.stderr


def _token(plane: ControlPlane, secret: str) -> str:
    """A token of the operator's account that is valid as long as a Secret is there."""
    namespace = "mljobs-system"
    plane.apply(
        [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret, "namespace": namespace}}]
    )
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": secret}},
    }
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/mljobs-operator/token"
    return str(plane.client.request("POST", path, request)["status"]["token"])


def test_the_operator_goes_on_with_the_plugin_s_next_token_through_a_proxy(
    place: Place, operator_kubeconfig: Path, admin: client.ApiClient, emulator: Emulator
) -> None:
    """The token before is refused, by the watch and by writes alike, and the process stays the same."""
    plane, name = place.plane, "renewal"
    first = _token(plane, "first")
    way = Way(
        {"server": f"https://{NAMED}", "proxy-url": f"socks5://{place.tunnel.address}"},
        place.credential_plugin("get-token", first),
    )
    kubeconfig = place.kubeconfig(way)
    client.CoreV1Api(admin).create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    settings = {"MLJOBS_NAMESPACES": name}
    operator = Operator(kubeconfig, emulator.url, place.folder / "log", project=PROJECT, settings=settings)
    operator.start()
    try:
        work = Namespace(admin, name, operator.tail)
        work.create(training("before")).until_status(lambda status: status.get("jobId"), "it is submitted")
        place.credential_plugin("get-token", _token(plane, "second"))
        plane.client.request("DELETE", "/api/v1/namespaces/mljobs-system/secrets/first")
        url = f"{plane.url}/apis"
        eventually(lambda: _status(plane, url, first), lambda status: status == 401, what="it is refused")
        work.create(training("after")).until_status(lambda status: status.get("jobId"), "it is submitted")
        assert operator.running
        assert set(place.tunnel.asked) == {f"{NAMED}:443"}
        work.delete_all()
        eventually(work.all, lambda left: not left, what="all is gone", report=work.report)
    finally:
        operator.stop()


def _status(plane: ControlPlane, url: str, token: str) -> int:
    """What the API server says to a token."""
    import urllib3

    pool = urllib3.PoolManager(ca_certs=str(plane.ca))
    return pool.request("GET", url, headers={"Authorization": f"Bearer {token}"}).status
