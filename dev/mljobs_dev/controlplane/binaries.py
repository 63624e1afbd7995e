"""Provides the control plane's binaries: found, cached, downloaded, or built.

The order is KUBEBUILDER_ASSETS, the cache folder, a verified download, and a build from pinned modules. One
process at a time adds to the cache, and each binary comes to its place by a rename, so that a file that is
there is whole. What is asked for later is added to the same folder.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import filelock
import platformdirs

from mljobs_dev.controlplane import download, gobuild
from mljobs_dev.controlplane.progress import WAY_OUT, BinariesError, Reporter, Step, log_step

ALWAYS = ("etcd", "kube-apiserver")
CONTROLLER_MANAGER = "kube-controller-manager"
EXTRAS = (CONTROLLER_MANAGER, "kubectl", "helm")
ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
_LOCK_POLL_SECONDS = 1.0
_WORK_PREFIX = ".work-"

Builder = Callable[[Sequence[str], Path, Path, Reporter], None]
"""Makes the named binaries in the second folder; the third is for working files, and goes away."""


def cache_root() -> Path:
    """The folder that holds every version's folder (XDG_CACHE_HOME is honoured)."""
    return platformdirs.user_cache_path("mljobs") / "controlplane"


def ensure(
    extras: Iterable[str] = (),
    *,
    report: Reporter = log_step,
    root: Path | None = None,
    build: Builder = gobuild.build,
) -> Path:
    """Return a folder with etcd, kube-apiserver and the extras, after making what is missing.

    Args:
        extras: of `EXTRAS`.
        report: called with progress; a build takes minutes.
        root: the cache; None: `cache_root()`.
        build: makes binaries; for tests.

    Raises:
        BinariesError: an extra's name is unknown, KUBEBUILDER_ASSETS lacks a binary, or nothing worked.
    """
    names = _checked(extras)
    assets = os.environ.get(ASSETS_VARIABLE)
    if assets:
        return _from_assets(Path(assets), names)
    root = cache_root() if root is None else root
    found = _cached(root, names)
    if found is not None:
        return found
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BinariesError(f"cannot make the cache folder {root}: {error}. Set XDG_CACHE_HOME.") from error
    with _only_one(root, report):
        return _cached(root, names) or _fill(root, names, report, build)


def missing(folder: Path, names: Iterable[str]) -> list[str]:
    """Return those of the names that are no executable file in the folder."""
    return [name for name in names if not os.access(folder / name, os.X_OK) or not (folder / name).is_file()]


def _checked(extras: Iterable[str]) -> list[str]:
    names = list(dict.fromkeys([*ALWAYS, *extras]))
    unknown = [name for name in names if name not in (*ALWAYS, *EXTRAS)]
    if unknown:
        raise BinariesError(f"unknown binary {unknown[0]!r}: choose from {', '.join(EXTRAS)}")
    return names


def _from_assets(folder: Path, names: Sequence[str]) -> Path:
    lacking = missing(folder, names)
    if lacking:
        raise BinariesError(
            f"{ASSETS_VARIABLE}={folder} has no executable {', '.join(lacking)}. Put it there, or unset "
            f"{ASSETS_VARIABLE}, and mljobs finds, downloads or builds everything itself."
        )
    return folder.absolute()


def _cached(root: Path, names: Sequence[str]) -> Path | None:
    return next((folder for folder in _folders(root) if not missing(folder, names)), None)


def _folders(root: Path) -> Iterator[Path]:
    yield from download.cached(root)
    yield root / gobuild.cache_key()


def _fill(root: Path, names: Sequence[str], report: Reporter, build: Builder) -> Path:
    built = root / gobuild.cache_key()
    folder = next((folder for folder in _folders(root) if not missing(folder, ALWAYS)), None)
    for left_over in root.glob(f"{_WORK_PREFIX}*"):  # of runs that were killed: we hold the lock
        shutil.rmtree(left_over, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=_WORK_PREFIX, dir=root))
    try:
        if folder is None:
            folder = download.fetch(root, work, report) or built
        if CONTROLLER_MANAGER in missing(folder, names) and not download.fits_builds(folder):
            folder = built  # it must not be newer than the API server that it talks to
        lacking = missing(folder, names)
        if lacking:
            fresh = work / "bin"
            fresh.mkdir()
            build(lacking, fresh, work, report)
            folder.mkdir(exist_ok=True)
            for name in lacking:
                (fresh / name).replace(folder / name)
    except OSError as error:
        raise BinariesError(
            f"cannot write to {root}: {error}. Make room, or set XDG_CACHE_HOME. {WAY_OUT}"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _only_one(root: Path, report: Reporter) -> Iterator[None]:
    lock = filelock.FileLock(root / ".lock")
    reported = False
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_LOCK_POLL_SECONDS if reported else 0)
        except filelock.Timeout:
            if not reported:
                report(Step("another run is getting the binaries of the control plane; waiting for it"))
            reported = True
    try:
        yield
    finally:
        lock.release()
