"""What a reader makes of one document, and what it refuses."""

from dataclasses import dataclass
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.problems import Problem, Severity, Source, join


class Unreadable(ValueError):
    """A text is neither YAML nor JSON, or describes nothing; the message says where and why."""


@dataclass(frozen=True)
class Loaded:
    """One document.

    Attributes:
        value: what it holds, as JSON has it.
        problems: what is read in another way than its author may think.
    """

    value: Any
    problems: tuple[Problem, ...] = ()


def twice(path: str, key: str, value: Any, rule: str, severity: Severity = Severity.ERROR) -> Problem:
    """The problem of a key that is given twice.

    Args:
        path: of the object that has it.
        key: the key.
        value: which counts.
        rule: says where it stands, and which of the two counts.
        severity: whether it refuses the document.
    """
    return Problem(
        join(path, key),
        value,
        rule,
        severity=severity,
        source=Source.CLIENTS,
        error_type=FieldErrorType.DUPLICATE,
        id="duplicate-key",
    )
