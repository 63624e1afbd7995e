"""`jobs.list`: the filter's dialect and page tokens."""

import base64
import binascii
import fnmatch
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mljobs_dev.emulator.errors import refused_field
from mljobs_dev.emulator.expressions import FilterError, Predicate, compile_filter
from mljobs_dev.emulator.schema import Message, ml_v1

PAGE_DEFAULT = 20
PAGE_LIMIT = 100
"""Jobs in a page (discovery document, `list.pageSize`)."""

_ORDER = {"<": -1, "<=": -1, ">": 1, ">=": 1}


def page_size(text: str) -> int:
    """How many jobs a page has; 0 is the default, and what is too much is cut.

    Raises:
        ApiError: 400 for what is no number, or below zero.
    """
    if not re.fullmatch(r"-?\d{1,9}", text or "0"):
        raise refused_field("page_size", f"The page size '{text}' should be an integer.")
    size = int(text or "0")
    if size < 0:
        raise refused_field("page_size", f"The page size {size} should not be negative.")
    return min(size, PAGE_LIMIT) or PAGE_DEFAULT


def page_token(sequence: int) -> str:
    """The token of the page that starts below a job's number."""
    return base64.urlsafe_b64encode(f"jobs:{sequence}".encode()).decode()


def read_page_token(token: str) -> int | None:
    """The number that a token stands for; None for the first page.

    Raises:
        ApiError: 400 for a token that is none of ours.
    """
    if not token:
        return None
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    match = re.fullmatch(r"jobs:(\d{1,18})", text)
    if not match:
        raise refused_field("page_token", f"The page token '{token}' is not valid.")
    return int(match[1])


def job_filter(text: str) -> Predicate:
    """A predicate over Job documents.

    `jobId:census*` and `jobId:rnn* AND state:FAILED` are documented; what else is accepted is ours: any path
    of a Job in either spelling, `:` and `=` (the whole value, `*` for any characters), `!=`, `<`, `<=`, `>`,
    `>=` (numbers, times, else text), `labels.x:*` (is there), AND, OR, NOT and parentheses. A number, enum,
    boolean or text that is absent from a message is what proto3 takes it for: zero, the first word, false,
    empty.

    Raises:
        ApiError: 400 for what is no filter.
    """
    try:
        return compile_filter(text, _compare)
    except FilterError as error:
        raise refused_field("filter", f"The filter '{text}' is not valid: {error}.") from None


def _compare(field: str, operator: str, value: str) -> Predicate:
    if not operator:
        raise FilterError(f"{value!r} stands alone, without a field and an operator")
    path, default = _path(field)
    if value == "*":  # whether it is there, which a default is not
        default = None
    if operator in ("=", ":", "!="):
        pattern = wildcard(value)

        def equal(row: Mapping[str, Any]) -> bool:
            return any(pattern.match(text) for text in _texts(row, path, default))

        return (lambda row: not equal(row)) if operator == "!=" else equal
    if operator not in _ORDER:
        raise FilterError(f"the operator {operator!r} is not supported")
    sign, alike = _ORDER[operator], "=" in operator

    def ordered(row: Mapping[str, Any]) -> bool:
        comparisons = [_order(text, value) for text in _texts(row, path, default)]
        return any(found == sign or (alike and found == 0) for found in comparisons)

    return ordered


def _path(field: str) -> tuple[list[str], Any]:
    """The canonical spelling of a path into a Job, and what its last field is where it is absent."""
    message: Message | None = ml_v1().message("GoogleCloudMlV1__Job")
    path: list[str] = []
    default: Any = None
    parts = field.split(".")
    while parts:
        part = parts.pop(0)
        known = message.field(part) if message else None
        if known is None:
            raise FilterError(f"the field {field!r} is unknown")
        path.append(known.name)
        if known.keyed:
            return ([*path, ".".join(parts)] if parts else path), None
        message, default = known.message, known.default
    return path, default


def _texts(row: Any, path: list[str], default: Any) -> list[str]:
    """The values at a path as text: of a list each, of a map the keys, and the default of what is absent."""
    values = [row]
    for depth, part in enumerate(path, 1):
        absent = default if depth == len(path) else None
        values = [value.get(part, absent) for value in values if isinstance(value, dict)]
        values = [value for value in values if value is not None]
        values = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return [text for value in values for text in (value if isinstance(value, dict) else [_text(value)])]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def wildcard(value: str) -> re.Pattern[str]:
    """A pattern for a whole text in which `*` stands for any characters."""
    return re.compile(fnmatch.translate(re.sub(r"([?\[])", r"[\1]", value)))


def _order(text: str, value: str) -> int:
    """-1, 0 or 1: two numbers, else two moments, else two texts."""
    for kind in (float, moment, str):
        try:
            one, other = kind(text), kind(value)
        except ValueError:
            continue
        return (one > other) - (one < other)  # type: ignore[operator]
    return 0


def moment(text: str) -> float:
    """The Unix time of an RFC 3339 text; one without a zone is in UTC.

    Raises:
        ValueError: it is none.
    """
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
