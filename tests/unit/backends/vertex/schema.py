"""Checks requests against the `aiplatform` v1 discovery document: the oracle of the translation."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

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
