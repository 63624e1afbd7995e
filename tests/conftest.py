"""Files whose tests wait longest begin first, so that those that run at once end together."""

from pathlib import Path

import pytest

LONGEST = [Path(__file__).parent / folder for folder in ("faults", "e2e/chart", "e2e", "model")]
"""Folders, the slowest first; all others come after them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)  # which keeps the tests of a file together


def _rank(item: pytest.Item) -> int:
    found = (number for number, folder in enumerate(LONGEST) if item.path.is_relative_to(folder))
    return next(found, len(LONGEST))
