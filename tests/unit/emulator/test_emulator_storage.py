"""Cloud Storage of the emulator over HTTP: uploads of each kind, preconditions, errors, control surface."""

import io
import json
from collections.abc import Mapping
from typing import Any

import httplib2
import pytest
from googleapiclient import discovery
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.http import MediaIoBaseDownload, MediaIoBaseUpload, build_http

from mljobs_dev.emulator.storage import GRANULE, OBJECT_LIMIT, md5_of

Json = dict[str, Any]
Server = Any
OBJECTS = "/storage/v1/b/team/o"
UPLOAD = f"/upload{OBJECTS}"
GONE = "/upload/storage/v1/b/gone/o?uploadType=media&name=a"
BINARY = bytes(range(256)) + b"\r\n--boundary\n\n"


def send(
    server: Server, verb: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, Mapping[str, str], bytes]:
    http = httplib2.Http(timeout=10)
    http.follow_redirects = False
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer, content = http.request(server.url + path, verb, body, named)
    return answer.status, answer, content


def put(server: Server, name: str, content: bytes = b"x", query: str = "") -> Json:
    status, _, body = send(server, "POST", f"{UPLOAD}?uploadType=media&name={name}{query}", content)
    assert status == 200, body
    parsed: Json = json.loads(body)
    return parsed


def reason(body: bytes) -> tuple[str, str]:
    error = json.loads(body)["error"]
    (problem,) = error["errors"]
    assert problem["message"] == error["message"]
    assert problem["domain"] == "global"
    assert set(error) == {"code", "message", "errors"}
    return problem["reason"], error["message"]


@pytest.mark.parametrize("resumable", [False, True])
def test_the_client_library_uploads_and_downloads(resumable: bool, server: Server) -> None:
    document = json.loads(get_static_doc("storage", "v1"))
    document["rootUrl"] = f"{server.url}/"
    objects = discovery.build_from_document(document, http=build_http()).objects()
    content = BINARY * 3000
    media = MediaIoBaseUpload(
        io.BytesIO(content), "application/x-tar", chunksize=GRANULE, resumable=resumable
    )
    body = {"metadata": {"a": "b"}, "md5Hash": md5_of(content)}
    stored = objects.insert(bucket="team", name="a/b c", body=body, media_body=media).execute()
    assert stored["size"] == str(len(content))
    assert stored["md5Hash"] == md5_of(content)
    assert stored["contentType"] == "application/x-tar"
    assert stored["metadata"] == {"a": "b"}
    assert stored["id"] == f"team/a/b c/{stored['generation']}"
    assert objects.get(bucket="team", object="a/b c").execute() == stored
    back = io.BytesIO()
    download = MediaIoBaseDownload(back, objects.get_media(bucket="team", object="a/b c"), chunksize=GRANULE)
    while not download.next_chunk()[1]:
        pass
    assert back.getvalue() == content


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_a_multipart_body_as_clients_write_it(end: bytes, quote: str, server: Server) -> None:
    mark = b"==boundary=="
    parts = [
        b"--" + mark,
        b"Content-Type: application/json",
        b"MIME-Version: 1.0",
        b"",
        b'{"name": "in the metadata"}',
        b"--" + mark,
        b"Content-Type: application/x-tar",
        b"Content-Transfer-Encoding: binary",
        b"",
        BINARY,
        b"--" + mark + b"--",
    ]
    kind = f"multipart/related; boundary={quote}{mark.decode()}{quote}"
    status, _, body = send(
        server, "POST", f"{UPLOAD}?uploadType=multipart&alt=json", end.join(parts), content_type=kind
    )
    assert status == 200, body
    stored = json.loads(body)
    assert (stored["name"], stored["contentType"]) == ("in the metadata", "application/x-tar")
    assert send(server, "GET", f"{OBJECTS}/in%20the%20metadata?alt=media")[2] == BINARY


def begin(server: Server, name: str = "big", **headers: str) -> str:
    status, answer, _ = send(server, "POST", f"{UPLOAD}?uploadType=resumable&name={name}", b"", **headers)
    assert status == 200
    place = answer["location"]
    assert place.startswith(server.url)
    return str(place.removeprefix(server.url))


def test_a_resumable_upload_keeps_whole_multiples_until_its_end(server: Server) -> None:
    content = BINARY * 2000
    place, size = begin(server, x_upload_content_type="text/plain"), len(content)
    status, answer, _ = send(server, "PUT", place, content_range=f"bytes */{size}")
    assert (status, "range" in answer) == (308, False)
    first = GRANULE + 7
    status, answer, _ = send(
        server, "PUT", place, content[:first], content_range=f"bytes 0-{first - 1}/{size}"
    )
    assert (status, answer["range"]) == (308, f"bytes=0-{GRANULE - 1}")
    status, answer, body = send(
        server, "PUT", place, content[first:], content_range=f"bytes {first}-{size - 1}/{size}"
    )
    assert status == 503
    assert body.decode() == (
        f"Invalid request.  According to the Content-Range header, the upload offset is {first} byte(s), "
        f"which exceeds already uploaded size of {GRANULE} byte(s)."
    )
    status, answer, _ = send(server, "PUT", place, content_range="bytes */*", x_guploader_no_308="yes")
    assert (status, answer["x-http-status-code-override"], answer["range"]) == (
        200,
        "308",
        f"bytes=0-{GRANULE - 1}",
    )
    assert send(server, "GET", f"{OBJECTS}/big")[0] == 404
    again = GRANULE - 100  # bytes that are kept may come once more
    status, _, body = send(
        server, "PUT", place, content[again:], content_range=f"bytes {again}-{size - 1}/{size}"
    )
    assert status == 200, body
    assert json.loads(body)["contentType"] == "text/plain"
    assert send(server, "GET", f"{OBJECTS}/big?alt=media")[2] == content
    assert send(server, "PUT", place, content_range=f"bytes */{size}")[2] == body
    assert [row[3] for row in server.effects()].count(True) == 1


def test_a_resumable_upload_at_once_and_one_that_is_given_up(server: Server) -> None:
    assert send(server, "PUT", begin(server, "empty"))[0] == 200
    assert send(server, "PUT", begin(server, "whole"), BINARY)[0] == 200
    place = begin(server)
    assert send(server, "DELETE", place)[0] == 499
    assert send(server, "PUT", place, b"x")[0] == 404
    listed = json.loads(send(server, "GET", OBJECTS)[2])["items"]
    assert [(item["name"], item["size"]) for item in listed] == [("empty", "0"), ("whole", str(len(BINARY)))]


@pytest.mark.parametrize(
    "content_range", ["bytes 0-9/5", "bytes 0-3/*", "0-4/5", "bytes 1-0/5", "bytes 0-4/4"]
)
def test_a_content_range_that_is_none(content_range: str, server: Server) -> None:
    status, _, body = send(server, "PUT", begin(server), b"12345", content_range=content_range)
    assert (status, reason(body)) == (400, ("invalid", "Failed to parse Content-Range header."))


def test_preconditions(server: Server) -> None:
    met = "At least one of the pre-conditions you specified did not hold."
    first = put(server, "a", b"1", "&ifGenerationMatch=0")
    for query in ("ifGenerationMatch=0", f"ifGenerationNotMatch={first['generation']}"):
        for kind in ("media", "resumable"):
            status, _, body = send(server, "POST", f"{UPLOAD}?uploadType={kind}&name=a&{query}", b"{}")
            assert (status, reason(body)) == (412, ("conditionNotMet", met))
    second = put(server, "a", b"2", f"&ifGenerationMatch={first['generation']}")
    assert int(second["generation"]) > int(first["generation"])
    assert send(server, "GET", f"{OBJECTS}/a?ifGenerationNotMatch={second['generation']}")[0] == 304
    assert send(server, "GET", f"{OBJECTS}/a?ifGenerationMatch={first['generation']}")[0] == 412
    assert send(server, "GET", f"{OBJECTS}/a?generation={first['generation']}")[0] == 404
    assert send(server, "GET", f"{OBJECTS}/a?generation={second['generation']}&alt=media")[2] == b"2"


def test_a_precondition_is_looked_at_again_at_the_end(server: Server) -> None:
    status, answer, _ = send(server, "POST", f"{UPLOAD}?uploadType=resumable&name=a&ifGenerationMatch=0")
    assert status == 200
    put(server, "a", b"the other's")
    assert send(server, "PUT", answer["location"].removeprefix(server.url), b"mine")[0] == 412
    assert send(server, "GET", f"{OBJECTS}/a?alt=media")[2] == b"the other's"


WRONG = {
    "no bucket": ("GET", "/storage/v1/b/gone/o/a", b"", 404, "notFound", "bucket does not exist"),
    "no bucket, listed": ("GET", "/storage/v1/b/gone/o", b"", 404, "notFound", "bucket does not exist"),
    "no bucket, written": ("POST", GONE, b"", 404, "notFound", "exist"),
    "no object": ("GET", f"{OBJECTS}/a%2Fb", b"", 404, "notFound", "No such object: team/a/b"),
    "a bucket's name": ("GET", "/storage/v1/b/Team", b"", 400, "invalid", "Invalid bucket name: 'Team'"),
    "an object's name": ("POST", f"{UPLOAD}?uploadType=media&name=a%0Ab", b"", 400, "invalid", "object name"),
    "no name": ("POST", f"{UPLOAD}?uploadType=media", b"", 400, "required", "Required"),
    "no upload": ("POST", OBJECTS, b"{}", 400, "wrongUrlForUpload", "uploadType"),
    "no kind": ("POST", f"{UPLOAD}?name=a", b"", 400, "wrongUrlForUpload", "uploadType"),
    "no parts": ("POST", f"{UPLOAD}?uploadType=multipart", b"{}", 400, "badContent", "multipart"),
    "no JSON": ("POST", f"{UPLOAD}?uploadType=resumable&name=a", b"{", 400, "parseError", "Parse Error"),
    "no message": ("POST", f"{UPLOAD}?uploadType=resumable&name=a", b"[]", 400, "parseError", "Parse Error"),
    "a number": ("GET", f"{OBJECTS}/there?generation=x", b"", 400, "invalid", "generation: 'x'"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_errors_have_the_apis_shape(case: str, server: Server) -> None:
    put(server, "there")
    server.control("DELETE", "/_emulator/buckets/gone")
    verb, path, content, code, word, words = WRONG[case]
    status, answer, body = send(server, verb, path, content)
    assert status == code
    assert answer["content-type"].startswith("application/json")
    told, message = reason(body)
    assert told == word
    assert words in message


def test_a_digest_that_is_not_the_contents(server: Server) -> None:
    body = json.dumps({"md5Hash": md5_of(b"mine")}).encode()
    _, answer, _ = send(server, "POST", f"{UPLOAD}?uploadType=resumable&name=a", body)
    status, _, content = send(server, "PUT", answer["location"].removeprefix(server.url), b"another's")
    assert status == 400
    mine, real = md5_of(b"mine"), md5_of(b"another's")
    assert reason(content)[1] == f'Provided MD5 hash "{mine}" doesn\'t match calculated MD5 hash "{real}".'
    assert send(server, "GET", f"{OBJECTS}/a")[0] == 404


def test_an_object_that_is_too_large_is_refused_before_it_is_read(server: Server) -> None:
    length = str(OBJECT_LIMIT + 1)
    place = begin(server, x_upload_content_length=length)
    status, _, body = send(server, "PUT", place, content_range=f"bytes */{length}")
    assert (status, reason(body)[0]) == (413, "uploadTooLarge")


def test_ranges_of_an_object(server: Server) -> None:
    put(server, "a", b"0123456789")
    media = f"/download{OBJECTS}/a?alt=media"
    for wanted, code, content in (
        ("bytes=0-3", 206, b"0123"),
        ("bytes=8-", 206, b"89"),
        ("bytes=8-99", 206, b"89"),
        ("lines=1-2", 200, b"0123456789"),
    ):
        assert send(server, "GET", media, range=wanted)[::2] == (code, content)
    assert send(server, "GET", media, range="bytes=10-")[0] == 416


def test_lists_by_pages_and_folders(server: Server) -> None:
    for name in ("a/1", "a/2", "b", "c/d/3", "e"):
        put(server, name.replace("/", "%2F"))
    assert json.loads(send(server, "GET", "/storage/v1/b/other/o")[2]) == {"kind": "storage#objects"}
    seen: list[str] = []
    token = ""
    for _ in range(4):
        query = f"?delimiter=/&maxResults=1&pageToken={token.replace('/', '%2F')}"
        page = json.loads(send(server, "GET", OBJECTS + query)[2])
        seen += [*page.get("prefixes", []), *(item["name"] for item in page.get("items", []))]
        token = page.get("nextPageToken", "")
    assert (seen, token) == (["a/", "b", "c/", "e"], "")
    below = json.loads(send(server, "GET", f"{OBJECTS}?prefix=a/")[2])["items"]
    assert [item["name"] for item in below] == ["a/1", "a/2"]


def test_buckets_are_there_until_they_are_dropped(server: Server) -> None:
    bucket = json.loads(send(server, "GET", "/storage/v1/b/team")[2])
    assert (bucket["name"], bucket["kind"]) == ("team", "storage#bucket")
    put(server, "a")
    server.control("DELETE", "/_emulator/buckets/team")
    assert send(server, "GET", "/storage/v1/b/team")[0] == 404
    server.control("POST", "/_emulator/reset")
    assert send(server, "GET", "/storage/v1/b/team")[0] == 200
    assert send(server, "GET", f"{OBJECTS}/a")[0] == 404


def test_the_ledger_faults_and_denials_know_objects(server: Server) -> None:
    fault = {"method": "storage.objects.insert", "object": "^team/a$", "action": "error", "times": 1}
    server.control("POST", "/_emulator/faults", fault)
    server.control("POST", "/_emulator/permissions", {"denied": ["storage.objects.get"], "object": "^team/b"})
    put(server, "b")
    status, _, body = send(server, "POST", f"{UPLOAD}?uploadType=media&name=a")
    assert (status, reason(body)[0]) == (503, "backendError")
    put(server, "a")
    assert send(server, "GET", f"{OBJECTS}/a")[0] == 200
    status, _, body = send(server, "GET", f"{OBJECTS}/b")
    assert (status, reason(body)) == (
        403,
        (
            "forbidden",
            "Caller does not have storage.objects.get access to the Google Cloud Storage object. "
            "Permission 'storage.objects.get' denied on resource (or it may not exist).",
        ),
    )
    rows = server.control("GET", "/_emulator/ledger?object=team/a")["effects"]
    assert [(row["method"], row["status"], row["applied"]) for row in rows] == [
        ("storage.objects.insert", 503, False),
        ("storage.objects.insert", 200, True),
        ("storage.objects.get", 200, False),
    ]
    assert all("object" not in row for row in server.control("GET", "/_emulator/ledger?method=x")["effects"])
