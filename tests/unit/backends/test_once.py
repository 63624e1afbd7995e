"""A request that changes something is sent once, whatever the connection does."""

import socket
import threading
import time

import httplib2
import pytest

from mljobs.backends import Access, Limits, open_job_service
from mljobs.backends.google import transport
from mljobs.backends.mlv1.client import MlV1Client
from mljobs.domain.errors import JobServiceError, Unavailable
from tests.unit.backends.raw_server import RawServer, Step, answer, drop, raw, reset

JOB = {"jobId": "j", "state": "QUEUED"}


def service(server: RawServer) -> MlV1Client:
    limits = Limits(creates_per_minute=0, others_per_minute=0)
    return open_job_service(Access(endpoint=server.url, anonymous=True, timeout=10, threads=1, limits=limits))


def test_httplib2_itself_sends_a_post_twice() -> None:
    """Why `OnceHttp` exists: once this fails, the library has stopped doing so."""
    with RawServer([drop, answer(200, JOB)]) as server:
        httplib2.Http(proxy_info=None, timeout=10).request(server.url, "POST", body="{}")
        assert [request.method for request in server.received] == ["POST", "POST"]


@pytest.mark.parametrize("breakage", [drop, reset, raw(b""), raw(b"HTTP/1.1 2"), raw(b"nonsense\r\n")])
@pytest.mark.parametrize("kept_alive", [False, True])
async def test_a_create_whose_answer_is_lost_is_sent_once(breakage: Step, kept_alive: bool) -> None:
    with RawServer([answer(200, JOB), breakage] if kept_alive else [breakage]) as server:
        async with service(server) as client:
            if kept_alive:
                await client.get("p", "j")
            with pytest.raises(Unavailable, match="not known"):
                await client.create("p", JOB)
        assert [request.method for request in server.received] == ["GET", "POST"] if kept_alive else ["POST"]
        assert {request.connection for request in server.received} == {0}


async def test_the_connection_is_kept_and_rebuilt_after_a_break() -> None:
    with RawServer([answer(200, JOB), answer(200, JOB), reset]) as server:
        async with service(server) as client:
            await client.get("p", "j")
            await client.get("p", "j")
            with pytest.raises(Unavailable):
                await client.get("p", "j")
            await client.create("p", JOB)
            await client.get("p", "j")
        assert [request.connection for request in server.received] == [0, 0, 0, 1, 1]


async def test_a_connection_with_an_answer_half_read_is_dropped() -> None:
    chunks = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", close=False)
    with RawServer([chunks]) as server:
        async with service(server) as client:
            with pytest.raises(Unavailable):
                await client.get("p", "j")
            await client.get("p", "j")
        assert [request.connection for request in server.received] == [0, 1]


async def test_the_guard_is_the_last_thing_before_a_request() -> None:
    seen: list[int] = []
    with RawServer() as server:

        def guard() -> None:
            deadline = time.monotonic() + 10
            while not server.connections:  # it is open already
                assert time.monotonic() < deadline
                time.sleep(0.001)
            seen.append(len(server.received))
            if len(seen) == 2:
                raise Unavailable("fenced")

        async with open_job_service(
            Access(endpoint=server.url, anonymous=True, threads=1, guard=guard)
        ) as client:
            await client.create("p", JOB)
            with pytest.raises(Unavailable, match=r"^fenced$"):
                await client.create("p", JOB)
            await client.get("p", "j")
        assert seen == [0, 1, 1]
        assert [request.method for request in server.received] == ["POST", "GET"]


async def test_a_connection_that_the_server_closed_is_not_written_to() -> None:
    with RawServer([answer(200, JOB, close=True)]) as server:
        async with service(server) as client:
            await client.get("p", "j")
            server.join_connection(0)
            await client.create("p", JOB)
        assert [(r.connection, r.method) for r in server.received] == [(0, "GET"), (1, "POST")]


async def test_a_connection_with_an_answer_nobody_asked_for_is_not_used() -> None:
    """A proxy's `408 Request Timeout` on an idle connection must not be taken for a create's answer."""
    answered, sent = threading.Event(), threading.Event()

    def unasked(sock: socket.socket, request: object) -> bool:
        sock.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"jobId": "j"}')
        assert answered.wait(10)
        sock.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        sent.set()
        return True

    with RawServer([unasked]) as server:
        async with service(server) as client:
            await client.get("p", "j")
            answered.set()
            assert sent.wait(10)
            await client.create("p", JOB)
        assert [r.connection for r in server.received] == [0, 1]


async def test_an_idle_connection_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "IDLE_LIMIT", -1.0)
    with RawServer() as server:
        async with service(server) as client:
            await client.get("p", "j")
            await client.create("p", JOB)
        assert [r.connection for r in server.received] == [0, 1]


async def test_a_connection_that_dies_while_a_long_request_is_written() -> None:
    """As behind a NAT that forgot it: the write fails half-way (BrokenPipe), and nothing is repeated."""

    def shut(sock: socket.socket, request: object) -> bool:
        sock.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"jobId": "j"}')
        sock.recv(1)  # the next request has begun: break it off with most of it unread
        return reset(sock, request)  # type: ignore[arg-type]

    with RawServer([shut]) as server:
        async with service(server) as client:
            await client.get("p", "j")
            with pytest.raises(Unavailable, match="not known"):
                await client.create("p", JOB | {"labels": {"x": "y" * 20_000_000}})
        assert server.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    with RawServer() as elsewhere, RawServer() as server:
        server.rest = answer(status, b"", headers={"Location": elsewhere.url})
        async with service(server) as client:
            for call in (client.create("p", JOB), client.get("p", "j"), client.cancel("p", "j")):
                with pytest.raises(Unavailable) as caught:
                    await call
                assert caught.value.status == status
        assert len(server.received) == 3
        assert elsewhere.received == []


@pytest.mark.parametrize("status", [401, 403, 408, 409, 412, 421, 425, 429, 500, 502, 503, 504])
async def test_no_status_brings_a_second_request(status: int) -> None:
    with RawServer(rest=answer(status, b"", headers={"Retry-After": "0"})) as server:
        async with service(server) as client:
            with pytest.raises(JobServiceError):
                await client.create("p", JOB)
            with pytest.raises(JobServiceError):
                await client.set_iam_policy("p", "j", {})
            with pytest.raises(JobServiceError):
                await client.patch_labels("p", "j", {}, "e")
            with pytest.raises(JobServiceError):
                await client.cancel("p", "j")
        assert [request.method for request in server.received] == ["POST", "POST", "PATCH", "POST"]
