"""Says in CEL that two values mean the same, however they are spelt.

An int64 may be a number or a text, `2` or `"2"` or `"02"`, and `3600s` is `3600.0s`: whoever writes a value
in another way has changed nothing. What has such values in a list of more than `SHORT` items or in a map, or
has values of any form, which CEL cannot look into, is compared to the letter.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mljobs.api.base import DURATION_PATTERN

Schema = Mapping[str, Any]

SHORT = 8
"""Items of a list that are compared one by one."""


def same(new: str, old: str, schema: Schema) -> str:
    """Compare two values.

    Args:
        new: the one in CEL; it has to be there.
        old: the other in CEL, likewise.
        schema: the structural schema of both.
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
    if "items" in schema:
        at, places = f"i{new.count('[')}", list(range(schema["maxItems"]))  # a name for each depth
        item = _alike(f"{new}[{at}]", f"{old}[{at}]", schema["items"])
        return f"size({new}) == size({old}) && {places}.all({at}, {at} >= size({new}) || ({item}))"
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
    """Whether a value, or one within it, has several spellings, and all of these can be looked for."""
    return _varies(schema) and not _is_closed(schema)


def _varies(schema: Schema) -> bool:
    return bool(_form(schema)) or any(map(_varies, _inner(schema)))


def _is_closed(schema: Schema) -> bool:
    """Whether there is something that cannot be compared but to the letter, and not only in one spelling."""
    if "x-kubernetes-preserve-unknown-fields" in schema:
        return True
    long = "additionalProperties" in schema or schema.get("maxItems", 0) > SHORT
    return (long and _varies(schema)) or any(map(_is_closed, _inner(schema)))


def _inner(schema: Schema) -> list[Schema]:
    inner = [*schema.get("properties", {}).values()]
    return inner + [schema[word] for word in ("items", "additionalProperties") if word in schema]
