"""The real client against an emulator in this process, whose clock the tests turn."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from mljobs.backends import MLV1, Access, Limits, Terms, service_named
from mljobs.backends.mlv1.backend import MlV1
from mljobs_dev.emulator.control import Emulator
from mljobs_dev.emulator.server import serving
from tests.unit.controller.leases import Clock, Leases


class Turned:
    """A clock that only moves when it is turned; seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Cloud:
    backend: MlV1
    url: str
    clock: Turned
    session: aiohttp.ClientSession = field(repr=False)

    async def control(self, verb: str, path: str, body: Any = None) -> Any:
        async with self.session.request(verb, f"{self.url}/_emulator/{path}", json=body) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def effects(self) -> list[tuple[str, str]]:
        """The requests so far: last word of the method, and job id."""
        ledger = await self.control("GET", "ledger")
        return [(row["method"].rsplit(".", 1)[1], row["jobId"]) for row in ledger["effects"]]

    async def fault(self, **fault: Any) -> None:
        await self.control("POST", "faults", [fault])


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    clock = Turned()
    async with serving(Emulator(monotonic=clock)) as url, aiohttp.ClientSession() as session:
        access = Access(endpoint=url, anonymous=True, timeout=5, limits=Limits(0, 0))
        async with service_named(MLV1).open(access, Terms()) as backend:
            assert isinstance(backend, MlV1)
            yield Cloud(backend, url, clock, session)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Leases:
    return Leases()
