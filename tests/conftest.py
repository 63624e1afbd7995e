"""Files whose tests wait longest begin first, so that those that run at once end together."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import uvloop

LoopFactories = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]

LONGEST = [Path(__file__).parent / folder for folder in ("faults", "e2e/chart", "e2e", "model")]
"""Folders, the slowest first; all others come after them."""


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> LoopFactories:
    """Run coroutines on the loop that the operator runs on."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    by_path = {path: _rank(path) for path in {item.path for item in items}}
    items.sort(key=lambda item: by_path[item.path])  # which keeps the tests of a file together


def _rank(path: Path) -> int:
    found = (number for number, folder in enumerate(LONGEST) if path.is_relative_to(folder))
    return next(found, len(LONGEST))
