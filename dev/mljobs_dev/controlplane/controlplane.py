"""Runs etcd, kube-apiserver and, if asked for, kube-controller-manager on loopback.

Called by `mljobs dev`, the demo and the tests. All of it is synchronous and thread-safe; from asyncio call
`start` and `stop` through `asyncio.to_thread`.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import filelock

from mljobs_dev.controlplane import binaries, servers
from mljobs_dev.controlplane.client import ApiClient, ApiError, Manifest
from mljobs_dev.controlplane.pki import Authority, certificate_credentials, kubeconfig, write_private
from mljobs_dev.controlplane.ports import LOOPBACK, PortReservation
from mljobs_dev.controlplane.process import Exit, SupervisedProcess

ADMIN = "kubernetes-admin"
_ADMIN_GROUP = "system:masters"
_PORT_ATTEMPTS = 5
_POLL_SECONDS = 0.05
_STOP_SECONDS = 4.0
_STOP_SECONDS_TEMPORARY = 0.5


class ControlPlaneError(Exception):
    """The control plane could not be started, or one of its servers has died."""


class _PortTaken(Exception):
    """Somebody else has bound the API server's port first."""


class ControlPlane:
    """A control plane; also a context manager that starts and stops it.

    Args:
        state_dir: folder that keeps data, keys and the port from run to run; None: a temporary folder, which
            `stop` removes, as does the end of this program by whatever signal.
        audit: write one JSON line a write request to `audit_log`.
        audit_reads_of: groups of users whose reads are written too, as `system:serviceaccounts`.
        controller_manager: run kube-controller-manager too, for the deletion of namespaces, garbage
            collection, and service accounts. Without it nothing makes the `default` accounts that Pods need.
        restart: start servers that die again, once the control plane is ready.
        on_exit: called with the end of any server, from another thread.
        on_restart: called with the process that was started again, from another thread.
        binaries_dir: folder of the binaries; None: what `binaries.ensure` finds or builds.
        timeout: seconds until all must be ready.

    Attributes:
        folder: where its files are.
        url: the API server's address.
        ca: file with the PEM of the authority to trust.
        kubeconfig: file for the administrator (client certificate, group system:masters).
        audit_log: file of audit events (JSON lines), if `audit` or `audit_reads_of` is set.
        client: a small client with the administrator's rights.
    """

    url: str
    ca: Path
    kubeconfig: Path
    folder: Path
    client: ApiClient

    def __init__(
        self,
        *,
        state_dir: Path | None = None,
        audit: bool = False,
        audit_reads_of: Sequence[str] = (),
        controller_manager: bool = False,
        restart: bool = False,
        on_exit: Callable[[Exit], None] | None = None,
        on_restart: Callable[[SupervisedProcess], None] | None = None,
        binaries_dir: Path | None = None,
        timeout: float = 90.0,
    ) -> None:
        self._state_dir = state_dir
        self._audit = servers.audit_policy(audit_reads_of) if audit or audit_reads_of else None
        self._controller_manager = controller_manager
        self._restart = restart
        self._on_exit = on_exit
        self._on_restart = on_restart
        self._binaries_dir = binaries_dir
        self._timeout = timeout
        self._processes: dict[str, SupervisedProcess] = {}
        self._reservation: PortReservation | None = None
        self._lock: filelock.BaseFileLock | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name (`etcd`, `kube-apiserver`, …) of the servers that run at this moment."""
        return {name: process.pid for name, process in self._processes.items() if process.pid is not None}

    @property
    def processes(self) -> dict[str, SupervisedProcess]:
        """The servers' processes by name, to send signals to."""
        return dict(self._processes)

    @property
    def audit_log(self) -> Path:
        """File of audit events, one JSON object a line; written only if `audit` or `audit_reads_of` is."""
        return servers.Layout(self.folder).audit_log

    def start(self) -> Self:
        """Start all servers and wait until they are ready.

        Raises:
            ControlPlaneError: a server ended or was not ready in time (with the end of its log), or another
                run uses the state folder.
            BinariesError: the binaries can be neither found nor made.
        """
        needed = ("kube-controller-manager",) if self._controller_manager else ()
        found = self._binaries_dir or binaries.ensure(needed)
        self._open_folder()
        try:
            self._start_in_folder(found)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End all servers within 10 s, and remove the files unless a state folder was given."""
        # kube-apiserver waits long for open watches; without a state folder there is nothing to lose
        deadline = _STOP_SECONDS if self._state_dir else _STOP_SECONDS_TEMPORARY
        with ThreadPoolExecutor(max_workers=3) as pool:
            clients = [process for name, process in self._processes.items() if name != "etcd"]
            list(pool.map(lambda process: process.terminate(deadline), clients))
            if "etcd" in self._processes:
                self._processes["etcd"].terminate(deadline)
        self._processes.clear()
        if hasattr(self, "client"):
            self.client.close()
        if self._reservation is not None:
            self._reservation.release()
            self._reservation = None
        if self._lock is not None:
            self._lock.release()
        if self._state_dir is None and hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until the API server is ready, after a restart say.

        Raises:
            ControlPlaneError: a server has ended for good, or the time is over; with the end of its log.
        """
        self._wait_for("kube-apiserver", self.client.ready, time.monotonic() + timeout)

    def apply(
        self, manifests: Path | str | Manifest | Iterable[Manifest], *, namespace: str = "default"
    ) -> list[dict[str, Any]]:
        """Apply manifests as the administrator; see `ApiClient.apply`."""
        return self.client.apply(manifests, namespace=namespace)

    def kubeconfig_for(self, user: str, groups: Sequence[str], path: Path) -> Path:
        """Write a kubeconfig with a client certificate for a user and the groups, and return its path."""
        certificate, key = self._authority.client(user, groups)
        credentials = certificate_credentials(
            write_private(path.with_name(f"{path.name}.pem"), certificate + key)
        )
        return write_private(path, kubeconfig(self.url, self.ca, user, credentials))

    def service_account_kubeconfig(
        self, namespace: str, name: str, path: Path, *, seconds: int = 30 * 24 * 3600
    ) -> Path:
        """Write a kubeconfig with a token of an existing ServiceAccount, and return its path.

        Args:
            namespace: the account's namespace, also the context's.
            name: the account's name.
            path: the file to write.
            seconds: the token's life time.

        Raises:
            ApiError: there is no such account.
        """
        credentials = {"token": self.client.token(namespace, name, seconds)}
        content = kubeconfig(self.url, self.ca, name, credentials, namespace)
        return write_private(path, content)

    def writes(self, *, user: str | None = None, resource: str | None = None) -> list[dict[str, Any]]:
        """Return the audit events of all write requests so far, oldest first; see `requests`."""
        events = self.requests(user=user, resource=resource)
        return [event for event in events if event["verb"] in servers.WRITING]

    def requests(self, *, user: str | None = None, resource: str | None = None) -> list[dict[str, Any]]:
        """Return the audit events of all requests that were recorded, oldest first; needs `audit`.

        Refused requests are among them: see `responseStatus.code` of an event.

        Args:
            user: only requests of this user, as `system:serviceaccount:NAMESPACE:NAME`; None: all but those
                that the API server makes for itself.
            resource: only requests for this plural, as `trainingjobs`.
        """
        whole_lines = self.audit_log.read_bytes().rpartition(b"\n")[0]
        events = [json.loads(line) for line in whole_lines.splitlines()]
        return [
            event
            for event in events
            if (_name(event) == user if user else _name(event) != "system:apiserver")
            and resource in (None, event.get("objectRef", {}).get("resource"))
        ]

    def _open_folder(self) -> None:
        if self._state_dir is None:
            self.folder = Path(tempfile.mkdtemp(prefix="mljobs-controlplane-"))
        else:
            self.folder = self._state_dir.absolute()
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = filelock.FileLock(self.folder / ".lock")
            try:
                self._lock.acquire(timeout=0)
            except filelock.Timeout as error:
                self._lock = None
                raise ControlPlaneError(
                    f"{self.folder} is in use by another run: end that one, or choose another state folder"
                ) from error
        self._layout = servers.Layout(self.folder)
        self._layout.logs.mkdir(exist_ok=True)
        self._layout.etcd_socket.unlink(missing_ok=True)
        self._authority = Authority(self.folder / "pki")
        self.ca = self._authority.certificate_file

    def _start_in_folder(self, found: Path) -> None:
        deadline = time.monotonic() + self._timeout
        self._launch("etcd", servers.etcd(found))
        self._wait_for("etcd", self._layout.etcd_socket.exists, deadline)
        for attempt in range(_PORT_ATTEMPTS):
            try:
                self._start_api_server(found, deadline)
                break
            except _PortTaken as error:
                if attempt == _PORT_ATTEMPTS - 1:
                    raise ControlPlaneError(f"found no free port on {LOOPBACK}: {error}") from error
        if self._controller_manager:
            name = "kube-controller-manager"
            self._launch(name, servers.kube_controller_manager(found, self._authority, self.kubeconfig))
            self._wait_for(name, self._has_default_account, deadline)
        for process in self._processes.values():
            process.restart = self._restart

    def _start_api_server(self, found: Path, deadline: float) -> None:
        if self._reservation is not None:
            self._reservation.release()
        self._reservation = PortReservation(self._remembered_port())
        self.url = f"https://{LOOPBACK}:{self._reservation.port}"
        certificate, key = self._authority.client(ADMIN, [_ADMIN_GROUP])
        admin_file = write_private(self.folder / "pki" / "admin.pem", certificate + key)
        self.client = ApiClient(self.url, self.ca, admin_file)
        content = kubeconfig(self.url, self.ca, ADMIN, certificate_credentials(admin_file))
        self.kubeconfig = write_private(self.folder / "kubeconfig", content)
        command = servers.kube_apiserver(
            found, self._layout, self._authority, self._reservation.port, audit=self._audit
        )
        process = self._launch("kube-apiserver", command)
        try:
            self._wait_for("kube-apiserver", self.client.ready, deadline)
        except ControlPlaneError as error:
            if process.last_exit is not None and "address already in use" in process.last_exit.log_tail:
                raise _PortTaken(str(error)) from error
            raise
        self._layout.port.write_text(f"{self._reservation.port}\n", "ascii")

    def _remembered_port(self) -> int:
        """Return the port of the last run in this folder, once: the next try takes any free port."""
        try:
            port = int(self._layout.port.read_text("ascii"))
        except (FileNotFoundError, ValueError):
            return 0
        self._layout.port.unlink()
        return port

    def _launch(self, name: str, command: list[str]) -> SupervisedProcess:
        self._processes[name] = SupervisedProcess(
            name,
            command,
            log=self._layout.logs / f"{name}.log",
            cwd=self.folder,
            on_exit=self._on_exit,
            on_restart=self._on_restart,
            remove_if_orphaned=[] if self._state_dir else [self.folder],
        )
        return self._processes[name].start()

    def _has_default_account(self) -> bool:
        try:
            self.client.get("/api/v1/namespaces/default/serviceaccounts/default")
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def _wait_for(self, name: str, condition: Callable[[], bool], deadline: float) -> None:
        while not condition():
            for process in self._processes.values():
                if process.last_exit is not None and not process.running and not process.restart:
                    raise ControlPlaneError(str(process.last_exit))
            if time.monotonic() > deadline:
                tail = self._processes[name].log_tail()
                raise ControlPlaneError(f"{name} was not ready in time; the end of its log:\n{tail}")
            time.sleep(_POLL_SECONDS)


def _name(event: dict[str, Any]) -> str:
    """Whose request it was; empty for one that the API server did not know (401)."""
    return str(event["user"].get("username", ""))
