"""A search trusts the times of a list: one without them is no answer of the service."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mljobs.backends import Access, Terms, service_named
from mljobs.domain.errors import Unavailable
from mljobs.domain.port import AttemptSelector, Scope
from tests.unit.backends.raw_server import RawServer, answer

SINCE = datetime(2026, 1, 2, tzinfo=UTC)
ML_V1: dict[str, Any] = {"jobId": "a", "state": "QUEUED"}
VERTEX: dict[str, Any] = {
    "name": "projects/1/locations/us-central1/customJobs/1",
    "displayName": "a",
    "state": "JOB_STATE_QUEUED",
}
SERVICES = {
    "MLv1": (Scope("projects/p"), "jobs", ML_V1),
    "VertexAI": (Scope("projects/p/locations/us-central1"), "customJobs", VERTEX),
}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "times", [{}, {"createTime": None}, {"createTime": "yesterday"}, {"createTime": "2026-01-03T00:00:00"}]
)
async def test_a_list_without_times_settles_nothing(service: str, times: dict[str, Any]) -> None:
    scope, field, job = SERVICES[service]
    with RawServer([answer(200, {field: [{**job, **times}], "nextPageToken": "2"})]) as server:
        access = Access(endpoint=server.url, anonymous=True, timeout=5)
        async with service_named(service).open(access, Terms()) as backend:
            with pytest.raises(Unavailable, match="createTime"):
                await backend.find(AttemptSelector(scope, {"mljobs-uid": "u"}, SINCE))
