"""One run of `mljobs dev`: starts the stack, prints how to use it, and reports on its processes."""

import contextlib
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from mljobs_dev.controlplane.process import Exit
from mljobs_dev.stack import binaries as stack_binaries
from mljobs_dev.stack.files import deploy_folder, shown
from mljobs_dev.stack.ready import ReadyFile
from mljobs_dev.stack.stack import EMULATOR, Stack

Say = Callable[[str], None]

FORGETFUL = (
    "the emulated service keeps its jobs in memory: those of before are gone, and the operator reports each "
    "that had not ended as Lost. Delete such a resource, and apply it again."
)
"""What a restart of the emulator means."""


def say(text: str) -> None:
    """Print at once, also into a pipe; who has closed the pipe wants to hear no more."""
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)


class Session:
    """One run in the foreground.

    Args:
        ready_file: written for scripts, or None.
        speed: emulated seconds in a real second.
        service: which of the emulated services runs the jobs.
        state_dir: keeps the cluster from run to run, or None.
        say: prints a line.
    """

    def __init__(
        self,
        *,
        ready_file: Path | None,
        speed: float,
        state_dir: Path | None,
        service: str = "MLv1",
        say: Say = say,
    ) -> None:
        self._ready_file = ReadyFile(ready_file)
        self._speed = speed
        self._service = service
        self._state_dir = state_dir
        self._say = say
        self._stack: Stack | None = None

    def run(self) -> None:
        """Start everything, then wait for an exception that a signal raises.

        Raises:
            BinariesError, ControlPlaneError, StackError, FilesError, ApiError, ProcessError, OSError:
                something did not come up.
        """
        binaries = stack_binaries.provide()
        used_before = self._state_dir is not None and (self._state_dir / "kubeconfig").exists()
        self._say("mljobs dev: starting the control plane, the emulated service and the operator …")
        stack = Stack(
            binaries,
            speed=self._speed,
            service=self._service,
            state_dir=self._state_dir,
            on_exit=self._exited,
            on_restart=self._restarted,
        )
        try:
            with stack:
                self._stack = stack
                self._publish()
                self._say(usage(stack, stack_binaries.kubectl(binaries), self._speed))
                if used_before:
                    self._say(f"The cluster is that of an earlier run, but {FORGETFUL}")
                threading.Event().wait()
        finally:
            self._ready_file.remove()

    def _publish(self) -> None:
        stack = self._stack
        if stack is not None:
            self._ready_file.write(
                {
                    "kubeconfig": str(stack.kubeconfig),
                    "emulatorUrl": stack.emulator_url,
                    "metricsUrl": stack.metrics_url,
                    "pids": stack.pids,
                }
            )

    def _exited(self, exit_: Exit) -> None:
        self._say(f"mljobs dev: {described(exit_)}. Starting it again …")

    def _restarted(self, name: str, pid: int) -> None:
        try:
            self._publish()
        except OSError as error:
            self._say(f"mljobs dev: the ready file could not be brought up to date: {error}")
        self._say(f"mljobs dev: {name} was started again as process {pid}, at the same address")
        if name == EMULATOR:
            self._say(f"mljobs dev: {FORGETFUL}")


def described(exit_: Exit) -> str:
    """How a process has ended, in one line; the last of its log where it ended by itself."""
    if exit_.code < 0:
        return f"{exit_.name} (process {exit_.pid}) was ended by signal {-exit_.code}"
    last = exit_.log_tail.splitlines()[-1:] or ["its log is empty"]
    return f"{exit_.name} (process {exit_.pid}) exited with code {exit_.code}: {last[0]}"


def usage(stack: Stack, kubectl: Path | None, speed: float) -> str:
    """What a user types next.

    Args:
        stack: is ready.
        kubectl: the program, or None if there is none.
        speed: emulated seconds in a real second.
    """
    samples = deploy_folder() / "samples"
    command = "kubectl" if shutil.which("kubectl") else shown(kubectl) if kubectl else "kubectl"
    url = stack.emulator_url
    hint = "" if kubectl else "\n  (there is no kubectl here: install one, any recent version)"
    return f"""
The development stack is ready. In another terminal:

  export KUBECONFIG={stack.kubeconfig}
  {command} apply -f {shown(samples / "tuning.yaml")}
  {command} get mljobs --watch{hint}

The emulated service runs jobs at {speed:g} times the real pace. What it was asked to do:
  curl {url}/_emulator/ledger
To let kubectl mljobs logs, import, iam and submit --package-path use it too:
  export MLJOBS_ENDPOINT={url} MLJOBS_LOGGING_ENDPOINT={url}
  export MLJOBS_STORAGE_ENDPOINT={url} MLJOBS_ANONYMOUS=true
The operator's metrics: {stack.metrics_url}
All logs: {stack.logs}

Ctrl-C ends everything."""
