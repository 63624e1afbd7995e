"""Checks requests against the `aiplatform` v1 discovery document: the oracle of the translation."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from hypothesis import strategies as st

PREFIX = "GoogleCloudAiplatformV1"
MESSAGES = {
    "customJobs": f"{PREFIX}CustomJob",
    "hyperparameterTuningJobs": f"{PREFIX}HyperparameterTuningJob",
    "batchPredictionJobs": f"{PREFIX}BatchPredictionJob",
}


@cache
def schemas() -> Mapping[str, Any]:
    """The schemas of the document that comes with google-api-python-client."""
    folder = resources.files("googleapiclient.discovery_cache.documents")
    found: Mapping[str, Any] = json.loads(folder.joinpath("aiplatform.v1.json").read_text("utf-8"))["schemas"]
    return found


def mistakes(collection: str, body: Any) -> list[str]:
    """What the service would find wrong with a request, or would have to guess; canonical JSON only."""
    return list(_message(schemas()[MESSAGES[collection]], body, collection))


def _message(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: {value!r} is no message"
        return
    fields = schema.get("properties", {})
    for name, item in value.items():
        if name not in fields:
            yield f"{path}.{name}: there is no such field"
        elif _says(fields[name], "Output only"):
            yield f"{path}.{name}: output only"
        else:
            yield from _value(fields[name], item, f"{path}.{name}")
    for name, field in fields.items():
        if _says(field, "Required.") and value.get(name) in (None, "", [], {}):
            yield f"{path}.{name}: required"


def _says(field: Mapping[str, Any], words: str) -> bool:
    return words in field.get("description", "")[:40]


def _value(field: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    if "$ref" in field:
        schema = schemas()[field["$ref"]]
        skipped = field["$ref"].endswith("WorkerPoolSpec") and value == {}
        yield from () if skipped else _message(schema, value, path)
    elif field.get("type") == "array":
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            yield from _value(field["items"], item, f"{path}[{index}]")
        if not isinstance(value, list):
            yield f"{path}: {value!r} is no list"
    elif "additionalProperties" in field:
        for key, item in value.items():
            yield from _value(field["additionalProperties"], item, f"{path}[{key}]")
    elif not _fits(field, value):
        yield f"{path}: {value!r} is no {field.get('format') or field.get('type')}"


def _fits(field: Mapping[str, Any], value: Any) -> bool:
    if "enum" in field:
        return value in field["enum"]
    match field.get("type"), field.get("format"):
        case "integer", "int32":
            return type(value) is int and -(2**31) <= value < 2**31
        case "string", "int64":
            return isinstance(value, str) and value.lstrip("-").isdigit() and -(2**63) <= int(value) < 2**63
        case "string", "google-duration":
            return isinstance(value, str) and re.fullmatch(r"\d+([.]\d{1,9})?s", value) is not None
        case "string", _:
            return isinstance(value, str)
        case "number", _:
            return type(value) in (int, float)
        case "boolean", _:
            return isinstance(value, bool)
        case kind, _:
            return kind == "any"


def messages(name: str, depth: int = 6) -> st.SearchStrategy[dict[str, Any]]:
    """Random messages of a schema in canonical JSON, any of the fields that a request may have."""
    fields = schemas()[f"{PREFIX}{name}"].get("properties", {})
    written = {field: node for field, node in fields.items() if not _says(node, "Output only")}
    made = {field: found for field, node in written.items() if (found := _values(node, depth)) is not None}
    return (
        st.lists(st.sampled_from(sorted(made)), max_size=3, unique=True).flatmap(
            lambda names: st.fixed_dictionaries({field: made[field] for field in names})
        )
        if made
        else st.just({})
    )


def _values(node: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any] | None:
    if "$ref" in node:
        return messages(node["$ref"].removeprefix(PREFIX), depth - 1) if depth else None
    if node.get("type") == "array":
        items = _values(node["items"], depth)
        return None if items is None else st.lists(items, max_size=3)
    if "additionalProperties" in node:
        values = _values(node["additionalProperties"], depth)
        return None if values is None else st.dictionaries(_TEXT, values, max_size=2)
    if "enum" in node:
        return st.sampled_from(node["enum"])
    return _SCALARS.get((node.get("type", ""), node.get("format", "")))


_TEXT = st.text("ab-1", max_size=4)
_SCALARS: dict[tuple[str, str], st.SearchStrategy[Any]] = {
    ("string", ""): _TEXT,
    ("string", "google-datetime"): st.just("2026-01-01T00:00:00Z"),
    ("string", "google-duration"): st.sampled_from(["0s", "3600s", "1.5s"]),
    ("string", "int64"): st.integers(-1, 2**40).map(str),
    ("integer", "int32"): st.integers(-1, 200),
    ("number", "double"): st.floats(allow_nan=False, allow_infinity=False),
    ("boolean", ""): st.booleans(),
}
