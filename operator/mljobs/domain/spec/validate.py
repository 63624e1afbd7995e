"""Validates a spec: types by the models, everything else by the table of rules; all problems at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mljobs.api.field_error import FieldErrorType
from mljobs.api.resources import KINDS, PredictionJobSpec, TrainingJobSpec
from mljobs.domain.spec import lenient, rules
from mljobs.domain.spec.problems import MISSING, Problem, Severity, Source, join
from mljobs.domain.spec.spelling import unknown_field

JobSpec = TrainingJobSpec | PredictionJobSpec


@dataclass(frozen=True)
class Validated:
    """The result of validating a spec.

    Attributes:
        spec: the model; None if there are problems.
        problems: the errors.
        warnings: what is deprecated, or odd but legal.
    """

    spec: JobSpec | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def validate(kind: str, spec: Mapping[str, Any], *, default_project: str | None = None) -> Validated:
    """Check the spec of a resource.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: in canonical spelling, as the API server stores it and `lenient` makes it.
        default_project: the project of resources that name none; without one, projectId is required.

    Raises:
        KeyError: there is no such kind.
    """
    model, mistakes = _model(kind, spec)
    mistyped = {problem.path for problem in mistakes if problem.id == "type"}
    whole = {**spec, "projectId": spec.get("projectId") or default_project}
    judged = rules.check(kind, whole, mistyped)
    errors = [problem for problem in judged if problem.severity is Severity.ERROR]
    worded = {problem.path for problem in errors} - mistyped
    problems = (
        *(problem for problem in mistakes if problem.path not in worded),
        *(problem for problem in errors if problem.path not in mistyped),
    )
    warnings = tuple(problem for problem in judged if problem.severity is Severity.WARNING)
    return Validated(None if problems else model, problems, warnings)


def _model(kind: str, spec: Mapping[str, Any]) -> tuple[JobSpec | None, list[Problem]]:
    try:
        return KINDS[kind].spec.model_validate(spec, by_alias=True, by_name=False), []
    except ValidationError as error:
        return None, model_problems(error, lenient.spec_schema(kind))


def model_problems(error: ValidationError, schema: lenient.Schema) -> list[Problem]:
    """Word what a model has found in a spec.

    Args:
        error: of the model.
        schema: the structural schema of the spec.
    """
    return [_problem(mistake, schema) for mistake in error.errors(include_url=False)]


def _problem(mistake: ErrorDetails, schema: lenient.Schema) -> Problem:
    path = _path(mistake["loc"], schema)
    word = mistake["type"]
    if word == "missing":
        return Problem(
            path, MISSING, "this field is required", error_type=FieldErrorType.REQUIRED, id="missing-field"
        )
    if word == "extra_forbidden":
        *parents, key = mistake["loc"]
        known = _schema_at(schema, parents).get("properties", {})
        return unknown_field(_path(parents, schema), str(key), mistake["input"], known)
    if word in _BOUNDS:
        text = _BOUNDS[word](mistake.get("ctx", {}))
        return Problem(path, mistake["input"], text, source=Source.OPERATOR, id="bound")
    wording = _TYPES.get(word)
    text = wording(mistake.get("ctx", {})) if wording else mistake["msg"]
    return Problem(path, mistake["input"], text + _hint(mistake["input"]), id="type")


_Wording = Callable[[Mapping[str, Any]], str]

_TYPES: dict[str, _Wording] = {
    "int_type": lambda _: "must be a whole number",
    "int_from_float": lambda _: "must be a whole number",
    "int64_type": lambda _: "must be a whole number or its decimal text",
    "int64_text": lambda _: "must be a whole number or its decimal text",
    "float_type": lambda _: "must be a number",
    "finite_number": lambda _: "must be a finite number",
    "bool_type": lambda _: "must be true or false",
    "string_type": lambda _: "must be a text; put it in quotes",
    "string_unicode": lambda _: "must be Unicode text, without half a surrogate pair",
    "tuple_type": lambda _: "must be a list",
    "dict_type": lambda _: "must be an object",
    "model_type": lambda _: "must be an object",
    "model_attributes_type": lambda _: "must be an object",
    "greater_than_equal": lambda about: f"must be at least {about['ge']}",
    "less_than_equal": lambda about: f"must be at most {about['le']}",
    "enum": lambda about: f"must be one of {about['expected'].replace(chr(39), '').replace(' or ', ', ')}",
}
"""The wrong types, and numbers that their types do not hold, by pydantic's names."""

_BOUNDS: dict[str, _Wording] = {
    "string_too_long": lambda about: f"must have at most {about['max_length']} characters",
    "string_too_short": lambda _: "must not be empty",
    "too_short": lambda about: f"must have at least {about['min_length']} member(s)",
    "too_long": lambda about: f"must have at most {about['max_length']} members",
    "string_pattern_mismatch": lambda about: f"must match {about['pattern']}",
}
"""Values of the right type that are out of bounds, by pydantic's names."""


def _hint(value: Any) -> str:
    if isinstance(value, str) and "${" in value:
        return "; it contains an unexpanded shell variable"
    return ""


def _path(location: Sequence[int | str], schema: lenient.Schema | None) -> str:
    """Pydantic's location as a path; members of maps, whose keys are the user's, stand in brackets."""
    path = "spec"
    for key in location:
        if key == "[key]":  # pydantic's mark for a problem of the key before it
            continue
        in_map = schema is not None and "additionalProperties" in schema
        path = f"{path}[{key}]" if in_map else join(path, key)
        schema = _child(schema, key)
    return path


def _child(schema: lenient.Schema | None, key: int | str) -> lenient.Schema | None:
    if schema is None:
        return None
    found: lenient.Schema | None = schema.get("properties", {}).get(key)
    return found or schema.get("items") or schema.get("additionalProperties")


def _schema_at(schema: lenient.Schema, location: Sequence[int | str]) -> lenient.Schema:
    for key in location:
        schema = _child(schema, key) or {}
    return schema
