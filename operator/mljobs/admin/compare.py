"""The requests that one description makes of several services, side by side for people."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

LAST = "labels"
"""Shown last: what a request is about goes first, whatever the service calls it."""

BORDER = " │ "


def side_by_side(left: tuple[str, Sequence[str]], right: tuple[str, Sequence[str]]) -> Iterator[str]:
    """Two columns of lines: those with the same value face each other, though their fields' names differ.

    Args:
        left: the column's head, and its lines; see `lines`.
        right: the other's.
    """
    width = max(map(len, (left[0], *left[1])), default=0)
    rows = [(left[0], right[0]), ("─" * width, "─" * max(map(len, (right[0], *right[1])), default=0))]
    for one, other in (*rows, *_paired(left[1], right[1])):
        yield f"{one:<{width}}{BORDER}{other}".rstrip(" ")


def lines(line: str, body: Mapping[str, Any]) -> list[str]:
    """A request as lines: that of the call, and a field in each of the others, as YAML has them."""
    from mljobs.console.documents import writing

    ordered = dict(sorted(body.items(), key=lambda item: item[0] == LAST))
    return [line, *writing.dump([ordered]).rstrip("\n").splitlines()]


def _paired(left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[str, str]]:
    matcher = SequenceMatcher(None, [_value(line) for line in left], [_value(line) for line in right], False)
    for word, start, end, begin, stop in matcher.get_opcodes():
        if word == "equal":
            yield from zip(left[start:end], right[begin:stop], strict=True)
            continue
        yield from ((line, "") for line in left[start:end])
        yield from (("", line) for line in right[begin:stop])


def _value(line: str) -> str:
    """What has to be the same in lines that face each other: the value, or the name of what has none."""
    text = line.strip().removeprefix("- ")
    if text.startswith("POST "):
        return "POST"
    name, colon, value = text.partition(": ")
    return value if colon and value else name
