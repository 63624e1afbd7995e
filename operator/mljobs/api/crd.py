"""The CustomResourceDefinitions, made from the models.

A model's JSON schema is turned into the structural schema that the API server demands: references are
resolved, alternatives with null become optional fields, an int64 becomes int-or-string. Rules in CEL come
from the caller; only those that compare a resource with its former self are made here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from mljobs.api.base import JsonObject
from mljobs.api.equality import same
from mljobs.api.resources import CATEGORY, GROUP, KINDS, VERSION, JobKind

CelReason = Literal["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"]


@dataclass(frozen=True)
class CelRule:
    """One rule that the API server checks.

    Attributes:
        rule: the CEL expression; `self` is the value at the path where the rule stands.
        message: what the user reads when the rule is broken.
        field_path: the field that the error names, relative to that path and starting with a dot; None for
            the place itself.
        reason: the kind of error that the API server reports.
    """

    rule: str
    message: str
    field_path: str | None = None
    reason: CelReason = "FieldValueInvalid"

    def document(self) -> JsonObject:
        """The rule as an entry of `x-kubernetes-validations`."""
        entry: JsonObject = {"rule": self.rule, "message": self.message, "reason": self.reason}
        if self.field_path is not None:
            entry["fieldPath"] = self.field_path
        return entry


CelRules = Mapping[str, Mapping[str, Sequence[CelRule]]]
"""Rules by kind (`TrainingJob`) and path (`spec.trainingInput.hyperparameters.params[]`).

A path is dotted, with `[]` for each item of a list; the empty path is the whole resource.
"""


def crds(rules: CelRules | None = None) -> list[JsonObject]:
    """Build the CRDs of both kinds.

    Args:
        rules: CEL rules to put into the schemas, beside those on immutable fields.

    Returns:
        One document of `apiextensions.k8s.io/v1` for each kind, in the order of `KINDS`.

    Raises:
        KeyError: a rule names a kind or a path that does not exist.
    """
    rules = rules or {}
    unknown = sorted(set(rules) - set(KINDS))
    if unknown:
        raise KeyError(f"rules for an unknown kind: {', '.join(unknown)}; the kinds are {', '.join(KINDS)}")
    return [crd(kind, rules.get(kind.name)) for kind in KINDS.values()]


def crd(kind: JobKind, rules: Mapping[str, Sequence[CelRule]] | None = None) -> JsonObject:
    """Build the CRD of one kind; see `crds`."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": [kind.short_name],
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _columns(kind),
                    "selectableFields": [{"jsonPath": ".status.state"}],
                    "schema": {"openAPIV3Schema": schema(kind, rules)},
                }
            ],
        },
    }


def schema(kind: JobKind, rules: Mapping[str, Sequence[CelRule]] | None = None) -> JsonObject:
    """Build the structural schema of one kind; see `crds`."""
    root = structural(kind.resource)
    fields = root["properties"]
    # The API server keeps these three itself and refuses any schema for metadata but this.
    for name in ("apiVersion", "kind"):
        fields[name] = {"description": fields[name]["description"], "type": "string"}
    fields["metadata"] = {"type": "object"}
    # kstatus takes a resource without a status for finished; -1 makes it read "in progress".
    fields["status"]["default"] = {"observedGeneration": -1}
    root["required"] = ["spec"]
    for path, entries in [("", _immutable(kind, fields["spec"])), *(rules or {}).items()]:
        place = _at(root, path)
        place.setdefault("x-kubernetes-validations", []).extend(rule.document() for rule in entries)
    return root


def structural(model: type[BaseModel]) -> JsonObject:
    """Turn a model's JSON schema into a structural schema of Kubernetes."""
    source = model.model_json_schema(by_alias=True)
    return _flatten(source, source.get("$defs", {}))


def walk(node: JsonObject, path: str = "") -> Iterator[tuple[str, JsonObject]]:
    """Go through a structural schema: each path (`[]` for items, `{}` for map values) and what is there."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}" if path else name)
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        yield from walk(node["additionalProperties"], f"{path}{{}}")


_ORDER = (
    "description",
    "type",
    "format",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "enum",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "required",
    "properties",
    "items",
    "additionalProperties",
)
"""The keywords that a structural schema of ours has, in the order of the output; all others are dropped."""


def _flatten(node: Mapping[str, Any], defs: Mapping[str, JsonObject]) -> JsonObject:
    node = merged(node, defs)
    for word in ("enum", "required"):
        if word in node:
            node[word] = list(node[word])
    if node.get("default") is None:
        node.pop("default", None)
    if node.get("type") == "array":
        # what server-side apply does by default; said, so that a reader need not know
        node.setdefault("x-kubernetes-list-type", "atomic")
    if node.get("additionalProperties") is False:
        del node["additionalProperties"]
    for word in ("items", "additionalProperties"):
        if word in node:
            node[word] = _flatten(node[word], defs)
    if "properties" in node:
        node["properties"] = {name: _flatten(child, defs) for name, child in node["properties"].items()}
    if "description" in node:
        node["description"] = _sentence(node)
    return {word: node[word] for word in _ORDER if word in node}


def _sentence(node: JsonObject) -> str:
    text = " ".join(node["description"].split())
    # kubectl explain calls the type of an int-or-string just "Object".
    return f"{text} An integer, or its decimal text." if "x-kubernetes-int-or-string" in node else text


def merged(node: Mapping[str, Any], defs: Mapping[str, JsonObject]) -> JsonObject:
    """Resolve a reference or an alternative with null; what stands beside it wins."""
    merged = dict(node)
    while "$ref" in merged or "anyOf" in merged:
        if "$ref" in merged:
            target: Mapping[str, Any] = defs[merged.pop("$ref").removeprefix("#/$defs/")]
        else:
            (target,) = (choice for choice in merged.pop("anyOf") if choice != {"type": "null"})
        merged = {**target, **merged}
    return merged


def _at(root: JsonObject, path: str) -> JsonObject:
    places = dict(walk(root))
    if path not in places:
        raise KeyError(f"a rule names the path {path!r}, which the schema does not have")
    return places[path]


def _columns(kind: JobKind) -> list[JsonObject]:
    return [
        _column("State", ".status.state", "The job's state in the service's words"),
        _column("Job", ".status.jobId", "The id of the job"),
        _column("Project", ".status.projectId", "The Google Cloud project that the job is in", wide=True),
        _column("Region", f".spec.{kind.input_field}.region", "The region that the job runs in", wide=True),
        _column(
            "Reason",
            '.status.conditions[?(@.type=="Succeeded")].reason',
            "The reason of the Succeeded condition",
            wide=True,
        ),
        _column("Manager", ".spec.managedBy", "The controller, where it is not the operator", wide=True),
        _column("Age", ".metadata.creationTimestamp", "The time since the resource was created", form="date"),
    ]


def _column(
    name: str, path: str, description: str, *, form: str = "string", wide: bool = False
) -> JsonObject:
    column: JsonObject = {"name": name, "type": form, "description": description, "jsonPath": path}
    return {**column, "priority": 1} if wide else column


def _immutable(kind: JobKind, spec: JsonObject) -> list[CelRule]:
    """A rule for each field, so that the error names what was changed."""
    fields = spec["properties"]
    fixed = {name: fields[name] for name in ("projectId", "jobId")}
    for part in (kind.input_field, "vertex"):
        fixed |= {f"{part}.{name}": schema for name, schema in fields[part]["properties"].items()}
    once_submitted = [_fixed_once_submitted(kind, field, schema) for field, schema in fixed.items()]
    return [*once_submitted, _fixed(kind, "managedBy")]


def _fixed(kind: JobKind, field: str) -> CelRule:
    """Who changed it would have two controllers at work: another one may have begun, or be about to."""
    new, old = (f"(has({me}.spec.{field}) ? {me}.spec.{field} : '')" for me in ("self", "oldSelf"))
    return CelRule(
        rule=f"{new} == {old}",
        message=f"{field} cannot be changed; make a new {kind.name} instead",
        field_path=f".spec.{field}",
        reason="FieldValueForbidden",
    )


def _fixed_once_submitted(kind: JobKind, field: str, schema: JsonObject) -> CelRule:
    new, old = f"self.spec.{field}", f"oldSelf.spec.{field}"
    submitted = "has(oldSelf.status) && has(oldSelf.status.jobId)"
    is_there, was_there = (_has(f"{me}.spec", field) for me in ("self", "oldSelf"))
    kept = f"({is_there}) == ({was_there}) && (!({is_there}) || {same(new, old, schema)})"
    return CelRule(
        rule=f"!({submitted}) || ({kept})",
        message=f"{field} cannot be changed once the job is submitted; make a new {kind.name} instead",
        field_path=f".spec.{field}",
        reason="FieldValueForbidden",
    )


def _has(value: str, path: str) -> str:
    parts = path.split(".")
    return " && ".join(f"has({value}.{'.'.join(parts[: i + 1])})" for i in range(len(parts)))
