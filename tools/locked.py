"""The dependencies at run time, as `requirements/runtime.txt` locks them."""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements" / "runtime.txt"

_LINE = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\\n]+?))? \\$", re.MULTILINE
)


@dataclass(frozen=True, order=True)
class Locked:
    """One locked dependency.

    Attributes:
        name: in its canonical spelling.
        version: the only one that is installed.
        marker: where it is needed; empty: everywhere.
    """

    name: str
    version: str
    marker: str = ""

    @property
    def pin(self) -> str:
        """Name and version, as the lock spells them."""
        return f"{self.name}=={self.version}"


def locked(text: str | None = None) -> list[Locked]:
    """Read the lock, sorted by name.

    Args:
        text: its content; None: that of the repository's file.

    Raises:
        ValueError: a line is neither a pinned dependency nor one of its hashes.
    """
    content = LOCK.read_text("utf-8") if text is None else text
    rows = [line for line in content.splitlines() if line and not line.startswith(("#", "    --hash="))]
    found = [
        Locked(canonicalize_name(match["name"]), match["version"], match["marker"] or "")
        for match in _LINE.finditer(content)
    ]
    if len(found) != len(rows):
        raise ValueError(f"the lock has {len(rows)} entries, of which {len(found)} are pinned with hashes")
    return sorted(found)
