"""The methods of Cloud Storage's JSON API that an upload of packages needs."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.jobs import encode
from mljobs_dev.emulator.scripting import Denial
from mljobs_dev.emulator.storage import (
    GRANULE,
    OBJECT_LIMIT,
    Conditions,
    Storage,
    StoredObject,
    Upload,
)
from mljobs_dev.emulator.storage_errors import (
    StorageError,
    access_denied,
    conditions_not_met,
    invalid,
    offset_ahead,
    too_large,
    wrong_url,
)
from mljobs_dev.emulator.subjects import Subject

GET_BUCKET = "storage.buckets.get"
GET = "storage.objects.get"
LIST = "storage.objects.list"
INSERT = "storage.objects.insert"

PERMISSIONS = {
    GET_BUCKET: "storage.buckets.get",
    GET: "storage.objects.get",
    LIST: "storage.objects.list",
    INSERT: "storage.objects.create",
}
"""The permission that a method needs (documentation of IAM permissions for JSON methods)."""

_PATH = re.compile(
    r"/+(?P<kind>(?:resumable/)?upload/|download/)?storage/v1/b/(?P<bucket>[^/]+)"
    r"(?P<objects>/o(?:/(?P<name>[^/]+))?)?"
)
_RANGE = re.compile(r"bytes (?:(?P<first>\d{1,15})-(?P<last>\d{1,15})|\*)/(?P<size>\d{1,15}|\*)")
_WANTED = re.compile(r"bytes=(?P<first>\d{1,15})-(?P<last>\d{0,15})")
_PAGE = 1000


@dataclass(frozen=True)
class StorageCall:
    """One request of the API.

    Attributes:
        method: as the discovery document names it.
        bucket: of the path.
        name: the object's, of the path; empty where the path has none.
        verb: the HTTP method.
        uploading: whether the path is an upload's.
        url: what the client calls the server, for links.
        query: the query's parameters.
        headers: by lower-case name.
        body: as it came.
    """

    method: str
    bucket: str = ""
    name: str = ""
    verb: str = "GET"
    uploading: bool = False
    url: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """An answer that is no error.

    Attributes:
        body: its bytes.
        applied: whether the request changed any state.
        status: the HTTP status.
        headers: of the answer, beside those of HTTP itself.
    """

    body: bytes = b""
    applied: bool = False
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def find_storage_call(verb: str, raw_path: str) -> StorageCall | None:
    """The method that an HTTP verb and a path mean, or None where the API has none.

    Args:
        verb: the HTTP method.
        raw_path: the path as it came: a slash in an object's name is percent-encoded.
    """
    match = _PATH.fullmatch(raw_path)
    if not match:
        return None
    uploading = "upload/" in (match["kind"] or "")
    if not match["objects"]:
        method = GET_BUCKET if verb == "GET" and not match["kind"] else ""
    elif match["name"]:
        method = GET if verb == "GET" and not uploading else ""
    else:
        method = _of_all(verb, uploading)
    bucket, name = unquote(match["bucket"]), unquote(match["name"] or "")
    return StorageCall(method, bucket, name, verb, uploading) if method else None


def _of_all(verb: str, uploading: bool) -> str:
    """The method of a bucket's objects as a whole."""
    if verb == "POST" or (uploading and verb in ("PUT", "DELETE")):
        return INSERT
    return LIST if verb == "GET" and not uploading else ""


class StorageApi:
    """Answers calls.

    Args:
        storage: the buckets.
        denials: the permissions that callers lack.
    """

    def __init__(self, storage: Storage, denials: list[Denial]) -> None:
        self._storage = storage
        self._denials = denials
        self._handlers: dict[str, Callable[[StorageCall], Reply]] = {
            GET_BUCKET: self._get_bucket,
            GET: self._get,
            LIST: self._list,
            INSERT: self._insert,
        }

    def names_of(self, call: StorageCall) -> str:
        """Bucket and object that a request is about, as `BUCKET/OBJECT`; as far as it says."""
        name = call.name
        if call.method == INSERT:
            try:
                name = self._named(call)
            except ApiError:
                name = call.query.get("name", "")
        return f"{call.bucket}/{name}"

    def call(self, call: StorageCall) -> Reply:
        """Answer one call.

        Raises:
            ApiError: any answer that is an error; nothing was applied then.
        """
        permission, names = PERMISSIONS[call.method], self.names_of(call)
        if any(denial.denies(permission, Subject(stored=names)) for denial in self._denials):
            raise access_denied(permission)
        return self._handlers[call.method](call)

    def _named(self, call: StorageCall) -> str:
        if "upload_id" in call.query:
            return self._storage.upload(call.query["upload_id"]).name
        resource, _ = _parts(call)
        return _name(call, resource)

    def _get_bucket(self, call: StorageCall) -> Reply:
        self._storage.check_bucket(call.bucket)
        link = f"{call.url}/storage/v1/b/{call.bucket}"
        bucket = {"kind": "storage#bucket", "id": call.bucket, "name": call.bucket, "selfLink": link}
        location = self._storage.bucket_location(call.bucket).upper() or "US"
        return Reply(
            encode({**bucket, "location": location, "storageClass": "STANDARD", "metageneration": "1"})
        )

    def _get(self, call: StorageCall) -> Reply:
        stored = self._storage.get(call.bucket, call.name)
        wanted = _integer(call, "generation")
        if wanted not in (None, stored.generation):
            raise StorageError(404, f"No such object: {call.bucket}/{call.name}#{wanted}")
        conditions = _conditions(call)
        if conditions.differ == stored.generation:
            return Reply(status=304)
        if not conditions.hold(stored.generation):
            raise conditions_not_met()
        if call.query.get("alt") == "media":
            return _media(stored, call.headers.get("range", ""))
        return Reply(encode(stored.as_json(call.url)))

    def _list(self, call: StorageCall) -> Reply:
        prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
        entries: dict[str, Any] = {}
        for stored in self._storage.below(call.bucket, prefix):
            folder, found, _ = stored.name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if found:
                entries[f"{prefix}{folder}{delimiter}"] = None
            else:
                entries[stored.name] = stored.as_json(call.url)
        rest = [key for key in entries if key > call.query.get("pageToken", "")]
        size = min(_integer(call, "maxResults") or _PAGE, _PAGE)
        shown = {
            "nextPageToken": rest[size - 1] if len(rest) > size else "",
            "prefixes": [key for key in rest[:size] if entries[key] is None],
            "items": [entries[key] for key in rest[:size] if entries[key] is not None],
        }
        return Reply(
            encode({"kind": "storage#objects", **{key: value for key, value in shown.items() if value}})
        )

    def _insert(self, call: StorageCall) -> Reply:
        if "upload_id" in call.query and call.verb != "POST":
            return self._go_on(call)
        kind = call.query.get("uploadType")
        if not call.uploading or kind not in ("media", "multipart", "resumable"):
            raise wrong_url()
        resource, content = _parts(call)
        name, conditions = _name(call, resource), _conditions(call)
        if kind == "resumable":
            resource.setdefault("contentType", call.headers.get("x-upload-content-type"))
            upload_id = self._storage.begin(Upload(call.bucket, name, resource, conditions))
            place = (
                f"{call.url}/upload/storage/v1/b/{call.bucket}/o?uploadType=resumable&upload_id={upload_id}"
            )
            return Reply(headers={"Location": place, "X-GUploader-UploadID": upload_id})
        stored = self._storage.write(call.bucket, name, resource, content, conditions)
        return Reply(encode(stored.as_json(call.url)), applied=True)

    def _go_on(self, call: StorageCall) -> Reply:
        """Take a chunk of a resumable upload, or tell how far it is."""
        upload = self._storage.upload(call.query["upload_id"])
        if call.verb == "DELETE":
            self._storage.abandon(call.query["upload_id"])
            return Reply(status=499)
        if upload.done is not None:
            return Reply(encode(upload.done.as_json(call.url)))
        first, size = _place(call, len(upload.content))
        kept = len(upload.content)
        if first > kept:
            raise offset_ahead(first, kept)
        content = upload.content[:first] + call.body if first + len(call.body) > kept else upload.content
        if max(len(content), size or 0) > OBJECT_LIMIT:
            raise too_large(OBJECT_LIMIT)
        if size is not None and len(content) > size:
            raise invalid("Failed to parse Content-Range header.")
        if size != len(content):
            upload.content = content[: len(content) // GRANULE * GRANULE]
            return _incomplete(call, len(upload.content))
        upload.content = content
        return Reply(encode(self._storage.finish(upload).as_json(call.url)), applied=True)


def _parts(call: StorageCall) -> tuple[dict[str, Any], bytes]:
    """The object's resource and its bytes, as an insert request brings them.

    Raises:
        ApiError: 400 for a body that cannot be read.
    """
    kind = call.query.get("uploadType")
    if kind == "media":
        return {"contentType": call.headers.get("content-type")}, call.body
    if kind != "multipart":
        return _resource(call.body), b""
    (_, first), (media, content) = _split(call)
    resource = _resource(first)
    resource.setdefault("contentType", media.get("content-type"))
    return resource, content


def _split(call: StorageCall) -> list[tuple[dict[str, str], bytes]]:
    """The two parts of a multipart/related body: headers by lower-case name, and content.

    Clients end lines with CRLF or LF, and quote the boundary in three ways.
    """
    boundary = re.search(
        r"boundary=(?:\"([^\"]+)\"|'([^']+)'|([^;\s]+))", call.headers.get("content-type", "")
    )
    mark = b"--" + next(group for group in boundary.groups() if group).encode() if boundary else b""
    pieces = call.body.split(mark) if mark else []
    if len(pieces) != 4 or not pieces[3].startswith(b"--"):  # before the first, the two, after the last
        raise StorageError(400, "Malformed multipart body.", "badContent")
    return [_part(piece) for piece in pieces[1:3]]


def _part(piece: bytes) -> tuple[dict[str, str], bytes]:
    end = b"\r\n" if piece.startswith(b"\r\n") else b"\n"
    head, blank, content = piece.removeprefix(end).partition(end + end)
    if not blank:
        raise StorageError(400, "Malformed multipart body.", "badContent")
    lines = (line.partition(":") for line in head.decode("latin-1").splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in lines}, content.removesuffix(end)


def _resource(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        raise StorageError(400, "Parse Error", "parseError") from None
    if not isinstance(value, dict):
        raise StorageError(400, "Parse Error", "parseError")
    return value


def _name(call: StorageCall, resource: Mapping[str, Any]) -> str:
    """The object's name: the query's wins (documentation of objects.insert)."""
    return call.query.get("name") or str(resource.get("name") or "")


def _integer(call: StorageCall, name: str) -> int | None:
    text = call.query.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,19}", text, re.ASCII):
        raise invalid(f"Invalid value for {name}: '{text}'")
    return int(text)


def _conditions(call: StorageCall) -> Conditions:
    return Conditions(_integer(call, "ifGenerationMatch"), _integer(call, "ifGenerationNotMatch"))


def _place(call: StorageCall, kept: int) -> tuple[int, int | None]:
    """Where a chunk begins, and how long the whole is; None where that is not said yet.

    Raises:
        ApiError: 400 for a range that is none, or is not the body's.
    """
    text = call.headers.get("content-range")
    if text is None:
        return 0, len(call.body)
    match = _RANGE.fullmatch(text)
    if not match or (match["first"] and int(match["last"]) - int(match["first"]) + 1 != len(call.body)):
        raise invalid("Failed to parse Content-Range header.")
    first = int(match["first"]) if match["first"] else kept
    return first, None if match["size"] == "*" else int(match["size"])


def _incomplete(call: StorageCall, kept: int) -> Reply:
    """Tell that a resumable upload is not at its end."""
    headers = {"Range": f"bytes=0-{kept - 1}"} if kept else {}
    if call.headers.get("x-guploader-no-308") == "yes":  # for clients that take 308 for a redirect
        return Reply(headers={**headers, "X-HTTP-Status-Code-Override": "308"})
    return Reply(status=308, headers=headers)


def _media(stored: StoredObject, wanted: str) -> Reply:
    """The object's bytes, or a range of them."""
    headers = {
        "Content-Type": stored.content_type,
        "X-Goog-Generation": str(stored.generation),
        "X-Goog-Hash": f"md5={stored.md5}",
    }
    match, size = _WANTED.fullmatch(wanted), len(stored.content)
    if not match:
        return Reply(stored.content, headers=headers)
    first, last = int(match["first"]), min(int(match["last"] or size - 1), size - 1)
    if first >= size:
        raise StorageError(416, "The requested range cannot be satisfied.")
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Reply(stored.content[first : last + 1], status=206, headers=headers)
