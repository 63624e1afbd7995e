"""A child process that never outlives the program that started it, and can be started again when it dies.

Used for the servers of `controlplane`, and by `mljobs dev` for the operator and the emulator. Between us and
each server stands a `guardian`, which explains how. Everything here is thread-safe and blocks for short times
only; from asyncio call it through `asyncio.to_thread`.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_logger = logging.getLogger(__name__)
_GUARDIAN = Path(__file__).with_name("guardian.py")
_FIRST_BACKOFF = 0.1
_LAST_BACKOFF = 5.0
_LONG_LIFE = 10.0


class ProcessError(Exception):
    """A process could not be started, or ended although it was needed."""


@dataclass(frozen=True)
class Exit:
    """The end of one run of a process.

    Attributes:
        name: the process's name, as given by its owner.
        pid: the process id that it had.
        code: exit code; negative where a signal ended it.
        expected: whether `terminate` had asked for it.
        log_tail: the last lines of its log; empty if it has no log file.
    """

    name: str
    pid: int
    code: int
    expected: bool
    log_tail: str

    def __str__(self) -> str:
        how = f"was ended by signal {-self.code}" if self.code < 0 else f"exited with code {self.code}"
        tail = f"; the end of its log:\n{self.log_tail}" if self.log_tail else ""
        return f"{self.name} (process {self.pid}) {how}{tail}"


class SupervisedProcess:
    """One command, run in a process group of its own.

    It ends when this program ends, in whatever way: on Linux and macOS, and from whichever thread it was
    started. Ctrl-C in the terminal does not reach it: its owner ends it in order.

    Args:
        name: what messages call it.
        command: the argument list; the first is a path or is looked up in PATH.
        log: file to append its output to; None: its output goes to our standard error.
        env: its whole environment; None: ours.
        cwd: its working folder; None: ours.
        restart: start it again when it ends without `terminate`, at once and then with growing pauses of
            0.1 to 5 s.
        on_exit: called with every end of it, from a thread of this class.
        on_restart: called with this object after it was started again, from the same thread.
        remove_if_orphaned: folders to delete, after it has ended, when this program was killed.
        orphan_grace: seconds from SIGTERM to SIGKILL when this program was killed.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        restart: bool = False,
        on_exit: Callable[[Exit], None] | None = None,
        on_restart: Callable[["SupervisedProcess"], None] | None = None,
        remove_if_orphaned: Sequence[Path] = (),
        orphan_grace: float = 2.0,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self.restart = restart
        self.restarts = 0
        self._env = env
        self._cwd = cwd
        self._on_exit = on_exit
        self._on_restart = on_restart
        self._remove = [str(folder) for folder in remove_if_orphaned]
        self._grace = orphan_grace
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._done = threading.Event()
        self._guardian: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._last_exit: Exit | None = None
        self._thread: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """The server's own process id, or None while it does not run."""
        return self._pid

    @property
    def guardian_pid(self) -> int | None:
        """The process id of the guardian, which is the server's parent, or None while it does not run."""
        guardian = self._guardian
        return None if guardian is None else guardian.pid

    @property
    def running(self) -> bool:
        """Whether it runs at this moment."""
        return self._pid is not None

    @property
    def last_exit(self) -> Exit | None:
        """How its newest run ended, or None if none has ended yet."""
        return self._last_exit

    def start(self) -> "SupervisedProcess":
        """Start it and return once its process exists.

        Raises:
            ProcessError: the command cannot be run, or was started before.
        """
        if self._thread is not None:
            raise ProcessError(f"{self.name} was started before; make a new object to start it again")
        self._spawn()
        self._thread = threading.Thread(target=self._watch, name=f"watch {self.name}", daemon=True)
        self._thread.start()
        return self

    def send_signal(self, number: int) -> None:
        """Send a signal to it and to what it has started; without effect when it does not run."""
        with self._lock:
            guardian = self._guardian
            if guardian is not None and guardian.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    guardian.stdin.write(bytes([number]))
                    guardian.stdin.flush()

    def wait(self, timeout: float | None = None) -> Exit | None:
        """Wait until it has ended finally, and return how; None after `timeout` seconds."""
        return self._last_exit if self._done.wait(timeout) else None

    def terminate(self, deadline: float = 10.0) -> Exit | None:
        """End it with SIGTERM, and with SIGKILL once `deadline` seconds have passed.

        Returns:
            How it ended; None if it was never started. Called from one of its own callbacks, this only
            asks it to end, and returns how the run before ended.
        """
        self._stopping.set()
        if self._thread is None:
            return None
        self.send_signal(signal.SIGTERM)
        if self._thread is threading.current_thread():  # a callback of ours: it cannot wait for itself
            return self._last_exit
        while not self._done.wait(deadline):
            self.send_signal(signal.SIGKILL)
            deadline = 0.5
        self._thread.join()
        return self._last_exit

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of its log, at most 16 KiB; empty if it has no log file."""
        if self.log is None or not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 16384))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def _spawn(self) -> None:
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(self.log.open("ab")) if self.log is not None else None
            guardian = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", str(_GUARDIAN)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=None if self._env is None else dict(self._env),
                cwd=self._cwd,
                start_new_session=True,
            )
        order = {
            "command": self.command,
            "owner": os.getpid(),
            "grace": self._grace,
            "remove": self._remove,
        }
        try:
            self._pid = self._hand_over(guardian, order)
        except ProcessError:
            self._reap(guardian)
            raise
        with self._lock:
            self._guardian = guardian

    def _hand_over(self, guardian: subprocess.Popen[bytes], order: Mapping[str, object]) -> int:
        assert guardian.stdin is not None  # noqa: S101 - both are pipes, by the call above
        assert guardian.stdout is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            guardian.stdin.write(json.dumps(order).encode() + b"\n")
            guardian.stdin.flush()
        kind, _, value = guardian.stdout.readline().decode(errors="replace").strip().partition(" ")
        if kind != "pid":
            raise ProcessError(f"cannot start {self.name}: {value or 'its guardian ended at once'}")
        return int(value)

    @staticmethod
    def _reap(guardian: subprocess.Popen[bytes]) -> None:
        for pipe in (guardian.stdin, guardian.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        guardian.wait()

    def _watch(self) -> None:
        try:
            self._run_until_done()
        finally:
            self._done.set()

    def _run_until_done(self) -> None:
        backoff = _FIRST_BACKOFF
        while True:
            started = time.monotonic()
            self._await_exit()
            if not self.restart or self._stopping.is_set():
                break
            if time.monotonic() - started > _LONG_LIFE:
                backoff = _FIRST_BACKOFF
            if not self._start_again(backoff):
                break
            backoff = min(backoff * 2, _LAST_BACKOFF)

    def _start_again(self, backoff: float) -> bool:
        while not self._stopping.wait(backoff):
            try:
                self._spawn()
            except (ProcessError, OSError) as error:
                backoff = _LAST_BACKOFF
                _logger.warning("%s does not come back: %s; next try in %g s", self.name, error, backoff)
                continue
            self.restarts += 1
            if self._stopping.is_set():  # terminate came between the check and the start
                self.send_signal(signal.SIGTERM)
            self._call(self._on_restart, self)
            return True
        return False

    def _await_exit(self) -> None:
        guardian, pid = self._guardian, self._pid
        assert guardian is not None  # noqa: S101 - a spawn has just succeeded
        assert guardian.stdout is not None  # noqa: S101
        assert pid is not None  # noqa: S101
        kind, _, value = guardian.stdout.readline().decode(errors="replace").strip().partition(" ")
        if kind != "exit":  # the guardian was killed; outside Linux the server is still there
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            value = str(-signal.SIGKILL)
        with self._lock:
            self._pid = self._guardian = None
        self._reap(guardian)
        self._last_exit = Exit(self.name, pid, int(value), self._stopping.is_set(), self.log_tail())
        self._call(self._on_exit, self._last_exit)

    def _call(self, callback: Callable[[T], None] | None, argument: T) -> None:
        """Call back; an error there must not end the supervision."""
        try:
            if callback is not None:
                callback(argument)
        except Exception:
            _logger.exception("a callback of %s failed; it keeps running", self.name)
