"""What a report of the model tells."""

import logging
import re
from collections.abc import Iterable

QUIET = re.compile(r"  (service\.(get|list)|kube\.list) .*: ok$")
"""What is said a hundred times and is no news."""


class Errors(logging.Handler):
    """Keeps what the operator logs as its own mistakes."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def news(lines: Iterable[str]) -> list[str]:
    """What has happened, without what is said again and again."""
    told: list[str] = []
    for line in lines:
        if not QUIET.search(line) and line not in told[-4:]:
            told.append(line)
    return told
