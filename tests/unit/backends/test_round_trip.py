"""Random jobs of every field, over HTTP to the emulator and back: what was sent is what is read.

The service leaves out proto defaults (recorded traffic), so that both sides are compared without them.
"""

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mljobs.api.resources import KINDS
from mljobs.backends import Access, Limits, open_job_service
from mljobs.backends.mlv1.translate import to_job
from mljobs.domain.port import JobDocument
from mljobs.domain.spec.validate import validate
from mljobs_dev.emulator.control import Emulator
from mljobs_dev.emulator.server import serving
from mljobs_dev.emulator.settings import Settings
from tests.strategies import specs
from tests.unit.api import discovery

Json = dict[str, Any]

SCHEMAS = discovery.load()
NUMBERS = itertools.count(1)


async def there_and_back(jobs: list[Json]) -> list[JobDocument]:
    async with (
        serving(Emulator(Settings())) as url,
        open_job_service(Access(endpoint=url, anonymous=True, timeout=10, limits=Limits(0, 0))) as service,
    ):
        for job in jobs:
            await service.create("p", job)
        return [await service.get("p", job["jobId"]) for job in jobs]


def explicit(node: Any, schema: Json) -> Any:
    """JSON of a schema without what proto3 JSON leaves out: zero, empty, false, the first word of an enum."""
    if "$ref" in schema:
        return explicit(node, SCHEMAS[schema["$ref"]])
    if isinstance(node, list):
        return [explicit(item, schema["items"]) for item in node]
    if not isinstance(node, dict) or "properties" not in schema:
        return node
    kept = {key: explicit(value, schema["properties"][key]) for key, value in node.items()}
    return {key: value for key, value in kept.items() if not _is_default(value, schema["properties"][key])}


def _is_default(value: Any, schema: Json) -> bool:
    if "enum" in schema:
        return bool(value == schema["enum"][0])
    return value in ("", "0", [], False) and value is not None


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_sent_is_what_is_read(kind: str) -> None:
    field = KINDS[kind].input_field
    schema = SCHEMAS[discovery.JOB]["properties"][field]

    @given(wanted=st.lists(specs(kind), min_size=1, max_size=10))
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    def check(wanted: list[Json]) -> None:
        jobs = [request(kind, spec) for spec in wanted]
        for job, found in zip(jobs, asyncio.run(there_and_back(jobs)), strict=True):
            assert found["labels"] == job["labels"]
            assert explicit(found[field], schema) == explicit(job[field], schema)

    check()


def request(kind: str, spec: Json) -> Json:
    validated = validate(kind, spec, default_project="p")
    assert validated.spec is not None, validated.problems
    return dict(
        to_job(kind, validated.spec.document(), job_id=f"job_{next(NUMBERS)}", labels={"mljobs-uid": "u"})
    )
