"""Reads job descriptions as the service does: proto3 JSON in all the spellings that real clients send.

What comes out is canonical: the API's names, enum words, decimal texts for int64, no nulls. What cannot be
made canonical stays as it is, and validation says what is wrong with it. The models' schema decides what each
value should be; no field is named here.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml
from pydantic import BaseModel

from mljobs.api.crd import structural
from mljobs.api.resources import API_VERSION, GROUP, KINDS, Kind
from mljobs.domain.spec.problems import MISSING, Problem, Reason, Severity, Source, join

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
        name: the resource's name; empty where the description has none.
        namespace: the resource's namespace; empty where the description has none.
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


class Unreadable(ValueError):
    """A text is neither YAML nor JSON, or describes nothing; the message says where and why."""


def documents(text: str) -> list[Mapping[str, Any]]:
    """Take a text of YAML or JSON apart into its documents; a `List` gives its items.

    Raises:
        Unreadable: the text is not well-formed, has a key twice, or has a document that is no object.
    """
    try:
        found = [document for document in yaml.load_all(text, _Loader) if document is not None]
    except yaml.YAMLError as error:
        raise Unreadable(" ".join(str(error).split())) from error
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    flat: list[Any] = []
    for document in found:
        items = document.get("items") if isinstance(document, Mapping) else None
        flat += items if isinstance(items, list) else [document]
    for document in flat:
        if not isinstance(document, Mapping):
            raise Unreadable(f"a description is an object with fields, and this one is {document!r:.40}")
    return flat


class _Loader(yaml.SafeLoader):
    """Reads YAML as kubectl does: nothing becomes a date, and a key that stands there twice is an error."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands there twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(document: Mapping[str, Any], kind: str | None = None) -> Reading:
    """Read one description.

    Args:
        document: a manifest of a TrainingJob or PredictionJob, a `Job` of the API, what gcloud takes as
            `--config` (`trainingInput: …`), or the fields of an input alone.
        kind: the kind to read it as, where it does not say so itself.
    """
    if "apiVersion" in document or "kind" in document or "spec" in document:
        return _manifest(document, kind)
    chosen = KINDS[kind] if kind else _kind_of(document)
    spec, problems = _job(chosen, document)
    return Reading(chosen.name, spec=spec, problems=tuple(problems))


def canonical(kind: str, spec: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """Bring a spec into canonical form; see the module.

    Returns:
        The spec, with unknown keys as they are, and a problem for each of these and for each key that stands
        there twice, of which the first counts.
    """
    problems: list[Problem] = []
    made = _object(spec, spec_schema(kind), "spec", problems)
    return made, tuple(problems)


def spec_schema(kind: str) -> Schema:
    """The structural schema of a kind's spec."""
    return _schema(KINDS[kind].spec)


@cache
def _schema(model: type[BaseModel]) -> Schema:
    return structural(model)


def _names(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(_folded(name) for name in _schema(model)["properties"])


def unknown_field(path: str, key: str, value: Any, schema: Schema) -> Problem:
    """Word the problem of a key that the schema does not have, with the nearest one that it has."""
    names = {_folded(name): name for name in schema.get("properties", {})}
    near = difflib.get_close_matches(_folded(key), names, n=1, cutoff=0.7)
    hint = f"; did you mean {names[near[0]]}?" if near else ""
    return Problem(
        join(path, key),
        value,
        f"there is no such field{hint}",
        source=Source.DISCOVERY,
        reason=Reason.FORBIDDEN,
        id="unknown-field",
    )


def _manifest(document: Mapping[str, Any], kind: str | None) -> Reading:
    problems: list[Problem] = []
    version, named = document.get("apiVersion", MISSING), document.get("kind", MISSING)
    if version != API_VERSION:
        problems.append(_manifest_problem("apiVersion", version, f"must be {API_VERSION}"))
    known = _text(document, "kind") in KINDS
    if not known:
        problems.append(_manifest_problem("kind", named, f"must be {' or '.join(KINDS)} of {GROUP}"))
    chosen = KINDS[str(named) if known else kind or next(iter(KINDS))]
    allowed = _schema(chosen.resource)
    problems += [
        unknown_field("", str(key), value, allowed)
        for key, value in document.items()
        if key not in allowed["properties"]
    ]
    found = document.get("spec")
    if not isinstance(found, Mapping):
        problems.append(_manifest_problem("spec", MISSING if found is None else found, "must be an object"))
    spec, more = _job(chosen, found if isinstance(found, Mapping) else {})
    meta = document.get("metadata")
    name, namespace, uid = (_text(meta, key) for key in ("name", "namespace", "uid"))
    if not name and not _text(meta, "generateName"):
        problems.append(_manifest_problem("metadata.name", MISSING, "a resource needs a name"))
    return Reading(chosen.name, name, namespace, uid, spec, (*problems, *more))


def _manifest_problem(path: str, value: Any, text: str) -> Problem:
    """A problem of what stands around the spec."""
    reason = Reason.REQUIRED if value is MISSING else Reason.INVALID
    return Problem(path, value, text, source=Source.OPERATOR, reason=reason, id="manifest")


def _text(node: Any, key: str) -> str:
    value = node.get(key) if isinstance(node, Mapping) else None
    return value if isinstance(value, str) else ""


def _kind_of(document: Mapping[str, Any]) -> Kind:
    """The kind whose names a description without a kind uses most; the first one where that is open."""
    keys = {_folded(key) for key in document}

    def share(kind: Kind) -> tuple[bool, int]:
        return _folded(kind.input_field) in keys, len(keys & _names(kind.input))

    return max(KINDS.values(), key=share)


def _job(kind: Kind, document: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Read a spec, a `Job` or an input alone."""
    problems: list[Problem] = []
    schema = spec_schema(kind.name)
    if _is_bare(kind, document):
        document = {kind.input_field: document}
    others = {_folded(other.input_field): other.input_field for other in KINDS.values() if other is not kind}
    outputs = _names(kind.status) - _names(kind.spec)
    mine, foreign = {}, {}
    for key, value in document.items():
        folded = _folded(key)
        if folded in others:
            foreign[others[folded]] = value
        elif folded in outputs:
            problems.append(_output_only(key, value))
        else:
            mine[key] = value
    spec = _object(mine, schema, "spec", problems)
    return {**spec, **{key: value for key, value in foreign.items() if value is not None}}, problems


def _is_bare(kind: Kind, document: Mapping[str, Any]) -> bool:
    """Whether these are an input's own fields, without anything around them."""
    keys = {_folded(key) for key in document}
    wrapped = {_folded(other.input_field) for other in KINDS.values()}
    return bool(keys & _names(kind.input)) and not keys & (wrapped | _names(kind.spec))


def _output_only(key: str, value: Any) -> Problem:
    return Problem(
        join("spec", key),
        value,
        "the service sets this field itself; it is left out",
        severity=Severity.WARNING,
        source=Source.DISCOVERY,
        reason=Reason.FORBIDDEN,
        id=OUTPUT_ONLY,
    )


def _value(value: Any, schema: Schema, path: str, problems: list[Problem]) -> Any:
    if isinstance(value, Mapping):
        if "properties" in schema:
            return _object(value, schema, path, problems)
        return dict(value)
    if isinstance(value, list | tuple) and "items" in schema:
        return [
            _value(item, schema["items"], join(path, index), problems) for index, item in enumerate(value)
        ]
    return _scalar(value, schema)


def _object(found: Mapping[str, Any], schema: Schema, path: str, problems: list[Problem]) -> dict[str, Any]:
    names = {_folded(name): name for name in schema["properties"]}
    made: dict[str, Any] = {}
    for key, value in found.items():
        name = names.get(_folded(key))
        if name is None:
            problems.append(unknown_field(path, str(key), value, schema))
            made[str(key)] = value
        elif name in made and value is not None:
            problems.append(_twice(path, str(key), value, name))
        elif value is not None:
            made[name] = _value(value, schema["properties"][name], join(path, name), problems)
    return made


def _twice(path: str, key: str, value: Any, name: str) -> Problem:
    return Problem(
        join(path, key),
        value,
        f"{name} stands there twice, in two spellings",
        source=Source.PROTO,
        reason=Reason.DUPLICATE,
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
            return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
        case "boolean":
            return _flag(value)
        case _:
            return value


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value.split(".")[0])
    return None


def _flag(value: Any) -> Any:
    words = {"true": True, "false": False}
    return words.get(value.lower(), value) if isinstance(value, str) else value


def _word(value: Any, words: list[str]) -> Any:
    if not isinstance(value, str):
        return value
    return {_folded(word): word for word in words}.get(_folded(value), value)


def _folded(key: object) -> str:
    """A name without case, underscores and hyphens: what all spellings of it have in common."""
    return str(key).replace("_", "").replace("-", "").lower()
