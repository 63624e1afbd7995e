"""What is wrong with a spec, in words for the person who wrote it: field, value, rule.

The wording follows the API server's own field errors, so that `kubectl apply`, `mljobs plan` and the Stalled
condition read alike.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from mljobs.api.field_error import FieldErrorType

SHOWN = 64
"""Characters of a value that are shown."""

_SECRETIVE = frozenset({"args", "command", "containerArgs", "containerCommand"})
"""Fields whose values are command lines: they may carry passwords and are counted, never shown."""

_PAIRS = frozenset({"env", "httpHeaders"})
"""Lists of names and values: of these, names alone are shown, for values may be passwords."""


class Missing(Enum):
    """The value of a field that is not there, as opposed to one that is empty."""

    MISSING = "missing"


MISSING = Missing.MISSING


class Severity(StrEnum):
    """Whether a problem refuses the spec."""

    ERROR = "error"
    WARNING = "warning"


class Source(StrEnum):
    """Where a rule comes from."""

    DISCOVERY = "discovery document"
    PROTO = "API definition"
    DOCUMENTATION = "documentation"
    RECORDED = "recorded traffic"
    CLIENTS = "real clients and inputs"
    OPERATOR = "this operator"


@dataclass(frozen=True)
class Problem:
    """One rule that a spec breaks, or would better not.

    Attributes:
        path: the field in the resource's spelling, `spec.trainingInput.hyperparameters.params[0].minValue`.
        value: its value, or `MISSING`.
        rule: the rule in one sentence.
        severity: an error refuses the spec, a warning does not.
        source: where the rule comes from.
        error_type: what is wrong, in the API server's words.
        id: the rule's name in the table of rules, or the kind of type error.
    """

    path: str
    value: Any
    rule: str
    severity: Severity = Severity.ERROR
    source: Source = Source.DISCOVERY
    error_type: FieldErrorType = FieldErrorType.INVALID
    id: str = ""

    @property
    def text(self) -> str:
        """One line that names field, value and rule; of a warning's value, not that it is wrong."""
        path = printable(self.path)
        if self.value is MISSING:
            word = "Required value" if self.error_type is FieldErrorType.REQUIRED else "Not set"
            return f"{path}: {word}: {self.rule}"
        if self.severity is Severity.WARNING and self.error_type is FieldErrorType.INVALID:
            return f"{path}: {shown(self.path, self.value)}: {self.rule}"
        return f"{path}: {_WORDS[self.error_type]}: {shown(self.path, self.value)}: {self.rule}"

    def __str__(self) -> str:
        return self.text


_WORDS = {
    FieldErrorType.REQUIRED: "Required value",
    FieldErrorType.INVALID: "Invalid value",
    FieldErrorType.FORBIDDEN: "Forbidden",
    FieldErrorType.DUPLICATE: "Duplicate value",
}


def shown(path: str, value: Any) -> str:
    """Show a value in one short line; nothing of what may carry secrets, such as command-line arguments."""
    if isinstance(value, Mapping):
        return _counted(len(value), "field")
    if isinstance(value, list | tuple):
        return _counted(len(value), "item")
    if _is_secretive(path, value):
        return f"({_counted(len(str(value)), 'character')}, not shown)"
    plain = value if value is None or isinstance(value, str | int | float) else str(value)
    text = json.dumps(plain, ensure_ascii=False)
    if not text.isprintable():
        text = json.dumps(plain)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def masked(document: Any) -> Any:
    """The same JSON without the values of environment variables and HTTP headers, which may be passwords."""
    if isinstance(document, Mapping):
        return {
            key: _masked_pairs(value) if key in _PAIRS else masked(value) for key, value in document.items()
        }
    if isinstance(document, list | tuple):
        return [masked(item) for item in document]
    return document


def _masked_pairs(rows: Any) -> Any:
    if not isinstance(rows, list | tuple):
        return masked(rows)
    return [
        {**row, "value": f"({_counted(len(str(row['value'])), 'character')}, not shown)"}
        if isinstance(row, Mapping) and "value" in row
        else row
        for row in rows
    ]


def summary(problems: Iterable[Problem], limit: int = 10) -> str:
    """All problems in one text of `limit` lines at most, for a condition's message."""
    lines = [problem.text for problem in problems]
    if len(lines) > limit:
        lines[limit - 1 :] = [f"and {len(lines) - limit + 1} more: see `mljobs plan`"]
    return "\n".join(lines)


def printable(text: str) -> str:
    """Put a mark in place of each character that would break the line or confuse a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def printable_lines(text: str) -> str:
    """The same for a text that may have several lines, such as a message of the service."""
    if text.isprintable():  # nearly every one is, and statuses are made all the time
        return text
    return "".join(char if char in "\n\t" else printable(char) for char in text)


def join(path: str, key: str | int) -> str:
    """The path of a member: `.key` or `[index]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _is_secretive(path: str, value: Any) -> bool:
    fields = [part.split("[")[0] for part in path.split(".")]
    if _PAIRS.intersection(fields):
        return fields[-1] != "name" or "=" in str(value)
    return not _SECRETIVE.isdisjoint(fields)
