"""Runs the plugin in this process."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from typer.testing import CliRunner

from mljobs.kubectl.app import app

Json = dict[str, Any]

NO_SETTINGS: Mapping[str, str | None] = dict.fromkeys(
    [
        "CLOUDSDK_COMPUTE_REGION",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_ML",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING",
        "MLJOBS_ENDPOINT",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE",
        "CLOUDSDK_PYTHON",
        "MLJOBS_LOGGING_ENDPOINT",
        "MLJOBS_STORAGE_ENDPOINT",
        "MLJOBS_ANONYMOUS",
    ]
)
"""What the developer's own environment may say is not there."""


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: list[str]

    @property
    def manifests(self) -> list[Json]:
        return list(yaml.safe_load_all(self.out))

    @property
    def manifest(self) -> Json:
        (made,) = self.manifests
        return dict(made)


def run(*words: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Outcome:
    """Run `kubectl mljobs` with these words; each may hold several."""
    args = [part for word in words for part in shlex.split(word)]
    done = CliRunner().invoke(
        app, args, input=stdin, env={**NO_SETTINGS, **(env or {})}, prog_name="kubectl mljobs"
    )
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Outcome(done.exit_code, done.stdout, done.stderr.splitlines())
