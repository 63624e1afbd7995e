"""The match conditions of a policy: which of the new specs need not be judged, since they keep all rules.

The API server makes the message for each spec that it judges, and so evaluates every rule twice, as texts.
Conditions come before, know no variables, and say one thing: that some rule may be broken. Each is one
expression, whose time to compile grows with the square of its length. So there is one for each part that
specs are made of, about those that have this part alone; and what few jobs have is left to the variables.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mljobs.api.base import JsonObject
from mljobs.api.crd import Rules, schema
from mljobs.api.resources import JobKind

CREATED = "request.operation == 'CREATE'"

APART = frozenset(
    (
        *("iamBindings", "failurePolicy", "placements", "placementPolicy"),
        *("hyperparameters", "studySpec", "unmanagedContainerModel", "explanationSpec"),
    )
)
"""Fields that few jobs have, with many rules or long lists: a new spec that has one of them is judged."""

JUDGED, COUNTED = 32, 128
"""Members of a list or map with which it is still looked at: at each of them, or at their sizes alone.

So an expression keeps within the cost that it may have; of the variables each list has one to itself.
"""

# The API server counts generations itself, and by nothing but the spec.
_CHANGED = f"{CREATED} || object.metadata.generation != oldObject.metadata.generation"


def conditions(kind: JobKind, rules: Rules) -> list[JsonObject]:
    """Build the conditions of a kind's policy, all of which hold where a spec has to be judged.

    Args:
        kind: whose resources the policy judges.
        rules: those over a new spec; each is false or fails where it is broken.
    """
    parts = (kind.input_field, "vertex")
    return [
        {"name": "spec-is-new-or-changed", "expression": _CHANGED},
        *(
            {
                "name": f"new-{part}-may-break-a-rule",
                "expression": _may_break(kind, rules, APART.union(parts) - {part}),
            }
            for part in parts
        ),
    ]


def _may_break(kind: JobKind, rules: Rules, apart: frozenset[str]) -> str:
    spec = schema(kind)["properties"]["spec"]
    kept = " && ".join(_Known(rules, apart).kept("spec", spec))
    return f"!({CREATED}) || ![object.spec].all(self, {kept})"


@dataclass(frozen=True)
class _Known:
    """What is said of values: the rules, and the fields with which nothing is known to be kept."""

    rules: Rules
    apart: frozenset[str]

    def kept(self, path: str, node: JsonObject) -> Iterator[str]:
        """The terms in CEL that all hold only where a value, `self`, keeps all rules that are about it.

        Parts come before the whole, whose rules may go through their lists: these are short by then.
        """
        fields = node.get("properties", {})
        yield from (f"!has(self.{name})" for name in fields if name in self.apart)
        for name in fields:
            if name not in self.apart and (terms := [*self.kept(f"{path}.{name}", fields[name])]):
                yield f"(!has(self.{name}) || [self.{name}].all(self, {' && '.join(terms)}))"
        if member := node.get("items") or node.get("additionalProperties"):
            yield from self._of_members(path, node, member)
        yield from (f"({rule.rule})" for rule in self.rules.get(path, ()))

    def _of_members(self, path: str, node: JsonObject, member: JsonObject) -> Iterator[str]:
        is_list = "items" in node
        terms = " && ".join(self.kept(path + ("[]" if is_list else "{}"), member))
        limit = JUDGED if terms else COUNTED
        if node["maxItems" if is_list else "maxProperties"] > limit:
            yield f"size(self) <= {limit}"
        if terms:
            yield f"self.all(self, {terms})" if is_list else f"self.all(key, [self[key]].all(self, {terms}))"
