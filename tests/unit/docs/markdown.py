"""The code blocks, links and headings of the documentation's pages."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"

_FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL
)
_SPAN = re.compile(r"(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)")


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        page: the file, relative to the repository.
        heading: the last heading before it.
        language: the word after the fence.
        text: what is in it.
    """

    page: str
    heading: str
    language: str
    text: str

    @property
    def manifests(self) -> list[dict[str, Any]]:
        """The Kubernetes objects in it; none where it is something else."""
        if self.language not in ("yaml", "json"):
            return []
        found = list(yaml.safe_load_all(self.text))
        return [one for one in found if isinstance(one, dict) and "apiVersion" in one and "kind" in one]


def pages() -> list[Path]:
    """All pages, generated ones and the README included."""
    built = DOCS / "_build"
    return [ROOT / "README.md", *(page for page in sorted(DOCS.rglob("*.md")) if built not in page.parents)]


def blocks(page: Path) -> Iterator[Block]:
    """The code blocks of a page, in order."""
    text = page.read_text("utf-8")
    for match in _FENCE.finditer(text):
        headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text[: match.start()]), re.MULTILINE)
        heading = headings[-1] if headings else ""
        yield Block(str(page.relative_to(ROOT)), heading, match["language"].strip(), match["text"])


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def links(page: Path) -> list[tuple[str, str]]:
    """The links of a page, each as its file and its anchor; code is no link, whatever it looks like."""
    found = re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", _SPAN.sub("", prose(page)))
    return [(str(file), str(anchor)) for file, anchor in found]
