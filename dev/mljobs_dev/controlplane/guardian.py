"""The little program between us and a server: it ends the server when we are gone, however we went.

`process.SupervisedProcess` runs it as a script in an interpreter of its own, so it imports nothing of this
package. Its standard input is a pipe that only the owner holds open: first one line of JSON (see `main`),
then one byte a signal, and end of file when the owner has died, by SIGKILL too. Its standard output answers
with `pid N` or `error TEXT`, and at the end with `exit CODE`.

The server's parent is this program's only thread. So PR_SET_PDEATHSIG, which Linux ties to the *thread* that
forked, is safe to use here, and covers the case that this program itself is killed.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time

_PR_SET_PDEATHSIG = 1
_OWNER_CHECK_SECONDS = 1.0
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Guardian:
    """Runs one command in a process group of its own until it ends or its owner is gone.

    Args:
        command: the server's argument list.
        owner: process id of the program that started this one.
        grace: seconds between SIGTERM and SIGKILL for a server whose owner is gone.
        remove: folders to delete once the owner and the server are gone.
    """

    def __init__(self, command: list[str], owner: int, grace: float, remove: list[str]) -> None:
        self.owner = owner
        self.grace = grace
        self.remove = remove
        self.kill_at: float | None = None
        self.wakeup, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self.wakeup, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
        guardian = os.getpid()

        def die_with_guardian() -> None:
            if prctl is not None:
                prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != guardian:
                os._exit(1)

        self.child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            process_group=0,
            preexec_fn=die_with_guardian,  # safe: there is one thread only
        )
        for number in _FORWARDED:
            signal.signal(number, lambda received, _: self.signal_group(received))

    def signal_group(self, number: int) -> None:
        """Send a signal to the server and to what it has started."""
        try:
            os.killpg(self.child.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def run(self) -> int:
        """Wait for the server's end, and return its exit code (negative: the signal that ended it)."""
        while (code := self.child.poll()) is None:
            self._wait_for_news()
            if self.kill_at is not None and time.monotonic() >= self.kill_at:
                self.signal_group(signal.SIGKILL)
        self.signal_group(signal.SIGKILL)  # whatever the server has left behind
        return code

    def _wait_for_news(self) -> None:
        sources = [self.wakeup] if self.kill_at is not None else [self.wakeup, sys.stdin.fileno()]
        timeout = _OWNER_CHECK_SECONDS
        if self.kill_at is not None:
            timeout = min(timeout, max(0.0, self.kill_at - time.monotonic()))
        ready, _, _ = select.select(sources, [], [], timeout)
        if self.wakeup in ready:
            os.read(self.wakeup, 4096)
        if self.kill_at is not None:
            return
        if sys.stdin.fileno() in ready:
            self._obey(os.read(sys.stdin.fileno(), 64))
        elif os.getppid() != self.owner:  # a forked copy of the owner may still hold the pipe open
            self._orphaned()

    def _obey(self, orders: bytes) -> None:
        if not orders:
            self._orphaned()
        for number in orders:
            self.signal_group(number)

    def _orphaned(self) -> None:
        self.kill_at = time.monotonic() + self.grace
        self.signal_group(signal.SIGCONT)
        self.signal_group(signal.SIGTERM)

    def clean_up(self) -> None:
        """Delete the folders of a dead owner. The last guardian to come here finds nobody writing to them."""
        if self.kill_at is not None:
            for folder in self.remove:
                shutil.rmtree(folder, ignore_errors=True)


def _report(line: str) -> None:
    try:
        os.write(sys.stdout.fileno(), line.encode() + b"\n")
    except OSError:  # the owner is gone, and nobody listens
        return


def _read_line() -> bytes:
    """Read the first line without buffering, so that the orders after it stay in the pipe."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(sys.stdin.fileno(), 1)
        if not piece:
            break
        line += piece
    return line


def main() -> int:
    """Read `{"command", "owner", "grace", "remove"}` from standard input and guard that command."""
    order = _read_line()
    if not order.endswith(b"\n"):
        return 1
    try:
        guardian = Guardian(**json.loads(order))
    except OSError as error:
        _report(f"error {error}")
        return 1
    _report(f"pid {guardian.child.pid}")
    code = guardian.run()
    guardian.clean_up()
    _report(f"exit {code}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
