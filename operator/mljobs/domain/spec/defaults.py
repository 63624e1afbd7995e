"""What the service's JSON leaves out: proto3 writes no number that is zero, and no enum at its first word.

An absent number of an answer is 0. A person's JSON is another matter: there an absent number may have been
forgotten, and nothing here is for it. The models' schemas say which fields there are; none is named here.

Left as they are: booleans and texts, which read alike where they are absent and where they are false or
empty; enums whose first word says that they are unspecified; durations, moments, lists and objects, which
have presence.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.lenient import OUTPUT_ONLY, Reading, Schema, spec_schema
from mljobs.domain.spec.problems import MISSING
from mljobs.domain.spec.validate import validate


def default_of(schema: Schema) -> Any:
    """What an absent field of the service's JSON is; None if that is not to be said."""
    if schema.get("x-kubernetes-int-or-string"):
        return "0"
    if "enum" in schema:
        first: str = schema["enum"][0]
        return None if first.endswith("_UNSPECIFIED") else first
    return {"integer": 0, "number": 0.0}.get(schema.get("type", ""))


def with_defaults(schema: Schema, answer: Any) -> Any:
    """Write out what the service has left out of an answer.

    Args:
        schema: the structural schema of its model.
        answer: JSON of the service; what does not fit the schema stays as it is.
    """
    if isinstance(answer, list | tuple) and "items" in schema:
        return [with_defaults(schema["items"], item) for item in answer]
    if not isinstance(answer, Mapping) or "properties" not in schema:
        return answer
    made = dict(answer)
    for name, field in schema["properties"].items():
        found = answer.get(name)
        value = default_of(field) if found is None else with_defaults(field, found)
        if value is not None:
            made[name] = value
    return made


def with_required(kind: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write out the numbers that the rules require and that the service has left out of a job's input.

    Only these: a spec with every zero of the API in it would be hard to read, and some rules forbid a field
    that is there.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: in canonical spelling, with the input as the service shows it.
    """
    for problem in validate(kind, spec).problems:
        if problem.error_type is FieldErrorType.REQUIRED and problem.value is MISSING:
            _, *keys = _KEY.findall(problem.path)
            spec = _with_default(spec, spec_schema(kind), keys)
    return spec


def completed(reading: Reading) -> Reading:
    """The same for a description, if it is an answer of the service: one with fields that only it can set."""
    if not any(problem.id == OUTPUT_ONLY for problem in reading.problems):
        return reading
    return replace(reading, spec=with_required(reading.kind, reading.spec))


_KEY = re.compile(r"[^.\[\]]+")


def _with_default(node: Any, schema: Schema, keys: Sequence[str]) -> Any:
    """A copy of JSON data in which the field at a path has its default; the same where it has none."""
    key, *rest = keys
    if isinstance(node, list | tuple):
        index = int(key)
        return [*node[:index], _with_default(node[index], schema["items"], rest), *node[index + 1 :]]
    if not isinstance(node, Mapping) or (rest and key not in node):
        return node  # an object that is not there is no number that was left out
    field = schema.get("properties", {}).get(key, {})
    value = _with_default(node[key], field, rest) if rest else default_of(field)
    return node if value is None else {**node, key: value}
