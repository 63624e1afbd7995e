"""Requests on threads of their own: transports are not shared, the loop never waits, the end is bounded."""

import asyncio
import gc
import threading
from collections.abc import Callable

import pytest

from mljobs.backends import Access, Limits, open_job_service
from mljobs.backends.mlv1.client import MlV1Client
from mljobs.domain.errors import Unavailable
from tests.unit.backends.raw_server import RawServer, answer, gate, hang, trickle

JOB = {"jobId": "j", "state": "QUEUED"}
NO_LIMITS = Limits(creates_per_minute=0, others_per_minute=0)


def service(server: RawServer, *, threads: int = 8, timeout: float = 20) -> MlV1Client:
    return open_job_service(
        Access(endpoint=server.url, anonymous=True, timeout=timeout, threads=threads, limits=NO_LIMITS)
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what it waits for happens in other threads
            await asyncio.sleep(0.002)


async def test_calls_at_once_have_a_connection_each() -> None:
    opened = threading.Event()
    with RawServer(rest=gate(opened, answer(200, JOB))) as server:
        async with service(server, threads=8) as client:
            calls = [asyncio.create_task(client.get("p", f"j{n}")) for n in range(20)]
            await until(lambda: len(server.received) == 8)
            assert {request.connection for request in server.received} == set(range(8))
            opened.set()
            await asyncio.gather(*calls)
        assert server.connections == 8
        assert len({request.path for request in server.received}) == 20


async def test_background_calls_leave_half_of_the_threads_to_others() -> None:
    opened = threading.Event()
    with RawServer(rest=gate(opened, answer(200, JOB))) as server:
        async with service(server, threads=4) as client:
            polls = [asyncio.create_task(client.get("p", f"poll{n}", background=True)) for n in range(20)]
            await until(lambda: len(server.received) == 2)
            others = [asyncio.create_task(client.get("p", f"other{n}")) for n in range(2)]
            await until(lambda: len(server.received) == 4)
            assert sum("other" in request.path for request in server.received) == 2
            opened.set()
            await asyncio.gather(*polls, *others)
        assert len(server.received) == 22


async def test_the_oldest_request_tells_how_long_its_thread_is_held() -> None:
    opened = threading.Event()
    with RawServer(rest=gate(opened, answer(200, JOB))) as server:
        async with service(server, threads=1) as client:
            assert client.longest() == 0
            calls = [asyncio.create_task(client.get("p", f"j{n}")) for n in range(2)]
            await until(lambda: len(server.received) == 1)
            before = client.longest()
            await until(lambda: client.longest() > before > 0)
            opened.set()
            await asyncio.gather(*calls)
            assert client.longest() == 0


async def test_the_loop_runs_on_while_a_request_waits() -> None:
    opened = threading.Event()
    with RawServer(rest=gate(opened, answer(200, JOB))) as server:
        async with service(server) as client:
            call = asyncio.create_task(client.get("p", "j"))
            await until(lambda: len(server.received) == 1)
            for _ in range(100):  # a hundred turns of the loop while the server says nothing
                await asyncio.sleep(0)
            assert not call.done()
            opened.set()
            assert (await call)["state"] == "QUEUED"


async def test_a_cancelled_caller_leaves_its_request_running() -> None:
    opened = threading.Event()
    with RawServer([gate(opened, answer(200, JOB))]) as server:
        async with service(server, threads=1) as client:
            call = asyncio.create_task(client.create("p", JOB))
            await until(lambda: len(server.received) == 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            opened.set()
            assert (await client.get("p", "j"))[
                "jobId"
            ] == "j"  # on the same connection, its turn after the create
        assert [(r.connection, r.method) for r in server.received] == [(0, "POST"), (0, "GET")]


async def test_a_cancelled_caller_in_the_queue_sends_nothing() -> None:
    opened = threading.Event()
    with RawServer(rest=gate(opened, answer(200, JOB))) as server:
        async with service(server, threads=1) as client:
            first = asyncio.create_task(client.get("p", "first"))
            await until(lambda: len(server.received) == 1)
            second = asyncio.create_task(client.create("p", JOB))
            await asyncio.sleep(0)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            opened.set()
            await first
            await client.get("p", "third")
        assert [request.method for request in server.received] == ["GET", "GET"]


async def test_close_waits_for_what_was_sent_and_refuses_the_rest() -> None:
    opened = threading.Event()
    with RawServer(rest=gate(opened, answer(200, JOB))) as server:
        client = service(server, threads=1)
        sent = asyncio.create_task(client.create("p", JOB))
        await until(lambda: len(server.received) == 1)
        queued = asyncio.create_task(client.get("p", "j"))
        await asyncio.sleep(0)
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(0)
        opened.set()
        await closing
        assert (await sent)["jobId"] == "j"
        with pytest.raises(Unavailable, match="closed before the request was sent"):
            await queued
        with pytest.raises(Unavailable, match="closed: nothing was sent"):
            await client.get("p", "j")
        assert len(server.received) == 1


@pytest.mark.parametrize("step", [hang, trickle])
async def test_close_breaks_off_what_does_not_end(step: Callable[..., bool]) -> None:
    with RawServer([step]) as server:
        client = service(server, threads=1, timeout=0.3)
        call = asyncio.create_task(client.get("p", "j"))
        await until(lambda: len(server.received) == 1)
        await client.close()
        with pytest.raises(Unavailable):
            await call
    await until(lambda: not _request_threads())


async def test_nothing_is_left_after_close() -> None:
    gc.collect()
    with RawServer() as server:
        async with service(server, threads=4) as client:
            await asyncio.gather(*(client.get("p", "j") for _ in range(8)))
            assert _request_threads()
        await until(lambda: not _request_threads())


async def test_an_overdue_request_does_not_break_the_next_one() -> None:
    with RawServer([trickle]) as server:
        async with service(server, threads=1, timeout=0.2) as client:
            with pytest.raises(Unavailable):
                await client.get("p", "j")
            assert (await client.get("p", "j"))["jobId"] == "j"


async def test_hooks_hear_of_each_call_and_cannot_break_one(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[tuple[str, str]] = []

    def on_request(method: str, code: str, seconds: float) -> None:
        assert seconds >= 0
        heard.append((method, code))
        raise ZeroDivisionError

    steps = [answer(200, JOB), answer(503, b""), lambda *_: False]
    with RawServer(steps) as server:
        async with open_job_service(
            Access(endpoint=server.url, anonymous=True, timeout=10, limits=NO_LIMITS, on_request=on_request)
        ) as client:
            assert (await client.get("p", "j"))["jobId"] == "j"
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await client.create("p", JOB)
    assert heard == [
        ("ml.projects.jobs.get", "200"),
        ("ml.projects.jobs.create", "503"),
        ("ml.projects.jobs.create", "none"),
    ]
    assert caplog.text.count("The hook for ml.projects.jobs.create failed") == 2


def _request_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("mljobs-request")]
