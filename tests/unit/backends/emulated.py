"""The emulator as the tests of both services' clients drive it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from mljobs.domain.port import Job


async def control(url: str, verb: str, path: str, body: object = None) -> Any:
    """Send a request to the emulator's control surface; gives the answer's JSON."""
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.request(verb, f"{url}/_emulator/{path}", json=body) as answer,
    ):
        return await answer.json()


async def until_ended(read: Callable[[], Awaitable[Job]]) -> Job:
    """Read a job until it has ended."""
    async with asyncio.timeout(60):
        while not (found := await read()).ended:  # noqa: ASYNC110 (a service can only be asked)
            await asyncio.sleep(0.01)
    return found
