"""The image, built for real and run: what is in it, and the operator with the chart's configuration.

Not among the tests that run by themselves, since a build takes minutes: `make image-test`, as root, with
buildah and debootstrap installed. The bases are made from Debian packages; see `tests/image/`.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mljobs import __version__
from mljobs.api.resources import KINDS
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.chart.support_chart import FULLNAME, NAMESPACE, ROOT, Helm, Release, reach
from tests.e2e.support import Json, Namespace, connect, eventually, of_kind
from tests.e2e.support_stack import Emulator

SOURCES = ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "LICENSE")
FOLDERS = ("requirements", "operator", "deploy", "tests/image")
IMAGE = "localhost/mljobs-operator:test"
RUNTIME = "localhost/mljobs-test-runtime"
USER = 65532
LIMIT_MB = 200
ACCOUNT = "var/run/secrets/kubernetes.io/serviceaccount"
BUILDAH = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        shutil.which("buildah") is None, reason="needs buildah: apt-get install buildah debootstrap"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount the image's file system"),
]

RUN = """
set -eu
root=$1
shift
mount --bind "$root" "$root"
for given in "$@"; do
  case $given in
    --) break ;;
    *) mount --bind "${given%%:*}" "$root/${given#*:}" && mount -o remount,bind,ro "$root/${given#*:}" ;;
  esac
  shift
done
shift
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
chroot=$(PATH=$PATH:/usr/sbin:/sbin command -v chroot)
exec setpriv --no-new-privs "$chroot" --userspec=USER:USER --groups= "$root" "$@"
""".replace("USER", str(USER))
"""Runs a command as the image's user; neither the root file system nor what is mounted can be written to.

Arguments: the root; folders as `FROM:TO`; `--`; the command.
"""


def buildah(*args: str) -> str:
    return subprocess.run(
        ["buildah", *args], env=BUILDAH, check=True, capture_output=True, text=True, timeout=900
    ).stdout.strip()


def try_build(context: Path, image: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [context / "tests" / "image" / "build.sh", image],
        env={**BUILDAH, **variables},
        check=False,
        capture_output=True,
        text=True,
    )


def build(context: Path, image: str) -> None:
    done = try_build(context, image)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@dataclass(frozen=True)
class Built:
    """The image, mounted.

    Attributes:
        context: what it was built from, which does not change any more.
        root: its file system.
        config: its configuration.
        layers: the digests of its layers.
    """

    context: Path
    root: Path
    config: Json
    layers: list[str]

    @property
    def env(self) -> dict[str, str]:
        """The variables that it sets."""
        return dict(entry.partition("=")[::2] for entry in self.config["Env"])

    def command(self, *command: str, mounts: tuple[str, ...] = ()) -> list[str]:
        """A command in it."""
        isolate = ["unshare", "--mount", "--propagation=private", "sh", "-c", RUN, "sh"]
        return [*isolate, str(self.root), *mounts, "--", *command]

    def run(
        self, *command: str, mounts: tuple[str, ...] = (), env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*command, mounts=mounts),
            env=env or self.env,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    context = tmp_path_factory.mktemp("context")
    for name in SOURCES:
        shutil.copy(ROOT / name, context / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, context / name, ignore=shutil.ignore_patterns("__pycache__"))
    build(context, IMAGE)
    about = json.loads(buildah("inspect", "--type", "image", IMAGE))["OCIv1"]
    container = buildah("from", IMAGE)
    root = Path(buildah("mount", container))
    for place in (ACCOUNT, "etc/mljobs/config"):  # as a container runtime makes the places of volumes
        (root / place).mkdir(parents=True, exist_ok=True)
    yield Built(context, root, about["config"], about["rootfs"]["diff_ids"])
    buildah("rm", container)
    buildah("rmi", IMAGE)


def test_it_runs_as_a_number_that_is_not_root(built: Built) -> None:
    assert built.config["User"] == f"{USER}:{USER}"
    assert built.run(
        "python3", "-c", "import os; print(os.getuid(), os.getgid(), os.getgroups())"
    ).stdout.split(maxsplit=2)[:2] == [str(USER), str(USER)]


def test_the_command_says_its_version(built: Built) -> None:
    assert built.config["Entrypoint"] == ["mljobs"]
    done = built.run(*built.config["Entrypoint"], "--version")
    assert (done.stdout.strip(), done.returncode) == (__version__, 0), done.stderr


def test_its_labels_and_nothing_that_probes_by_itself(built: Built) -> None:
    labels = built.config["Labels"]
    assert labels["org.opencontainers.image.title"] == "mljobs-operator"
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    bases = json.loads(buildah("images", "--json"))
    (runtime,) = (row["digest"] for row in bases if f"{RUNTIME}:latest" in (row["names"] or ()))
    assert labels["org.opencontainers.image.base.name"] == RUNTIME
    assert labels["org.opencontainers.image.base.digest"] == runtime
    assert "Healthcheck" not in built.config
    assert built.config["Cmd"] == ["run"]


@pytest.mark.parametrize("missing", ["BUILD_DIGEST", "RUNTIME_DIGEST"])
def test_bases_that_are_not_pinned_are_refused(built: Built, missing: str) -> None:
    done = try_build(built.context, f"{IMAGE}-unpinned", **{missing: ""})
    assert done.returncode != 0
    assert "The base images are not pinned: give BUILD_DIGEST and RUNTIME_DIGEST" in done.stderr


def test_it_is_small(built: Built, record_property: Callable[[str, Any], None]) -> None:
    (shown,) = (row for row in json.loads(buildah("images", "--json")) if IMAGE in (row["names"] or ()))
    number, unit = re.fullmatch(r"([\d.]+) (MB|GB)", shown["size"]).groups()  # type: ignore[union-attr]
    size = float(number) * (1000 if unit == "GB" else 1)
    record_property("image MB", size)
    for part in (".", "opt/mljobs"):
        files = (path for path in (built.root / part).rglob("*") if path.is_file() and not path.is_symlink())
        record_property(f"MB in {part}", round(sum(path.stat().st_size for path in files) / 1e6, 1))
    assert size < LIMIT_MB


FORBIDDEN = {
    *(
        "sh",
        "bash",
        "dash",
        "busybox",
        "apt",
        "apt-get",
        "dpkg",
        "pip",
        "pip3",
        "gcc",
        "cc",
        "make",
        "ld",
        "as",
    ),
    *("curl", "wget", "git", "su", "sudo", "mount", "perl"),
}


def test_no_tool_is_in_it(built: Built) -> None:
    programs = {
        path.name
        for place in ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "opt/mljobs/bin")
        for path in (built.root / place).glob("*")
    }
    assert "mljobs" in programs
    assert not programs & FORBIDDEN
    (packages,) = (built.root / "opt" / "mljobs" / "lib").glob("python3*/site-packages")
    names = {path.name.partition("-")[0].lower() for path in packages.iterdir()}
    assert not names & {"pip", "setuptools", "wheel", "hatchling", "pytest", "mypy", "ruff"}


def test_all_that_is_locked_is_in_it_and_nothing_else(built: Built) -> None:
    lock = (built.context / "requirements" / "runtime.txt").read_text("utf-8")
    elsewhere = ("sys_platform == 'win32'",)
    pinned = {
        (normal(name), version)
        for name, version, marker in re.findall(r"(?m)^([A-Za-z0-9._-]+)==([^ ;\\]+) ?(;[^\\\n]*)?", lock)
        if not any(word in marker for word in elsewhere)
        if name != "setuptools"  # builds packages where the plugin is installed; `trim.py` removes it here
    }
    (packages,) = (built.root / "opt" / "mljobs" / "lib").glob("python3*/site-packages")
    there = {
        (normal(name), version)
        for name, version in (
            path.name.removesuffix(".dist-info").rsplit("-", 1) for path in packages.glob("*.dist-info")
        )
    }
    assert there == {*pinned, ("mljobs-operator", __version__)}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_nothing_of_the_build_machine_stays(built: Built) -> None:
    """Neither its certificates nor its proxy nor its paths."""
    assert "proxy" not in json.dumps(built.config).lower()
    (packages,) = (built.root / "opt" / "mljobs" / "lib").glob("python3*/site-packages")
    assert not list(packages.glob("*.pth"))
    assert not list(packages.glob("*.dist-info/direct_url.json"))
    assert not (built.root / "src").exists()
    assert (built.root / "opt/mljobs/bin/python3").readlink() == Path("/usr/bin/python3")


def test_no_file_is_set_uid_or_writable_by_all(built: Built) -> None:
    for path in built.root.rglob("*"):
        if not path.is_symlink() and path.is_file():
            mode = path.stat().st_mode
            assert not mode & 0o6002, f"{path}: {mode:o}"
    assert all(path.lstat().st_uid == 0 for path in (built.root / "opt").rglob("*"))


def test_it_can_write_nowhere(built: Built) -> None:
    """So the run below proves that the operator needs no place to write to."""
    for place in ("/", "/tmp", "/home/nonroot", "/opt/mljobs"):  # noqa: S108
        done = built.run("python3", "-c", f"open({place!r} + '/x', 'w')")
        assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr, done


@pytest.fixture
def volumes(
    built: Built, cluster_helm: Helm, plane: ControlPlane, emulator: Emulator, tmp_path: Path
) -> Iterator[tuple[str, ...]]:
    """The volumes of the chart's Pod as a kubelet would fill them, of a release that is installed."""
    release = Release(cluster_helm, plane)
    release.install(reach(emulator))
    account, config = tmp_path / "account", tmp_path / "config"
    account.mkdir()
    config.mkdir()
    (account / "token").write_text(plane.client.token(NAMESPACE, FULLNAME, 3600), "utf-8")
    (account / "namespace").write_text(NAMESPACE, "utf-8")
    shutil.copy(plane.ca, account / "ca.crt")
    found = release.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/{FULLNAME}")
    (config / "config.yaml").write_text(found["data"]["config.yaml"], "utf-8")
    for path in (tmp_path.parent, tmp_path, account, config, *account.iterdir(), *config.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    yield (f"{account}:{ACCOUNT}", f"{config}:etc/mljobs/config")
    release.uninstall()


def test_the_operator_runs_in_it(
    built: Built,
    helm: Helm,
    plane: ControlPlane,
    emulator: Emulator,
    volumes: tuple[str, ...],
    tmp_path: Path,
    record_property: Callable[[str, Any], None],
) -> None:
    """With the arguments of the chart's Pod; as in a cluster the token is a file, the address a variable."""
    (container,) = helm.render(reach(emulator)).one("Deployment")["spec"]["template"]["spec"]["containers"]
    host, _, port = plane.url.removeprefix("https://").partition(":")
    env = {
        **built.env,
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": port,
        "MLJOBS_HOST": "127.0.0.1",
        "MLJOBS_PORT": "0",
    }
    log = tmp_path / "log"
    command = built.command(*built.config["Entrypoint"], *container["args"], mounts=volumes)
    begin = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT)

    def said() -> str:
        return log.read_text("utf-8", "replace")

    try:
        eventually(lambda: "holds the Lease" in said(), what="it holds the Lease", report=said)
        record_property("seconds to the Lease", round(time.monotonic() - begin, 2))
        assert uid(process.pid) == USER
        plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
        team = Namespace(connect(plane.kubeconfig), "team", said)
        for kind in KINDS.values():
            job = team.create(of_kind(kind, "census"))
            job.until_state("QUEUED")
            job.expect_events("Accepted")
            job.delete()
            job.until_gone()
        record_property("resident MB", resident(process.pid))
        (checking,) = helm.render(reach(emulator)).one("Pod")["spec"]["containers"]
        checked = built.run(*built.config["Entrypoint"], *checking["args"], mounts=volumes, env=env)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    finally:
        process.terminate()
        code = process.wait(30)
    assert code == 0, said()
    assert "Traceback" not in said()


def status(pid: int, name: str) -> str:
    found = re.search(rf"(?m)^{name}:\s*(\S+)", Path(f"/proc/{pid}/status").read_text("ascii"))
    assert found
    return found[1]


def uid(pid: int) -> int:
    return int(status(pid, "Uid"))


def resident(pid: int) -> int:
    return int(status(pid, "VmRSS")) // 1024


def test_a_second_build_gives_the_same_bytes(built: Built) -> None:
    again = f"{IMAGE}-again"
    build(built.context, again)
    layers = json.loads(buildah("inspect", "--type", "image", again))["OCIv1"]["rootfs"]["diff_ids"]
    buildah("rmi", again)
    assert layers == built.layers
