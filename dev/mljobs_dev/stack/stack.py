"""The development stack: control plane, CRDs, roles, emulator and operator, each a process of its own.

`mljobs dev` and `mljobs demo` run it. The operator works with the token of its ServiceAccount, so that what
it may do here is what the roles in `deploy/base` allow.
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mljobs.admin.crds import definitions
from mljobs.config import ENV_PREFIX
from mljobs_dev.controlplane.client import ApiClient, read_manifests
from mljobs_dev.controlplane.controlplane import ControlPlane
from mljobs_dev.controlplane.ports import LOOPBACK
from mljobs_dev.controlplane.process import Exit, SupervisedProcess
from mljobs_dev.stack.files import deploy_folder
from mljobs_dev.stack.identities import write_identities
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

_DRAIN_SECONDS = 1.5
_OPERATOR_SECONDS = 2.0
_EMULATOR_SECONDS = 2.0


class Stack:
    """All processes of one development stack; also a context manager that starts and stops them.

    Args:
        binaries: the folder with etcd and kube-apiserver.
        speed: emulated seconds in a real second.
        service: which of the emulated services runs the jobs, `MLv1` or `VertexAI`.
        namespaces: in place of `service`, the namespace of each service's jobs: an operator for each, which
            watches no other namespace.
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
        namespaces: Mapping[str, str] | None = None,
        poll_interval: float = 1.0,
        state_dir: Path | None = None,
        on_exit: Callable[[Exit], None] = lambda _: None,
        on_restart: Callable[[str, int], None] = lambda _, __: None,
        timeout: float = 90.0,
    ) -> None:
        self._speed = speed
        self._operators = _operators(service, namespaces or {})
        self._namespaces = sorted(set((namespaces or {}).values()) - {"default"})
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
        return {name: self._pids[name] for name in self._names if name in self._pids}

    @property
    def _names(self) -> tuple[str, ...]:
        return (*self._operators, *PROCESSES[1:])

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
        self._plane.apply([*definitions(), *rights, *map(_namespace, self._namespaces)])
        emulator.wait(deadline)
        self.emulator_url = emulator.url
        announced, env = r"metrics and health at (http://\S+)", self._operator_env()
        operators = [
            self._launch(name, self._operator_arguments(own), announced, env)
            for name, own in self._operators.items()
        ]
        for operator in operators:
            operator.wait(deadline, "/readyz")
        self.metrics_url = f"{operators[0].url}/metrics"
        if len(self.pids) != len(self._names):
            raise StackError(f"only {', '.join(self.pids)} run; their logs are in {self.logs}")
        self._ready = True
        return self

    def log_tail(self) -> str:
        """The last lines of the log of each operator."""
        return "\n".join(self._servers[name].log_tail() for name in self._operators)

    def stop(self) -> None:
        """End all processes within 10 s, and remove all files unless a state folder was given."""
        self._ready = False
        with ThreadPoolExecutor(max_workers=len(self._operators)) as pool:
            for name in self._operators.keys() & self._servers.keys():
                pool.submit(self._servers[name].stop, _OPERATOR_SECONDS)
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
        server = Server(name, arguments, announcement=announcement, supervision=supervision, env=env)
        self._servers[name] = server
        server.start()
        return server

    def _emulator_arguments(self) -> list[str]:
        identities = write_identities(self.client, self.folder)
        return ["emulator", f"--host={LOOPBACK}", f"--speed={self._speed}", f"--identities={identities}"]

    def _operator_arguments(self, own: Sequence[str]) -> list[str]:
        return [
            "run",
            *own,
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


def _operators(service: str, namespaces: Mapping[str, str]) -> dict[str, list[str]]:
    """The arguments of each operator, by the name of its process."""
    if not namespaces:
        return {OPERATOR: [f"--service={service}"]}
    return {
        f"{OPERATOR}-{name.lower()}": [f"--service={name}", f"--namespace={namespace}"]
        for name, namespace in namespaces.items()
    }


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
