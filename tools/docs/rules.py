"""The documentation's table of rules, made from the table that is applied."""

from mljobs.api.crd import in_crd
from mljobs.api.resources import KINDS
from mljobs.domain.spec.problems import Severity
from mljobs.domain.spec.rules import RULES, cel_rules
from mljobs.domain.spec.rules.rule import BOTH, Rule

_INTRODUCTION = """# Rules of a spec

Each rule is checked by the operator and by `mljobs plan`. *Refused by* says who refuses a spec that breaks
it first: `kubectl apply`, where the kind's policy (a ValidatingAdmissionPolicy) or its CRD says the rule, or
else the operator, with `Stalled=True, InvalidSpec`. Where a cluster has the CRDs without the policies, the
operator refuses in their place. A *warning* refuses nothing: it is a line of `mljobs plan`, and an Event
once.

The policy is asked where a spec is new or has changed. Of a changed spec it judges the parts that differ, and
what ties several parts together: so an older resource that breaks a newer rule can still be suspended, and
always be deleted.

| field | rule | refused by | source |
|---|---|---|---|
"""

_IN_CRD = frozenset(
    (path, rule.message)
    for kind in KINDS.values()
    for path, entries in in_crd(kind, cel_rules()[kind.name]).items()
    for rule in entries
)
"""The paths and texts of the rules that stand in a CRD."""


def page() -> str:
    """All rules, in the order in which their problems are reported."""
    return _INTRODUCTION + "".join(f"{_row(rule)}\n" for rule in RULES)


def _row(rule: Rule) -> str:
    cells = (_field(rule), rule.text, _refused_by(rule), rule.source.value)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _field(rule: Rule) -> str:
    path = ".".join(part for part in ("spec", rule.scope, rule.field) if part)
    kinds = "" if rule.kinds == BOTH else f" ({', '.join(sorted(rule.kinds))})"
    return f"`{path}`{kinds}"


def _refused_by(rule: Rule) -> str:
    if rule.severity is Severity.WARNING:
        return "none: a warning"
    if rule.in_schema or (f"spec.{rule.scope}", rule.text) in _IN_CRD:
        return "`kubectl apply`: CRD"
    return "`kubectl apply`: policy" if rule.cel else "the operator"
