"""The samples on a real API server: what a user does with them, without running them."""

import subprocess
from pathlib import Path

import pytest

from mljobs_dev.controlplane.controlplane import ControlPlane
from mljobs_dev.stack.files import deploy_folder

pytestmark = pytest.mark.e2e

FOLDER = deploy_folder() / "samples"
SAMPLES = sorted(FOLDER.glob("*.yaml"))


def test_the_api_server_accepts_every_sample_as_it_is(
    control_plane: ControlPlane, crds: None, binaries_dir: Path, tmp_path: Path
) -> None:
    """A dry run on the server: structure, all CEL rules, no field that would be dropped, and no warning."""
    command = [
        str(binaries_dir / "kubectl"),
        f"--kubeconfig={control_plane.kubeconfig}",
        f"--cache-dir={tmp_path}",
        "apply",
        "--dry-run=server",
        "--validate=strict",
        f"--filename={FOLDER}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(SAMPLES)
    for path in SAMPLES:
        assert f".mljobs.dev/{path.stem} created (server dry run)" in done.stdout
