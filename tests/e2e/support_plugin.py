"""`kubectl mljobs` as kubectl runs it, in a test's namespace."""

import os
import subprocess
import sysconfig
from pathlib import Path

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

    def command(self, *words: str) -> list[str]:
        end = words.index("--") if "--" in words else len(words)
        place = [] if "-n" in words else [f"--namespace={self._namespace}"]
        return [str(self._kubectl), "mljobs", *words[:end], *place, *words[end:]]

    def run(self, *words: str, stdin: str = "", **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*words),
            env={**self.environment, **env},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

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

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command(*words),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
