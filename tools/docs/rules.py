"""The documentation's table of rules, made from the table that is applied."""

from mljobs.domain.spec.problems import Severity
from mljobs.domain.spec.rules import RULES
from mljobs.domain.spec.rules.rule import BOTH, Rule

_INTRODUCTION = """# Rules of a spec

Each rule is checked by the operator and by `mljobs plan`. *Refused by* says who refuses a spec that breaks it
first: `kubectl apply`, where the CRD says the rule, or else the operator, with `Stalled=True, InvalidSpec`. A
*warning* refuses nothing: it is a line of `mljobs plan`, and an Event once.

| field | rule | refused by | source |
|---|---|---|---|
"""


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
    return "`kubectl apply`" if rule.in_schema or rule.cel else "the operator"
