"""Where the binaries come from, and that nothing is made twice."""

import contextlib
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from mljobs_dev.controlplane import binaries, download, gobuild
from mljobs_dev.controlplane.binaries import cache_root, ensure, missing
from mljobs_dev.controlplane.progress import BinariesError, Reporter, Step


def make(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


class Builds:
    """A builder that makes empty scripts and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.rubbish: list[Path] = []

    def __call__(self, names: Sequence[str], destination: Path, work: Path, _: Reporter) -> None:
        self.asked.append(list(names))
        self.rubbish.append(make(work / "gocache", "rubbish"))
        make(destination, *names)


@pytest.fixture(autouse=True)
def _no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(binaries.ASSETS_VARIABLE, raising=False)
    monkeypatch.setenv(download.INDEX_VARIABLE, "nowhere")


def test_kubebuilder_assets_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = make(tmp_path / "assets", "etcd", "kube-apiserver", "kubectl")
    monkeypatch.setenv(binaries.ASSETS_VARIABLE, str(assets))
    builds = Builds()
    assert ensure(root=tmp_path / "cache", build=builds) == assets
    assert ensure(["kubectl"], root=tmp_path / "cache", build=builds) == assets
    assert builds.asked == []
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("there", "extras", "lacking"),
    [
        ((), (), "etcd, kube-apiserver"),
        (("etcd",), (), "kube-apiserver"),
        (("etcd", "kube-apiserver"), ("helm", "kubectl"), "helm, kubectl"),
    ],
)
def test_incomplete_assets_are_an_error_with_the_way_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    there: tuple[str, ...],
    extras: tuple[str, ...],
    lacking: str,
) -> None:
    monkeypatch.setenv(binaries.ASSETS_VARIABLE, str(make(tmp_path / "assets", *there)))
    with pytest.raises(
        BinariesError, match=f"no executable {lacking}. Put it there, or unset KUBEBUILDER_ASSETS"
    ):
        ensure(extras, root=tmp_path / "cache", build=Builds())


def test_a_file_that_cannot_be_executed_is_missing(tmp_path: Path) -> None:
    folder = make(tmp_path, "etcd", "kubectl")
    (folder / "kubectl").chmod(0o644)
    (folder / "helm").mkdir()
    assert missing(folder, ["etcd", "kubectl", "helm", "kube-apiserver"]) == [
        "kubectl",
        "helm",
        "kube-apiserver",
    ]


def test_an_unknown_extra_is_named(tmp_path: Path) -> None:
    with pytest.raises(BinariesError, match="unknown binary 'kubelet': choose from kube-controller-manager"):
        ensure(["kubelet"], root=tmp_path)


def test_what_was_built_is_found_again_and_later_extras_join_it(tmp_path: Path) -> None:
    builds = Builds()
    folder = ensure(root=tmp_path, build=builds)
    assert folder == tmp_path / gobuild.cache_key()
    assert ensure(root=tmp_path, build=builds) == folder
    assert ensure(["kubectl", "helm"], root=tmp_path, build=builds) == folder
    assert ensure(["helm"], root=tmp_path, build=builds) == folder
    assert builds.asked == [["etcd", "kube-apiserver"], ["kubectl", "helm"]]


def test_rubbish_goes_away_also_that_of_a_killed_run(tmp_path: Path) -> None:
    left_over = make(tmp_path / ".work-killed", "gocache")
    builds = Builds()
    ensure(root=tmp_path, build=builds)
    assert not left_over.exists()
    assert not builds.rubbish[0].exists()
    assert {path.name for path in tmp_path.iterdir()} <= {gobuild.cache_key(), ".lock"}


def test_a_failed_build_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    def fail(names: Sequence[str], destination: Path, work: Path, report: Reporter) -> None:
        make(destination, "etcd")
        raise BinariesError("the build of kube-apiserver failed")

    with pytest.raises(BinariesError, match="kube-apiserver failed"):
        ensure(root=tmp_path, build=fail)
    builds = Builds()
    ensure(root=tmp_path, build=builds)
    assert builds.asked == [["etcd", "kube-apiserver"]]


def test_a_full_disk_is_told_with_the_way_out(tmp_path: Path) -> None:
    def fail(names: Sequence[str], destination: Path, work: Path, report: Reporter) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(BinariesError, match=r"No space left on device.*KUBEBUILDER_ASSETS"):
        ensure(root=tmp_path, build=fail)


def test_a_cache_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BinariesError, match=r"cannot make the cache folder .* Set XDG_CACHE_HOME"):
        ensure(root=tmp_path / "file" / "cache", build=Builds())


def test_the_cache_is_where_xdg_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "mljobs" / "controlplane"


RUN = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from mljobs_dev.controlplane.binaries import ensure

    root, me = Path(sys.argv[1]), sys.argv[2]

    def build(names, destination, work, report):
        (root / f"building-{me}").touch()
        deadline = time.monotonic() + 60
        while not list(root.glob("waiting-*")):  # the other run must come while this one builds
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for name in names:
            (destination / name).write_text(me)
            (destination / name).chmod(0o755)

    def report(step):
        if "another run" in step.message:
            (root / f"waiting-{me}").touch()

    print(ensure(["kubectl"], root=root, build=build, report=report))
    """
)


def test_of_two_runs_at_once_one_builds_and_both_have_the_result(tmp_path: Path) -> None:
    runs = [
        subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
        for name in ("first", "second")
    ]
    try:
        outputs = [run.communicate(timeout=90)[0].strip() for run in runs]
    finally:
        for run in runs:
            run.kill()
            run.wait()
    assert outputs == [str(tmp_path / gobuild.cache_key())] * 2
    assert len(list(tmp_path.glob("building-*"))) == 1
    assert len(list(tmp_path.glob("waiting-*"))) == 1


def test_the_lock_of_a_killed_run_does_not_stay(tmp_path: Path) -> None:
    run = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path), "killed"])
    deadline = time.monotonic() + 30
    while not (tmp_path / "building-killed").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    waiting = threading.Event()
    found: list[Path] = []

    def report(step: Step) -> None:
        if "another run" in step.message:
            waiting.set()

    thread = threading.Thread(
        target=lambda: found.append(ensure(root=tmp_path, build=Builds(), report=report))
    )
    thread.start()
    try:
        assert waiting.wait(30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            run.kill()
        run.wait()
    thread.join(30)
    assert found == [tmp_path / gobuild.cache_key()]
