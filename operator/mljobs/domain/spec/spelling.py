"""How names may be spelt, and which one an unknown name may mean."""

import difflib
from collections.abc import Iterable
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.problems import Problem, Source, join


def folded(key: object) -> str:
    """A name without case, underscores and hyphens: what all spellings of it have in common."""
    return str(key).replace("_", "").replace("-", "").lower()


def unknown_field(path: str, key: str, value: Any, names: Iterable[str]) -> Problem:
    """Word the problem of a key that there is not, with the nearest one that there is.

    Args:
        path: of the object that has it.
        key: the key.
        value: its value.
        names: the keys that the object may have.
    """
    known = {folded(name): name for name in names}
    near = difflib.get_close_matches(folded(key), known, n=1, cutoff=0.7)
    hint = f"; did you mean {known[near[0]]}?" if near else ""
    return Problem(
        join(path, key),
        value,
        f"there is no such field{hint}",
        source=Source.DISCOVERY,
        error_type=FieldErrorType.FORBIDDEN,
        id="unknown-field",
    )
