"""What a proxy before the API server may answer in its place: never a fact about an object."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import TooLarge, Unreachable
from mljobs.controller.kube.events import ObjectReference, Posting
from mljobs.domain.job.resource import Resource
from mljobs.domain.reasons import Reason
from mljobs.domain.show.events import Event
from tests.unit.controller.kube.support_access import opened
from tests.unit.domain.world import NOW

RESOURCE = Resource("TrainingJob", "team-a", "census", "uid-1", version="41")

ANSWERS = {
    "a page": web.Response(text="<html>Sign in</html>", content_type="text/html"),
    "JSON that is cut": web.Response(body=b'{"metadata": {"na', content_type="application/json"),
    "nothing": web.Response(body=b"", content_type="application/json"),
    "no text": web.Response(body=b"\xff\xfe\x00", content_type="application/json"),
}


@pytest.fixture(params=ANSWERS)
async def kube(request: pytest.FixtureRequest) -> AsyncIterator[Kube]:
    wrong = ANSWERS[request.param]

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=wrong.body, content_type=wrong.content_type)

    async with served(answer) as opened:
        yield opened


@asynccontextmanager
async def served(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[Kube]:
    """A connection to a server that answers everything so."""
    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", answer)])
    async with TestServer(app) as server, opened(str(server.make_url("")).rstrip("/")) as kube:
        yield kube


POSTING = Posting(Event(Reason.ACCEPTED, "x"), "census.1", 2, NOW, (Reason.ACCEPTED, 0))
ABOUT = ObjectReference.of(RESOURCE)
CALLS: dict[str, Callable[[Kube], Awaitable[Any]]] = {
    "get": lambda kube: kube.get("TrainingJob", "team-a", "census"),
    "list": lambda kube: kube.list("TrainingJob", None),
    "patch_status": lambda kube: kube.patch_status(RESOURCE, {"state": "RUNNING"}),
    "patch_metadata": lambda kube: kube.patch_metadata(RESOURCE, {"finalizers": []}),
    "create_event": lambda kube: kube.create_event(ABOUT, POSTING, NOW),
    "count_event": lambda kube: kube.count_event(ABOUT, POSTING, NOW),
    "get_lease": lambda kube: kube.get_lease("ns", "lease"),
    "create_lease": lambda kube: kube.create_lease("ns", "lease", {}),
}


@pytest.mark.parametrize("call", CALLS)
async def test_no_call_takes_it_for_an_answer(kube: Kube, call: str) -> None:
    with pytest.raises(Unreachable, match=r"TrainingJob|team-a/census|ns/lease"):
        await CALLS[call](kube)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (413, "Request entity too large: limit is 3145728"),
        (500, "etcdserver: request is too large"),
        (500, "rpc error: code = ResourceExhausted desc = trying to send message larger than max (3 vs. 2)"),
    ],
)
async def test_what_cannot_be_stored_is_no_outage(status: int, message: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "message": message, "code": status}, status=status)

    async with served(answer) as kube:
        with pytest.raises(TooLarge, match="TrainingJob"):
            await kube.patch_status(RESOURCE, {"state": "RUNNING"})


async def test_any_other_500_is_an_outage() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "message": "etcdserver: leader changed"}, status=500)

    async with served(answer) as kube:
        with pytest.raises(Unreachable, match="leader changed"):
            await kube.patch_status(RESOURCE, {"state": "RUNNING"})
