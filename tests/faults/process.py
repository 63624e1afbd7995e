"""Operators as processes of their own, forked from one that has imported everything: a start costs no time.

What runs in them is the command `mljobs run`'s own composition with its own settings, and nothing else.
"""

import asyncio
import ctypes
import importlib
import json
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

_PR_SET_PDEATHSIG = 1

_PRELOADED = [
    "mljobs.main",
    "mljobs.config",
    __name__,
]


CLOCK_FILE = "CLOCK_FILE"
"""Names the file with the seconds by which the clock of a process is wrong; it may change at any time."""

SERVICE_MODULE = "SERVICE_MODULE"
"""Names a module whose `install` gives the process another job service."""

LIMITS = "LIMITS"
"""Names constants of the operator's modules (as JSON) that a process shall have another value of."""

_SERVING = re.compile(r"health at (http://\S+)")


def _operate(settings: Mapping[str, str], log: str) -> None:
    """Be the operator. Runs in a new process."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for name in [name for name in os.environ if name.startswith("MLJOBS_")]:
        del os.environ[name]
    os.environ.update(settings)
    if file := settings.get(CLOCK_FILE):
        _set_clock(Path(file))
    for place, value in json.loads(settings.get(LIMITS, "{}")).items():
        module, _, name = place.rpartition(".")
        assert name in vars(sys.modules[module]), f"there is no {place}"
        setattr(sys.modules[module], name, value)
    if module := settings.get(SERVICE_MODULE):
        importlib.import_module(module).install()
    from mljobs.config import load
    from mljobs.main import operate

    def serving(url: str) -> None:
        os.write(output, f"health at {url}\n".encode())

    operate(load(), ready=serving)


def _set_clock(file: Path) -> None:
    """Let whoever asks for the time be told a wrong one, in every module that has been imported."""

    def wrong() -> float:
        return float(file.read_text("ascii"))

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(seconds=wrong())

    true = time.time
    time.time = lambda: true() + wrong()
    for module in list(sys.modules.values()):
        if vars(module).get("datetime") is datetime and module.__name__ != __name__:
            module.datetime = Wrong  # type: ignore[attr-defined]


class Forks:
    """Starts operators."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)

    def start(self, settings: Mapping[str, str], log: Path) -> "OperatorProcess":
        """Start an operator with these settings alone."""
        process = self._context.Process(target=_operate, args=(dict(settings), str(log)), daemon=True)
        process.start()
        return OperatorProcess(process, log)


class OperatorProcess:
    """One operator."""

    def __init__(self, process: multiprocessing.process.BaseProcess, log: Path) -> None:
        self._process = process
        self.log = log

    @property
    def running(self) -> bool:
        return self._process.is_alive()

    @property
    def health_url(self) -> str:
        """Where it serves its health; empty until it does."""
        found = _SERVING.search(self.log.read_text("utf-8", "replace")) if self.log.exists() else None
        return found[1] if found else ""

    @property
    def exit_code(self) -> int | None:
        return self._process.exitcode

    def signal(self, number: int) -> None:
        if self._process.pid is not None and self.running:
            os.kill(self._process.pid, number)

    async def kill(self) -> None:
        """End it as the kernel does when memory runs out."""
        self.signal(signal.SIGKILL)
        await self.ended(10)

    def ask_to_end(self) -> None:
        """Begin to end it as a rolling update does."""
        self.signal(signal.SIGTERM)

    async def stop(self) -> int | None:
        """End it as a rolling update does; gives the exit code."""
        self.ask_to_end()
        return await self.ended(30)

    async def ended(self, within: float) -> int | None:
        """Wait for its end; gives the exit code."""
        await asyncio.to_thread(self._process.join, within)
        assert not self.running, f"the operator does not end: {self.tail()}"
        return self.exit_code

    def tail(self, characters: int = 5000) -> str:
        return self.log.read_text("utf-8", "replace")[-characters:] if self.log.exists() else ""


if sys.platform != "linux":
    raise RuntimeError("the crash harness ends its processes with their parent by a call that only Linux has")
