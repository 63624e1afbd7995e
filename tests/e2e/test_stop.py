"""SIGTERM while the operator starts: it ends at once, with exit status 0 and without a complaint."""

import os
import re
import signal
import ssl
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml
from kubernetes import client

from mljobs_dev.controlplane.controlplane import ControlPlane
from mljobs_dev.controlplane.pki import Authority
from tests.e2e.support import eventually
from tests.e2e.support_stack import ACCOUNT, MLJOBS

NAME = "stopped"
API = "/apis/mljobs.dev/v1alpha1"
PATIENCE = 10.0
"""Seconds in which it has to end: far below the grace period of a Pod."""

LEASE = {"MLJOBS_LEADER_ELECTION": "true", "MLJOBS_LEASE_NAME": NAME}


class Starting:
    """An operator that is starting."""

    def __init__(self, kubeconfig: Path, log: Path, **settings: str) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith("MLJOBS_")}
        env |= {"KUBECONFIG": str(kubeconfig), **settings}
        command = [*MLJOBS, "run", "--endpoint=http://127.0.0.1:1", "--anonymous", "--host=127.0.0.1"]
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--port=0", "--log-format=text"], env=env, stdout=output, stderr=output
            )

    def log(self) -> str:
        return self._log.read_text("utf-8")

    def catches_sigterm(self) -> bool:
        """Whether it has a handler of its own (bit mask of `/proc/PID/status`)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
        return found is not None and bool(int(found[1], 16) >> (signal.SIGTERM - 1) & 1)

    def ends_quietly(self, number: int = signal.SIGTERM) -> None:
        assert self.process.poll() is None, self.log()
        self.process.send_signal(number)
        assert self.process.wait(PATIENCE) == 0, self.log()
        assert not re.search(r"Traceback|WARNING|ERROR|CRITICAL", self.log()), self.log()


@contextmanager
def starting(kubeconfig: Path, log: Path, **settings: str) -> Iterator[Starting]:
    operator = Starting(kubeconfig, log, **settings)
    try:
        yield operator
    finally:
        operator.process.kill()
        operator.process.wait()


class Door:
    """Stands before the API server, and keeps some requests waiting forever.

    Args:
        target: the API server's URL.
        http: connections to it.
        tls: what it proves itself with; credentials go over TLS only.

    Attributes:
        hold: whether a request of this path waits.
        held: the paths of those that do.
    """

    def __init__(self, target: str, http: urllib3.PoolManager, tls: ssl.SSLContext) -> None:
        self.hold: Callable[[str], bool] = lambda _path: False
        self.held: list[str] = []
        self._over = threading.Event()
        self._target = target
        self._http = http
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        door = self

        class Handler(BaseHTTPRequestHandler):
            def _forward(self) -> None:
                if door.hold(self.path.partition("?")[0]):
                    door.held.append(self.path)
                    door._over.wait()
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                passed = ("Authorization", "Content-Type", "Accept")
                headers = {name: self.headers[name] for name in passed if name in self.headers}
                answer = door._http.request(
                    self.command, door._target + self.path, body=body, headers=headers
                )
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
                self.send_header("Content-Length", str(len(answer.data)))
                self.end_headers()
                self.wfile.write(answer.data)

            do_GET = do_POST = do_PUT = _forward  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        return Handler


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Whom the door's certificate is from."""
    return Authority(tmp_path / "pki")


@pytest.fixture
def door(control_plane: ControlPlane, operator_kubeconfig: Path, authority: Authority) -> Iterator[Door]:
    """Stands before the API server."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.server("door", "127.0.0.1"))
    config = yaml.safe_load(operator_kubeconfig.read_text("utf-8"))
    cluster = config["clusters"][0]["cluster"]
    http = urllib3.PoolManager(retries=False, ca_certs=str(control_plane.ca), maxsize=16)
    running = Door(cluster["server"], http, tls)
    yield running
    running.close()


@pytest.fixture
def kubeconfig(operator_kubeconfig: Path, door: Door, authority: Authority, tmp_path: Path) -> Path:
    """The operator's, through the door."""
    config = yaml.safe_load(operator_kubeconfig.read_text("utf-8"))
    trust = str(authority.certificate_file)
    config["clusters"][0]["cluster"] = {"server": door.url, "certificate-authority": trust}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config), "utf-8")
    return path


def until_held(door: Door, operator: Starting) -> None:
    eventually(lambda: door.held, what="a request waits for its answer", report=operator.log)


def test_before_it_connects(operator_kubeconfig: Path, tmp_path: Path) -> None:
    with starting(operator_kubeconfig, tmp_path / "log") as operator:
        eventually(operator.catches_sigterm, what="it takes the signal", report=operator.log)
        operator.ends_quietly()


def test_while_it_asks_for_credentials(kubeconfig: Path, tmp_path: Path) -> None:
    asked, plugin = tmp_path / "asked", tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\ntouch {asked}\nexec sleep 600\n", "utf-8")
    plugin.chmod(stat.S_IRWXU)
    config = yaml.safe_load(kubeconfig.read_text("utf-8"))
    call = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(plugin),
        "interactiveMode": "Never",
    }
    config["users"][0]["user"] = {"exec": call}
    kubeconfig.write_text(yaml.safe_dump(config), "utf-8")
    with starting(kubeconfig, tmp_path / "log") as operator:
        eventually(asked.exists, what="the plugin runs", report=operator.log)
        operator.ends_quietly()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("phase", "hold"),
    [
        ("discovery", lambda path: path == "/apis"),
        ("discovery of the resources", lambda path: path == API),
        ("first list", lambda path: path.startswith(f"{API}/")),
    ],
)
def test_while_it_begins_to_watch(
    phase: str, hold: Callable[[str], bool], number: int, kubeconfig: Path, door: Door, tmp_path: Path
) -> None:
    door.hold = hold
    with starting(kubeconfig, tmp_path / "log") as operator:
        until_held(door, operator)
        operator.ends_quietly(number)


def leases(admin: client.ApiClient) -> Any:
    return client.CoordinationV1Api(admin)


def test_a_lease_that_was_taken_is_given_back(
    kubeconfig: Path, door: Door, admin: client.ApiClient, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    door.hold = lambda path: path == "/apis"
    settings = {**LEASE, "MLJOBS_LEASE_NAME": "mljobs-operator"}
    with starting(kubeconfig, tmp_path / "log", **settings) as operator:
        until_held(door, operator)
        operator.ends_quietly()
    assert leases(admin).read_namespaced_lease("mljobs-operator", ACCOUNT[0]).spec.holder_identity == ""


def test_while_the_lease_is_asked_for(kubeconfig: Path, door: Door, tmp_path: Path) -> None:
    door.hold = lambda path: "/leases" in path
    with starting(kubeconfig, tmp_path / "log", **LEASE) as operator:
        until_held(door, operator)
        operator.ends_quietly()


def test_while_another_holds_the_lease(
    control_plane: ControlPlane, admin: client.ApiClient, tmp_path: Path, crds: None
) -> None:
    spec = client.V1LeaseSpec(holder_identity="another", lease_duration_seconds=3600)
    lease = client.V1Lease(metadata=client.V1ObjectMeta(name=NAME), spec=spec)
    leases(admin).create_namespaced_lease("default", lease)
    settings = {**LEASE, "MLJOBS_LEASE_NAMESPACE": "default"}
    with starting(control_plane.kubeconfig, tmp_path / "log", **settings) as operator:
        eventually(lambda: "waiting for the Lease" in operator.log(), what="it waits", report=operator.log)
        operator.ends_quietly()
    assert leases(admin).read_namespaced_lease(NAME, "default").spec.holder_identity == "another"
