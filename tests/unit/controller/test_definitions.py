"""What the API server says of our kinds, and how long is waited for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client

from mljobs.api.resources import API_VERSION, KINDS
from mljobs.controller.kube import definitions
from mljobs.controller.kube.client import Kube

PLURALS = [kind.plural for kind in KINDS.values()]


def of(*plurals: str) -> web.Response:
    """The answer of an API server that serves these."""
    rows: list[dict[str, Any]] = [
        {"name": name, "kind": "X", "namespaced": True, "singularName": "", "verbs": ["list"]}
        for plural in plurals
        for name in (plural, f"{plural}/status")
    ]
    found = {"kind": "APIResourceList", "groupVersion": API_VERSION, "resources": rows}
    return web.json_response(found)


@asynccontextmanager
async def serving(*answers: web.Response) -> AsyncIterator[Kube]:
    """An API server with these answers, one after the other; the last one for ever."""
    left = list(answers)

    async def answer(_: web.Request) -> web.Response:
        now = left.pop(0) if left[1:] else left[0]
        return web.Response(body=now.body, status=now.status, content_type="application/json")

    app = web.Application()
    app.add_routes([web.get(f"/apis/{API_VERSION}", answer)])
    async with TestServer(app) as server:
        configuration = client.Configuration()
        configuration.host = str(server.make_url("")).rstrip("/")
        async with client.ApiClient(configuration) as api:
            yield Kube(api)


NOT_FOUND = web.json_response({"kind": "Status", "code": 404}, status=404)


@pytest.mark.parametrize(
    ("answer", "missing"),
    [(NOT_FOUND, PLURALS), (of(PLURALS[0]), PLURALS[1:]), (of(*PLURALS), [])],
    ids=["none", "one", "all"],
)
async def test_what_is_missing(answer: web.Response, missing: list[str]) -> None:
    async with serving(answer) as kube:
        assert list(await kube.missing()) == missing


async def test_they_are_waited_for_and_named_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(definitions, "PAUSE", 0.01)
    async with serving(NOT_FOUND, NOT_FOUND, of(PLURALS[0]), of(*PLURALS)) as kube:
        assert await definitions.installed(kube, asyncio.Event())
    said = [record.getMessage() for record in caplog.records if record.name == definitions.__name__]
    assert [all(plural in line for plural in PLURALS) for line in said] == [True, False]


async def test_a_wish_to_stop_ends_the_waiting() -> None:
    stop = asyncio.Event()
    async with serving(NOT_FOUND) as kube:
        waiting = asyncio.create_task(definitions.installed(kube, stop))
        await asyncio.sleep(0)
        stop.set()
        assert not await asyncio.wait_for(waiting, 10)


async def test_where_nobody_can_tell_the_watches_will() -> None:
    async with serving(web.json_response({}, status=503)) as kube:
        assert await definitions.installed(kube, asyncio.Event())
