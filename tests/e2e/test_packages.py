"""Python packages from a folder to a job: built, uploaded once, named in the resource, and able to run.

The same folder is given to gcloud, whose archive has to have the same modules.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from urllib.parse import quote

import pytest
import urllib3

from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Namespace
from tests.e2e.support_gcloud import Gcloud
from tests.e2e.support_plugin import Plugin
from tests.e2e.support_stack import Emulator
from tests.unit.cli.package_folders import MODULES, SETUP, lay

BUCKET = "team-bucket"
SUBMIT = ("ai-platform", "jobs", "submit", "training")
RUNTIME = (
    "--region=us-central1",
    "--runtime-version=2.11",
    "--python-version=3.7",
    "--module-name=trainer.task",
)


@pytest.fixture
def plugin(
    binaries_dir: Path, control_plane: ControlPlane, namespace: Namespace, emulator: Emulator
) -> Plugin:
    made = Plugin(binaries_dir / "kubectl", control_plane.kubeconfig, namespace.name, emulator.url)
    made.environment["MLJOBS_STORAGE_ENDPOINT"] = emulator.url
    return made


def submit(plugin: Plugin, job: str, *words: str) -> tuple[list[str], list[str]]:
    """Submit a job; gives the URIs that the resource has, and the lines on stderr."""
    done = plugin.run("submit", "training", job, *RUNTIME, *words, "-o", "json")
    assert done.returncode == 0, done.stderr
    spec = json.loads(done.stdout)["spec"]
    return spec["trainingInput"]["packageUris"], done.stderr.splitlines()


def read(emulator: Emulator, uri: str) -> bytes:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    url = f"{emulator.url}/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media"
    response = urllib3.PoolManager().request("GET", url, timeout=10)
    assert response.status == 200, response.data
    return response.data


def written(emulator: Emulator, folder: str) -> list[str]:
    """The objects below a folder of the bucket that uploads have written, in order."""
    rows = emulator.effects(after=0)
    return [row["object"] for row in rows if row["applied"] and row.get("object", "").startswith(folder)]


def modules(content: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {name.partition("/")[2] for name in archive.getnames() if name.endswith(".py")} - {"setup.py"}


def run_as_the_service(content: bytes, uri: str, folder: Path, *args: str) -> str:
    """Install a package with pip, as the service does, and run its module."""
    folder.mkdir()
    archive = folder / uri.rpartition("/")[2]
    archive.write_bytes(content)
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    target = folder / "installed"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), str(archive)],
        check=True,
        timeout=120,
    )
    done = subprocess.run(
        [sys.executable, "-m", "trainer.task", *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("setup", ["", SETUP], ids=["without", "with"])
def test_a_folder_becomes_a_job_that_runs(
    setup: str, plugin: Plugin, namespace: Namespace, emulator: Emulator, tmp_path: Path
) -> None:
    job = f"{namespace.name}_census"
    folder = f"gs://{BUCKET}/{namespace.name}"
    package = lay(tmp_path / "files", setup=setup)
    (uri,), told = submit(plugin, job, f"--package-path={package}", f"--job-dir={folder}")
    content = read(emulator, uri)
    name = "census_trainer-1.2.tar.gz" if setup else "trainer-0.0.0.tar.gz"
    assert uri == f"{folder}/packages/{hashlib.sha256(content).hexdigest()}/{name}"
    assert told == [f"{name}: uploading {len(content)} bytes to {uri}"]
    plugin.ok("wait", job, "--for=submitted", "--timeout=30s")
    assert emulator.job(job)["trainingInput"]["packageUris"] == [uri]
    assert run_as_the_service(content, uri, tmp_path / "service", "--epochs", "3") == "census --epochs 3\n"


def test_the_same_content_is_uploaded_once_and_other_content_beside_it(
    plugin: Plugin, namespace: Namespace, emulator: Emulator, tmp_path: Path
) -> None:
    package, place = lay(tmp_path), f"{BUCKET}/{namespace.name}"
    words = (f"--package-path={package}", f"--job-dir=gs://{place}")
    (first,), _ = submit(plugin, f"{namespace.name}_a", *words)
    (second,), told = submit(plugin, f"{namespace.name}_b", *words)
    assert first == second
    assert told == ["trainer-0.0.0.tar.gz: is there already, with the same content"]
    (package / "task.py").write_text("print('another')\n", "utf-8")
    (third,), _ = submit(plugin, f"{namespace.name}_c", *words)
    assert [f"gs://{name}" for name in written(emulator, place)] == [first, third]


def test_local_packages_beside_those_in_the_cloud(
    plugin: Plugin, namespace: Namespace, emulator: Emulator, tmp_path: Path
) -> None:
    wheel = tmp_path / f"{namespace.name}-1-py3-none-any.whl"
    wheel.write_bytes(os.urandom(3_000_000))
    uris, told = submit(
        plugin,
        f"{namespace.name}_wheel",
        f"--packages={wheel},gs://other/dep-1.tar.gz",
        f"--staging-bucket=gs://{BUCKET}",
    )
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert uris == ["gs://other/dep-1.tar.gz", f"gs://{BUCKET}/mljobs/{digest}/{wheel.name}"]
    assert read(emulator, uris[1]) == wheel.read_bytes()
    assert told[0] == f"{wheel.name}: uploading 3.0 MB to {uris[1]}"
    assert all(line.startswith(f"{wheel.name}: ") for line in told)


@pytest.mark.parametrize("dry_run", ["--dry-run", "--dry-run=server"])
def test_a_dry_run_uploads_nothing(
    dry_run: str, plugin: Plugin, namespace: Namespace, emulator: Emulator, tmp_path: Path
) -> None:
    place = f"{BUCKET}/{namespace.name}"
    before = emulator.last
    words = (f"--package-path={lay(tmp_path)}", f"--job-dir=gs://{place}", dry_run)
    (uri,), told = submit(plugin, f"{namespace.name}_dry", *words)
    assert uri.startswith(f"gs://{place}/packages/")
    assert told == [line for line in told if line.endswith(f" to {uri}")]
    assert [row for row in emulator.effects(after=before) if "object" in row] == []


def test_a_refusal_makes_no_resource(
    plugin: Plugin, namespace: Namespace, emulator: Emulator, tmp_path: Path
) -> None:
    emulator.drop_bucket("gone-bucket")
    emulator.deny("^closed-bucket/", "storage.objects.create")
    words = ("submit", "training", f"{namespace.name}_no", *RUNTIME, f"--package-path={lay(tmp_path)}")
    *_, missing = plugin.refused(1, *words, "--staging-bucket=gs://gone-bucket")
    assert missing.startswith("error: gs://gone-bucket: The specified bucket does not exist; make it by")
    *_, denied = plugin.refused(2, *words, "--staging-bucket=gs://closed-bucket")
    assert denied.startswith("error: gs://closed-bucket: Caller does not have storage.objects.create access")
    assert "roles/storage.objectUser" in denied
    assert namespace.all() == []


@pytest.mark.parametrize("setup", ["", SETUP], ids=["without", "with"])
def test_gcloud_uploads_the_same_modules(
    setup: str,
    gcloud: Gcloud,
    plugin: Plugin,
    namespace: Namespace,
    emulator: Emulator,
    tmp_path: Path,
) -> None:
    package, job = lay(tmp_path / "files", setup=setup), f"{namespace.name}_gcloud"
    bucket = (f"--package-path={package}", f"--staging-bucket=gs://{BUCKET}")
    submitted = gcloud.run(["gcloud", *SUBMIT, job, *RUNTIME, *bucket])
    assert submitted.returncode == 0, submitted.stderr
    (theirs,) = emulator.job(job)["trainingInput"]["packageUris"]
    (ours,), _ = submit(plugin, f"{namespace.name}_ours", *bucket)
    assert theirs.startswith(f"gs://{BUCKET}/{job}/")
    assert theirs.rpartition("/")[2] == ours.rpartition("/")[2]
    found = modules(read(emulator, ours))
    # gcloud's own setup.py leaves the packages inside the package out, so that importing them fails there
    assert modules(read(emulator, theirs)) == (found if setup else {"trainer/__init__.py", "trainer/task.py"})
    assert found >= MODULES


def test_gcloud_uploads_what_is_large_in_chunks(
    gcloud: Gcloud, namespace: Namespace, emulator: Emulator, tmp_path: Path
) -> None:
    wheel = tmp_path / f"{namespace.name}-1-py3-none-any.whl"
    wheel.write_bytes(os.urandom(6_000_000))  # above 5 MiB it chooses a resumable upload
    job = f"{namespace.name}_large"
    words = (f"--packages={wheel}", f"--job-dir=gs://{BUCKET}/{job}")
    done = gcloud.run(["gcloud", *SUBMIT, job, *RUNTIME, *words])
    assert done.returncode == 0, done.stderr
    (uri,) = emulator.job(job)["trainingInput"]["packageUris"]
    assert read(emulator, uri) == wheel.read_bytes()
    listed = gcloud.run(["gcloud", "storage", "ls", f"gs://{BUCKET}/{job}/**"])
    assert listed.stdout.split() == [uri]


def test_gcloud_is_told_of_a_bucket_that_there_is_not(
    gcloud: Gcloud, namespace: Namespace, emulator: Emulator, tmp_path: Path
) -> None:
    emulator.drop_bucket("gone-bucket")
    words = (f"--package-path={lay(tmp_path)}", "--staging-bucket=gs://gone-bucket")
    done = gcloud.run(["gcloud", *SUBMIT, "x", *RUNTIME, *words])
    assert done.returncode == 1
    assert "[gone-bucket] bucket does not exist" in done.stderr
