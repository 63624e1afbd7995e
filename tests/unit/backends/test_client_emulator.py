"""Every method against the emulator, over HTTP."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mljobs.backends import Access, Limits, open_job_logs, open_job_service
from mljobs.backends.mlv1.client import MlV1Client
from mljobs.backends.mlv1.read import read
from mljobs.domain.errors import (
    AlreadyExists,
    Denied,
    NotFound,
    Rejected,
    StaleEtag,
    Throttled,
    Unavailable,
)
from mljobs.domain.port import Job, Scope
from mljobs_dev.emulator.control import Emulator
from mljobs_dev.emulator.server import serving
from mljobs_dev.emulator.settings import Settings
from tests.unit.backends.emulated import control, until_ended

TRAINING = {
    "region": "us-central1",
    "scaleTier": "BASIC",
    "masterConfig": {"imageUri": "gcr.io/p/image"},
}
CREATE = "ml.projects.jobs.create"


def job(job_id: str, **more: Any) -> dict[str, Any]:
    return {"jobId": job_id, "trainingInput": TRAINING, **more}


@pytest.fixture(params=[409, 412])
def stale_status(request: pytest.FixtureRequest) -> int:
    status: int = request.param
    return status


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serving(Emulator(Settings(speed=1000))) as address:
        yield address


@pytest.fixture
async def client(url: str) -> AsyncIterator[MlV1Client]:
    async with _open(url) as opened:
        yield opened


def _open(url: str) -> MlV1Client:
    return open_job_service(Access(endpoint=url, anonymous=True, timeout=20, threads=2, limits=Limits(0, 0)))


async def ended(client: MlV1Client, job_id: str) -> Job:
    async def found() -> Job:
        return read(await client.get("p", job_id), Scope("projects/p"))

    return await until_ended(found)


async def test_a_job_from_create_to_its_end(client: MlV1Client) -> None:
    created = await client.create("p", job("census_1", labels={"mljobs-uid": "u"}))
    assert created["jobId"] == "census_1"
    assert created["state"] == "QUEUED"
    assert created["labels"] == {"mljobs-uid": "u"}
    assert created["etag"]
    assert created["trainingInput"]["region"] == "us-central1"
    done = await ended(client, "census_1")
    assert done.state == "SUCCEEDED"
    assert done.etag != created["etag"]
    assert "endTime" in done.document
    with pytest.raises(Rejected):
        await client.cancel("p", "census_1")


async def test_create_of_a_taken_id(client: MlV1Client) -> None:
    await client.create("p", job("census"))
    with pytest.raises(AlreadyExists, match="already exists"):
        await client.create("p", job("census"))
    await client.create("q", job("census"))


async def test_create_of_a_wrong_job(client: MlV1Client) -> None:
    with pytest.raises(Rejected, match="region") as caught:
        await client.create("p", job("census", trainingInput={**TRAINING, "region": "mars-north1"}))
    assert [violation.field for violation in caught.value.violations] == ["region"]
    with pytest.raises(Rejected, match="parameter_server_type"):
        await client.create("p", job("census", parameter_server_type="x"))


async def test_missing_jobs(client: MlV1Client) -> None:
    with pytest.raises(NotFound):
        await client.get("p", "none")
    with pytest.raises(NotFound):
        await client.cancel("p", "none")
    with pytest.raises(NotFound):
        await client.patch_labels("p", "none", {}, "ZQ==")


async def test_list_in_pages(client: MlV1Client) -> None:
    assert (await client.list_page("p")).jobs == []
    for number in range(5):
        await client.create("p", job(f"job_{number}"))
    seen, token = [], ""
    for size in (2, 2, 1):
        page = await client.list_page("p", page_size=2, page_token=token)
        assert len(page.jobs) == size
        seen += [found["jobId"] for found in page.jobs]
        token = page.next_page_token
    assert token == ""
    assert sorted(seen) == [f"job_{number}" for number in range(5)]
    chosen = await client.list_page("p", query="jobId:job_3")
    assert [found["jobId"] for found in chosen.jobs] == ["job_3"]
    with pytest.raises(Rejected):
        await client.list_page("p", query="jobId:(")


async def test_a_filter_longer_than_a_url(client: MlV1Client) -> None:
    """googleapiclient sends it as a POST that says it is a GET."""
    await client.create("p", job("job_1"))
    query = " OR ".join(f"jobId:job_{number}" for number in range(300))
    assert [found["jobId"] for found in (await client.list_page("p", query=query)).jobs] == ["job_1"]


async def test_labels_are_replaced_only_with_the_newest_etag(stale_status: int) -> None:
    settings = Settings(speed=0.001, stale_etag_status=stale_status)
    async with serving(Emulator(settings)) as url, _open(url) as client:
        first = await client.create("p", job("census", labels={"a": "b"}))
        second = await client.patch_labels("p", "census", {"team": "x"}, first["etag"])
        assert second["labels"] == {"team": "x"}
        assert second["etag"] != first["etag"]
        with pytest.raises(StaleEtag):
            await client.patch_labels("p", "census", {"team": "y"}, first["etag"])
        assert (await client.patch_labels("p", "census", {}, second["etag"])).get("labels", {}) == {}
        assert (await client.patch_labels("p", "census", {"blind": "y"}, ""))["labels"] == {"blind": "y"}


async def test_cancel(client: MlV1Client, url: str) -> None:
    await control(url, "POST", "scripts", [{"jobId": "census", "timeline": {"RUNNING": 1_000_000}}])
    await client.create("p", job("census"))
    await client.cancel("p", "census")
    done = await ended(client, "census")
    assert done.state == "CANCELLED"
    assert done.document["errorMessage"] == "Job is cancelled by the user."
    effects = (await control(url, "GET", "ledger?method=ml.projects.jobs.cancel"))["effects"]
    assert [(row["jobId"], row["status"], row["applied"]) for row in effects] == [("census", 200, True)]


async def test_iam(client: MlV1Client) -> None:
    await client.create("p", job("census"))
    before = await client.get_iam_policy("p", "census")
    bindings = [{"role": "roles/viewer", "members": ["user:a@example.com"]}]
    after = await client.set_iam_policy("p", "census", {**before, "bindings": bindings})
    assert after["bindings"] == bindings
    assert (await client.get_iam_policy("p", "census"))["bindings"] == bindings
    with pytest.raises(StaleEtag):
        await client.set_iam_policy("p", "census", {**after, "etag": "AAAAAAAAAAA="})
    granted = await client.test_iam_permissions("p", "census", ["ml.jobs.cancel", "ml.jobs.get"])
    assert granted == {"ml.jobs.cancel", "ml.jobs.get"}


@pytest.mark.parametrize(
    ("fault", "kind", "applied"),
    [
        ({"action": "error", "status": 503}, Unavailable, False),
        ({"action": "error", "status": 429, "retryAfter": 2}, Throttled, False),
        ({"action": "error", "status": 403}, Denied, False),
        ({"action": "error", "status": 400}, Rejected, False),
        ({"action": "dropBefore"}, Unavailable, False),
        ({"action": "dropAfter"}, Unavailable, True),
        ({"action": "truncate"}, Unavailable, True),
    ],
)
async def test_a_fault_is_one_request(
    client: MlV1Client, url: str, fault: dict[str, object], kind: type[Exception], applied: bool
) -> None:
    await control(url, "POST", "faults", [{"method": CREATE, "times": 1, **fault}])
    with pytest.raises(kind):
        await client.create("p", job("census"))
    effects = (await control(url, "GET", f"ledger?method={CREATE}"))["effects"]
    assert [row["applied"] for row in effects] == [applied]
    if applied:
        assert (await client.get("p", "census"))["jobId"] == "census"
    else:
        with pytest.raises(NotFound):
            await client.get("p", "census")


async def test_a_delay_past_the_time_out_is_unavailable(url: str) -> None:
    await control(url, "POST", "faults", [{"method": CREATE, "times": 1, "action": "delay", "seconds": 20}])
    async with open_job_service(Access(endpoint=url, anonymous=True, timeout=0.3)) as client:
        with pytest.raises(Unavailable, match="not known"):
            await client.create("p", job("census"))


async def test_logs_in_pages(client: MlV1Client, url: str) -> None:
    began = datetime.now(UTC)
    await client.create("p", job("census"))
    await client.create("p", job("other"))
    await ended(client, "census")
    async with open_job_logs(endpoint=url, anonymous=True, timeout=20) as logs:
        whole = (await logs.page("p", "census")).entries
        assert len(whole) > 3
        assert {entry["resource"]["labels"]["job_id"] for entry in whole} == {"census"}
        stamps = [entry["timestamp"] for entry in whole]
        assert stamps == sorted(stamps)
        newest = await logs.page("p", "census", newest_first=True, page_size=2)
        assert newest.entries == whole[:-3:-1]
        rest = await logs.page(
            "p", "census", newest_first=True, page_size=1000, page_token=newest.next_page_token
        )
        assert rest.entries == whole[-3::-1]
        assert rest.next_page_token == ""
        assert (await logs.page("p", "census", query="severity>=ERROR")).entries == []
        late = datetime.fromisoformat(stamps[2])
        assert (await logs.page("p", "census", since=late)).entries == whole[2:]
        assert (await logs.page("p", "census", since=began + timedelta(days=9999))).entries == []
        with pytest.raises(Rejected, match="job_id"):
            await logs.page("p", 'x" OR "')
        with pytest.raises(Rejected):
            await logs.page("p", "census", query="(((")
