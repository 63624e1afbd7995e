"""Regular expressions that users write: in RE2's syntax, so that none of them takes more than linear time."""

from functools import lru_cache
from typing import Any

import re2

MEMORY = 1 << 20
"""Bytes that one expression may take, compiled."""


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any | None:
    """The expression, ready to search with; None if it is none, or takes too much memory."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None


def is_found(pattern: str, text: str) -> bool:
    """Whether an expression is found anywhere in a text; one that cannot be read is found nowhere."""
    expression = compiled(pattern)
    return expression is not None and expression.search(text) is not None
