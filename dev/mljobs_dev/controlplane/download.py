"""Takes etcd, kube-apiserver and kubectl from the released test archives of Kubernetes, where reachable.

The index names an archive and its SHA-512 for each version, system and processor. Whatever goes wrong, the
caller continues with the build: with one line of progress, unless an archive fails its check.
"""

import hashlib
import json
import os
import platform
import re
import sys
import tarfile
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import yaml

from mljobs_dev.controlplane.gobuild import KUBERNETES_VERSION
from mljobs_dev.controlplane.progress import Reporter, Step

INDEX_VARIABLE = "MLJOBS_ENVTEST_INDEX"
_INDEX = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"
SHORT_SECONDS = 5.0
_ARCHIVE_SECONDS = 600.0
_INDEX_BYTES = 8 << 20
_ARCHIVE_BYTES = 1 << 30
_PIECE = 1 << 18
_BINARIES = ("etcd", "kube-apiserver", "kubectl")
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

T = TypeVar("T")
Version = tuple[int, ...]


class DownloadError(Exception):
    """There is nothing to download, or it is not what the index promised."""


class UntrustedError(DownloadError):
    """The archive is not the one that the index describes."""


@dataclass(frozen=True)
class Archive:
    """One entry of the index.

    Attributes:
        version: of Kubernetes, as numbers.
        url: where the archive is.
        sha512: its hash, in lower-case hexadecimal digits.
    """

    version: Version
    url: str
    sha512: str


def target() -> str:
    """Name this system and processor as the archives do: `linux-amd64`, say."""
    machine = platform.machine().lower()
    return f"{sys.platform}-{_MACHINES.get(machine, machine)}"


def version_numbers(text: str) -> Version:
    """Read `v1.37.2`; pre-releases and other texts yield an empty tuple, which sorts below all."""
    match = re.fullmatch(r"v(\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(number) for number in match.groups()) if match else ()


def choose(index: Mapping[str, Any], pinned: str, where: str) -> Archive:
    """Choose the newest patch of the pinned minor version, else of the newest minor below it.

    Args:
        index: the parsed index.
        pinned: the version that the project was tested with, as `v1.37.2`.
        where: system and processor, as `linux-amd64`.

    Raises:
        DownloadError: the index has no such archive, or is not an index.
    """
    limit = version_numbers(pinned)[:2]
    found: list[Archive] = []
    try:
        for name, archives in index["releases"].items():
            numbers = version_numbers(name)
            entry = archives.get(f"envtest-{name}-{where}.tar.gz")
            if numbers and numbers[:2] <= limit and entry is not None:
                found.append(Archive(numbers, entry["selfLink"], entry["hash"].lower()))
    except (KeyError, TypeError, AttributeError) as error:
        raise DownloadError(f"the index is not of the expected form ({error!r})") from error
    if not found:
        raise DownloadError(f"the index has no archive for {where} up to {pinned}")
    return max(found, key=lambda archive: archive.version)


def _prefix() -> str:
    """Folders begin with the pinned version, so that a newer pin needs a newer download."""
    return f"{KUBERNETES_VERSION}-envtest-"


def cached(root: Path) -> list[Path]:
    """Return the folders of earlier downloads for the pinned version and this system, newest first."""
    folders = root.glob(f"{_prefix()}v*-{target()}")

    return sorted(folders, key=lambda folder: version_numbers(_version_of(folder)), reverse=True)


def _version_of(folder: Path) -> str:
    return folder.name.removeprefix(_prefix()).removesuffix(f"-{target()}")


def fits_builds(folder: Path) -> bool:
    """Whether a folder holds no download, or one of the minor version that `gobuild` builds."""
    version = _version_of(folder)
    return version == folder.name or version_numbers(version)[:2] == version_numbers(KUBERNETES_VERSION)[:2]


def fetch(root: Path, work: Path, report: Reporter) -> Path | None:
    """Download, verify and unpack the archive into a new folder below `root`.

    Args:
        root: the cache of binaries.
        work: a folder for unfinished files, on the same file system.
        report: called with progress.

    Returns:
        The folder, or None if that did not work.
    """
    url = os.environ.get(INDEX_VARIABLE) or _INDEX
    try:
        archive = choose(_within(SHORT_SECONDS, lambda: _read_index(url)), KUBERNETES_VERSION, target())
        text = "v" + ".".join(str(number) for number in archive.version)
        file = work / "envtest.tar.gz"
        _download(archive, file, f"downloading Kubernetes {text}", report)
        unpacked = work / "envtest"
        _unpack(file, unpacked)
        record = {"source": archive.url, "sha512": archive.sha512}
        (unpacked / "source.json").write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        folder = root / f"{_prefix()}{text}-{target()}"
        unpacked.rename(folder)
    except UntrustedError as error:
        report(Step(f"refused a download: {error}. Building the binaries instead.", warning=True))
        return None
    except (DownloadError, OSError, ValueError, yaml.YAMLError, tarfile.TarError) as error:
        report(Step(f"no download of the control plane's binaries ({getattr(error, 'reason', error)})"))
        return None
    return folder


def _open(url: str) -> IO[bytes]:
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"{url!r} is no http address")
    opened: IO[bytes] = urllib.request.urlopen(url, timeout=SHORT_SECONDS)  # noqa: S310 - checked above
    return opened


def _read_index(url: str) -> Mapping[str, Any]:
    with _open(url) as answer:
        loaded = yaml.safe_load(answer.read(_INDEX_BYTES))
    if not isinstance(loaded, Mapping):
        raise DownloadError("the index is not of the expected form")
    return loaded


def _within(seconds: float, work: Callable[[], T]) -> T:
    """Run something for a limited time: the time-out of a socket does not count the look-up of its name."""
    results: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:  # raised again in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, name="envtest index", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise DownloadError(f"no answer within {seconds:g} s")
    return results[0]


def _download(archive: Archive, file: Path, message: str, report: Reporter) -> None:
    deadline = time.monotonic() + _ARCHIVE_SECONDS
    digest = hashlib.sha512()
    done = 0
    with _open(archive.url) as answer, file.open("wb") as output:
        total = int(getattr(answer, "headers", {}).get("Content-Length") or 0)
        report(Step(message, 0, total, "bytes"))
        while piece := answer.read(_PIECE):
            output.write(piece)
            digest.update(piece)
            done += len(piece)
            report(Step(message, done, total, "bytes"))
            if time.monotonic() > deadline or done > _ARCHIVE_BYTES:
                raise DownloadError(f"{archive.url} is too slow or too large")
    if digest.hexdigest() != archive.sha512:
        raise UntrustedError(f"{archive.url} has not the SHA-512 that the index states")


def _unpack(file: Path, folder: Path) -> None:
    folder.mkdir()
    with tarfile.open(file, "r:gz") as archive:
        for member in archive:
            name = Path(member.name).name
            source = archive.extractfile(member) if member.isfile() and name in _BINARIES else None
            if source is not None:
                (folder / name).write_bytes(source.read())
                (folder / name).chmod(0o755)
    lacking = [name for name in _BINARIES if not (folder / name).exists()]
    if lacking:
        raise DownloadError(f"the archive lacks {', '.join(lacking)}")
