"""What one check has found."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The outcome of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One row of the result.

    Attributes:
        check: what was checked.
        status: the outcome.
        found: the finding, in a sentence.
        remedy: what to do; empty if nothing has to be done.
    """

    check: str
    status: Status
    found: str
    remedy: str = ""


def ok(check: str, found: str) -> Finding:
    """The check has passed."""
    return Finding(check, Status.OK, found)


def warning(check: str, found: str, remedy: str) -> Finding:
    """The operator works, but not as well as it could."""
    return Finding(check, Status.WARNING, found, remedy)


def failed(check: str, found: str, remedy: str) -> Finding:
    """The operator cannot do its work."""
    return Finding(check, Status.FAILED, found, remedy)


def skipped(check: str, found: str, remedy: str = "") -> Finding:
    """It could not be checked, or there is nothing to check."""
    return Finding(check, Status.SKIPPED, found, remedy)
