from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.controller.kube.support_access import FakeApiServer, FakePlugin, api_server


@pytest.fixture
def plugin(tmp_path: Path) -> FakePlugin:
    """A credential plugin."""
    return FakePlugin(tmp_path)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FakeApiServer]:
    """An API server over TLS."""
    async with api_server(tmp_path) as running:
        yield running
