"""The rules in the form that goes into the CRDs."""

from collections.abc import Mapping, Sequence

from mljobs.api.crd import CelReason, CelRule
from mljobs.domain.spec.problems import Reason, join
from mljobs.domain.spec.rules.rule import Rule


def cel_rules(rules: Sequence[Rule], kinds: Sequence[str]) -> Mapping[str, Mapping[str, Sequence[CelRule]]]:
    """Say the rules in CEL.

    Warnings, and what the schema or only the operator can say, are left out.

    Returns:
        By kind and path in the resource (`spec.trainingInput.packageUris[]`), the rules at that path.
    """
    found: dict[str, dict[str, list[CelRule]]] = {kind: {} for kind in kinds}
    for rule in rules:
        entry = _entry(rule)
        if entry is None:
            continue
        path = join("spec", rule.scope) if rule.scope else "spec"
        for kind in sorted(rule.kinds):
            found[kind].setdefault(path, []).append(entry)
    return found


def _entry(rule: Rule) -> CelRule | None:
    if rule.cel is None:
        return None
    field = f".{rule.field}" if rule.field else None
    return CelRule(rule=rule.cel, message=rule.text, field_path=field, reason=_REASONS[rule.reason])


_REASONS: Mapping[Reason, CelReason] = {
    Reason.REQUIRED: "FieldValueRequired",
    Reason.FORBIDDEN: "FieldValueForbidden",
    Reason.INVALID: "FieldValueInvalid",
    Reason.DUPLICATE: "FieldValueInvalid",  # the API server would drop the message of a duplicate
}
