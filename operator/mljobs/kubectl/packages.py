"""Python packages of a training job that are still on this machine: which they are, and where they go."""

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mljobs.console.values import items
from mljobs.kubectl.failure import TROUBLE, Failure
from mljobs.kubectl.flags import Given

FIELD = "trainingInput.packageUris"

PREFIX = "mljobs"
"""Folder in the staging bucket. The job's name is no part of it: jobs share what is the same."""

_BUCKET = re.compile(r"gs://(?P<bucket>[a-z0-9][a-z0-9_.-]{1,220}[a-z0-9])/*")
_JOB_DIR = re.compile(r"gs://(?P<bucket>[^/]+)/*(?P<folder>.*?)/*")


@dataclass(frozen=True)
class Package:
    """A package as it is uploaded.

    Attributes:
        name: its file's name, which pip reads the version from.
        content: its bytes.
    """

    name: str
    content: bytes

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def size(self) -> str:
        """For people."""
        from rich.filesize import decimal

        return decimal(len(self.content))


@dataclass(frozen=True)
class Place:
    """Where packages are uploaded.

    Attributes:
        bucket: the bucket's name.
        folder: in the bucket.
    """

    bucket: str
    folder: str

    def object_name(self, package: Package) -> str:
        """What a package is called there: its content says where it is."""
        return f"{self.folder}/{package.digest}/{package.name}"

    def uri(self, package: Package) -> str:
        """The same as `gs://…`."""
        return f"gs://{self.bucket}/{self.object_name(package)}"


@dataclass(frozen=True)
class Staging:
    """What a command line wants uploaded.

    Attributes:
        remote: the packages that are in Cloud Storage already, `gs://…`.
        files: the archives of this machine.
        source: the folder of a package that is still to be built, or None.
        module: the module to run; empty if no flag says.
        place: where they go.
    """

    remote: Sequence[str]
    files: Sequence[Package]
    source: Path | None
    module: str
    place: Place

    def uris(self, packages: Sequence[Package]) -> list[str]:
        """The field's value, in gcloud's order: what was there, the files, what was built."""
        return [*self.remote, *map(self.place.uri, packages)]

    @property
    def provisional(self) -> list[str]:
        """The field's value before the build, for rules that do not depend on names."""
        return self.uris([*self.files, *([Package("trainer.tar.gz", b"")] if self.source else [])])

    def packages(self) -> list[Package]:
        """Everything to upload, built if necessary.

        Raises:
            Failure: a build fails, or two have the same name.
        """
        built = []
        if self.source is not None:
            from mljobs.kubectl.sdist import build

            archives = build(self.source)
            built = [Package(archive.name, archive.content) for archive in archives]
            if archives[0].generated and not self.remote and not self.files:
                _look_for(self.module, self.source.name, archives[0].files)
        packages = [*self.files, *built]
        _check_names([package.name for package in packages])
        return packages


def _named(text: str) -> list[str]:
    try:
        return items(text)
    except ValueError as error:
        raise Failure(f"--packages {text}: {error}", code=TROUBLE) from None


def staging_of(given: Given) -> Staging | None:
    """What the flags want uploaded; None if nothing is.

    Raises:
        Failure: a path or the bucket cannot be.
    """
    named = _named(given.get("--packages", ""))
    local = [name for name in named if not name.startswith("gs://")]
    path = given.get("--package-path")
    staging = _staging_bucket(given["--staging-bucket"]) if "--staging-bucket" in given else None
    if not local and path is None:
        return None
    from mljobs.kubectl.sdist import check

    source = None if path is None else check(path)
    _check_names([Path(name).name for name in local])
    files = [_read(name) for name in local]
    return Staging(
        [name for name in named if name not in local],
        files,
        source,
        given.get("--module-name", ""),
        staging or _below_job_dir(given),
    )


def _staging_bucket(text: str) -> Place:
    match = _BUCKET.fullmatch(text)
    if not match or any(len(part) > 63 for part in match["bucket"].split(".")):
        raise Failure(
            f"--staging-bucket {text}: must be gs:// and a bucket's name, without a folder", code=TROUBLE
        )
    return Place(match["bucket"], PREFIX)


def _below_job_dir(given: Given) -> Place:
    """Where gcloud puts packages without a staging bucket."""
    job_dir = given.get("--job-dir")
    if not job_dir:
        raise Failure(
            "--package-path and local --packages have to be uploaded",
            hint="say where to by --staging-bucket gs://BUCKET, or give --job-dir",
            code=TROUBLE,
        )
    match = _JOB_DIR.fullmatch(job_dir)
    if not match:
        raise Failure(f"--job-dir {job_dir}: must be gs://BUCKET/FOLDER", code=TROUBLE)
    return Place(match["bucket"], f"{match['folder']}/packages".removeprefix("/"))


def _read(name: str) -> Package:
    try:
        content = Path(name).read_bytes()
    except OSError as error:
        raise Failure(f"--packages {name}: cannot be read: {error.strerror or error}", code=TROUBLE) from None
    if not content:
        raise Failure(f"--packages {name}: is empty, must be a .tar.gz or .whl", code=TROUBLE)
    return Package(Path(name).name, content)


def _check_names(names: Sequence[str]) -> None:
    """Check that the packages have different file names, and that these are legal in URIs."""
    for name, count in Counter(names).items():
        if count > 1:
            raise Failure(f"--packages: {count} packages are called {name}", hint="rename one", code=TROUBLE)
        if not name.isprintable():
            raise Failure(f"--packages {name!r}: must be printable characters", code=TROUBLE)


def _look_for(module: str, package: str, files: Sequence[str]) -> None:
    """Tell of a module to run that the only package does not have."""
    path = module.replace(".", "/")
    if not module or {f"{path}.py", f"{path}/__main__.py"} & set(files):
        return
    print(
        f"warning: --module-name {module}: the package built from {package} has no {path}.py; "
        f"modules of it are called {package}.…",
        file=sys.stderr,
    )
