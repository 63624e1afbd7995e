"""Programs that are started hundreds of times, each time in a fork of a process that has loaded them once."""

import atexit
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

SERVER = Path(__file__).with_name("fork_server.py")
SECONDS = 120
"""How long a command may take."""


class Forks:
    """A program whose command lines run in forks.

    Args:
        command: starts the server; see `fork_server`.
        env: the environment of the server.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._command = command
        self._env = env
        self._server: subprocess.Popen[str] | None = None

    def run(
        self, words: Sequence[str], *, env: Mapping[str, str], whole: bool = False, stdin: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command line, without the program's name.

        Args:
            words: what follows the program.
            env: environment variables.
            whole: whether these are all; they are added to those of the server otherwise.
            stdin: what it reads.
        """
        if self._server is None:
            self._server = subprocess.Popen(
                self._command, env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        request = {"words": words, "env": dict(env), "whole": whole, "cwd": str(Path.cwd()), "stdin": stdin}
        self._server.stdin.write(json.dumps({**request, "seconds": SECONDS}) + "\n")
        self._server.stdin.flush()
        answer = json.loads(self._server.stdout.readline())
        assert answer["code"] != -signal.SIGALRM, f"{shlex.join(words)} took more than {SECONDS} s"
        return subprocess.CompletedProcess(list(words), answer["code"], answer["out"], answer["err"])

    def close(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.communicate(timeout=SECONDS)
            self._server = None


_PLAIN = {
    name: value for name, value in os.environ.items() if not name.startswith(("MLJOBS_", "KUBE", "GOOGLE_"))
}
MLJOBS_FORKS = Forks([sys.executable, str(SERVER), "mljobs"], _PLAIN)
"""`mljobs`; each environment is to be given as a whole."""
PLUGIN_FORKS = Forks([sys.executable, str(SERVER), "kubectl-mljobs"], _PLAIN)
"""`kubectl mljobs`, as kubectl would start it; each environment is to be given as a whole."""
for forks in (MLJOBS_FORKS, PLUGIN_FORKS):
    atexit.register(forks.close)
