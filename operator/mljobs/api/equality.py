"""Says in CEL that two values mean the same, however they are spelt.

An int64 may be a number or a text, `2` or `"2"` or `"02"`, and `3600s` is `3600.0s`: whoever writes a value
in another way has changed nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mljobs.api.base import DURATION_PATTERN

Schema = Mapping[str, Any]


def same(new: str, old: str, schema: Schema) -> str:
    """Compare two values.

    Args:
        new: the one in CEL; it has to be there.
        old: the other in CEL, likewise.
        schema: the structural schema of both.

    Raises:
        ValueError: a value with several spellings is in a list or a map, where that is not supported.
    """
    if not _is_variable(schema):
        return f"{new} == {old}"
    # What is equal to the letter is not read, which fails where it is out of bounds that it once kept.
    return f"{new} == {old} || ({_alike(new, old, schema)})"


def _alike(new: str, old: str, schema: Schema) -> str:
    function = _FUNCTIONS[_form(schema)]
    if function:
        return f"{function}({new}) == {function}({old})"
    if not _is_variable(schema):
        return f"{new} == {old}"
    if "properties" not in schema:
        raise ValueError(f"{new}: values with several spellings cannot be compared in a list or a map")
    return " && ".join(_members(new, old, schema))


def _members(new: str, old: str, schema: Schema) -> Iterator[str]:
    for name, member in schema["properties"].items():
        now, was = f"{new}.{name}", f"{old}.{name}"
        yield f"has({now}) == has({was}) && (!has({now}) || {_alike(now, was, member)})"


def _form(schema: Schema) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "int64"
    return "duration" if schema.get("pattern") == DURATION_PATTERN else ""


_FUNCTIONS = {"int64": "int", "duration": "duration", "": ""}
"""What makes the spellings of a value one in CEL."""


def _is_variable(schema: Schema) -> bool:
    """Whether a value, or one within it, has several spellings."""
    inner = [*schema.get("properties", {}).values()]
    inner += [schema[word] for word in ("items", "additionalProperties") if word in schema]
    return bool(_form(schema)) or any(map(_is_variable, inner))
