"""`mljobs check` as a command, and what it prints."""

import json
import os
import subprocess
from pathlib import Path

from tests.e2e.support import Json
from tests.e2e.support_forks import MLJOBS_FORKS
from tests.e2e.support_stack import PROJECT

SERVICE_ROW = f"Job service, project {PROJECT}"


def run(kubeconfig: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MLJOBS_", "GOOGLE_"))}
    env |= {"KUBECONFIG": str(kubeconfig), "MLJOBS_PROJECT_ID": PROJECT, **variables}
    return MLJOBS_FORKS.run(["check", *arguments], env=env, whole=True)


def rows(done: subprocess.CompletedProcess[str], *, passed: bool) -> dict[str, Json]:
    """The rows of `-o json` by what was checked; the exit code has to agree."""
    assert done.returncode == (0 if passed else 1), done.stderr
    document = json.loads(done.stdout)
    assert document["passed"] is passed
    assert all(row["remedy"] for row in document["checks"] if row["status"] in ("failed", "warning"))
    return {row["check"]: row for row in document["checks"]}
