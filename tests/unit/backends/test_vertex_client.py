"""Every call of Vertex AI, over TCP: what is written, and what each answer becomes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mljobs.backends import Access, Limits, open_vertex
from mljobs.backends.vertex.client import READ_MASK, VertexClient
from mljobs.backends.vertex.names import COLLECTIONS, CUSTOM_JOBS, PREDICTION_JOBS, TUNING_JOBS, Name
from mljobs.domain.errors import (
    Denial,
    Denied,
    JobServiceError,
    NoCapacity,
    NotFound,
    ProjectNotFound,
    Rejected,
    Throttled,
    Unavailable,
    Violation,
)
from tests.unit.backends.raw_server import RawServer, Received, Step, answer, drop, error, hang, raw

Call = Callable[[VertexClient], Awaitable[object]]

PLACE = ("p", "us-central1")
PARENT = "projects/p/locations/us-central1"
CUSTOM, TUNING, PREDICTION = (Name(*PLACE, collection, "7") for collection in COLLECTIONS)
JOB = {
    "name": CUSTOM.reference,
    "displayName": "census",
    "state": "JOB_STATE_PENDING",
    "createTime": "2026-01-01T00:00:00Z",
}

CALLS: dict[str, Call] = {
    "create": lambda s: s.create(*PLACE, CUSTOM_JOBS, {"displayName": "census"}),
    "get": lambda s: s.get(CUSTOM),
    "list": lambda s: s.list_page(*PLACE, CUSTOM_JOBS),
    "cancel": lambda s: s.cancel(CUSTOM),
}

CAPACITY = (
    "The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_training_nvidia"
    "_l4_gpus"
)
RATE = (
    "Quota exceeded for quota metric 'Resource management (CRUD) requests' and limit 'Resource management "
    "requests per minute per region' of service 'aiplatform.googleapis.com' for consumer 'project_number:1'."
)
FIELDS = (
    "List of found errors:\t1.Field: job_spec.worker_pool_specs[0].machine_spec.accelerator_type; Message: "
    "Both accelerator type and count should be specified or none.\t"
)
BUCKET = (
    "The Cloud Storage bucket of `gs://b/x` is in location `us`. It must be in the same regional location as "
    "the service location `us-central1`."
)
PERMISSION = (
    "Permission 'aiplatform.customJobs.create' denied on resource "
    "'//aiplatform.googleapis.com/projects/p/locations/us-central1' (or it may not exist)."
)
BILLING = "This API method requires billing to be enabled. Please enable billing on project #p."
INFO = "type.googleapis.com/google.rpc.ErrorInfo"
HTML = b"<!DOCTYPE html><title>Error</title>"


def service(server: RawServer, timeout: float = 10.0) -> VertexClient:
    return open_vertex(
        Access(endpoint=server.url, anonymous=True, timeout=timeout, threads=1, limits=Limits(0, 0))
    )


async def failure(step: Step, call: Call, patience: float = 10.0) -> JobServiceError:
    with RawServer([step]) as server:
        client = service(server, patience)
        try:
            with pytest.raises(JobServiceError) as caught:
                await call(client)
        finally:
            await client.close()
        assert len(server.received) == 1
    return caught.value


def written(requests: Sequence[Received]) -> list[tuple[str, str, dict[str, str], object]]:
    rows = []
    for request in requests:
        url = urlsplit(request.path)
        body = request.json if request.body else None
        rows.append((request.method, url.path, dict(parse_qsl(url.query)), body))
    return rows


@pytest.mark.parametrize("name", [CUSTOM, TUNING, PREDICTION], ids=COLLECTIONS)
async def test_each_call_is_one_request_of_the_api(name: Name) -> None:
    job = {**JOB, "name": name.reference}
    page = {name.collection: [job], "nextPageToken": "more"}
    with RawServer([answer(200, row) for row in (job, job, page, {}, {})]) as server:
        client = service(server)
        assert await client.create(*PLACE, name.collection, {"displayName": "census"}) == job
        assert await client.get(name) == job
        listed = await client.list_page(
            *PLACE, name.collection, query='create_time>="2026-01-01T00:00:00Z"', page_size=2, page_token="t"
        )
        assert (listed.jobs, listed.next_page_token) == ([job], "more")
        empty = await client.list_page(*PLACE, name.collection)
        assert (empty.jobs, empty.next_page_token) == ([], "")
        await client.cancel(name)
        await client.close()
    collection = f"/v1/{PARENT}/{name.collection}"
    query = {
        "filter": 'create_time>="2026-01-01T00:00:00Z"',
        "pageSize": "2",
        "pageToken": "t",
        "readMask": READ_MASK,
    }
    assert [(row[0], row[1], row[2] | {"alt": ""}, row[3]) for row in written(server.received)] == [
        ("POST", collection, {"alt": ""}, {"displayName": "census"}),
        ("GET", f"{collection}/7", {"alt": ""}, None),
        ("GET", collection, {**query, "alt": ""}, None),
        ("GET", collection, {"pageSize": "100", "readMask": READ_MASK, "alt": ""}, None),
        ("POST", f"{collection}/7:cancel", {"alt": ""}, {}),
    ]


ROWS: list[tuple[str, int, object, type[JobServiceError]]] = [
    ("get", 404, error(404, "NOT_FOUND", "The CustomJob does not exist."), NotFound),
    ("cancel", 404, error(404, "NOT_FOUND", "The CustomJob does not exist."), NotFound),
    ("create", 404, error(404, "NOT_FOUND", "Requested entity was not found."), ProjectNotFound),
    ("list", 404, error(404, "NOT_FOUND", "Requested entity was not found."), ProjectNotFound),
    ("get", 404, HTML, Unavailable),
    ("create", 429, error(429, "RESOURCE_EXHAUSTED", CAPACITY), NoCapacity),
    ("create", 429, error(429, "RESOURCE_EXHAUSTED", RATE), Throttled),
    (
        "create",
        429,
        error(429, "RESOURCE_EXHAUSTED", RATE, {"@type": INFO, "reason": "RATE_LIMIT_EXCEEDED"}),
        Throttled,
    ),
    ("list", 429, HTML, Throttled),
    ("create", 403, error(403, "PERMISSION_DENIED", PERMISSION), Denied),
    ("create", 400, error(400, "INVALID_ARGUMENT", FIELDS), Rejected),
    ("create", 400, error(400, "FAILED_PRECONDITION", BUCKET), Rejected),
    ("cancel", 400, error(400, "FAILED_PRECONDITION", "The job has ended."), Rejected),
    ("create", 409, error(409, "ALREADY_EXISTS", "odd: the service gives the ids"), Unavailable),
    ("create", 409, error(409, "ABORTED", "busy"), Unavailable),
    ("create", 500, error(500, "INTERNAL", "Internal error encountered."), Unavailable),
    ("create", 503, error(503, "UNAVAILABLE", "The service is currently unavailable."), Unavailable),
    ("create", 504, b"", Unavailable),
    ("create", 302, b"", Unavailable),
    ("create", 200, HTML, Unavailable),
    ("create", 200, b'{"name": "projects/p/lo', Unavailable),
    ("create", 200, {}, Unavailable),
    ("create", 200, [], Unavailable),
    ("get", 200, {**JOB, "state": 4}, Unavailable),
    ("get", 200, {**JOB, "labels": {"a": 1}}, Unavailable),
    ("get", 200, {**JOB, "labels": ["a"]}, Unavailable),
    ("list", 200, {"customJobs": {}}, Unavailable),
    ("list", 200, {"customJobs": ["x"]}, Unavailable),
    ("list", 200, {"customJobs": [{}]}, Unavailable),
    ("list", 200, {"nextPageToken": 1}, Unavailable),
]


@pytest.mark.parametrize(("method", "status", "body", "kind"), ROWS)
async def test_an_answer_becomes_an_error(
    method: str, status: int, body: object, kind: type[JobServiceError]
) -> None:
    result = await failure(answer(status, body, headers={"Location": "/elsewhere"}), CALLS[method])
    assert type(result) is kind
    assert result.status == status
    if isinstance(body, dict) and status != 200:
        assert result.message == body["error"]["message"]
    else:
        assert f"aiplatform.projects.locations.customJobs.{method}" in result.message


@pytest.mark.parametrize(
    ("message", "details", "cause"),
    [
        (PERMISSION, (), Denial.UNKNOWN),
        (PERMISSION, ({"@type": INFO, "reason": "IAM_PERMISSION_DENIED"},), Denial.PERMISSION),
        (BILLING, (), Denial.BILLING),
    ],
)
async def test_a_denial_says_what_is_missing(
    message: str, details: tuple[object, ...], cause: Denial
) -> None:
    result = await failure(answer(403, error(403, "PERMISSION_DENIED", message, *details)), CALLS["create"])
    assert isinstance(result, Denied)
    assert result.cause is cause


async def test_refused_fields_reach_the_caller() -> None:
    result = await failure(answer(400, error(400, "INVALID_ARGUMENT", FIELDS)), CALLS["create"])
    assert isinstance(result, Rejected)
    assert result.violations == (
        Violation(
            "job_spec.worker_pool_specs[0].machine_spec.accelerator_type",
            "Both accelerator type and count should be specified or none.",
        ),
    )


@pytest.mark.parametrize("method", ["create", "cancel"])
@pytest.mark.parametrize("step", [drop, hang])
async def test_what_gets_no_answer_is_sent_once_and_may_have_happened(method: str, step: Step) -> None:
    result = await failure(step, CALLS[method], patience=0.3 if step is hang else 10.0)
    assert type(result) is Unavailable
    assert "whether it was applied is not known" in result.message


@pytest.mark.parametrize("location", ["us-central1", "europe-west4", "us", "me-central2"])
async def test_every_region_has_a_host_of_its_own(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = raw(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    with RawServer(rest=refusal) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        client = open_vertex(Access(anonymous=True))
        with pytest.raises(Unavailable, match="was not sent"):
            await client.create("p", location, CUSTOM_JOBS, {"displayName": "census"})
        await client.close()
        assert {(request.method, request.path) for request in proxy.received} == {
            ("CONNECT", f"{location}-aiplatform.googleapis.com:443")
        }


@pytest.mark.parametrize(
    "location", ["", "-", "evil.example", "a/b", "x:1", "US", "a--b", "é", "a" * 64, "a\n"]
)
@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:1"])
async def test_a_location_that_bends_the_host_is_never_sent(location: str, endpoint: str) -> None:
    client = open_vertex(Access(endpoint=endpoint, anonymous=True))
    for call in (
        client.create("p", location, CUSTOM_JOBS, {}),
        client.get(Name("p", location, CUSTOM_JOBS, "7")),
        client.list_page("p", location, CUSTOM_JOBS),
        client.cancel(Name("p", location, CUSTOM_JOBS, "7")),
    ):
        with pytest.raises(Rejected, match="region: ") as caught:
            await call
        assert caught.value.status == 0
        assert caught.value.violations[0].field == "region"
    await client.close()


@pytest.mark.parametrize("name", ["", "a/b", "a?b", "..", "7:cancel/", "%2e"])
async def test_a_name_that_bends_the_url_is_never_sent(name: str) -> None:
    with RawServer() as server:
        client = service(server)
        with pytest.raises(Rejected, match="job_id: "):
            await client.cancel(Name(*PLACE, CUSTOM_JOBS, name))
        with pytest.raises(Rejected, match="project_id: "):
            await client.create(name, "us-central1", CUSTOM_JOBS, {})
        await client.close()
        assert server.received == []


async def test_all_kinds_of_jobs_of_a_project_in_a_region_share_a_quota() -> None:
    limits = Limits(creates_per_minute=0.5, others_per_minute=0)
    with RawServer(rest=answer(200, JOB)) as server:
        client = open_vertex(Access(endpoint=server.url, anonymous=True, limits=limits))
        await client.create(*PLACE, CUSTOM_JOBS, {})
        for collection in (CUSTOM_JOBS, TUNING_JOBS, PREDICTION_JOBS):
            refused = client.create(*PLACE, collection, {})
            with pytest.raises(Throttled, match=r"p in us-central1: its quota of 0\.5 creates"):
                await asyncio.wait_for(refused, 10)
        await client.create("p", "europe-west4", TUNING_JOBS, {})
        await client.create("q", "us-central1", PREDICTION_JOBS, {})
        await client.get(CUSTOM)
        await client.close()
    assert [request.method for request in server.received] == ["POST", "POST", "POST", "GET"]


async def test_a_lack_of_machines_pauses_nothing_and_a_rate_limit_does() -> None:
    wait = {"Retry-After": "3600"}
    steps = [
        answer(429, error(429, "RESOURCE_EXHAUSTED", CAPACITY), headers=wait),
        answer(200, JOB),
        answer(429, error(429, "RESOURCE_EXHAUSTED", RATE), headers=wait),
    ]
    with RawServer(steps) as server:
        client = service(server)
        with pytest.raises(NoCapacity):
            await CALLS["create"](client)
        await CALLS["create"](client)
        for _ in range(2):
            with pytest.raises(Throttled):
                await CALLS["create"](client)
        await client.close()
        assert len(server.received) == 3


@pytest.mark.parametrize("method", list(CALLS))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    status=st.integers(101, 599),
    body=st.binary(max_size=40)
    | st.sampled_from([b"{}", b'{"error": 1}', b'{"name": "projects/p"}', b'{"customJobs": 1}']),
)
async def test_any_answer_is_a_result_or_an_error_of_the_tree(method: str, status: int, body: bytes) -> None:
    head = f"HTTP/1.1 {status} Any\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with RawServer(rest=raw(head + body)) as server:
        client = service(server)
        try:
            await CALLS[method](client)
        except JobServiceError as error:
            assert error.message  # noqa: PT017  # the error is one of two legal outcomes
        await client.close()
        assert len(server.received) == 1
