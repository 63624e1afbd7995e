"""A development command as a process with a temporary folder of its own, and all that it has started."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

from tests.e2e.support import Json, eventually

MARK = "DEVELOPMENT_RUN"
"""The environment variable by which the descendants of a run are known, wherever their parents went."""


class Run:
    """One run of `mljobs COMMAND …`.

    Args:
        folder: an empty folder for its temporary files and its output.
        arguments: after `mljobs`.
        assets: the folder of the control plane's binaries.
    """

    def __init__(self, folder: Path, *arguments: str, assets: Path) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        self._output = folder / "output"
        self._name = uuid.uuid4().hex
        env = {
            **os.environ,
            MARK: self._name,
            "TMPDIR": str(self.temporary),
            "KUBEBUILDER_ASSETS": str(assets),
            "COLUMNS": "100",
        }
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mljobs", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._output.read_text("utf-8")

    def processes(self) -> dict[int, str]:
        """The command lines, by process id, of the run and of all that it has started, guardians included."""
        found = {}
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if folder.name.isdigit() and f"{MARK}={self._name}".encode() in _zeroed(folder / "environ"):
                    found[int(folder.name)] = b" ".join(_zeroed(folder / "cmdline")).decode()
        return found

    def ended(self) -> int:
        """Wait for the run's own end, and give its exit code."""
        code = eventually(self.process.poll, lambda seen: seen is not None, what="it ends", report=self._tell)
        assert code is not None
        return code

    def assert_nothing_is_left(self, within: float) -> None:
        """No process survives and no temporary file is left, within so many seconds."""
        eventually(self.processes, lambda left: not left, what="no process is left", within=within)
        eventually(
            lambda: sorted(map(str, self.temporary.rglob("*"))),
            lambda left: not left,
            what="no temporary file is left",
            within=5,
        )

    def end_by_force(self) -> None:
        """End whatever is left of it, at the end of a test that has failed."""
        for pid in (self.process.pid, *self.processes()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)

    def _tell(self) -> str:
        return self.output


class DevRun(Run):
    """One run of `mljobs dev` with a ready file.

    Attributes:
        ready_file: the file.
    """

    def __init__(self, folder: Path, *arguments: str, assets: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ready_file = folder / "ready.json"
        super().__init__(folder, "dev", f"--ready-file={self.ready_file}", *arguments, assets=assets)

    def read(self) -> Json:
        """What the ready file says; empty while there is none."""
        assert self.process.poll() is None, f"it has ended:\n{self.output}"
        try:
            content: Json = json.loads(self.ready_file.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return content

    def ready(self) -> Json:
        """Wait until it is ready."""
        return eventually(self.read, what="the ready file is written", within=120, report=self._tell)


def _zeroed(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\0")
