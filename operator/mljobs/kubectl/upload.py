"""Uploads packages to Cloud Storage: each content once, with its progress on stderr."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mljobs.kubectl.failure import REFUSED, TROUBLE, Failure
from mljobs.kubectl.options import Access
from mljobs.kubectl.packages import Package, Place

if TYPE_CHECKING:
    from mljobs.backends.google.storage import ObjectStorage, StoredObject

_QUARTERS = 4


def upload(packages: Sequence[Package], place: Place, access: Access) -> None:
    """Upload what is not there yet.

    Raises:
        Failure: the service refuses, gives no answer, or has something else under the name.
    """
    from mljobs.kubectl.service import ask

    ask(_upload_all(packages, place, access))


async def _upload_all(packages: Sequence[Package], place: Place, access: Access) -> None:
    from mljobs.backends import open_object_storage
    from mljobs.domain.errors import JobServiceError

    async with open_object_storage(endpoint=access.endpoint, anonymous=access.anonymous) as storage:
        for package in packages:
            try:
                stored = await _stored(storage, package, place)
            except JobServiceError as error:
                raise _failure(error, place) from None
            if not stored.holds(package.content):
                raise Failure(
                    f"{place.uri(package)}: is there with other content, which the job would run",
                    hint=f"find out who writes to gs://{place.bucket}, delete it, and submit again",
                    code=REFUSED,
                )


async def _stored(storage: "ObjectStorage", package: Package, place: Place) -> "StoredObject":
    """The object that a package is, uploaded now where it is not there."""
    from mljobs.domain.errors import AlreadyExists, Denied, NotFound

    name = place.object_name(package)
    try:
        stored = await storage.find(place.bucket, name)
    except NotFound:
        pass
    except Denied as error:
        if error.status != 403:
            raise
        # A writer may lack the permission to read; the upload itself requires that there is none.
    else:
        _tell(f"{package.name}: is there already, with the same content")
        return stored
    _tell(f"{package.name}: uploading {package.size} to {place.uri(package)}")
    try:
        with _progress(package) as on_progress:
            return await storage.insert(
                place.bucket, name, package.content, on_progress=on_progress, on_retry=_tell_retry
            )
    except AlreadyExists:  # somebody was faster, or the answer to our own try was lost
        return await storage.find(place.bucket, name)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def _tell_retry(error: Exception, pause: float) -> None:
    _tell(f"warning: {' '.join(str(error).split())}; trying again in {pause:g} s")


@contextmanager
def _progress(package: Package) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; elsewhere a line for each quarter of what takes more than one request."""
    total = len(package.content)
    if not sys.stderr.isatty():
        reported = [0]

        def in_lines(kept: int) -> None:
            if (quarter := kept * _QUARTERS // total) > reported[0]:
                reported[0] = quarter
                _tell(f"{package.name}: {100 * quarter // _QUARTERS} %")

        yield in_lines
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(package.name, total=total)
        yield lambda kept: bar.update(task, completed=kept)


def _failure(error: Exception, place: Place) -> Failure:
    """Word what Cloud Storage answered: which bucket, which permission, and what to do."""
    from mljobs.domain.errors import Denied, NotFound
    from mljobs.kubectl.service import failure_of

    bucket = f"gs://{place.bucket}"
    message = f"{bucket}: {' '.join(str(error).split()).removesuffix('.')}"
    match error:
        case NotFound():
            hint = f"make it by `gcloud storage buckets create {bucket}`, or name another --staging-bucket"
            return Failure(message, hint=hint, code=REFUSED)
        case Denied(status=403):
            hint = (
                "your own credentials need storage.objects.create and storage.objects.get there; an owner "
                f"grants them by `gcloud storage buckets add-iam-policy-binding {bucket} "
                "--member=user:EMAIL --role=roles/storage.objectUser`"
            )
            return Failure(message, hint=hint, code=TROUBLE)
        case _:
            failure = failure_of(error)
            return Failure(f"{bucket}: {failure.message}", code=failure.exit_code)
