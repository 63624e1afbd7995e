"""Every row of the error table, over TCP."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mljobs.backends import Access, Limits, open_job_service
from mljobs.backends.mlv1.client import MlV1Client
from mljobs.domain.errors import (
    AlreadyExists,
    Denial,
    Denied,
    JobServiceError,
    NotFound,
    ProjectNotFound,
    Rejected,
    StaleEtag,
    Throttled,
    Unavailable,
    Violation,
)
from tests.unit.backends.raw_server import (
    RawServer,
    Step,
    answer,
    drop,
    error,
    hang,
    raw,
    reset,
    trickle,
)

Call = Callable[[MlV1Client], Awaitable[object]]

CALLS: dict[str, Call] = {
    "create": lambda s: s.create("p", {"jobId": "j"}),
    "get": lambda s: s.get("p", "j"),
    "list": lambda s: s.list_page("p"),
    "patch": lambda s: s.patch_labels("p", "j", {"a": "b"}, "ZXRhZw=="),
    "cancel": lambda s: s.cancel("p", "j"),
    "getIamPolicy": lambda s: s.get_iam_policy("p", "j"),
    "setIamPolicy": lambda s: s.set_iam_policy("p", "j", {"etag": "e"}),
    "testIamPermissions": lambda s: s.test_iam_permissions("p", "j", ["ml.jobs.get"]),
}

TAKEN = "Field: job.job_id Error: A job with this id already exists."
REGION = "Field: region Error: The provided GCE region 'x' is not available."
QUOTA = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"subject": "p"}]}
BAD_REGION = {
    "@type": "type.googleapis.com/google.rpc.BadRequest",
    "fieldViolations": [{"field": "region", "description": "The provided GCE region 'x' is not available."}],
}
RATE = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}
INFO = "type.googleapis.com/google.rpc.ErrorInfo"
HTML = b"<!DOCTYPE html><title>Error</title><p>That's an error."


def service(server: RawServer, timeout: float = 10.0) -> MlV1Client:
    limits = Limits(creates_per_minute=0, others_per_minute=0)
    return open_job_service(
        Access(endpoint=server.url, anonymous=True, timeout=timeout, threads=1, limits=limits)
    )


async def failure(step: Step, call: Call, patience: float = 10.0) -> JobServiceError:
    with RawServer([step]) as server:
        async with service(server, patience) as client:
            with pytest.raises(JobServiceError) as caught:
                await call(client)
        assert len(server.received) == 1
    return caught.value


ROWS: list[tuple[str, int, object, type[JobServiceError]]] = [
    ("get", 404, error(404, "NOT_FOUND", "Field: name Error: The specified job was not found."), NotFound),
    ("cancel", 404, error(404, "NOT_FOUND", "none", v1_reason="notFound"), NotFound),
    ("get", 404, HTML, Unavailable),
    ("get", 404, b"", Unavailable),
    ("create", 404, error(404, "NOT_FOUND", "Requested entity was not found."), ProjectNotFound),
    ("create", 404, HTML, Unavailable),
    ("create", 409, error(409, "ALREADY_EXISTS", TAKEN), AlreadyExists),
    ("create", 409, error(409, "ALREADY_EXISTS", TAKEN, v1_reason="alreadyExists"), AlreadyExists),
    ("create", 409, error(409, "ABORTED", "Try again."), Unavailable),
    ("create", 409, HTML, Unavailable),
    ("create", 412, error(412, "FAILED_PRECONDITION", "no"), Rejected),
    ("patch", 409, error(409, "ABORTED", "The etag is stale."), StaleEtag),
    ("patch", 412, error(412, "FAILED_PRECONDITION", "stale", v1_reason="conditionNotMet"), StaleEtag),
    ("setIamPolicy", 409, error(409, "ABORTED", "There were concurrent policy changes."), StaleEtag),
    ("setIamPolicy", 412, error(412, "ABORTED", "stale"), StaleEtag),
    ("cancel", 409, error(409, "ABORTED", "busy"), Unavailable),
    ("get", 409, error(409, "ABORTED", "busy"), Unavailable),
    ("create", 429, error(429, "RESOURCE_EXHAUSTED", "Quota failure for project p.", QUOTA), Throttled),
    ("list", 429, HTML, Throttled),
    ("list", 403, error(403, "PERMISSION_DENIED", "Rate", v1_reason="rateLimitExceeded"), Throttled),
    ("list", 403, error(403, "PERMISSION_DENIED", "Rate", v1_reason="userRateLimitExceeded"), Throttled),
    ("list", 403, error(403, "RESOURCE_EXHAUSTED", "Rate"), Throttled),
    ("list", 403, error(403, "PERMISSION_DENIED", "Rate", RATE), Throttled),
    ("create", 403, error(403, "PERMISSION_DENIED", "Permission denied on resource project p."), Denied),
    ("create", 403, HTML, Denied),
    ("get", 401, error(401, "UNAUTHENTICATED", "Request had invalid credentials."), Denied),
    ("get", 407, HTML, Denied),
    ("create", 400, error(400, "INVALID_ARGUMENT", REGION, BAD_REGION), Rejected),
    ("create", 400, error(400, "INVALID_ARGUMENT", REGION, v1_reason="badRequest"), Rejected),
    ("create", 400, HTML, Unavailable),
    ("cancel", 400, error(400, "FAILED_PRECONDITION", "The job has already ended."), Rejected),
    ("create", 405, error(405, "UNIMPLEMENTED", "no"), Rejected),
    ("create", 413, error(413, "INVALID_ARGUMENT", "too large"), Rejected),
    ("create", 408, error(408, "DEADLINE_EXCEEDED", "slow"), Unavailable),
    ("create", 499, error(499, "CANCELLED", "gone"), Unavailable),
    ("create", 500, error(500, "INTERNAL", "Internal error encountered."), Unavailable),
    ("create", 502, HTML, Unavailable),
    ("get", 503, error(503, "UNAVAILABLE", "The service is currently unavailable."), Unavailable),
    ("get", 504, b"", Unavailable),
    ("create", 302, b"", Unavailable),
    ("create", 308, b"", Unavailable),
    ("get", 301, b"", Unavailable),
    ("get", 304, b"", Unavailable),
    ("create", 200, HTML, Unavailable),
    ("create", 200, b"", Unavailable),
    ("create", 200, b'{"jobId": "j", "sta', Unavailable),
    ("create", 200, b"\xff\xfe\xfa", Unavailable),
    ("create", 200, [], Unavailable),
    ("create", 200, {}, Unavailable),
    ("cancel", 200, HTML, Unavailable),
    ("get", 200, {"jobId": 5}, Unavailable),
    ("get", 200, {"jobId": "j", "labels": {"a": 1}}, Unavailable),
    ("list", 200, {"jobs": {}}, Unavailable),
    ("list", 200, {"jobs": ["j"]}, Unavailable),
    ("list", 200, {"nextPageToken": 1}, Unavailable),
    ("testIamPermissions", 200, {"permissions": "all"}, Unavailable),
    ("get", 500, {"error": {"message": 5}}, Unavailable),
    ("get", 404, {"error": {"message": 5}}, Unavailable),
    ("get", 400, b"[" * 100_000, Unavailable),
    ("get", 200, b"[" * 100_000, Unavailable),
]


@pytest.mark.parametrize(("method", "status", "body", "kind"), ROWS)
async def test_an_answer_becomes_an_error(
    method: str, status: int, body: object, kind: type[JobServiceError]
) -> None:
    result = await failure(answer(status, body, headers={"Location": "/elsewhere"}), CALLS[method])
    assert type(result) is kind
    assert result.status == status
    if isinstance(body, dict) and status != 200 and isinstance(body["error"]["message"], str):
        assert result.message == body["error"]["message"]
    else:
        assert f"ml.projects.jobs.{method}" in result.message


DELETED = "Project #123456 has been deleted."


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (401, error(401, "UNAUTHENTICATED", "Request had invalid credentials."), Denial.CREDENTIALS),
        (407, HTML, Denial.PROXY),
        (403, HTML, Denial.UNKNOWN),
        (403, error(403, "PERMISSION_DENIED", "The caller does not have permission"), Denial.UNKNOWN),
        (403, error(403, "PERMISSION_DENIED", "no", v1_reason="forbidden"), Denial.UNKNOWN),
        (403, error(403, "PERMISSION_DENIED", DELETED), Denial.PROJECT),
        (403, error(403, "PERMISSION_DENIED", DELETED, v1_reason="forbidden"), Denial.PROJECT),
        (403, error(403, "PERMISSION_DENIED", "no", v1_reason="accessNotConfigured"), Denial.API),
        *(
            (403, error(403, "PERMISSION_DENIED", "no", {"@type": INFO, "reason": reason}), cause)
            for reason, cause in (
                ("IAM_PERMISSION_DENIED", Denial.PERMISSION),
                ("CONSUMER_INVALID", Denial.PROJECT),
                ("CONSUMER_SUSPENDED", Denial.PROJECT),
                ("SERVICE_DISABLED", Denial.API),
                ("BILLING_DISABLED", Denial.BILLING),
                ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", Denial.CREDENTIALS),
                ("SECURITY_POLICY_VIOLATED", Denial.POLICY),
                ("SOMETHING_NEW", Denial.UNKNOWN),
            )
        ),
    ],
)
async def test_a_denial_says_what_is_missing(status: int, body: object, cause: Denial) -> None:
    result = await failure(answer(status, body), CALLS["create"])
    assert isinstance(result, Denied)
    assert result.cause is cause
    assert result.remedy.endswith(".")


@pytest.mark.parametrize("details", [(BAD_REGION,), ()])
async def test_violations_reach_the_caller(details: tuple[object, ...]) -> None:
    result = await failure(answer(400, error(400, "INVALID_ARGUMENT", REGION, *details)), CALLS["create"])
    assert isinstance(result, Rejected)
    assert result.violations == (Violation("region", "The provided GCE region 'x' is not available."),)


async def test_retry_after_reaches_the_caller() -> None:
    step = answer(429, error(429, "RESOURCE_EXHAUSTED", "Quota"), headers={"Retry-After": "2"})
    result = await failure(step, CALLS["create"])
    assert isinstance(result, Throttled)
    assert result.retry_after == 2.0


CUT = raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{}")
CUT_ERROR = raw(b'HTTP/1.1 404 No\r\nContent-Length: 100\r\n\r\n{"error": {"message": "x"}}')
CHUNKS = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
NOT_GZIP = answer(200, b"plain", headers={"Content-Encoding": "gzip"})
CHALLENGE = answer(401, b"", headers={"WWW-Authenticate": '"'})


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (drop, "not known"),
        (reset, "not known"),
        (CUT, "not known"),
        (CUT_ERROR, "not known"),
        (CHUNKS, "not known"),
        (NOT_GZIP, "not known"),
        (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "not known"),
        (raw(b"HTTP/1.1 200"), ""),
        (raw(b"HTTP/1.1 abc OK\r\n\r\n"), "not known"),
        (raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n"), "not known"),
        (raw(b"HTTP/1.1 102 Processing\r\n\r\n"), ""),
        (CHALLENGE, ""),
    ],
)
@pytest.mark.parametrize("method", ["create", "get"])
async def test_a_broken_exchange_is_unavailable(method: str, step: Step, words: str) -> None:
    result = await failure(step, CALLS[method])
    assert type(result) is Unavailable
    assert words in result.message


@pytest.mark.parametrize("step", [hang, trickle])
@pytest.mark.parametrize("method", ["create", "get"])
async def test_a_slow_exchange_ends_with_the_time_out(method: str, step: Step) -> None:
    result = await failure(step, CALLS[method], patience=0.3)
    assert type(result) is Unavailable
    assert "whether it was applied is not known" in result.message


async def test_a_refused_connection_says_that_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with open_job_service(Access(endpoint=f"http://127.0.0.1:{port}", anonymous=True)) as client:
        with pytest.raises(Unavailable, match=r"was not sent: cannot connect to 127\.0\.0\.1") as caught:
            await client.create("p", {"jobId": "j"})
    assert caught.value.status == 0


async def test_an_unknown_host_says_that_nothing_was_sent() -> None:
    async with open_job_service(Access(endpoint="http://mljobs.invalid", anonymous=True)) as client:
        with pytest.raises(Unavailable, match="was not sent"):
            await client.get("p", "j")


async def test_a_server_without_tls_is_unavailable() -> None:
    def speak_first() -> None:
        sock, _ = listener.accept()
        with sock:
            sock.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
            sock.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        speaking = asyncio.to_thread(speak_first)
        async with open_job_service(Access(endpoint=endpoint, anonymous=True, timeout=10)) as client:
            with pytest.raises(Unavailable, match="was not sent"):
                await asyncio.gather(client.get("p", "j"), speaking)


async def test_a_pause_is_kept_before_the_next_request() -> None:
    waits: list[tuple[str, float]] = []
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo"}
    steps = [
        answer(429, error(429, "RESOURCE_EXHAUSTED", "Quota", {**delay, "retryDelay": "0.05s"})),
        answer(200, {"jobId": "j"}),
        answer(429, error(429, "RESOURCE_EXHAUSTED", "Quota", {**delay, "retryDelay": "3600s"})),
    ]
    with RawServer(steps) as server:
        async with open_job_service(
            Access(endpoint=server.url, anonymous=True, timeout=10, on_wait=lambda *wait: waits.append(wait))
        ) as client:
            with pytest.raises(Throttled):
                await client.create("p", {"jobId": "j"})
            await client.create("p", {"jobId": "j"})
            assert [method for method, _ in waits] == ["ml.projects.jobs.create"]
            with pytest.raises(Throttled):
                await client.create("p", {"jobId": "j"})
            with pytest.raises(Throttled, match="nothing was sent"):
                await client.create("p", {"jobId": "j"})
            await client.get("p", "j")  # is counted apart
        assert [request.method for request in server.received] == ["POST", "POST", "POST", "GET"]


@pytest.mark.parametrize("name", ["", "a/b", "a?b", "a#b", "..", "a b", "j\n", "{j}", "%2e"])
async def test_a_name_that_bends_the_url_is_never_sent(name: str) -> None:
    with RawServer() as server:
        async with service(server) as client:
            with pytest.raises(Rejected, match="job_id: ") as caught:
                await client.cancel("p", name)
            assert caught.value.violations[0].field == "job_id"
            with pytest.raises(Rejected, match="project_id: "):
                await client.create(name, {"jobId": "j"})
        assert server.received == []


async def test_a_job_that_is_no_json_is_never_sent() -> None:
    with RawServer() as server:
        async with service(server) as client:
            with pytest.raises(Rejected, match="cannot be written"):
                await client.create("p", {"jobId": object()})
        assert server.received == []


@pytest.mark.parametrize("method", list(CALLS))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    status=st.integers(100, 599).filter(lambda status: status != 100),
    body=st.binary(max_size=40)
    | st.sampled_from([b"{}", b'{"error": 1}', b'{"jobId": "j"}', b'{"jobs": 1}']),
    content=st.sampled_from(["", "Content-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\n"]),
)
async def test_any_answer_is_a_result_or_an_error_of_the_tree(
    method: str, status: int, body: bytes, content: str
) -> None:
    head = f"HTTP/1.1 {status} Any\r\n{content}Content-Length: {len(body)}\r\n\r\n".encode()
    with RawServer(rest=raw(head + body)) as server:
        async with service(server) as client:
            try:
                await CALLS[method](client)
            except JobServiceError as error:
                assert error.message  # noqa: PT017  # the error is one of two legal outcomes
        assert len(server.received) == 1


async def test_the_answers_share_their_names() -> None:
    """Names are most of what thousands of jobs take in memory."""
    job = {"jobId": "j", "state": "QUEUED", "trainingInput": {"region": "us-central1"}}
    with RawServer(rest=answer(200, job)) as server:
        async with open_job_service(Access(endpoint=server.url, anonymous=True, timeout=10)) as client:
            one, other = [await client.get("p", "j") for _ in range(2)]
    assert one == other == job
    assert [name is again for name, again in zip(one, other, strict=True)] == [True] * len(job)


async def test_a_page_in_place_of_an_answer_is_quoted() -> None:
    with RawServer([answer(200, HTML)]) as server:
        async with open_job_service(Access(endpoint=server.url, anonymous=True, timeout=10)) as client:
            with pytest.raises(Unavailable, match="That's an error"):
                await client.get("p", "j")
