"""The table of rules that a spec has to keep, each said once and applied everywhere.

`check` applies them here, for the Stalled condition and `mljobs plan`; `cel_rules` says them in CEL, for the
CRDs, so that `kubectl apply` refuses what breaks them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from mljobs.api.crd import CelRule
from mljobs.api.resources import KINDS
from mljobs.domain.spec.problems import Problem
from mljobs.domain.spec.rules import cel, job, machines, policies, prediction, sizes, training, tuning, vertex
from mljobs.domain.spec.rules.rule import Nodes, Rule

RULES: tuple[Rule, ...] = (
    *job.RULES,
    *policies.RULES,
    *training.RULES,
    *machines.RULES,
    *tuning.RULES,
    *prediction.RULES,
    *vertex.RULES,
    *sizes.RULES,
)
"""All rules, in the order in which their problems are reported."""

_OF_KIND = {kind: [(rule.top, rule) for rule in RULES if kind in rule.kinds] for kind in KINDS}
"""By kind its rules, each with the field of the spec that it is about."""


def check(kind: str, spec: Mapping[str, Any], mistyped: Collection[str] = ()) -> Iterator[Problem]:
    """Apply all rules to a spec.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: in canonical spelling; its types need not be right, since a rule passes over what it cannot
            judge.
        mistyped: paths whose values are known to be of a wrong type; no rule concludes anything from them.

    Yields:
        Every problem, errors and warnings, in the table's order.
    """
    nodes, given = Nodes(spec), {"", *spec}
    for top, rule in _OF_KIND.get(kind, ()):
        if top in given:
            yield from rule.problems(nodes, mistyped)


def cel_rules() -> Mapping[str, Mapping[str, Sequence[CelRule]]]:
    """Say in CEL what of the table it can say; see `mljobs.api.crd.crds`."""
    return cel.cel_rules(RULES, list(KINDS))
