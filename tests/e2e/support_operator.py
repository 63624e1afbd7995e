"""`mljobs run` in a fork of a process that has loaded it once: a start costs no second of CPU."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from mljobs_dev.controlplane.process import Exit

_PR_SET_PDEATHSIG = 1
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["mljobs.cli.app", "mljobs.main", __name__])


class OperatorProcess:
    """The operator, with what tests use of a `SupervisedProcess`.

    Args:
        words: the command line after `mljobs`.
        log: file to append its output to.
        env: its whole environment.
    """

    def __init__(self, words: Sequence[str], *, log: Path, env: Mapping[str, str]) -> None:
        log.touch()
        arguments = (list(words), str(log), dict(env))
        self._process = _CONTEXT.Process(target=_operate, args=arguments, daemon=True)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.running else None

    @property
    def running(self) -> bool:
        return self._process.is_alive()

    def start(self) -> Self:
        self._process.start()
        return self

    def wait(self, timeout: float | None = None) -> Exit | None:
        self._process.join(timeout)
        code = self._process.exitcode
        return None if code is None else Exit("operator", self._process.pid or 0, code, False, "")

    def terminate(self, deadline: float = 10.0) -> Exit | None:
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
        ended = self.wait(deadline)
        if ended is None:
            self._process.kill()
            ended = self.wait(deadline)
        return ended


def _operate(words: Sequence[str], log: str, env: Mapping[str, str]) -> None:
    """Be the operator. Runs in a new process."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["mljobs", *words]
    from mljobs.cli.app import main

    main()
