"""Discovery documents, as the oracle of models and CRDs, and the comparison with them.

That of `ml` v1 by default; `vertex_discovery` has the other one.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import resources
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel

from mljobs.api import base, inputs, outputs
from mljobs.api.resources import JobKind

Schema = dict[str, Any]
Schemas = Mapping[str, Schema]

JOB = "GoogleCloudMlV1__Job"


def load(name: str = "ml.v1") -> dict[str, Schema]:
    """The schemas of a document that comes with google-api-python-client."""
    folder = resources.files("googleapiclient.discovery_cache.documents")
    text = folder.joinpath(f"{name}.json").read_text("utf-8")
    schemas: dict[str, Schema] = json.loads(text)["schemas"]
    return schemas


def reachable(schemas: Schemas, root: str = JOB) -> list[str]:
    """The names of all schemas that a job can contain."""
    found: list[str] = []
    queue = [root]
    while queue:
        name = queue.pop()
        if name not in found:
            found.append(name)
            queue += _references(schemas[name])
    return found


def _references(node: Any) -> Iterator[str]:
    children = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
    if isinstance(node, dict) and isinstance(node.get("$ref"), str):
        yield node["$ref"]
    for child in children:
        yield from _references(child)


def last_word(name: str) -> str:
    """`GoogleCloudMlV1__TrainingInput` → `TrainingInput`."""
    return name.rpartition("_")[2]


def model_of(name: str) -> type[BaseModel] | None:
    """The model that stands for a schema, found by the schema's last word."""
    word = last_word(name)
    found = getattr(inputs, word, None) or getattr(outputs, word, None)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


# --- where a Job's fields stand in a resource

OUTPUTS = {"trainingOutput", "predictionOutput"}

JOB_FIELDS: dict[str, tuple[str, ...]] = {
    "jobId": ("spec.jobId", "status.jobId"),
    "labels": ("spec.labels", "status.labels"),
    "createTime": ("status.createTime",),
    "startTime": ("status.startTime",),
    "endTime": ("status.endTime",),
    "errorMessage": ("status.errorMessage",),
    "etag": ("status.etag",),
    "jobPosition": ("status.jobPosition",),
    "state": ("status.state",),
    "trainingInput": ("spec.trainingInput",),
    "trainingOutput": ("status.trainingOutput",),
    "predictionInput": ("spec.predictionInput",),
    "predictionOutput": ("status.predictionOutput",),
}

OWN_FIELDS = {
    "spec.vertex",
    "spec.jobClassName",
    "spec.projectId",
    "spec.deletionPolicy",
    "spec.iamBindings",
    "spec.suspend",
    "spec.backoffLimit",
    "spec.failurePolicy",
    "spec.placements",
    "spec.placementPolicy",
    "spec.activeDeadlineSeconds",
    "spec.startDeadlineSeconds",
    "spec.ttlSecondsAfterFinished",
    "spec.ttlSecondsByOutcome",
    "spec.managedBy",
    "status.observedGeneration",
    "status.placement",
    "status.jobName",
    "status.record",
    "status.projectId",
    "status.jobClassName",
    "status.attempt",
    "status.attempts",
    "status.errorCode",
    "status.outcome",
    "status.cause",
    "status.exitCode",
    "status.location",
    "status.consoleUrl",
    "status.logsUrl",
    "status.conditions",
    "status.trainingOutput.bestTrial",
    "status.trainingOutput.trialsTruncated",
}
"""What the resource has and the service's Job has not."""


def is_of_other_kind(field: str, kind: JobKind) -> bool:
    """Whether a field of Job belongs to the other kind of resource."""
    pairs = {"trainingInput", "predictionInput", "trainingOutput", "predictionOutput"}
    return field in pairs - {kind.input_field, kind.output_field}


# --- the comparison; each function returns one line for each difference


def compare_crd(schemas: Schemas, kind: JobKind, root: Schema) -> list[str]:
    """Compare the schema of a CRD with Job and all that it reaches, in both directions."""
    problems: list[str] = []
    expected: set[str] = set()
    for field, node in schemas[JOB]["properties"].items():
        if field not in JOB_FIELDS:
            problems.append(f"{field}: Job has it, and the table of its places has not")
        elif not is_of_other_kind(field, kind):
            for path in JOB_FIELDS[field]:
                expected.add(path)
                problems += compare_place(schemas, node, root, path)
    for part in ("spec", "status"):
        for field in root["properties"][part]["properties"]:
            if f"{part}.{field}" not in expected | OWN_FIELDS:
                problems.append(f"{part}.{field}: the CRD has it, and Job has not")
    return problems


def compare_place(schemas: Schemas, node: Schema, root: Schema, path: str) -> list[str]:
    found: Schema | None = root
    for part in path.split("."):
        found = found["properties"].get(part) if found else None
    return [f"{path}: missing in the CRD"] if found is None else _compare(schemas, node, found, path)


def _compare(schemas: Schemas, node: Schema, found: Schema, path: str) -> list[str]:
    if "$ref" in node:
        return _compare_object(schemas, schemas[node["$ref"]], found, path)
    wanted = _shape(node)
    actual = {word: found[word] for word in _SHAPE if word in found}
    problems = [f"{path}: {wanted} in the discovery document, {actual} here"] if wanted != actual else []
    if node.get("enum", []) != found.get("enum", []):
        problems.append(f"{path}: the words are {node.get('enum')}, and here {found.get('enum')}")
    for word, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if (word in node) != (word in found):
            problems.append(f"{path}: {word} on one side only")
        elif word in node:
            problems += _compare(schemas, node[word], found[word], path + mark)
    return problems


def _compare_object(schemas: Schemas, node: Schema, found: Schema, path: str) -> list[str]:
    if found.get("type") != "object":
        return [f"{path}: an object in the discovery document, {found.get('type')} here"]
    problems = []
    for field, child in node["properties"].items():
        if field not in found.get("properties", {}):
            problems.append(f"{path}.{field}: missing in the CRD")
        else:
            problems += _compare(schemas, child, found["properties"][field], f"{path}.{field}")
    for field in found.get("properties", {}):
        if field not in node["properties"] and f"{path}.{field}" not in OWN_FIELDS:
            problems.append(f"{path}.{field}: the CRD has it, and the discovery document has not")
    return problems


_SHAPE = ("type", "format", "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields", "pattern")

_STRINGS: dict[str | None, Schema] = {
    None: {"type": "string"},
    # Another backend's etag need not be base64, and a status that the API server refuses would be stuck.
    "byte": {"type": "string"},
    "google-datetime": {"type": "string", "format": "date-time"},
    "google-duration": {"type": "string", "pattern": base.DURATION_PATTERN},
    "int64": {"x-kubernetes-int-or-string": True, "pattern": base.INT64_PATTERN},
}


def _shape(node: Schema) -> Schema:
    """Type and format of a field of the discovery document in the words of a structural schema."""
    if node["type"] == "any":
        return {"x-kubernetes-preserve-unknown-fields": True}
    if node["type"] == "string":
        return _STRINGS[node.get("format")]
    return {word: node[word] for word in ("type", "format") if word in node}


Finder = Callable[[str], type[BaseModel] | None]


def compare_models(
    schemas: Schemas,
    roots: tuple[str, ...] = (JOB,),
    find: Finder = model_of,
    skipped: tuple[str, ...] = (JOB,),
) -> list[str]:
    """Compare the names of all fields, and the words of all enums, with the models' own."""
    problems: list[str] = []
    for name in dict.fromkeys(name for root in roots for name in reachable(schemas, root)):
        if name in skipped:
            continue
        model = find(name)
        if model is None:
            problems.append(f"{name}: no model")
            continue
        fields = {field.alias for field in model.model_fields.values()}
        wanted = set(schemas[name]["properties"])
        problems += [f"{last_word(name)}.{field}: missing in the model" for field in sorted(wanted - fields)]
        problems += [f"{last_word(name)}.{field}: only in the model" for field in fields - wanted]
        problems += _compare_samples(schemas, name, model)
    return problems


def _compare_samples(schemas: Schemas, name: str, model: type[BaseModel]) -> list[str]:
    """Send one value of each kind through each field, alone, and see whether it comes back."""
    problems = []
    for field, node in schemas[name]["properties"].items():
        for value in samples(schemas, node):
            try:
                back = model.model_validate({field: value}).model_dump(
                    mode="json", by_alias=True, exclude_none=True
                )
            except ValueError as error:
                problems.append(f"{last_word(name)}.{field}: {value!r} is refused: {error}")
                continue
            if back != {field: value}:
                problems.append(f"{last_word(name)}.{field}: {value!r} came back as {back}")
    return problems


_SAMPLES: dict[tuple[str, str | None], list[Any]] = {
    ("string", None): ["", "a", "é/✓ _-"],
    ("string", "byte"): ["PIZql/0m22Q="],
    ("string", "google-datetime"): ["2019-07-01T11:31:55Z", "2019-07-01T11:31:55.123456789Z"],
    ("string", "google-duration"): ["0s", "604800s", "1.000000001s"],
    ("string", "int64"): ["0", "-1", str(2**63 - 1), str(-(2**63))],
    ("integer", "int32"): [0, -1, 2**31 - 1, -(2**31)],
    ("number", "double"): [0.0, -1.5, 1e300, 5e-324],
    ("number", "float"): [0.0, -1.5, 1e38],
    ("any", None): ["", 0, [1, "a"], {"a": {"b": [None, False]}}],
    ("boolean", None): [True, False],
}


def samples(schemas: Schemas, node: Schema) -> list[Any]:
    """Values that a field may have, in canonical JSON: all words, ends of ranges, empty and full lists."""
    if "$ref" in node:
        fields = schemas[node["$ref"]]["properties"]
        return [{}, {name: samples(schemas, child)[-1] for name, child in fields.items()}]
    if "enum" in node:
        return list(node["enum"])
    if node["type"] == "array":
        return [[], samples(schemas, node["items"])]
    if node["type"] == "object":
        values = samples(schemas, node["additionalProperties"])
        return [{}, {f"key-{index}": value for index, value in enumerate(values)}]
    return _SAMPLES[node["type"], node.get("format")]


def documents(schemas: Schemas, name: str) -> st.SearchStrategy[Schema]:
    """Random documents of a schema in canonical JSON, with any of its fields present or absent."""
    fields = {field: _values(schemas, node) for field, node in schemas[name]["properties"].items()}
    return st.fixed_dictionaries({}, optional=fields)


def _values(schemas: Schemas, node: Schema) -> st.SearchStrategy[Any]:
    if "$ref" in node:
        return documents(schemas, node["$ref"])
    if "enum" in node:
        return st.sampled_from(node["enum"])
    if node["type"] == "array":
        return st.lists(_values(schemas, node["items"]), max_size=3)
    if node["type"] == "object":
        return st.dictionaries(
            st.text(max_size=8), _values(schemas, node["additionalProperties"]), max_size=3
        )
    return _SCALARS[node["type"], node.get("format")]


_SCALARS: dict[tuple[str, str | None], st.SearchStrategy[Any]] = {
    ("string", None): st.text(max_size=20),
    ("string", "google-datetime"): st.datetimes().map(lambda time: f"{time.isoformat(timespec='seconds')}Z"),
    ("string", "google-duration"): st.decimals(0, 10**6, places=3).map(lambda seconds: f"{seconds}s"),
    ("string", "int64"): st.integers(-(2**63), 2**63 - 1).map(str),
    ("integer", "int32"): st.integers(-(2**31), 2**31 - 1),
    ("number", "double"): st.floats(allow_nan=False, allow_infinity=False),
    ("number", "float"): st.floats(allow_nan=False, allow_infinity=False, width=32),
    ("any", None): st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=5,
    ).filter(lambda value: value is not None),
    ("boolean", None): st.booleans(),
}


def lacking_words(
    schemas: Mapping[str, Any], names: Iterable[str], model_of: Callable[[str], type[BaseModel] | None]
) -> list[tuple[type[BaseModel], str, str]]:
    """Every field with words, and for each a word that it lacks: a novel one, none, and one in lower case.

    Args:
        schemas: of the document.
        names: those to look at.
        model_of: the model of a schema; None if it has none.
    """
    found: list[tuple[type[BaseModel], str, str]] = []
    for name in names:
        model = model_of(name)
        for field, node in schemas[name]["properties"].items():
            if model and "enum" in node:
                found += [(model, field, word) for word in ("NOVEL", "", node["enum"][0].lower())]
    return found
