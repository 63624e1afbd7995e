import asyncio
import socket
from urllib.parse import urlsplit

import aiohttp
import pytest

from mljobs.controller.process.health import Health, Heartbeat, LivenessCheck
from mljobs.controller.process.metrics import Metrics
from mljobs.controller.process.serve import CannotServe, serve


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_part_is_stuck_after_its_limit_and_alive_again_after_a_beat() -> None:
    clock = Clock()
    health = Health()
    heartbeat = Heartbeat(clock)
    health.checks = [
        LivenessCheck("the watch", Heartbeat(clock).silence, 100),
        LivenessCheck("the poller", heartbeat.silence, 10),
    ]
    clock.now = 10
    assert health.failure() == ""
    clock.now = 11
    assert health.failure() == "the poller has made no progress for 11 s"
    heartbeat.beat()
    assert health.failure() == ""
    clock.now = 101
    assert health.failure().startswith("the watch has made no progress")


def test_ready_is_who_has_got_every_list() -> None:
    health = Health()
    health.watching.set()
    health.watches = [Heartbeat(), Heartbeat()]
    health.watches[0].answered = True
    assert not health.ready
    health.watches[1].answered = True
    assert health.ready


def test_who_waits_for_what_cannot_come_is_ready_if_there_is_something_else_to_do() -> None:
    health = Health()
    health.watching.set()
    health.watches = [Heartbeat(), Heartbeat()]
    health.watches[0].excused = True
    assert not health.ready
    health.watches[1].answered = True
    assert health.ready
    health.watches[1].excused = True
    assert not health.ready


@pytest.mark.parametrize(
    ("standby", "watching", "ready"), [(False, False, 503), (True, False, 200), (False, True, 200)]
)
async def test_the_probes(standby: bool, watching: bool, ready: int) -> None:
    health, metrics = Health(), Metrics()
    health.standby = standby
    if watching:
        health.watching.set()
    clock = Clock()
    health.checks = [LivenessCheck("the poller", Heartbeat(clock).silence, 1)]
    async with (
        serve(health, metrics, host="127.0.0.1", port=0) as url,
        aiohttp.ClientSession() as session,
    ):

        async def get(path: str) -> tuple[int, str]:
            async with session.get(f"{url}/{path}") as answer:
                return answer.status, await answer.text()

        assert await get("healthz") == (200, "ok\n")
        assert (await get("readyz"))[0] == ready
        clock.now = 2
        assert await get("healthz") == (500, "the poller has made no progress for 2 s\n")
        metrics.cloud_request("ml.projects.jobs.get", "200", 0.1)
        status, text = await get("metrics")
        assert status == 200
        assert 'mljobs_cloud_requests_total{code="200",method="ml.projects.jobs.get"} 1.0' in text
    await asyncio.sleep(0)


HOSTS = {
    "::": ["127.0.0.1", "[::1]"],
    "0.0.0.0": ["127.0.0.1"],  # noqa: S104
    "::1": ["[::1]"],
    "127.0.0.1": ["127.0.0.1"],
    "localhost": ["localhost"],
}


@pytest.mark.parametrize("host", HOSTS)
async def test_where_it_listens(host: str) -> None:
    async with serve(Health(), Metrics(), host=host, port=0) as url, aiohttp.ClientSession() as session:
        parts = urlsplit(url)
        assert f"{parts.scheme}://{HOSTS[host][0]}:{parts.port}" == url
        for name in HOSTS[host]:
            async with session.get(f"http://{name}:{parts.port}/healthz") as answer:
                assert answer.status == 200


async def test_where_there_is_no_ipv6_it_listens_everywhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    async with serve(Health(), Metrics(), host="::", port=0) as url, aiohttp.ClientSession() as session:
        async with session.get(f"{url}/healthz") as answer:
            assert answer.status == 200
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"http://[::1]:{urlsplit(url).port}/healthz")


@pytest.mark.parametrize("host", ["::", "127.0.0.1"])
async def test_a_port_that_somebody_has_is_named(host: str) -> None:
    async with serve(Health(), Metrics(), host=host, port=0) as url:
        port = urlsplit(url).port or 0
        with pytest.raises(CannotServe, match=rf"host '{host}', port {port}: .*; set other ones"):
            async with serve(Health(), Metrics(), host=host, port=port):
                pass
