"""What the API server is told, so that a write from an old view of an object is refused."""

import json
from typing import Any

import pytest
from kubernetes.aio import client

from mljobs.api.resources import TRAINING_JOB
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Conflict, NotServed, ObjectNotFound
from mljobs.domain.job.resource import Resource

RESOURCE = Resource(TRAINING_JOB.name, "team-a", "census", "uid-1", version="41")


class Recorded:
    """Stands for one method of the official client."""

    def __init__(self, status: int = 0, body: str = "") -> None:
        self.bodies: list[Any] = []
        self._status = status
        self._body = body

    async def __call__(self, **arguments: Any) -> dict[str, Any]:
        self.bodies.append(arguments["body"])
        if self._status:
            raise client.ApiException(status=self._status, body=self._body)
        return {}


async def opened(
    monkeypatch: pytest.MonkeyPatch, method: str, status: int = 0, body: str = ""
) -> tuple[Kube, Recorded]:
    kube, recorded = Kube(client.ApiClient(client.Configuration())), Recorded(status, body)
    monkeypatch.setattr(kube._custom, method, recorded)
    return kube, recorded


async def test_a_status_of_an_old_view_is_not_merged_into_a_newer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a process that is shown the past ends a second attempt with the outcome of the first."""
    kube, recorded = await opened(monkeypatch, "patch_namespaced_custom_object_status")
    await kube.patch_status(RESOURCE, {"state": "CANCELLED"})
    assert recorded.bodies == [
        {"metadata": {"uid": "uid-1", "resourceVersion": "41"}, "status": {"state": "CANCELLED"}}
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
async def test_the_refusal_says_whether_to_read_anew(
    monkeypatch: pytest.MonkeyPatch, status: int, body: str, error: type[Exception]
) -> None:
    """A path that leads nowhere, since the kind is away or a proxy answers, says nothing of an object."""
    kube, _ = await opened(monkeypatch, "patch_namespaced_custom_object_status", status, body)
    with pytest.raises(error):
        await kube.patch_status(RESOURCE, {"state": "CANCELLED"})


async def test_metadata_is_guarded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    kube, recorded = await opened(monkeypatch, "patch_namespaced_custom_object")
    await kube.patch_metadata(RESOURCE, {"finalizers": []})
    assert recorded.bodies[0]["metadata"] == {"uid": "uid-1", "resourceVersion": "41", "finalizers": []}
