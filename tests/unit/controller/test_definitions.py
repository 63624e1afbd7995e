"""What the API server says of our kinds, and how long is waited for them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import API_VERSION, GROUP
from mljobs.controller.kube import definitions
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.definitions import Definitions
from mljobs.controller.process.health import Heartbeat
from tests.unit.controller.conftest import Turned
from tests.unit.controller.kube.support_access import opened

PLURALS = [kind.plural for kind in ALL_KINDS.values()]
KINDS_BY_PLURAL = {kind.plural: kind.name for kind in ALL_KINDS.values()}


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
    """An API server with these answers, one after the other; the last one forever."""
    left = list(answers)

    async def answer(_: web.Request) -> web.Response:
        now = left.pop(0) if left[1:] else left[0]
        return web.Response(body=now.body, status=now.status, content_type="application/json")

    app = web.Application()
    app.add_routes([web.get(f"/apis/{API_VERSION}", answer)])
    async with TestServer(app) as server, opened(str(server.make_url("")).rstrip("/")) as kube:
        yield kube


NOT_FOUND = web.json_response({"kind": "Status", "code": 404}, status=404)


@pytest.mark.parametrize(
    ("answer", "missing"),
    [(NOT_FOUND, PLURALS), (of(PLURALS[0]), PLURALS[1:]), (of(*PLURALS), [])],
    ids=["none", "one", "all"],
)
async def test_what_is_missing(answer: web.Response, missing: list[str]) -> None:
    async with serving(answer) as kube:
        assert list(await kube.missing()) == missing


class Seen:
    """Definitions, with what they show and beat.

    Attributes:
        shown: each kind and whether it is there, as often as that was seen.
        heartbeats: one for each kind.
    """

    def __init__(self) -> None:
        self.shown: list[tuple[str, bool]] = []
        self.heartbeats = {f"{API_VERSION}/{plural}": Heartbeat() for plural in PLURALS}
        self.definitions = Definitions(self.heartbeats, lambda kind, there: self.shown.append((kind, there)))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    monkeypatch.setattr(definitions, "PAUSE", 0.01)
    return Seen()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == definitions.__name__]


async def test_a_kind_is_waited_for_and_named_once(seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    first, second, *_ = PLURALS
    async with serving(NOT_FOUND, NOT_FOUND, of(first), of(first), of(*PLURALS)) as kube:
        await seen.definitions.wait_for(kube, second)
    missed, back = said(caplog)
    assert missed.startswith(f"{second}.{GROUP} is not defined in the cluster")
    assert back.startswith(f"{second}.{GROUP} is defined now")
    assert seen.shown == [(KINDS_BY_PLURAL[second], False)] * 4 + [(KINDS_BY_PLURAL[second], True)]


async def test_one_that_is_there_waits_for_no_other(seen: Seen) -> None:
    async with serving(of(PLURALS[0])) as kube:
        await asyncio.wait_for(seen.definitions.wait_for(kube, PLURALS[0]), 10)


async def test_where_nobody_can_tell_the_watches_will(seen: Seen) -> None:
    async with serving(web.json_response({}, status=503)) as kube:
        await asyncio.wait_for(seen.definitions.wait_for(kube, PLURALS[0]), 10)
    assert seen.shown == []


async def test_one_that_is_away_makes_nobody_unhealthy_or_unready(seen: Seen) -> None:
    first, second, *_ = seen.heartbeats.values()
    async with serving(of(PLURALS[0])) as kube:
        waiting = asyncio.create_task(seen.definitions.wait_for(kube, PLURALS[1]))
        async with asyncio.timeout(10):
            while len(seen.shown) < 3:  # noqa: ASYNC110 (it sets no event)
                await asyncio.sleep(0.01)
        waiting.cancel()
    assert (first.excused, second.excused) == (False, True)
    assert second.silence() < first.silence()


async def test_the_watch_of_one_namespace_is_no_sign_of_life_of_another_s(seen: Seen) -> None:
    (path, heartbeat), *_ = seen.heartbeats.items()
    other = path.replace(API_VERSION, f"{API_VERSION}/namespaces/team-b")
    seen.heartbeats[other] = Heartbeat(clock := Turned())
    clock.seconds += 100
    async with TestHold().session(seen, 200, path=f"/apis/{path}") as ask:
        assert await ask() == 200
    assert seen.heartbeats[other].silence() == 100
    assert not heartbeat.excused


class TestHold:
    """What kopf asks for while a kind is away."""

    PATH = f"/apis/{API_VERSION}/{PLURALS[0]}"

    @asynccontextmanager
    async def session(
        self, seen: Seen, *answers: int, path: str = PATH
    ) -> AsyncIterator[Callable[[], Awaitable[int]]]:
        """Something that asks at a path for these answers, one after the other; the last one forever."""
        left = list(answers)

        async def answer(_: web.Request) -> web.Response:
            return web.Response(status=left.pop(0) if left[1:] else left[0])

        app = web.Application()
        app.add_routes([web.get("/{path:.*}", answer)])
        async with (
            TestServer(app) as server,
            aiohttp.ClientSession(middlewares=[seen.definitions.hold]) as http,
        ):

            async def ask() -> int:
                async with http.get(server.make_url(path)) as found:
                    return found.status

            yield ask

    async def test_it_waits_until_the_kind_is_back(
        self, seen: Seen, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        async with self.session(seen, 404, 404, 404, 200) as ask:
            assert await ask() == 200
        assert [there for _, there in seen.shown] == [False, False, False, True]
        assert len(said(caplog)) == 2

    async def test_another_failure_meanwhile_is_kopf_s_to_deal_with(self, seen: Seen) -> None:
        async with self.session(seen, 404, 503) as ask:
            assert await ask() == 503
        assert seen.heartbeats[f"{API_VERSION}/{PLURALS[0]}"].excused

    async def test_it_gives_up_before_kopf_does(self, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(definitions, "HOLD", 0.03)
        async with self.session(seen, 404) as ask:
            with pytest.raises(aiohttp.ClientConnectionError, match="is still not defined"):
                await ask()

    async def test_a_list_that_has_become_too_old_is_started_again(self, seen: Seen) -> None:
        """kopf takes it for one whose connection broke; as an answer it would end kopf."""
        async with self.session(seen, 410) as ask:
            with pytest.raises(aiohttp.ClientPayloadError, match="started again"):
                await ask()

    async def test_a_watch_is_kopf_s_to_deal_with(self, seen: Seen) -> None:
        async with self.session(seen, 410, path=f"{self.PATH}?watch=true") as ask:
            assert await ask() == 410

    @pytest.mark.parametrize(
        ("path", "held"),
        [
            (f"/apis/{API_VERSION}/namespaces/team-a/{PLURALS[1]}", True),
            (f"/apis/{API_VERSION}", False),
            ("/apis", False),
            (f"/api/v1/{PLURALS[0]}", False),
        ],
    )
    async def test_only_lists_and_watches_of_ours_wait(self, seen: Seen, path: str, held: bool) -> None:
        async with self.session(seen, 404, 200, path=path) as ask:
            assert await ask() == (200 if held else 404)
