"""Objects of Cloud Storage, in memory: buckets, objects and uploads that go on. No HTTP."""

import base64
import hashlib
import itertools
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote

from mljobs_dev.emulator.clock import rfc3339_micro
from mljobs_dev.emulator.storage_errors import (
    bucket_not_found,
    conditions_not_met,
    invalid,
    object_not_found,
    required,
    upload_not_found,
)

OBJECT_LIMIT = 256 * 1024 * 1024
"""Bytes of an object: the emulator holds it in memory."""

GRANULE = 256 * 1024
"""An upload in chunks keeps whole multiples of so many bytes until its last chunk (documentation)."""

_NAME_LIMIT = 1024
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{1,220})[a-z0-9]")


@dataclass(frozen=True)
class Conditions:
    """Preconditions of a request, by generation; None for one that is not given.

    Attributes:
        match: the object's generation; 0 for an object that there is not.
        differ: what the object's generation must not be.
    """

    match: int | None = None
    differ: int | None = None

    def hold(self, generation: int) -> bool:
        """Whether they hold for an object's generation, 0 where there is none."""
        return self.match in (None, generation) and self.differ != generation


@dataclass(frozen=True)
class StoredObject:
    """One object.

    Attributes:
        bucket: its bucket's name.
        name: its name.
        content: its bytes.
        content_type: its media type.
        generation: grows with each write.
        created: Unix time.
        metadata: the user's own.
    """

    bucket: str
    name: str
    content: bytes
    content_type: str
    generation: int
    created: float
    metadata: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def md5(self) -> str:
        """The MD5 digest in base64."""
        return md5_of(self.content)

    def as_json(self, url: str) -> dict[str, Any]:
        """The object's resource, without the CRC32C that the service has too.

        Args:
            url: of the API, for links.
        """
        path = f"{self.bucket}/{self.name}"
        link = f"{url}/storage/v1/b/{self.bucket}/o/{quote(self.name, safe='')}"
        created = rfc3339_micro(self.created)
        own = {"metadata": dict(self.metadata)} if self.metadata else {}
        return {
            "kind": "storage#object",
            "id": f"{path}/{self.generation}",
            "selfLink": link,
            "mediaLink": f"{link.replace('/storage/', '/download/storage/')}?"
            f"generation={self.generation}&alt=media",
            "name": self.name,
            "bucket": self.bucket,
            "generation": str(self.generation),
            "metageneration": "1",
            "contentType": self.content_type,
            "storageClass": "STANDARD",
            "size": str(len(self.content)),
            "md5Hash": self.md5,
            "etag": _etag(self.generation),
            "timeCreated": created,
            "updated": created,
            "timeStorageClassUpdated": created,
            **own,
        }


@dataclass
class Upload:
    """A resumable upload.

    Attributes:
        bucket: where the object is to be.
        name: what it is to be called.
        resource: the object's resource as far as the client gave it.
        conditions: have to hold at the start and at the end.
        content: what has been kept so far.
        done: the object, once it is complete.
    """

    bucket: str
    name: str
    resource: Mapping[str, Any]
    conditions: Conditions
    content: bytearray = field(default_factory=bytearray)
    done: StoredObject | None = None


class Storage:
    """The buckets. Each legal name is a bucket's that there is, until it is told otherwise.

    Args:
        unix: reads Unix time.
    """

    def __init__(self, unix: Callable[[], float] = time.time) -> None:
        self._unix = unix
        self._objects: dict[tuple[str, str], StoredObject] = {}
        self._uploads: dict[str, Upload] = {}
        self._missing: set[str] = set()
        self._locations: dict[str, str] = {}
        self._generations = itertools.count(int(unix() * 1e6))

    def clear(self) -> None:
        """Forget all objects, uploads, missing buckets and locations."""
        self._objects.clear()
        self._uploads.clear()
        self._missing.clear()
        self._locations.clear()

    def locate_bucket(self, bucket: str, location: str) -> None:
        """Let a bucket be in a location: a region, or `us` and the like."""
        self._locations[bucket] = location.lower()

    def bucket_location(self, bucket: str) -> str:
        """Where a bucket is, in lower case; empty where nobody has said so."""
        return self._locations.get(bucket, "")

    def drop_bucket(self, bucket: str) -> None:
        """Let a bucket not be there, nor its objects."""
        self._missing.add(bucket)
        self._objects = {key: stored for key, stored in self._objects.items() if key[0] != bucket}

    def check_bucket(self, bucket: str) -> None:
        """See that a bucket is there.

        Raises:
            ApiError: 400 for a name that no bucket can have, 404 for a bucket that there is not.
        """
        if not _BUCKET.fullmatch(bucket):
            raise invalid(f"Invalid bucket name: '{bucket}'")
        if bucket in self._missing:
            raise bucket_not_found()

    def get(self, bucket: str, name: str) -> StoredObject:
        """The object with a name.

        Raises:
            ApiError: 404 where there is none, or no such bucket.
        """
        self.check_bucket(bucket)
        found = self._objects.get((bucket, name))
        if found is None:
            raise object_not_found(bucket, name)
        return found

    def below(self, bucket: str, prefix: str) -> Iterator[StoredObject]:
        """The objects whose names begin with a text, in order of their names.

        Raises:
            ApiError: 404 for a bucket that there is not.
        """
        self.check_bucket(bucket)
        for _, name in sorted(key for key in self._objects if key[0] == bucket and key[1].startswith(prefix)):
            yield self._objects[bucket, name]

    def check_write(self, bucket: str, name: str, conditions: Conditions) -> None:
        """See that an object can be written.

        Raises:
            ApiError: 400 for its name, 404 for its bucket, 412 for a condition that does not hold.
        """
        self.check_bucket(bucket)
        if not name:
            raise required()
        if len(name.encode()) > _NAME_LIMIT or name in (".", "..") or "\r" in name or "\n" in name:
            raise invalid(f"Invalid object name: '{name[:_NAME_LIMIT]}'")
        present = self._objects.get((bucket, name))
        if not conditions.hold(present.generation if present else 0):
            raise conditions_not_met()

    def write(
        self, bucket: str, name: str, resource: Mapping[str, Any], content: bytes, conditions: Conditions
    ) -> StoredObject:
        """Write an object, in place of one with the same name.

        Args:
            bucket: its bucket.
            name: its name.
            resource: what the client says of it: `contentType`, `metadata`, `md5Hash`.
            content: its bytes.
            conditions: have to hold for the object that is there.

        Raises:
            ApiError: as `check_write`, and 400 for an `md5Hash` that is not the content's.
        """
        self.check_write(bucket, name, conditions)
        given, real = resource.get("md5Hash"), md5_of(content)
        if given and given != real:
            raise invalid(f'Provided MD5 hash "{given}" doesn\'t match calculated MD5 hash "{real}".')
        stored = StoredObject(
            bucket,
            name,
            content,
            str(resource.get("contentType") or "application/octet-stream"),
            next(self._generations),
            self._unix(),
            resource.get("metadata") or {},
        )
        self._objects[bucket, name] = stored
        return stored

    def begin(self, upload: Upload) -> str:
        """Begin a resumable upload, and give its id.

        Raises:
            ApiError: as `check_write`.
        """
        self.check_write(upload.bucket, upload.name, upload.conditions)
        upload_id = secrets.token_urlsafe(24)
        self._uploads[upload_id] = upload
        return upload_id

    def upload(self, upload_id: str) -> Upload:
        """The resumable upload with an id.

        Raises:
            ApiError: 404 where there is none.
        """
        found = self._uploads.get(upload_id)
        if found is None:
            raise upload_not_found()
        return found

    def abandon(self, upload_id: str) -> None:
        """End a resumable upload, so that its id means nothing any more."""
        self._uploads.pop(upload_id, None)

    def finish(self, upload: Upload) -> StoredObject:
        """Make the object of a resumable upload that is complete.

        Raises:
            ApiError: as `write`.
        """
        upload.done = self.write(
            upload.bucket, upload.name, upload.resource, bytes(upload.content), upload.conditions
        )
        upload.content.clear()
        return upload.done


def md5_of(content: bytes) -> str:
    """The MD5 digest in base64, as the API writes it."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _etag(generation: int) -> str:
    return base64.b64encode(generation.to_bytes(8)).decode()
