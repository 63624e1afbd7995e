"""Reads the values of flags as gcloud writes them: lists, maps, accelerators, lengths of time."""

import re

_DURATION = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+(?:\.[0-9]{1,9})?)s?)?")


def items(text: str) -> list[str]:
    """Split `a,b`; `^:^a,b:c` splits at another separator, as gcloud's own escape does."""
    separator = ","
    if text.startswith("^") and text.find("^", 1) > 1:
        separator, _, text = text[1:].partition("^")
    return [item for item in text.split(separator) if item]


def pairs(text: str) -> dict[str, str]:
    """Split `key=value,key=value`.

    Raises:
        ValueError: an item has no `=`, or a key stands there twice.
    """
    found: dict[str, str] = {}
    for item in items(text):
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ValueError(f"{item!r} must be KEY=VALUE")
        if key in found:
            raise ValueError(f"the key {key!r} stands there twice")
        found[key] = value
    return found


def accelerator(text: str) -> dict[str, str]:
    """Read `type=TYPE,count=COUNT`.

    Raises:
        ValueError: one of the two is missing, or there is another key.
    """
    found = pairs(text)
    if set(found) != {"type", "count"}:
        raise ValueError("must be type=TYPE,count=COUNT")
    return found


def seconds(text: str) -> float:
    """Read a length of time: `90`, `90s`, `1h30m`, `2d`.

    Raises:
        ValueError: it is none.
    """
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError("must be a length of time, such as 90s, 15m or 1h30m")
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def duration(text: str) -> str:
    """A length of time as the service writes it: `5400s`.

    Raises:
        ValueError: it is none.
    """
    return f"{seconds(text):.9f}".rstrip("0").rstrip(".") + "s"
