"""Waiting for the Lease ends in one of three ways, and never in silence."""

from typing import Any

import pytest

from mljobs.controller.process.health import Health
from mljobs.controller.process.run import _elected
from mljobs.controller.process.stop import Stop


class Waiting:
    """Stands for a Lease."""

    def __init__(self, error: Exception | None = None) -> None:
        self.held = False
        self._error = error

    async def acquire(self) -> None:
        if self._error:
            raise self._error
        self.held = True


async def test_the_lease_is_held() -> None:
    lease: Any = Waiting()
    assert await _elected(lease, Health(), Stop())


async def test_a_failure_does_not_look_like_a_stop() -> None:
    lease: Any = Waiting(KeyError("metadata"))
    health = Health()
    with pytest.raises(RuntimeError, match="a task of the operator has failed"):
        await _elected(lease, health, Stop())
    assert not health.standby
