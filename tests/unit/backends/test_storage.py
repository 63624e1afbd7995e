"""Objects of Cloud Storage against the emulator, over HTTP: written once, whatever happens on the way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from mljobs.backends import open_object_storage
from mljobs.backends.google.storage import CHUNK, MEDIA_TYPE, ObjectStorage, StoredObject
from mljobs.domain.errors import (
    AlreadyExists,
    Denied,
    JobServiceError,
    NotFound,
    Rejected,
    Throttled,
    Unavailable,
)
from mljobs_dev.emulator.control import Emulator
from mljobs_dev.emulator.scripting import Denial, Fault, read_bodies
from mljobs_dev.emulator.server import serving
from mljobs_dev.emulator.storage import md5_of
from tests.unit.backends.raw_server import RawServer, answer

INSERT = "storage.objects.insert"
SMALL = b"a package"
BIG = bytes(range(256)) * 4096 * 3 + b"the rest"
"""Four chunks."""

NAME = "mljobs/0123/trainer 1.0+x.tar.gz"


@pytest.fixture
def emulator() -> Emulator:
    return Emulator()


@pytest.fixture
async def url(emulator: Emulator) -> AsyncIterator[str]:
    async with serving(emulator) as address:
        yield address


@pytest.fixture(params=["", "/storage/v1/"])
async def storage(url: str, request: pytest.FixtureRequest) -> AsyncIterator[ObjectStorage]:
    async with open_object_storage(endpoint=url + request.param, anonymous=True, pauses=(0, 0)) as opened:
        yield opened


def rows(emulator: Emulator) -> list[tuple[str, int, bool]]:
    return [(row.method.rpartition(".")[2], row.status, row.applied) for row in emulator.ledger.rows()]


def let_fail(emulator: Emulator, action: str, **fault: Any) -> None:
    emulator.faults.add(read_bodies(Fault, {"method": INSERT, "action": action, **fault}))


@pytest.mark.parametrize("content", [SMALL, BIG, BIG[:CHUNK], BIG[: 2 * CHUNK]], ids=len)
async def test_an_object_is_written_and_read(
    content: bytes, storage: ObjectStorage, emulator: Emulator
) -> None:
    with pytest.raises(NotFound, match="No such object: team-bucket/mljobs"):
        await storage.find("team-bucket", NAME)
    told: list[int] = []
    stored = await storage.insert("team-bucket", NAME, content, on_progress=told.append)
    assert stored.holds(content)
    assert not stored.holds(content + b"!")
    assert await storage.find("team-bucket", NAME) == stored
    kept = emulator.storage.get("team-bucket", NAME)
    assert (kept.content, kept.content_type) == (content, MEDIA_TYPE)
    assert told == list(range(CHUNK, len(content), CHUNK))


async def test_what_is_there_is_not_written_again(storage: ObjectStorage, emulator: Emulator) -> None:
    await storage.insert("team-bucket", NAME, SMALL)
    with pytest.raises(AlreadyExists):
        await storage.insert("team-bucket", NAME, b"other")
    assert emulator.storage.get("team-bucket", NAME).content == SMALL
    assert [row for row in rows(emulator) if row[2]] == [("insert", 200, True)]


async def test_two_at_once_write_one_object(storage: ObjectStorage, url: str, emulator: Emulator) -> None:
    async with open_object_storage(endpoint=url, anonymous=True) as other:
        ends = await asyncio.gather(
            *(each.insert("team-bucket", NAME, BIG) for each in (storage, other)), return_exceptions=True
        )
    kinds = sorted(type(end).__name__ for end in ends)
    assert kinds == ["AlreadyExists", "StoredObject"]
    assert [row for row in rows(emulator) if row[2]] == [("insert", 200, True)]


@pytest.mark.parametrize(
    ("action", "fault"),
    [
        ("error", {"times": 2, "status": 503}),
        ("error", {"times": 2, "status": 503, "html": True}),
        ("error", {"times": 1, "status": 429, "retryAfter": 0}),
        ("dropBefore", {"times": 2}),
        ("dropAfter", {"times": 1}),
        ("dropAfter", {"times": 2}),
        ("truncate", {"times": 2}),
    ],
)
@pytest.mark.parametrize("after", range(5))
async def test_whatever_breaks_it_is_written_whole_and_once(
    after: int, action: str, fault: dict[str, Any], storage: ObjectStorage, emulator: Emulator
) -> None:
    if after:  # so many requests go well first: a fault that only delays them
        let_fail(emulator, "delay", times=after)
    let_fail(emulator, action, **fault)
    why: list[tuple[Exception, float]] = []
    try:
        stored = await storage.insert(
            "team-bucket", NAME, BIG, on_retry=lambda error, pause: why.append((error, pause))
        )
    except AlreadyExists:  # the last answer was lost, and the session with it
        stored = await storage.find("team-bucket", NAME)
    assert stored.holds(BIG)
    assert emulator.storage.get("team-bucket", NAME).content == BIG
    assert len([row for row in rows(emulator) if row[2]]) == 1
    assert why or action == "truncate"  # half of an empty answer is the whole of it
    assert all(isinstance(error, Throttled | Unavailable) for error, _ in why)


async def test_the_service_is_asked_to_check_the_digest_and_that_there_is_none() -> None:
    stored = {"bucket": "team-bucket", "name": NAME, "size": str(len(SMALL)), "md5Hash": md5_of(SMALL)}
    with RawServer([answer(200, stored)]) as server:
        server.steps.insert(0, answer(200, headers={"Location": f"{server.url}session"}))
        async with open_object_storage(endpoint=server.url, anonymous=True) as storage:
            assert (await storage.insert("team-bucket", NAME, SMALL)).holds(SMALL)
    start, chunk = server.received
    assert start.json == {"md5Hash": md5_of(SMALL), "contentType": MEDIA_TYPE}
    assert start.path.startswith("/upload/storage/v1/b/team-bucket/o?")
    assert "ifGenerationMatch=0" in start.path
    assert (chunk.method, chunk.path, chunk.body) == ("PUT", "/session", SMALL)
    assert chunk.headers["content-range"] == f"bytes 0-{len(SMALL) - 1}/{len(SMALL)}"


async def test_a_session_that_is_forgotten_is_begun_again(storage: ObjectStorage, emulator: Emulator) -> None:
    forgotten: list[int] = []

    def forget(kept: int) -> None:
        if not forgotten:
            emulator.storage.clear()
        forgotten.append(kept)

    stored = await storage.insert("team-bucket", NAME, BIG, on_progress=forget)
    assert stored.holds(BIG)
    assert forgotten[:2] == [CHUNK, CHUNK]


async def test_it_gives_up_with_the_services_own_words(storage: ObjectStorage, emulator: Emulator) -> None:
    let_fail(emulator, "error", status=503, message="Backend Error")
    with pytest.raises(Unavailable, match="Backend Error"):
        await storage.insert("team-bucket", NAME, SMALL)
    assert rows(emulator) == [("insert", 503, False)] * 3


def missing(emulator: Emulator) -> None:
    emulator.storage.drop_bucket("team-bucket")


def denied(emulator: Emulator) -> None:
    emulator.service.denials += read_bodies(
        Denial, {"denied": ["storage.objects.create"], "object": "^team-bucket/"}
    )


@pytest.mark.parametrize(
    ("prepare", "bucket", "kind", "words"),
    [
        (missing, "team-bucket", NotFound, "The specified bucket does not exist."),
        (denied, "team-bucket", Denied, "storage.objects.create"),
        (missing, "Team", Rejected, "Invalid bucket name: 'Team'"),
    ],
)
async def test_a_refusal_is_raised_at_once(
    prepare: Callable[[Emulator], None],
    bucket: str,
    kind: type[JobServiceError],
    words: str,
    storage: ObjectStorage,
    emulator: Emulator,
) -> None:
    prepare(emulator)
    with pytest.raises(kind, match=words):
        await storage.insert(bucket, NAME, SMALL)
    assert len(rows(emulator)) == 1


@pytest.mark.parametrize("body", [[], {"bucket": "b"}, {"bucket": "b", "name": "n", "size": "x"}])
async def test_an_answer_that_is_no_object(body: object) -> None:
    with RawServer([answer(200, body)]) as server:
        async with open_object_storage(endpoint=server.url, anonymous=True) as storage:
            with pytest.raises(Unavailable, match=r"storage\.objects\.get"):
                await storage.find("team-bucket", NAME)


async def test_a_composed_object_has_no_digest_to_compare() -> None:
    with RawServer([answer(200, {"bucket": "b", "name": "n", "size": "9"})]) as server:
        async with open_object_storage(endpoint=server.url, anonymous=True) as storage:
            stored = await storage.find("b", "n")
    assert stored == StoredObject("b", "n", 9, "")
    assert not stored.holds(SMALL)


@pytest.mark.parametrize("endpoint", ["storage.googleapis.com", "http://fake-storage:4443"])
def test_an_endpoint_that_cannot_work_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint: "):
        open_object_storage(endpoint=endpoint)
