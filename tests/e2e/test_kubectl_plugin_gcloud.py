"""The same command line given to gcloud makes the job that the plugin's manifest describes."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.e2e.support_stack import PROJECT, Emulator
from tests.unit.cli.kubectl_cases import LINES, Json, Line

KNOWN = [line for line in LINES if not line.ours]


@pytest.fixture(scope="module")
def environment(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """gcloud without credentials, with a home of its own, and with the emulator for the service."""
    if not shutil.which("gcloud"):
        reason = "gcloud is not installed: package google-cloud-cli"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return {
        **os.environ,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_ML": f"{emulator.url}/",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_PROJECT": PROJECT,
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "CLOUDSDK_CONFIG": str(tmp_path_factory.mktemp("gcloud")),
    }


@pytest.mark.parametrize("line", KNOWN, ids=str)
def test_command_line(line: Line, environment: Mapping[str, str], emulator: Emulator, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(line.config or {}), "utf-8")
    job_id = f"line_{KNOWN.index(line)}"
    words = line.words.format(config=config).split()
    project = words[words.index("--project") + 1] if "--project" in words else PROJECT
    done = subprocess.run(
        ["gcloud", "ai-platform", "jobs", "submit", line.kind, job_id, *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert _sent(emulator.job(job_id, project=project)) == line.spec


def _sent(job: Json) -> Json:
    return {key: job[key] for key in ("labels", "trainingInput", "predictionInput") if key in job}
