"""Starts one of our own servers, emulator or operator, as a supervised process, and learns its URL."""

import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import urllib3

from mljobs_dev.controlplane.ports import LOOPBACK
from mljobs_dev.controlplane.process import Exit, SupervisedProcess

_POLL_SECONDS = 0.05
_POD_VARIABLES = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
_NO_PROXY_VARIABLES = ("NO_PROXY", "no_proxy")

Value = TypeVar("Value")


class StackError(Exception):
    """One of the processes did not come up; the message says which and shows the end of its log."""


@dataclass(frozen=True)
class Supervision:
    """What all processes of one stack have in common.

    Attributes:
        folder: the control plane's; logs go to its `logs`.
        temporary: whether the folder is to go away when this program is killed.
        on_exit: see `SupervisedProcess`.
        on_restart: see `SupervisedProcess`.
    """

    folder: Path
    temporary: bool
    on_exit: Callable[[Exit], None]
    on_restart: Callable[[SupervisedProcess], None]


def environment(**extra: str) -> dict[str, str]:
    """The environment of our own servers: this program's, but bound to loopback.

    Inside a pod, the cluster's API server would be taken for the one to work on; and a proxy would be asked
    for loopback addresses. Neither may happen.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _POD_VARIABLES}
    for name in _NO_PROXY_VARIABLES:
        kept[name] = ",".join(filter(None, [kept.get(name, ""), LOOPBACK, "localhost"]))
    return {**kept, **extra}


class Server:
    """One command of `mljobs` that serves HTTP on loopback, at a port that it keeps over its restarts.

    Args:
        name: `operator` or `emulator`.
        arguments: the command line after `mljobs`, without a port.
        announcement: matches the log line with the URL, which is its first group.
        supervision: how it is run.
        env: its whole environment.
        port: to serve at; 0 for any free one.

    Attributes:
        name: as given.
        url: its base URL, once `wait` has returned.
        log: the file with its output.
    """

    url: str = ""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        announcement: str,
        supervision: Supervision,
        env: Mapping[str, str],
        port: int = 0,
    ) -> None:
        self.name = name
        self.log = supervision.folder / "logs" / f"{name}.log"
        self._announcement = re.compile(announcement, re.MULTILINE)
        self._command = [sys.executable, "-P", "-m", "mljobs", *arguments]
        self._offset = self.log.stat().st_size if self.log.exists() else 0
        self._process = SupervisedProcess(
            name,
            [*self._command, f"--port={port}"],
            log=self.log,
            env=env,
            on_exit=supervision.on_exit,
            on_restart=supervision.on_restart,
            remove_if_orphaned=[supervision.folder] if supervision.temporary else [],
        )

    @property
    def pid(self) -> int | None:
        """The server's own process id; None while it does not run."""
        return self._process.pid

    def start(self) -> None:
        """Start it; `wait` returns when it serves.

        Raises:
            ProcessError: the process cannot be started.
        """
        self._process.start()

    def wait(self, deadline: float, path: str = "/") -> None:
        """Wait until it has printed its URL and answers; from then on it is restarted when it dies.

        Args:
            deadline: on the monotonic clock.
            path: what is asked for; any status below 500 counts as an answer.

        Raises:
            StackError: it ended, or the time is over.
        """
        self.url = self._until(self._announced, deadline, "did not print its URL")
        self._until(lambda: answers(self.url + path), deadline, f"did not answer at {self.url}{path}")
        port = self.url.rsplit(":", 1)[1]
        self._process.command = [*self._command, f"--port={port}"]
        self._process.restart = True

    def stop(self, seconds: float) -> None:
        """End it with SIGTERM, and with SIGKILL after so many seconds."""
        self._process.terminate(seconds)

    def log_tail(self) -> str:
        """The last lines of its log."""
        return self._process.log_tail()

    def _announced(self) -> str:
        with self.log.open("rb") as file:
            file.seek(self._offset)
            match = self._announcement.search(file.read().decode(errors="replace"))
        return match[1] if match else ""

    def _until(self, ask: Callable[[], Value], deadline: float, complaint: str) -> Value:
        while not (value := ask()):
            if self._process.last_exit is not None:
                raise StackError(str(self._process.last_exit))
            if time.monotonic() > deadline:
                raise StackError(
                    f"{self.name} {complaint} in time; the end of its log:\n{self._process.log_tail()}"
                )
            time.sleep(_POLL_SECONDS)
        return value


def answers(url: str) -> bool:
    """Whether somebody answers a GET with a status below 500."""
    with urllib3.PoolManager(retries=False) as pool:
        try:
            return pool.request("GET", url, timeout=2.0).status < 500
        except urllib3.exceptions.HTTPError:
            return False
