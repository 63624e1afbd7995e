"""Reads the values of flags as gcloud writes them: lists, maps, accelerators, lengths of time."""

import re
from collections.abc import Sequence

_DURATION = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+(?:\.[0-9]{1,9})?)s?)?")


def items(text: str) -> list[str]:
    """Split `a,b`; `^:^a,b:c` splits at another separator, as gcloud's own escape does.

    Raises:
        ValueError: an item is empty; one separator at the end is none.
    """
    separator = ","
    if text.startswith("^") and text.find("^", 1) > 1:
        separator, _, text = text[1:].partition("^")
    found = text.removesuffix(separator).split(separator) if text else []
    if not all(found):
        raise ValueError(f"there is nothing between two {separator!r}")
    return found


def pairs(text: str) -> dict[str, str]:
    """Split `key=value,key=value`.

    Raises:
        ValueError: an item has no `=`, or a key is given twice.
    """
    found: dict[str, str] = {}
    for item in items(text):
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ValueError(f"{item!r} must be KEY=VALUE")
        if key in found:
            raise ValueError(f"the key {key!r} is given twice")
        found[key] = value
    return found


def labels(texts: Sequence[str]) -> dict[str, str]:
    """Read `key=value,key=value` of each of several flags.

    Raises:
        ValueError: as of `pairs`, or a key is in two of them.
    """
    found: dict[str, str] = {}
    for text in texts:
        more = pairs(text)
        for key in more.keys() & found.keys():
            raise ValueError(f"the key {key!r} is given twice")
        found |= more
    return found


def boolean(text: str) -> bool | str:
    """Read `true` or `yes`, `false` or `no`, in any case; anything else stays as it is."""
    return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower(), text)


def count(text: str) -> str:
    """Read a number of replicas; other texts are kept.

    Raises:
        ValueError: it is less than 1.
    """
    if re.fullmatch(r"-?[0-9]+", text) and int(text) < 1:
        raise ValueError("must be at least 1")
    return text


def folder(text: str) -> str:
    """Take a path in Cloud Storage; a bucket alone gets its slash, as gcloud sends it.

    Raises:
        ValueError: it is empty.
    """
    if not text:
        raise ValueError("must be gs://BUCKET/FOLDER")
    return f"{text}/" if re.fullmatch(r"gs://[^/]+", text) else text


def account(text: str) -> str:
    """Take a service account's e-mail address.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text):
        raise ValueError("must be an e-mail address, such as NAME@PROJECT.iam.gserviceaccount.com")
    return text


def project(text: str) -> str:
    """Take a project's id.

    Raises:
        ValueError: it is empty.
    """
    if not text:
        raise ValueError("must be a project's id")
    return text


def unless_empty(text: str) -> str | None:
    """A text, or None for one that says nothing."""
    return text or None


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
