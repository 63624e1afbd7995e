"""What the API server is told, so that a write from an old view of an object is refused."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from mljobs.api.resources import TRAINING_JOB
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Conflict, NotServed, ObjectNotFound
from mljobs.domain.job.resource import Resource
from tests.unit.controller.kube.support_access import opened

RESOURCE = Resource(TRAINING_JOB.name, "team-a", "census", "uid-1", version="41")
PATH = "/apis/mljobs.dev/v1alpha1/namespaces/team-a/trainingjobs/census"


@asynccontextmanager
async def told(status: int = 200, body: str = "{}") -> AsyncIterator[tuple[Kube, list[Any]]]:
    """A server that always answers so, and what it is told: path, content type and body."""
    seen: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.path_qs, request.content_type, await request.json()))
        return web.Response(text=body, status=status)

    app = web.Application()
    app.add_routes([web.patch("/{path:.*}", answer)])
    async with TestServer(app) as server, opened(str(server.make_url("")).rstrip("/")) as kube:
        yield kube, seen


async def test_a_status_of_an_old_view_is_not_merged_into_a_newer_one() -> None:
    """Else a process that is shown the past ends a second attempt with the outcome of the first."""
    async with told() as (kube, seen):
        await kube.patch_status(RESOURCE, {"state": "CANCELLED"})
    guard = {"uid": "uid-1", "resourceVersion": "41"}
    assert seen == [
        (
            f"{PATH}/status?fieldManager=mljobs-operator",
            "application/merge-patch+json",
            {"metadata": guard, "status": {"state": "CANCELLED"}},
        )
    ]


NO_OBJECT = json.dumps(
    {
        "kind": "Status",
        "reason": "NotFound",
        "details": {"name": "census", "kind": "trainingjobs"},
        "code": 404,
    }
)
"""What the API server says where there is no object of that name."""


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (409, "", Conflict),
        (404, NO_OBJECT, ObjectNotFound),
        (404, "404 page not found\n", NotServed),
        (404, '{"kind": "Status", "code": 404}', NotServed),
        (404, "<html>Not here</html>", NotServed),
        (404, "[]", NotServed),
    ],
)
async def test_the_refusal_says_whether_to_read_again(status: int, body: str, error: type[Exception]) -> None:
    """A path that leads nowhere, since the kind is away or a proxy answers, says nothing of an object."""
    async with told(status, body) as (kube, _):
        with pytest.raises(error):
            await kube.patch_status(RESOURCE, {"state": "CANCELLED"})


async def test_metadata_is_guarded_too() -> None:
    async with told() as (kube, seen):
        await kube.patch_metadata(RESOURCE, {"finalizers": []})
    [(path, _, body)] = seen
    assert path == f"{PATH}?fieldManager=mljobs-operator"
    assert body["metadata"] == {"uid": "uid-1", "resourceVersion": "41", "finalizers": []}
