"""The CustomResourceDefinitions, made from the models.

A model's JSON schema is turned into the structural schema that the API server demands: references are
resolved, alternatives with null become optional fields, an int64 becomes int-or-string. Rules in CEL come
from the caller; only those that compare a resource with its former self are made here.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from mljobs.api.base import JsonObject
from mljobs.api.equality import same
from mljobs.api.field_error import FieldErrorType
from mljobs.api.jobclass import JOB_CLASS
from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import CATEGORY, GROUP, VERSION, Column, JobKind, ResourceKind


@dataclass(frozen=True)
class CelRule:
    """One rule that the API server checks.

    Attributes:
        rule: the CEL expression; `self` is the value at the path where the rule stands.
        message: what the user reads if the rule is broken.
        message_expression: the same as a CEL expression, for which the message stands in if it fails.
        field_path: the field that the error names, relative to that path and starting with a dot; None for
            the place itself.
        reason: the type of the error that the API server reports.
        fails: whether some values make it fail, in place of being false; see `in_crd`.
    """

    rule: str
    message: str
    field_path: str | None = None
    reason: FieldErrorType = FieldErrorType.INVALID
    message_expression: str | None = None
    fails: bool = False

    def document(self) -> JsonObject:
        """The rule as an entry of `x-kubernetes-validations`."""
        entry: JsonObject = {"rule": self.rule, "message": self.message, "reason": self.reason.value}
        if self.message_expression is not None:
            entry["messageExpression"] = self.message_expression
        if self.field_path is not None:
            entry["fieldPath"] = self.field_path
        return entry


Rules = Mapping[str, Sequence[CelRule]]
"""Rules by path (`spec.trainingInput.hyperparameters.params[]`).

A path is dotted, with `[]` for each item of a list and `{}` for each value of a map; the empty path is the
whole resource.
"""

CelRules = Mapping[str, Rules]
"""Rules by kind (`TrainingJob`) and path."""


def crds(rules: CelRules | None = None) -> list[JsonObject]:
    """Build the CRDs of all kinds.

    Args:
        rules: CEL rules to put into the schemas, beside the own ones of kinds that are not jobs.

    Returns:
        One document of `apiextensions.k8s.io/v1` for each kind, in the order of `ALL_KINDS`.

    Raises:
        KeyError: a rule names a kind or a path that does not exist.
    """
    rules = rules or {}
    unknown = sorted(set(rules) - set(ALL_KINDS))
    if unknown:
        known = ", ".join(ALL_KINDS)
        raise KeyError(f"rules for an unknown kind: {', '.join(unknown)}; the kinds are {known}")
    return [crd(kind, rules.get(kind.name)) for kind in ALL_KINDS.values()]


def crd(kind: ResourceKind, rules: Rules | None = None) -> JsonObject:
    """Build the CRD of one kind; see `crds`."""
    selectable = [{"jsonPath": path} for path in kind.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": [kind.short_name],
                # `kubectl get mljobs` is for a namespace's jobs
                **({"categories": [CATEGORY]} if kind.namespaced else {}),
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                    **({"selectableFields": selectable} if selectable else {}),
                    "schema": {"openAPIV3Schema": schema(kind, rules)},
                }
            ],
        },
    }


def schema(kind: ResourceKind, rules: Rules | None = None) -> JsonObject:
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
    for path, entries in [*own_rules(kind).items(), *(rules or {}).items()]:
        place = _at(root, path)
        place.setdefault("x-kubernetes-validations", []).extend(rule.document() for rule in entries)
    return root


def in_crd(kind: JobKind, rules: Rules, *, stands: bool = True) -> Rules:
    """The rules over a kind of job that stand in its CRD, or those that do not, but in its policy.

    In the CRD are those whose evaluation can fail, since there each is one by itself, and a failure hides no
    other. They are few, and look at one value each, so that they cost next to nothing: a text that need not
    be a regular expression, or a number's text that need not be an int64. See `mljobs.api.policy`.
    """
    places = dict(walk(schema(kind)))
    parted = {
        path: [
            rule for rule in entries if (rule.fails or "x-kubernetes-int-or-string" in places[path]) is stands
        ]
        for path, entries in rules.items()
    }
    return {path: entries for path, entries in parted.items() if entries}


def structural(model: type[BaseModel]) -> JsonObject:
    """Turn a model's JSON schema into a structural schema of Kubernetes."""
    return copy.deepcopy(_structural(model))


@cache
def _structural(model: type[BaseModel]) -> JsonObject:
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


def _column(column: Column) -> JsonObject:
    shown = {
        "name": column.name,
        "type": column.form,
        "description": column.description,
        "jsonPath": column.path,
    }
    return {**shown, "priority": 1} if column.wide else shown


def own_rules(kind: ResourceKind) -> Rules:
    """The rules that every CRD of a kind has, whatever others come from elsewhere."""
    return {"spec": [_fixed_manager(kind)]} if isinstance(kind, JobKind) else _OWN.get(kind.name, {})


def fixed_once_submitted(kind: JobKind, *, named: bool = False) -> Sequence[CelRule]:
    """What cannot be changed once there is a job, over the resource and its former self.

    There is one rule for a whole part, which looks at the fields only where the part differs, and names them
    in its message.

    Args:
        kind: whose fields they are.
        named: whether `changed_fields` are variables that the rules name; otherwise the rules say them.
    """
    fields = structural(kind.resource)["properties"]["spec"]["properties"]
    changed = changed_fields(kind)
    return [
        *(_fixed_field(kind, name, fields[name]) for name in ("jobClassName", "projectId", "jobId")),
        *(
            _fixed_part(kind, part, f"variables.changed_{part}" if named else f"({said})")
            for part, said in changed.items()
        ),
    ]


def changed_fields(kind: JobKind) -> Mapping[str, str]:
    """By the part that is fixed once submitted, the names of the fields that an update changes, in CEL."""
    spec = structural(kind.resource)["properties"]["spec"]["properties"]
    return {part: _changed_fields(part, spec[part]["properties"]) for part in (kind.input_field, "vertex")}


_NO_JOB = "!oldSelf.?status.?jobId.hasValue()"
_NEW, _OLD = "self.spec", "oldSelf.spec"


def _kept(new: str, old: str, schema: JsonObject) -> str:
    """Says that a field is as it was, or not there as it was not."""
    return f"(has({new}) ? has({old}) && ({same(new, old, schema)}) : !has({old}))"


def _fixed_field(kind: JobKind, field: str, schema: JsonObject) -> CelRule:
    return CelRule(
        rule=f"{_NO_JOB} || {_kept(f'{_NEW}.{field}', f'{_OLD}.{field}', schema)}",
        message=f"{field} {_fixed_once_submitted(kind)}",
        field_path=f".spec.{field}",
        reason=FieldErrorType.FORBIDDEN,
    )


def _changed_fields(part: str, fields: Mapping[str, JsonObject]) -> str:
    kept = {
        f"{part}.{name}": _kept(f"{_NEW}.{part}.{name}", f"{_OLD}.{part}.{name}", field)
        for name, field in fields.items()
    }
    return " + ".join(f"({said} ? '' : '{name} ')" for name, said in kept.items())


def _fixed_part(kind: JobKind, part: str, changed: str) -> CelRule:
    new, old = f"{_NEW}.{part}", f"{_OLD}.{part}"
    told = _fixed_once_submitted(kind)
    alike = f"{new} == {old} || {changed} == ''"
    return CelRule(
        rule=f"{_NO_JOB} || (has({new}) ? has({old}) && ({alike}) : !has({old}))",
        message=f"{part} {told}",
        message_expression=f"has({new}) && has({old}) ? {changed} + '{told}' : '{part} {told}'",
        field_path=f".spec.{part}",
        reason=FieldErrorType.FORBIDDEN,
    )


def _fixed_once_submitted(kind: JobKind) -> str:
    return f"cannot be changed once the job is submitted; make a new {kind.name} instead"


def _fixed_manager(kind: JobKind) -> CelRule:
    """A change would put two controllers to work: the other one may have started, or be about to.

    The operator itself keeps away from what is managed elsewhere, and so depends on it: it stands in the CRD.
    """
    old = "oldSelf.?managedBy.orValue('')"
    return CelRule(
        rule=f"has(self.managedBy) ? self.managedBy == {old} : {old} == ''",
        message=f"managedBy cannot be changed; make a new {kind.name} instead",
        field_path=".managedBy",
        reason=FieldErrorType.FORBIDDEN,
    )


CLASS_RULES: Rules = {
    "spec": [
        CelRule(
            "self.service == oldSelf.service",
            "service cannot be changed, since the jobs of the class are there; make another class instead",
            ".service",
            FieldErrorType.FORBIDDEN,
        ),
        CelRule(
            "!has(self.defaults) || !has(self.defaults.serviceAccount) || !has(self.jobServiceAccounts) || "
            "self.defaults.serviceAccount in self.jobServiceAccounts",
            "defaults.serviceAccount has to be one of jobServiceAccounts",
            ".defaults.serviceAccount",
        ),
        CelRule(
            "!has(self.defaults) || !has(self.defaults.tables) || self.service == 'VertexAI'",
            "tables translate legacy names for Vertex AI, and the service of the class is another one",
            ".defaults.tables",
            FieldErrorType.FORBIDDEN,
        ),
    ],
    "spec.namespaces.matchExpressions[]": [
        CelRule(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            "In and NotIn need values, Exists and DoesNotExist take none",
            ".values",
        ),
    ],
    "spec.defaults.labels": [
        CelRule(
            "self.all(key, !key.startsWith('mljobs-'))",
            "labels whose names start with mljobs- are the operator's own",
            reason=FieldErrorType.FORBIDDEN,
        ),
    ],
}
"""What the API server checks of a JobClass, beside its schema."""

_OWN: Mapping[str, Rules] = {JOB_CLASS.name: CLASS_RULES}
"""The own rules of kinds that are not jobs, by kind and path."""
