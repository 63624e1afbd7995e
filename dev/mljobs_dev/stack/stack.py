"""The development stack: control plane, CRDs, roles, emulator and operator, each a process of its own.

`mljobs dev` and `mljobs demo` run it. The operator works with the token of its ServiceAccount, so that what
it may do here is what the roles in `deploy/base` allow.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mljobs.admin.crds import manifests
from mljobs.config import ENV_PREFIX
from mljobs_dev.controlplane.client import ApiClient, ApiError, read_manifests
from mljobs_dev.controlplane.controlplane import ControlPlane
from mljobs_dev.controlplane.ports import LOOPBACK, remembered_port
from mljobs_dev.controlplane.process import Exit, SupervisedProcess
from mljobs_dev.stack.classes import development_classes
from mljobs_dev.stack.files import deploy_folder
from mljobs_dev.stack.identities import PROVIDER, write_identities
from mljobs_dev.stack.server import Server, StackError, Supervision, environment

OPERATOR, EMULATOR, API_SERVER, ETCD = "operator", "emulator", "kube-apiserver", "etcd"
PROCESSES = (OPERATOR, EMULATOR, API_SERVER, ETCD)
"""The names of the stack's processes, in the order in which they are shown."""

NAMESPACE, SERVICE_ACCOUNT = "mljobs-system", "mljobs-operator"
"""The account that the manifests of `deploy/base` grant the operator's permissions."""

PROJECT = "mljobs-dev"
"""The project of resources that name none."""

_RIGHTS = ("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
_FORGETFUL = ("--believe-missing", "--lost-after=5", "--lost-interval=10")
"""The emulator forgets all jobs when it is restarted, and should be believed soon."""

EMULATOR_PORT = "emulator.port"
"""The file that keeps the emulator's port: records of jobs have it, too."""

_SERVED_SECONDS = 0.1
"""Between two tries of a kind that the API server does not serve yet."""

_DRAIN_SECONDS = 1.5
_OPERATOR_SECONDS = 2.0
_EMULATOR_SECONDS = 2.0


class Stack:
    """All processes of one development stack; also a context manager that starts and stops them.

    Args:
        binaries: the folder with etcd and kube-apiserver.
        speed: emulated seconds in a real second.
        service: which of the emulated services runs the jobs that name no class, `MLv1` or `VertexAI`.
        namespaces: made beside `default`.
        poll_interval: seconds between two looks of the operator at active jobs.
        state_dir: keeps the cluster's data, its keys, its port and all logs; None: a temporary folder.
        on_exit: called, once the stack is ready, for each process that ends unexpectedly; from
            another thread.
        on_restart: called with the name and the new process id of a restarted one; from another
            thread.
        timeout: seconds until the control plane, and after it the rest, must be ready.

    Attributes:
        folder: where the stack's files are.
        kubeconfig: file for the administrator.
        client: a small client with the administrator's rights.
        emulator_url: the emulator's base URL.
        metrics_url: where the operator serves its metrics; `/healthz` and `/readyz` are beside it.
        logs: the folder with one log a process.
    """

    folder: Path
    kubeconfig: Path
    client: ApiClient
    emulator_url: str
    metrics_url: str
    logs: Path

    def __init__(
        self,
        binaries: Path,
        *,
        speed: float,
        service: str = "MLv1",
        namespaces: Sequence[str] = (),
        poll_interval: float = 1.0,
        state_dir: Path | None = None,
        on_exit: Callable[[Exit], None] = lambda _: None,
        on_restart: Callable[[str, int], None] = lambda _, __: None,
        timeout: float = 90.0,
    ) -> None:
        self._speed = speed
        self._service = service
        self._namespaces = sorted({*namespaces} - {"default"})
        self._poll_interval = poll_interval
        self._timeout = timeout
        self._temporary = state_dir is None
        self._on_exit = on_exit
        self._on_restart = on_restart
        self._ready = False
        self._plane_runs = False
        self._servers: dict[str, Server] = {}
        self._pids: dict[str, int] = {}
        self._plane = ControlPlane(
            binaries_dir=binaries,
            state_dir=state_dir,
            restart=True,
            on_exit=self._exited,
            on_restart=self._restarted,
            timeout=timeout,
        )

    def __enter__(self) -> "Stack":
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each process; the last one of a process that is being started again."""
        now = {**self._plane.pids, **{name: server.pid for name, server in self._servers.items()}}
        self._pids.update({name: pid for name, pid in now.items() if pid is not None})
        return {name: self._pids[name] for name in PROCESSES if name in self._pids}

    def start(self) -> "Stack":
        """Start everything and wait until the operator watches.

        Raises:
            ControlPlaneError: the control plane did not come up.
            StackError: the emulator or the operator did not come up.
            FilesError: the manifests of `deploy/base` are missing.
            ApiError: the API server refused one of them.
        """
        rights = [one for one in read_manifests(deploy_folder() / "base") if one["kind"] in _RIGHTS]
        self._plane.start()
        self._plane_runs = True
        deadline = time.monotonic() + self._timeout
        self.folder, self.kubeconfig, self.client = (
            self._plane.folder,
            self._plane.kubeconfig,
            self._plane.client,
        )
        self.logs = self.folder / "logs"
        emulator = self._launch(EMULATOR, self._emulator_arguments(), r"^(http://\S+)$", environment())
        self._plane.apply([*manifests(), *rights, *map(_namespace, self._namespaces)])
        emulator.wait(deadline)
        self.emulator_url = emulator.url
        (self.folder / EMULATOR_PORT).write_text(emulator.url.rpartition(":")[2], "utf-8")
        self._apply_classes(deadline)
        announced, env = r"metrics and health at (http://\S+)", self._operator_env()
        operator = self._launch(OPERATOR, self._operator_arguments(), announced, env)
        operator.wait(deadline, "/readyz")
        self.metrics_url = f"{operator.url}/metrics"
        if len(self.pids) != len(PROCESSES):
            raise StackError(f"only {', '.join(self.pids)} run; their logs are in {self.logs}")
        self._ready = True
        return self

    def log_tail(self) -> str:
        """The last lines of the operator's log."""
        return self._servers[OPERATOR].log_tail()

    def stop(self) -> None:
        """End all processes within 10 s, and remove all files unless a state folder was given."""
        self._ready = False
        if OPERATOR in self._servers:
            self._servers[OPERATOR].stop(_OPERATOR_SECONDS)
        with ThreadPoolExecutor(max_workers=1) as pool:
            if EMULATOR in self._servers:
                pool.submit(self._servers[EMULATOR].stop, _EMULATOR_SECONDS)
            # One that did not start has put its processes away itself; its temporary folder it may have just
            # made. A state folder that it did not get is another run's.
            if self._plane_runs or self._temporary:
                self._plane.stop()
        self._servers.clear()
        if self._temporary and hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)  # what the emulator wrote after the plane's end

    def _launch(self, name: str, arguments: list[str], announcement: str, env: dict[str, str]) -> Server:
        supervision = Supervision(self.folder, self._temporary, self._exited, self._restarted)
        port = remembered_port(self.folder / EMULATOR_PORT) if name == EMULATOR else 0
        server = Server(
            name, arguments, announcement=announcement, supervision=supervision, env=env, port=port
        )
        self._servers[name] = server
        server.start()
        return server

    def _emulator_arguments(self) -> list[str]:
        identities = write_identities(self.client, self.folder)
        return ["emulator", f"--host={LOOPBACK}", f"--speed={self._speed}", f"--identities={identities}"]

    def _apply_classes(self, deadline: float) -> None:
        """Apply the JobClasses, once their kind is served; a class of another service is made anew."""
        for manifest in development_classes(self._service, self.emulator_url):
            while True:
                try:
                    self.client.apply(manifest)
                    break
                except ApiError as error:
                    if error.status == 422:  # an earlier run had it for the other service
                        self.client.request("DELETE", self.client.path_of(manifest, ""))
                    elif error.status != 404 or time.monotonic() > deadline:
                        raise
                    time.sleep(_SERVED_SECONDS)

    def _operator_arguments(self) -> list[str]:
        return [
            "run",
            f"--service={self._service}",
            f"--token-endpoint={self.emulator_url}",
            f"--identity-provider={PROVIDER}",
            f"--endpoint={self.emulator_url}",
            "--anonymous",
            f"--project={PROJECT}",
            f"--poll-interval={self._poll_interval}",
            *_FORGETFUL,
            f"--host={LOOPBACK}",
            "--log-format=text",
        ]

    def _operator_env(self) -> dict[str, str]:
        """Its own rights, temporary files that go with the rest, a short drain, no quota of its own."""
        path = self.folder / "operator.kubeconfig"
        temporary = self.folder / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(mode=0o700)
        return environment(
            KUBECONFIG=str(self._plane.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT, path)),
            TMPDIR=str(temporary),
            **{
                f"{ENV_PREFIX}DRAIN_SECONDS": str(_DRAIN_SECONDS),
                f"{ENV_PREFIX}CREATES_PER_MINUTE": "0",
                f"{ENV_PREFIX}OTHERS_PER_MINUTE": "0",
            },
        )

    def _exited(self, exit_: Exit) -> None:
        if self._ready and not exit_.expected:
            self._on_exit(exit_)

    def _restarted(self, process: SupervisedProcess) -> None:
        pid = process.pid
        if self._ready and pid is not None:
            self._on_restart(process.name, pid)


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
