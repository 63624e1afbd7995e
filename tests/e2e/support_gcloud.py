"""The gcloud command line as a client of the emulator, without credentials and with a home of its own."""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support_forks import SECONDS, SERVER, Forks
from tests.e2e.support_stack import PROJECT


class Gcloud:
    """`gcloud [TRACK] ai-platform jobs …`, or any other group, against one emulator.

    Skips where there is no gcloud; in CI that is a failure.

    Args:
        url: of the emulator.
        home: a folder for what gcloud keeps.
        project: the active one.
    """

    def __init__(self, url: str, home: Path, project: str = PROJECT) -> None:
        if not shutil.which("gcloud"):
            reason = "gcloud is not installed: package google-cloud-cli"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        outside = {name: text for name, text in os.environ.items() if not name.startswith("CLOUDSDK_")}
        self.environment = {
            **outside,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_ML": f"{url}/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": f"{url}/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING": f"{url}/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{url}/storage/v1/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "CLOUDSDK_CORE_PROJECT": project,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
            "CLOUDSDK_CONFIG": str(home),
        }
        self._forks = Forks(["gcloud"], {**self.environment, "CLOUDSDK_PYTHON_ARGS": f"-S {SERVER}"})

    def __call__(
        self, command: str, *, track: str = "", env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command of the group, written as in a shell, in a fork of the server."""
        tracked = [track] if track else []
        return self.ask([*tracked, "ai-platform", "jobs", *shlex.split(command)], env=env)

    def ask(
        self, words: list[str], *, env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run what follows `gcloud` in a fork of the server: the same, without a start of gcloud for each."""
        return self._forks.run(words, env=env or {})

    def run(self, words: list[str], *, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a whole command line in a process of its own."""
        return subprocess.run(
            words, env=self.environment, cwd=cwd, capture_output=True, text=True, timeout=SECONDS, check=False
        )

    def close(self) -> None:
        """End the server."""
        self._forks.close()

    def ok(self, command: str) -> str:
        done = self(command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def read(self, command: str) -> Any:
        return json.loads(self.ok(f"{command} --format json"))
