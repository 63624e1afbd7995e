"""The rules in the form that goes into policies and CRDs."""

from collections.abc import Mapping, Sequence

from mljobs.api.crd import CelRule
from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.problems import join
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
    return CelRule(rule.cel, rule.text, field, _reported_as(rule.error_type), fails=rule.fails)


def _reported_as(error_type: FieldErrorType) -> FieldErrorType:
    """The type that the API server reports; it would drop the message of a duplicate."""
    return FieldErrorType.INVALID if error_type is FieldErrorType.DUPLICATE else error_type
