"""No module is too long to be read in one go."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ["operator", "dev", "tools", "tests", "bench", "release", "docs"]
LINES = 500


def modules() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob("*.py")


def test_modules_stay_short() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    assert len(lengths) > 100, "the folders have moved"
    long = {name: length for name, length in lengths.items() if length >= LINES}
    assert not long, f"split them along their seams, they have {LINES} lines or more: {long}"
