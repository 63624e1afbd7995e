"""What a proxy before the API server may answer in its place: never a fact about an object."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client

from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Unreachable
from mljobs.controller.kube.events import Posting
from mljobs.domain.job.resource import Resource
from mljobs.domain.reasons import Reason
from mljobs.domain.show.events import Event
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

    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", answer)])
    async with TestServer(app) as server:
        configuration = client.Configuration()
        configuration.host = str(server.make_url(""))
        async with client.ApiClient(configuration) as api:
            yield Kube(api)


POSTING = Posting(Event(Reason.ACCEPTED, "x"), "census.1", 2, NOW, (("Normal", "Accepted"), "x"))
CALLS: dict[str, Callable[[Kube], Awaitable[Any]]] = {
    "get": lambda kube: kube.get("TrainingJob", "team-a", "census"),
    "list": lambda kube: kube.list("TrainingJob", None),
    "patch_status": lambda kube: kube.patch_status(RESOURCE, {"state": "RUNNING"}),
    "patch_metadata": lambda kube: kube.patch_metadata(RESOURCE, {"finalizers": []}),
    "create_event": lambda kube: kube.create_event(RESOURCE, POSTING, NOW),
    "count_event": lambda kube: kube.count_event(RESOURCE, POSTING, NOW),
    "get_lease": lambda kube: kube.get_lease("ns", "lease"),
    "create_lease": lambda kube: kube.create_lease("ns", "lease", {}),
}


@pytest.mark.parametrize("call", CALLS)
async def test_no_call_takes_it_for_an_answer(kube: Kube, call: str) -> None:
    with pytest.raises(Unreachable, match=r"TrainingJob|team-a/census|ns/lease"):
        await CALLS[call](kube)
