"""The ValidatingAdmissionPolicies, which judge a spec by the rules in CEL when it is new or has changed.

A rule in a CRD is evaluated at each write of a resource, of its metadata and status too; a policy is asked
only where its match condition says so. The API server reports the first validation that fails; so there is
one, whose message lists all problems as kubectl words those of a CRD: field, kind of error, rule.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mljobs.api.base import JsonObject
from mljobs.api.crd import CelRule, Rules, changed_fields, fixed_once_submitted, in_crd, schema, walk
from mljobs.api.field_error import FieldErrorType
from mljobs.api.policy_conditions import CREATED, conditions
from mljobs.api.resources import GROUP, VERSION, JobKind

SEPARATOR = "; "
"""Between two problems of a message, which must be one line; each problem starts with `spec`."""

LONGEST = 4096
"""Characters of a message; the API server drops one of more than 5 KiB."""

MORE = "… and more: see `mljobs plan`"
FALLBACK = "the spec breaks rules that cannot be listed here: see `mljobs plan`"
"""Where a message cannot be shown: a key in it has a line break, say."""

SHORT = 3000
"""Characters of rules in an expression; the time to compile one grows with the square of its length."""

_API_VERSION = "admissionregistration.k8s.io/v1"
_WORDS = {
    FieldErrorType.REQUIRED: "Required value",
    FieldErrorType.INVALID: "Invalid value",
    FieldErrorType.FORBIDDEN: "Forbidden",
}
_STEP = re.compile(r"([^.\[\]{}]+)|(\[\]|\{\})")
"""A name in a path, or a mark for the members of a list or map."""

_END = re.compile(r"[.\[{]")


def documents(kind: JobKind, rules: Rules) -> list[JsonObject]:
    """Build the policy of one kind, and its binding to all namespaces.

    Args:
        kind: whose resources it judges.
        rules: those over a spec, of which it takes what does not stand in the CRD; what is fixed once
            submitted comes with them.
    """
    return [_policy(kind, _over_plain_values(kind, in_crd(kind, rules, stands=False))), _binding(kind)]


def _over_plain_values(kind: JobKind, rules: Rules) -> Rules:
    """The same over values without a schema, in which `5.0` may stand for an integer; a CRD's fail there."""
    places = dict(walk(schema(kind)))
    return {
        path: [replace(rule, rule=f"type(self) == int && ({rule.rule})") for rule in entries]
        if places[path].get("type") == "integer"
        else entries
        for path, entries in rules.items()
    }


def _policy(kind: JobKind, rules: Rules) -> JsonObject:
    return {
        "apiVersion": _API_VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": kind.crd_name},
        "spec": {
            # As rules in a CRD have it: what cannot be judged is not let in unjudged.
            "failurePolicy": "Fail",
            # with what the API server would add, so that whoever compares finds no difference
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "namespaceSelector": {},
                "objectSelector": {},
                "resourceRules": [
                    {
                        "apiGroups": [GROUP],
                        "apiVersions": [VERSION],
                        "operations": ["CREATE", "UPDATE"],
                        # without a status, whose writes change no spec
                        "resources": [kind.plural],
                        "scope": "Namespaced",
                    }
                ],
            },
            "matchConditions": conditions(kind, rules),
            "variables": [
                {"name": name, "expression": expression} for name, expression in _variables(kind, rules)
            ],
            "validations": [
                {
                    "expression": "variables.problems == ''",
                    "message": FALLBACK,
                    "messageExpression": _MESSAGE,
                    "reason": "Invalid",
                }
            ],
        },
    }


def _binding(kind: JobKind) -> JsonObject:
    return {
        "apiVersion": _API_VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": kind.crd_name},
        "spec": {"policyName": kind.crd_name, "validationActions": ["Deny"]},
    }


_MESSAGE = (
    f"size(variables.problems) > {LONGEST} ? variables.problems.substring(0, {LONGEST}) + '{MORE}' "
    f": variables.problems.substring(0, size(variables.problems) - {len(SEPARATOR)})"
)


def _variables(kind: JobKind, rules: Rules) -> Iterator[tuple[str, str]]:
    """The names and expressions of the variables; `problems` is the text of all problems.

    The cost of each is limited by itself: so each list has one, and so has each part of the spec. What is
    absent is not evaluated, and what an update leaves as it was is not judged again, so that an older
    resource can be suspended although a newer rule is against it.
    """
    yield from _changed(kind)
    compared = dict(_fixed(kind))
    yield from compared.items()
    said = [f"{CREATED} ? '' : {_joined(f'variables.{name}' for name in compared)}"]
    fields: JsonObject = schema(kind)["properties"]["spec"]["properties"]
    for top, mine in _by_field(fields, rules).items():
        lists = _by_list(kind, mine)
        for path, entries in lists.items():
            if path:
                yield _name(path), _joined(_Node.of(entries).parts(_RESOURCE))
        whole = _name(f"spec.{top}" if top else "spec")
        parts = [_joined(_Node.of(entries).parts(_RESOURCE)) for entries in _short(lists.get("", {}))]
        if len(parts) > 1:
            named = {f"{whole}_part{number}": said for number, said in enumerate(parts)}
            yield from named.items()
            parts = [f"variables.{name}" for name in named]
        judged = _joined([*parts, *_refer(lists)])
        if not top or "properties" in fields[top]:
            yield whole, judged
            judged = f"variables.{whole}"
        if top:
            new, old = f"object.spec.?{top}", f"oldObject.spec.?{top}"
            judged = f"has(object.spec.{top}) && ({CREATED} || {new} != {old}) ? ({judged}) : ''"
        said.append(judged)
    yield "problems", _joined(said)


def _short(rules: Rules) -> Iterator[Rules]:
    """The same in parts, in the order in which they are told, each short enough to be compiled soon."""
    part: dict[str, list[CelRule]] = {}
    length = 0
    for path, rule in _Node.of(rules).in_order():
        length += len(rule.rule)
        if part and length > SHORT:
            yield part
            part, length = {}, len(rule.rule)
        part.setdefault(path, []).append(rule)
    if part:
        yield part


def _refer(lists: Mapping[str, Rules]) -> Iterator[str]:
    """The variables of lists, each evaluated where the list is there that it is about, or in."""
    for path in filter(None, lists):
        (*names,) = re.split(r"[\[{]", path)[0].split(".")
        there = [".".join(("object", *names[:end])) for end in range(3, len(names) + 1)]
        asked = " && ".join(f"has({one})" for one in there)
        yield f"{asked} ? variables.{_name(path)} : ''" if asked else f"variables.{_name(path)}"


def _by_field(fields: Iterable[str], rules: Rules) -> Mapping[str, Rules]:
    """The rules by the field of the spec that they are about, in the fields' order; the spec's own first."""
    found: dict[str, dict[str, Sequence[CelRule]]] = {name: {} for name in ("", *fields)}
    for path, entries in rules.items():
        _, _, below = path.partition(".")
        found[re.split(r"[.\[{]", below)[0]][path] = entries
    return {name: mine for name, mine in found.items() if mine}


def _by_list(kind: JobKind, rules: Rules) -> Mapping[str, Rules]:
    """The rules by the innermost list or map that they are about; by the empty path where there is none."""
    long = {path for path, node in walk(schema(kind)) if "items" in node or "additionalProperties" in node}
    found: dict[str, dict[str, Sequence[CelRule]]] = {}
    for path, entries in rules.items():
        ends = [match.start() for match in _END.finditer(path)] + [len(path)]
        innermost = max((path[:end] for end in ends if path[:end] in long), key=len, default="")
        found.setdefault(innermost, {})[path] = entries
    return found


def _name(path: str) -> str:
    """A name for a path that is an identifier of CEL: `spec_vertex_jobSpec_workerPoolSpecs_env`."""
    return re.sub(r"\W+", "_", path).removesuffix("_") + "_items" * path.endswith(("]", "}"))


def _changed(kind: JobKind) -> Iterator[tuple[str, str]]:
    """What differs from the former resource, which both a rule and its message name."""
    for part, said in changed_fields(kind).items():
        yield f"changed_{part}", f"[oldObject].map(oldSelf, [object].map(self, {said}).join('')).join('')"


def _fixed(kind: JobKind) -> Iterator[tuple[str, str]]:
    """What compares a resource with its former self, as a variable for each field or part of the spec."""
    for rule in fixed_once_submitted(kind, named=True):
        name = (rule.field_path or "").rpartition(".")[2]
        yield f"fixed_{name}", f"[oldObject].map(oldSelf, {_judged([rule], _RESOURCE)}).join('')"


@dataclass(frozen=True)
class _Place:
    """A value in CEL, and its path as a text in CEL."""

    value: str
    path: str

    def field(self, name: str) -> "_Place":
        path = _quoted(name) if self.path == "''" else _appended(self.path, f".{name}")
        return _Place(f"{self.value}.{name}", path)


_RESOURCE = _Place("object", "''")


@dataclass
class _Node:
    """The rules about a value, and the nodes of its fields and members."""

    rules: Sequence[CelRule] = ()
    fields: "dict[str, _Node]" = field(default_factory=dict)
    members: "dict[str, _Node]" = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Rules) -> "_Node":
        """The tree of some rules, from the resource on."""
        root = cls()
        for path, entries in rules.items():
            node = root
            for name, mark in _STEP.findall(path):
                into, key = (node.members, mark) if mark else (node.fields, name)
                node = into.setdefault(key, cls())
            node.rules = entries
        return root

    def in_order(self, path: str = "") -> Iterator[tuple[str, CelRule]]:
        """The rules with their paths, in the order in which `parts` tells their problems."""
        yield from ((path, rule) for rule in self.rules)
        for name, node in self.fields.items():
            yield from node.in_order(f"{path}.{name}" if path else name)

    def parts(self, place: _Place, depth: int = 0) -> Iterator[str]:
        """The problems with a value that is there, as texts in CEL."""
        if self.rules:
            yield _judged(self.rules, place)
        for name, node in self.fields.items():
            inner = place.field(name)
            said = _joined(node.parts(inner, depth))
            yield said if inner.value == "object.spec" else f"has({inner.value}) ? ({said}) : ''"
        for mark, node in self.members.items():
            yield node.of_members(place, mark, depth)

    def of_members(self, place: _Place, mark: str, depth: int) -> str:
        """The problems with each member of a list or map."""
        key, item = f"key{depth}", f"item{depth}" if self.fields or self.members else "self"
        if mark == "[]":
            # of equal items, which break a rule alike, the first is named
            name, (bound, member) = f"string({place.value}.indexOf({item}))", (item, "{}")
        else:
            name, (bound, member) = key, (key, f"[{place.value}[{key}]].map({item}, {{}}).join('')")
        inner = _Place(item, _appended(place.path, "[") + f" + {name} + ']'")
        said = member.replace("{}", _joined(self.parts(inner, depth + 1)))
        return f"{place.value}.map({bound}, {said}).join('')"


def _judged(rules: Sequence[CelRule], place: _Place) -> str:
    """The problems with a value, which the rules know as `self`, as a text in CEL."""
    said = _joined(f"({rule.rule}) ? '' : {_text(rule, place.path)}" for rule in rules)
    return said if place.value == "self" else f"[{place.value}].map(self, {said}).join('')"


def _joined(texts: Iterable[str]) -> str:
    """One text in CEL of some."""
    first, *others = texts
    return f"[{', '.join([first, *others])}].join('')" if others else first


def _text(rule: CelRule, path: str) -> str:
    """What is wrong, in CEL."""
    place = _appended(path, rule.field_path or "")
    if path == "''":
        place = _quoted((rule.field_path or "").removeprefix("."))
    head = _appended(place, f": {_WORDS[rule.reason]}: ")
    if rule.message_expression is not None:
        return f"{head} + ({rule.message_expression}) + {_quoted(SEPARATOR)}"
    return _appended(head, rule.message + SEPARATOR)


def _appended(said: str, text: str) -> str:
    """A text in CEL, with another after it; two literals become one."""
    if not text:
        return said
    end = _quoted(text)
    if said.endswith("'") and end.startswith("'"):
        return said[:-1] + end[1:]
    return f"{said} + {end}"


def _quoted(text: str) -> str:
    """A CEL string literal."""
    if "'" in text or "\\" in text:
        return json.dumps(text, ensure_ascii=False)
    return f"'{text}'"
