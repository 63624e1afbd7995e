"""Reads job descriptions as the service does: proto3 JSON in all the spellings that real clients send.

What comes out is canonical: the API's names, enum words, decimal texts for int64, no nulls. What cannot be
made canonical stays as it is, and validation says what is wrong with it. The models' schema decides what each
value should be; no field is named here.

A manifest goes to the API server, which knows one spelling: read *exactly*, nothing but nulls is changed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import BaseModel

from mljobs.api.base import EXACT
from mljobs.api.crd import structural
from mljobs.api.field_error import FieldErrorType
from mljobs.api.resources import API_VERSION, GROUP, KINDS, JobKind, ResourceKind
from mljobs.domain.spec import forms, metadata
from mljobs.domain.spec.problems import MISSING, Problem, Severity, Source, join
from mljobs.domain.spec.spelling import folded, unknown_field

Schema = Mapping[str, Any]

OUTPUT_ONLY = "output-only"
"""The problem of a field that the service alone sets, so that its own answer has been read."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}(\.0+)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Reading:
    """A job description in canonical form.

    Attributes:
        kind: `TrainingJob` or `PredictionJob`.
        name: the resource's name; empty if the description has none.
        namespace: the resource's namespace; empty if the description has none.
        uid: the resource's uid, which a description read from a cluster has; empty otherwise.
        spec: the resource's spec.
        problems: errors and warnings of the spelling; the values are validated elsewhere.
    """

    kind: str
    name: str = ""
    namespace: str = ""
    uid: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def is_manifest(document: object) -> bool:
    """Whether this is a Kubernetes resource, or means to be one."""
    return isinstance(document, Mapping) and any(key in document for key in ("apiVersion", "kind", "spec"))


def read(document: Mapping[str, Any], kind: str | None = None, *, exact: bool = False) -> Reading:
    """Read one description.

    Args:
        document: a manifest of a TrainingJob or PredictionJob, a `Job` of the API, what gcloud takes as
            `--config` (`trainingInput: …`), the fields of an input alone, or a description in the words of
            `spec.vertex`; see `forms`.
        kind: the kind to read it as, where it does not say so itself.
        exact: whether a manifest has to be spelt as the API server wants it.
    """
    if is_manifest(document):
        return _manifest(document, kind, exact)
    found = forms.read(document)
    if found:
        block, spelled = canonical(found.kind, found.spec)
        left_out = map(_left_to_the_service, found.outputs)
        return Reading(found.kind, spec=block, problems=(*spelled, *left_out))
    chosen = KINDS[kind] if kind else _kind_of(document)
    spec, problems = _job(chosen, document)
    return Reading(chosen.name, spec=spec, problems=tuple(problems))


def canonical(
    kind: str, spec: Mapping[str, Any], *, exact: bool = False
) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """Bring a spec into canonical form; see the module.

    Args:
        kind: of the resource.
        spec: in any spelling.
        exact: whether it has to be spelt as the API server wants it.

    Returns:
        The spec, with unknown keys as they are, and a problem for each of these and for each key that stands
        there twice, of which the first counts.
    """
    speller = _Speller(exact)
    made = speller.object(spec, spec_schema(kind), "spec")
    return made, tuple(speller.problems)


def spec_schema(kind: str) -> Schema:
    """The structural schema of a kind's spec."""
    return _schema(KINDS[kind].spec)


@cache
def _schema(model: type[BaseModel]) -> Schema:
    return structural(model)


def _names(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(folded(name) for name in _schema(model)["properties"])


def around(document: Mapping[str, Any], kind: ResourceKind, *, exact: bool) -> Iterator[Problem]:
    """Find what is wrong with a manifest's version, fields and metadata.

    Args:
        document: the manifest.
        kind: what it is.
        exact: whether its metadata has to be as the API server wants it; otherwise it only needs a name.
    """
    version, allowed = document.get("apiVersion", MISSING), _schema(kind.resource)["properties"]
    if version != API_VERSION:
        yield _manifest_problem("apiVersion", version, f"must be {API_VERSION}")
    for key, value in document.items():
        if key not in allowed:
            yield unknown_field("", str(key), value, allowed)
    for problem in metadata.problems(document.get("metadata", MISSING)):
        if exact or problem.path == "metadata.name":
            yield problem


def _manifest(document: Mapping[str, Any], kind: str | None, exact: bool) -> Reading:
    problems: list[Problem] = []
    named = document.get("kind", MISSING)
    known = _text(document, "kind") in KINDS
    if not known:
        problems.append(_manifest_problem("kind", named, f"must be {' or '.join(KINDS)} of {GROUP}"))
    chosen = KINDS[str(named) if known else kind or next(iter(KINDS))]
    meta = document.get("metadata", MISSING)
    problems += around(document, chosen, exact=exact)
    found = document.get("spec")
    if not isinstance(found, Mapping):
        problems.append(_manifest_problem("spec", MISSING if found is None else found, "must be an object"))
    fields = found if isinstance(found, Mapping) else {}
    spec, more = canonical(chosen.name, fields, exact=True) if exact else _job(chosen, fields)
    unknown = _unknown_in_status(chosen, document.get("status")) if exact else ()
    name, namespace, uid = (_text(meta, key) for key in ("name", "namespace", "uid"))
    return Reading(chosen.name, name, namespace, uid, spec, (*problems, *more, *unknown))


def _unknown_in_status(kind: JobKind, status: Any) -> Iterable[Problem]:
    """What the API server refuses in a status, whose values it leaves out otherwise."""
    speller = _Speller(exact=True)
    if isinstance(status, Mapping):
        speller.object(status, _schema(kind.status), "status")
    return [problem for problem in speller.problems if problem.severity is Severity.ERROR]


def _manifest_problem(path: str, value: Any, text: str) -> Problem:
    """A problem of what stands around the spec."""
    error_type = FieldErrorType.REQUIRED if value is MISSING else FieldErrorType.INVALID
    return Problem(path, value, text, source=Source.OPERATOR, error_type=error_type, id="manifest")


def _text(node: Any, key: str) -> str:
    value = node.get(key) if isinstance(node, Mapping) else None
    return value if isinstance(value, str) else ""


def _kind_of(document: Mapping[str, Any]) -> JobKind:
    """The kind whose names a description without a kind uses most; the first one where that is open."""
    keys = {folded(key) for key in document}

    def share(kind: JobKind) -> tuple[bool, int]:
        return folded(kind.input_field) in keys, len(keys & _names(kind.input))

    return max(KINDS.values(), key=share)


def _job(kind: JobKind, document: Mapping[str, Any]) -> tuple[dict[str, Any], Sequence[Problem]]:
    """Read a spec, a `Job` or an input alone."""
    speller = _Speller(exact=False)
    if _is_bare(kind, document):
        document = {kind.input_field: document}
    others = {folded(other.input_field): other.input_field for other in KINDS.values() if other is not kind}
    outputs = _names(kind.status) - _names(kind.spec)
    mine, foreign = {}, {}
    for key, value in document.items():
        name = folded(key)
        if name in others:
            foreign[others[name]] = value
        elif name in outputs:
            speller.problems.append(_left_to_the_service((join("spec", key), value)))
        else:
            mine[key] = value
    spec = speller.object(mine, spec_schema(kind.name), "spec")
    return {**spec, **{key: value for key, value in foreign.items() if value is not None}}, speller.problems


def _is_bare(kind: JobKind, document: Mapping[str, Any]) -> bool:
    """Whether these are an input's own fields, without anything around them."""
    keys = {folded(key) for key in document}
    wrapped = {folded(other.input_field) for other in KINDS.values()}
    return bool(keys & _names(kind.input)) and not keys & (wrapped | _names(kind.spec))


def _left_to_the_service(field: tuple[str, Any]) -> Problem:
    path, value = field
    return Problem(
        path,
        value,
        "the service sets this field itself; it is left out",
        severity=Severity.WARNING,
        source=Source.DISCOVERY,
        error_type=FieldErrorType.FORBIDDEN,
        id=OUTPUT_ONLY,
    )


class _Speller:
    """Brings values into canonical form, and keeps the problems of their spelling.

    Args:
        exact: whether only canonical spellings count; a null then stays out with a warning.
    """

    def __init__(self, exact: bool) -> None:
        self.problems: list[Problem] = []
        self._exact = exact

    def object(self, found: Mapping[str, Any], schema: Schema, path: str) -> dict[str, Any]:
        """Convert an object whose schema names its members."""
        fold = str if self._exact else folded
        names = {fold(name): name for name in schema["properties"]}
        made: dict[str, Any] = {}
        for key, value in found.items():
            name = names.get(fold(key))
            if name is None:
                self.problems.append(unknown_field(path, str(key), value, schema["properties"]))
                made[str(key)] = value
            elif name in made and value is not None:
                self.problems.append(_twice(path, str(key), value, name))
            elif value is not None:
                made[name] = self._value(value, schema["properties"][name], join(path, name))
            else:
                self._null(join(path, name))
        return made

    def _value(self, value: Any, schema: Schema, path: str) -> Any:
        if "items" in schema and not self._exact and not isinstance(value, list | tuple):
            value = [value]  # as gcloud does
        if isinstance(value, Mapping):
            return self.object(value, schema, path) if "properties" in schema else self._map(value, path)
        if isinstance(value, list | tuple) and "items" in schema:
            return [self._value(item, schema["items"], join(path, index)) for index, item in enumerate(value)]
        return value if self._exact else _scalar(value, schema)

    def _map(self, found: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Convert an object whose keys are the user's own."""
        if not self._exact:
            return dict(found)
        for key, value in found.items():
            if value is None:
                self._null(f"{path}[{key}]")
        return {key: value for key, value in found.items() if value is not None}

    def _null(self, path: str) -> None:
        if self._exact:
            self.problems.append(_left_out(path))


def _left_out(path: str) -> Problem:
    return Problem(
        path,
        None,
        "kubectl apply leaves a null out, and kubectl apply --server-side refuses it; take it away",
        severity=Severity.WARNING,
        source=Source.OPERATOR,
        id="null",
    )


def _twice(path: str, key: str, value: Any, name: str) -> Problem:
    return Problem(
        join(path, key),
        value,
        f"{name} is given twice, in two spellings",
        source=Source.PROTO,
        error_type=FieldErrorType.DUPLICATE,
        id="duplicate-field",
    )


def _scalar(value: Any, schema: Schema) -> Any:
    """Convert a value to the schema's type where the service would; leave it alone otherwise."""
    if schema.get("x-kubernetes-int-or-string"):
        number = _whole(value)
        return value if number is None else str(number)
    if "enum" in schema:
        return _word(value, schema["enum"])
    match schema.get("type"):
        case "integer":
            number = _whole(value)
            return value if number is None else number
        case "number":
            return _number(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
        case "boolean":
            return _flag(value)
        case _:
            return value


def _number(text: str) -> float:
    """A number from its text: whole where no double is the same."""
    number, whole = float(text), _whole(text)
    return number if whole is None or whole == number else whole


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):  # a large one may have been another number in the text
        return int(value) if value.is_integer() and abs(value) < EXACT else None
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value.split(".")[0])
    return None


def _flag(value: Any) -> Any:
    words = {"true": True, "false": False}
    return words.get(value.lower(), value) if isinstance(value, str) else value


def _word(value: Any, words: list[str]) -> Any:
    if not isinstance(value, str):
        return value
    return {folded(word): word for word in words}.get(folded(value), value)
