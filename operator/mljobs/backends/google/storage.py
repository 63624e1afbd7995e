"""Objects of Cloud Storage, through its JSON API: what is there, and uploads that happen once."""

import asyncio
import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

from googleapiclient.http import MediaUpload

from mljobs.backends.google.answers import Method
from mljobs.backends.google.calls import Api, ApiResource
from mljobs.backends.google.threads import RequestThreads
from mljobs.domain.errors import JobServiceError, NotFound, Rejected, Throttled, Unavailable

GET = Method("storage.objects.get")
INSERT = Method("storage.objects.insert", once=True)

CHUNK = 1024 * 1024
"""Bytes of one request of an upload, a multiple of 256 KiB as the API wants it; one has to fit into the
time-out, on a slow line too."""

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each retry of a chunk that was not answered."""

_LOST = (404, 410)
"""A resumable upload that has expired at the service, and has to be restarted (documentation)."""

MEDIA_TYPE = "application/octet-stream"

OnProgress = Callable[[int], None]
"""Called with the number of bytes that the service has persisted."""

OnRetry = Callable[[Exception, float], None]
"""Called with the error before a chunk is retried, and the delay in seconds."""


@dataclass(frozen=True)
class StoredObject:
    """An object as the service describes it.

    Attributes:
        bucket: its bucket's name.
        name: its name.
        size: in bytes.
        md5: the MD5 digest in base64; empty if the service has none, as for composed objects.
    """

    bucket: str
    name: str
    size: int
    md5: str

    def holds(self, content: bytes) -> bool:
        """Whether these are its bytes."""
        return self.size == len(content) and self.md5 == _md5(content)


class ObjectStorage:
    """Reads and writes objects. Made by `mljobs.backends.open_object_storage`, for one event loop.

    Args:
        objects: `objects()` of the `storage` v1 service.
        api: sends the calls.
        threads: where they are sent.
        pauses: see `PAUSES`.
    """

    def __init__(
        self, objects: ApiResource, api: Api, threads: RequestThreads, pauses: Sequence[float] = PAUSES
    ) -> None:
        self._objects = objects
        self._api = api
        self._threads = threads
        self._pauses = pauses

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._threads.close()

    async def find(self, bucket: str, name: str) -> StoredObject:
        """Read an object's metadata; `objects.get`.

        Raises:
            NotFound: there is no such object, or no such bucket.
            JobServiceError: as for any call.
        """
        arguments = {"bucket": bucket, "object": name}
        call = partial(self._api.call, GET, self._objects.get, arguments)
        return _stored(GET, await self._threads.run(call))

    async def insert(
        self,
        bucket: str,
        name: str,
        content: bytes,
        *,
        on_progress: OnProgress | None = None,
        on_retry: OnRetry | None = None,
    ) -> StoredObject:
        """Create an object; `objects.insert`, as a resumable upload in chunks.

        The service checks the digest. A chunk without an answer is queried and retried; since the object must
        not exist yet, it is written once, however often that happens.

        Args:
            bucket: the bucket's name.
            name: the object's name.
            content: its bytes.
            on_progress: see `OnProgress`.
            on_retry: see `OnRetry`.

        Raises:
            AlreadyExists: there is an object with this name.
            NotFound: there is no such bucket.
            JobServiceError: as for any call.
        """
        upload = _Upload(self._objects, bucket, name, content)
        failures = 0
        while True:
            kept = upload.kept
            try:
                answer = await self._threads.run(partial(self._api.call, INSERT, upload.step, {}))
                if "object" in answer:
                    return _stored(INSERT, answer["object"])
                if upload.kept <= kept:
                    raise Unavailable(
                        f"{INSERT.id} answered that nothing of the chunk was persisted", status=308
                    )
            except (NotFound, Rejected, Throttled, Unavailable) as error:
                failures += 1
                await self._wait(error, failures, upload, on_retry)
                continue
            failures = 0
            if on_progress is not None:
                on_progress(upload.kept)

    async def _wait(
        self, error: JobServiceError, failures: int, upload: "_Upload", on_retry: OnRetry | None
    ) -> None:
        """Wait for the next retry, or raise the error if there is none."""
        lost = upload.begun and error.status in _LOST
        if failures > len(self._pauses) or (isinstance(error, NotFound | Rejected) and not lost):
            raise error
        if lost:
            upload.begin()
        pause = max(self._pauses[failures - 1], getattr(error, "retry_after", None) or 0.0)
        if on_retry is not None:
            on_retry(error, pause)
        await asyncio.sleep(pause)


class _Upload:
    """One resumable upload, a request at a time; see `HttpRequest.next_chunk`."""

    def __init__(self, objects: ApiResource, bucket: str, name: str, content: bytes) -> None:
        self._objects = objects
        self._arguments = {"bucket": bucket, "name": name, "ifGenerationMatch": 0}
        self._content = content
        self.begin()

    def begin(self) -> None:
        """Restart the upload."""
        body = {"md5Hash": _md5(self._content), "contentType": MEDIA_TYPE}
        media = _Content(self._content)
        self._request = self._objects.insert(**self._arguments, body=body, media_body=media)

    @property
    def begun(self) -> bool:
        """Whether the service has started the upload."""
        return self._request.resumable_uri is not None

    @property
    def kept(self) -> int:
        """How many bytes the service has persisted."""
        return int(self._request.resumable_progress)

    def step(self) -> "_Step":
        """The next request."""
        return _Step(self._request)


class _Step:
    """A chunk, with the methods of a request that `Api` calls."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._callbacks: list[Callable[[Any], None]] = []

    def add_response_callback(self, callback: Callable[[Any], None]) -> None:
        """Register a callback for each answer."""
        self._callbacks.append(callback)

    def execute(self, http: Any, num_retries: int) -> dict[str, Any]:
        """Send it; returns the object once that is complete."""
        watched = _Watched(http, self._callbacks)
        _, document = self._request.next_chunk(http=watched, num_retries=num_retries)
        return {} if document is None else {"object": document}


class _Watched:
    """An Http that reports its answers, which `next_chunk` hides."""

    def __init__(self, http: Any, callbacks: Sequence[Callable[[Any], None]]) -> None:
        self._http = http
        self._callbacks = callbacks

    def request(self, *args: Any, **kwargs: Any) -> tuple[Any, bytes]:
        """Send one request."""
        response, content = self._http.request(*args, **kwargs)
        for callback in self._callbacks:
            callback(response)
        return response, content


class _Content(MediaUpload):  # type: ignore[misc]  # the library is untyped
    """Bytes in memory, not a stream: a whole chunk is sent again after a 401."""

    def __init__(self, content: bytes) -> None:
        self._bytes = content

    def chunksize(self) -> int:
        return CHUNK

    def mimetype(self) -> str:
        return MEDIA_TYPE

    def size(self) -> int:
        return len(self._bytes)

    def resumable(self) -> bool:
        return True

    def getbytes(self, begin: int, length: int) -> bytes:
        return self._bytes[begin : begin + length]


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _stored(method: Method, document: Any) -> StoredObject:
    """Read an object of an answer.

    Raises:
        Unavailable: it is not an object: the API did not answer.
    """
    try:
        return StoredObject(
            document["bucket"], document["name"], int(document["size"]), document.get("md5Hash", "")
        )
    except (TypeError, KeyError, ValueError, AttributeError):
        raise Unavailable(
            f"{method.id} was answered with JSON that is not an object of Cloud Storage: check the endpoint",
            status=200,
        ) from None


def api_root(endpoint: str) -> str:
    """The root of the API; gcloud's variable for it includes the path of the API's version."""
    return endpoint.rstrip("/").removesuffix("/storage/v1")
