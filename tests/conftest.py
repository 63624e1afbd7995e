"""Files whose tests wait longest begin first, so that those that run at once end together."""

from pathlib import Path

import pytest

LONGEST = [Path(__file__).parent / folder for folder in ("faults", "e2e/chart", "e2e", "model")]
"""Folders, the slowest first; all others come after them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    by_path = {path: _rank(path) for path in {item.path for item in items}}
    items.sort(key=lambda item: by_path[item.path])  # which keeps the tests of a file together


def _rank(path: Path) -> int:
    found = (number for number, folder in enumerate(LONGEST) if path.is_relative_to(folder))
    return next(found, len(LONGEST))
