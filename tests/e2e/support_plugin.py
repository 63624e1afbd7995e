"""`kubectl mljobs`, by kubectl or as kubectl runs it, in a test's namespace."""

import os
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.support_forks import PLUGIN_FORKS

SCRIPTS = sysconfig.get_path("scripts")
"""Where kubectl finds the plugin."""


class Plugin:
    """`kubectl mljobs …` in the test's namespace, with the emulator for both services."""

    def __init__(self, kubectl: Path, kubeconfig: Path, namespace: str, url: str) -> None:
        self._kubectl = kubectl
        self._namespace = namespace
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CLOUDSDK_")},
            "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
            "KUBECONFIG": str(kubeconfig),
            "MLJOBS_ENDPOINT": url,
            "MLJOBS_LOGGING_ENDPOINT": url,
            "MLJOBS_ANONYMOUS": "true",
        }

    def _placed(self, words: Sequence[str]) -> list[str]:
        end = words.index("--") if "--" in words else len(words)
        place = [] if "-n" in words else [f"--namespace={self._namespace}"]
        return [*words[:end], *place, *words[end:]]

    def run(self, *words: str, stdin: str = "", **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a command, which kubectl would start in a process of its own."""
        given = {**self.environment, **env}
        return PLUGIN_FORKS.run(self._placed(words), env=given, whole=True, stdin=stdin)

    def ok(self, *words: str, stdin: str = "") -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl mljobs {' '.join(words)}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def refused(self, code: int, *words: str, stdin: str = "", **env: str) -> list[str]:
        """Run a command that has to fail, and give its lines on stderr."""
        done = self.run(*words, stdin=stdin, **env)
        assert done.returncode == code, f"kubectl mljobs {' '.join(words)}: {done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stderr.splitlines()

    def by_kubectl(self, *words: str) -> "subprocess.Popen[str]":
        """Have kubectl start a command."""
        return subprocess.Popen(
            [str(self._kubectl), "mljobs", *self._placed(words)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
