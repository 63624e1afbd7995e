"""What kopf gets to see of lists and watches, and what is taken from them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from mljobs.controller.kube.stream import taking

Json = dict[str, Any]


def thing(name: str, version: int) -> Json:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def event(kind: str, name: str, version: int) -> bytes:
    return json.dumps({"type": kind, "object": thing(name, version)}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    mark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}
    return json.dumps(mark, separators=(",", ":")).encode()


class Taken:
    """What was brought."""

    def __init__(self) -> None:
        self.seen: list[tuple[str | None, str]] = []

    def __call__(self, kind: str | None, body: Json) -> None:
        if body["metadata"]["name"] == "odd":
            raise KeyError("uid")
        self.seen.append((kind, body["metadata"]["name"]))


@asynccontextmanager
async def asked(
    chunks: list[bytes], taken: Taken, status: int = 200
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer to a watch, sent in these pieces."""

    async def answer(_: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request=_)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0)
        return response

    app = web.Application()
    app.add_routes([web.get("/things", answer)])
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(response_class=taking(taken)) as session,
        session.get(server.make_url("/things?watch=true")) as response,
    ):
        yield response


async def lines(response: aiohttp.ClientResponse) -> list[bytes]:
    whole = b"".join([data async for data in response.content.iter_chunked(2**20)])
    return whole.splitlines()


async def test_a_watch_keeps_its_place_and_holds_no_objects() -> None:
    taken = Taken()
    sent = [event("ADDED", "a", 4) + event("MODIFIED", "b", 7), event("DELETED", "a", 8)]
    async with asked(sent, taken) as response:
        left = await lines(response)
    assert taken.seen == [("ADDED", "a"), ("MODIFIED", "b"), ("DELETED", "a")]
    assert left[-1] == bookmark(8)
    assert set(left) <= {bookmark(7), bookmark(8)}


@pytest.mark.parametrize("size", [1, 7, 50])
async def test_events_may_be_cut_anywhere(size: int) -> None:
    taken = Taken()
    whole = b"".join(event("ADDED", f"thing-{number}", number) for number in range(1, 20))
    async with asked([whole[at : at + size] for at in range(0, len(whole), size)], taken) as response:
        left = await lines(response)
    assert [name for _, name in taken.seen] == [f"thing-{number}" for number in range(1, 20)]
    assert left[-1] == bookmark(19)


async def test_what_kopf_has_to_know_stays_and_in_its_place() -> None:
    """An expired version, the server's own bookmarks, and what is not even JSON."""
    taken = Taken()
    gone = b'{"type": "ERROR", "object": {"code": 410}}'
    sent = event("ADDED", "a", 4) + bookmark(6) + b"\n" + event("ADDED", "b", 9) + gone + b"\n{cut"
    async with asked([sent], taken) as response:
        assert await lines(response) == [bookmark(4), bookmark(6), bookmark(9), gone, b"{cut"]
    assert [name for _, name in taken.seen] == ["a", "b"]


async def test_an_object_that_cannot_be_taken_does_not_end_the_watch() -> None:
    taken = Taken()
    async with asked([event("ADDED", "odd", 1) + event("ADDED", "a", 2)], taken) as response:
        assert await lines(response) == [bookmark(2)]
    assert taken.seen == [("ADDED", "a")]


async def test_a_refused_watch_is_handed_on() -> None:
    taken = Taken()
    refusal = b'{"kind": "Status", "code": 403}'
    async with asked([refusal], taken, status=403) as response:
        assert await response.json(content_type=None) == json.loads(refusal)


async def test_a_list_is_emptied() -> None:
    taken = Taken()
    page = {
        "kind": "ThingList",
        "apiVersion": "g/v1",
        "metadata": {"resourceVersion": "9", "continue": "more"},
        "items": [thing("a", 4), thing("b", 7)],
    }

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(page)

    app = web.Application()
    app.add_routes([web.get("/things", answer)])
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(response_class=taking(taken)) as session,
        session.get(server.make_url("/things?limit=2")) as response,
    ):
        assert await response.json() == {**page, "items": []}
    assert taken.seen == [(None, "a"), (None, "b")]


async def test_nothing_is_taken_from_what_follows_an_error() -> None:
    taken = Taken()
    expired = json.dumps({"type": "ERROR", "object": {"code": 410}}).encode() + b"\n"
    sent = [event("ADDED", "a", 4) + expired + event("DELETED", "a", 9), event("ADDED", "a", 10)]
    async with asked(sent, taken) as response:
        left = await lines(response)
    assert taken.seen == [("ADDED", "a")]
    assert left[:2] == [bookmark(4), expired.strip()]
