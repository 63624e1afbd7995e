"""What `mljobs plan` is given: a file, and the descriptions in it."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mljobs.console.documents.reading import Document


class Usage(Exception):
    """The command cannot begin; the message says why."""


def text_of(file: str) -> str:
    """The text of a file, or of standard input for `-`.

    Raises:
        Usage: it cannot be read.
    """
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except OSError as error:
        raise Usage(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Usage(f"cannot read {file}: it is not UTF-8 ({error.reason} at byte {error.start})") from None


def documents(text: str, kind: str | None) -> list[tuple[int, "Document"]]:
    """The descriptions of jobs and schedules in a text, each with its number there.

    Args:
        text: YAML or JSON.
        kind: of what does not say so itself.

    Raises:
        Usage: they cannot be read, or there is none.
    """
    from mljobs.api.resources import KINDS
    from mljobs.console.documents import reading
    from mljobs.console.documents.loaded import Unreadable
    from mljobs.domain.spec.problems import printable

    if kind is not None and kind not in KINDS:
        raise Usage(f"--kind {kind}: must be one of {', '.join(KINDS)}")
    try:
        found = list(enumerate(reading.documents(text), start=1))
    except Unreadable as error:
        raise Usage(f"cannot read the description: {error}") from None
    for number, document in found:
        if _is_foreign(document.value):
            other = printable(document.value["kind"])
            print(f"note: document {number}, {other}: not ours, skipped", file=sys.stderr)
    ours = [(number, document) for number, document in found if not _is_foreign(document.value)]
    if not ours:
        raise Usage(f"nothing to plan: the input has no {' or '.join(KINDS)}")
    return ours


def _is_foreign(document: Mapping[str, Any]) -> bool:
    """Whether this is another program's resource, such as a ConfigMap in the same file."""
    from mljobs.api.resources import GROUP, KINDS

    version, kind = document.get("apiVersion"), document.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        return False
    return kind not in KINDS and version.split("/")[0] != GROUP
