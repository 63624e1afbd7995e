"""Builds the source distribution of a package from its folder, in a separate process, as gcloud does.

Where the folder's parent has a `setup.py`, that is run there; otherwise one is made, outside of the user's
files. The archive is then written again, so that the same files yield the same bytes.
"""

import fcntl
import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mljobs.kubectl.failure import REFUSED, TROUBLE, Failure

FLAG = "--package-path"

PYTHON_VARIABLE = "CLOUDSDK_PYTHON"
"""gcloud's variable for the interpreter that builds; this one's own where it is not set."""

EPOCH = 315_619_200
"""Time of every file in an archive, 1980-01-02 in UTC: wheels cannot have times before 1980."""

_SETUP = """\
import setuptools

setuptools.setup(name={name!r}, packages=setuptools.find_packages(include=[{name!r}, {below!r}]))
"""


@dataclass(frozen=True)
class Archive:
    """A source distribution.

    Attributes:
        name: its file's name, `trainer-0.0.0.tar.gz`.
        content: its bytes.
        generated: whether its setup.py was made for it.
    """

    name: str
    content: bytes
    generated: bool

    @property
    def files(self) -> list[str]:
        """The paths of its files, without the folder that all are in."""
        with tarfile.open(fileobj=io.BytesIO(self.content)) as archive:
            return [name.partition("/")[2] for name in archive.getnames()]


def check(path: str) -> Path:
    """The package's folder.

    Raises:
        Failure: it is not one.
    """
    shown = f"{FLAG} {path}"
    if "://" in path:
        hint = "name an archive in Cloud Storage by --packages"
        raise Failure(f"{shown}: must be a folder of this machine", hint=hint, code=TROUBLE)
    folder = Path(os.path.abspath(path))  # noqa: PTH100  # as gcloud: a link keeps its own name
    if not folder.is_dir():
        what = "is a file, must be the folder of a Python package" if folder.exists() else "does not exist"
        raise Failure(f"{shown}: {what}", hint="name the folder that has the __init__.py", code=TROUBLE)
    if not (folder / "__init__.py").is_file():
        raise Failure(
            f"{shown}: is no Python package, since it has no __init__.py",
            hint="make an empty one, or name the folder that has it",
            code=TROUBLE,
        )
    return folder


def build(package: Path) -> list[Archive]:
    """Build the archives of a package; more than one where its setup.py makes more.

    Args:
        package: its folder, checked.

    Raises:
        Failure: the build fails; what it printed is on stderr.
    """
    with TemporaryDirectory(prefix="mljobs-build-") as work:
        folder = Path(work).resolve()
        output = folder / "output"
        generated = not (package.parent / "setup.py").is_file()
        with _root(package, folder, generated=generated) as root:
            _run(root, folder / "temporary", output, generated=generated)
        found = sorted(output.iterdir()) if output.is_dir() else []
        archives = [Archive(file.name, reproducible(file), generated) for file in found]
    if not archives:
        raise Failure(f"{FLAG} {package.name}: its setup.py has built no archive", code=REFUSED)
    for archive in archives:
        if generated and f"{package.name}/__init__.py" not in archive.files:
            raise Failure(
                f"{FLAG} {package.name}: cannot be the name of a Python package",
                hint="rename the folder, or write a setup.py beside it",
                code=TROUBLE,
            )
    return archives


def reproducible(file: Path) -> bytes:
    """Rewrite an archive, so that its bytes depend on nothing but its files' names, contents and x bits.

    Args:
        file: a tar archive, compressed or not.
    """
    packed = io.BytesIO()
    with (
        tarfile.open(file) as source,
        gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in sorted(source.getmembers(), key=lambda member: member.name):
            entry = tarfile.TarInfo(member.name)
            entry.mtime = EPOCH
            entry.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            if member.isdir() or member.issym():
                entry.type, entry.linkname = member.type, member.linkname
                target.addfile(entry)
            elif (stream := source.extractfile(member)) is not None:
                content = stream.read()
                entry.size = len(content)
                target.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@contextmanager
def _root(package: Path, work: Path, *, generated: bool) -> Iterator[Path]:
    """The folder to build in, with its setup.py."""
    root = package.parent
    if generated:
        yield _linked(root, work / "root", package.name)
    elif os.access(root, os.W_OK | os.X_OK):
        with _alone(root):
            yield root
    else:
        yield _copied(root, work)


def _linked(root: Path, place: Path, name: str) -> Path:
    """A folder with a setup.py of ours beside links to all that the package's parent has."""
    place.mkdir()
    for entry in root.iterdir():
        if entry.name != "setup.py":
            (place / entry.name).symlink_to(entry)
    (place / "setup.py").write_text(_SETUP.format(name=name, below=f"{name}.*"), "utf-8")
    return place


def _copied(root: Path, work: Path) -> Path:
    """A copy of a folder that cannot be written to, which setuptools needs."""
    shown = f"{FLAG}: the folder {root} has the setup.py, cannot be written to"
    if work.is_relative_to(root.resolve()):
        hint = "set TMPDIR to a folder outside of it, or build it yourself and give --packages"
        raise Failure(f"{shown}, and holds the folder for temporary files {work}", hint=hint, code=TROUBLE)
    try:
        shutil.copytree(root, work / "root", ignore_dangling_symlinks=True)
    except OSError as error:
        reasons = error.args[0] if isinstance(error, shutil.Error) else [(root, work, error)]
        first = reasons[0][2]
        hint = "build it yourself and give --packages"
        raise Failure(f"{shown}, nor copied: {first}", hint=hint, code=TROUBLE) from None
    for folder, _, _ in os.walk(work / "root"):
        Path(folder).chmod(0o700)
    return work / "root"


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Let one build at a time into a folder: setuptools gathers files there, under a name that is fixed."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a file system without locks: the build is on its own
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _run(root: Path, temporary: Path, output: Path, *, generated: bool) -> None:
    """Run setup.py: so that it leaves least behind or, where it knows no such command, plainly."""
    temporary.mkdir()
    plain = ["sdist", "--formats", "gztar", "--dist-dir", str(output)]
    there = str(temporary)
    tidy = ["egg_info", "--egg-base", there, "build", "--build-base", there, "--build-temp", there, *plain]
    done = _setup(root, tidy)
    if done.returncode:
        done = _setup(root, plain)
    if not done.returncode:
        return
    print(done.stdout, end="", file=sys.stderr)
    hint = "write a setup.py beside the package" if generated else "fix it, or build it and use --packages"
    raise Failure(
        f"{FLAG}: `python setup.py sdist` has failed with exit code {done.returncode}, as shown above",
        hint=hint,
        code=REFUSED,
    )


def _setup(root: Path, words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    python = os.environ.get(PYTHON_VARIABLE) or sys.executable
    try:
        return subprocess.run(
            [python, str(root / "setup.py"), *words],
            cwd=root,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        reason = f"{PYTHON_VARIABLE} {python}: cannot be run: {error.strerror}"
        raise Failure(reason, code=TROUBLE) from None
