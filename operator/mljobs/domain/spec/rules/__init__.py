"""The table of rules that a spec has to keep, each said once and applied everywhere.

`check` applies them here, for the Stalled condition and `mljobs plan`; `cel_rules` says them in CEL, for the
CRDs, so that `kubectl apply` refuses what breaks them.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
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

Numbered = tuple[int, Rule]
"""A rule with its place in the table."""


@dataclass(frozen=True)
class _Group:
    """The rules of one scope.

    Attributes:
        top: the field of the spec that the scope begins with; empty for the spec itself.
        scope: their scope.
        rules: in the table's order, each with its test, which is what nearly all of the time goes into.
        of_fields: whether any of them blames a field, and so judges objects only.
    """

    top: str
    scope: str
    rules: Sequence[tuple[Numbered, Callable[[Any], bool]]]
    of_fields: bool

    def judge(self, nodes: Nodes, mistyped: Collection[str]) -> Iterator[tuple[int, Problem]]:
        """Find what breaks the rules; each problem comes with its rule's place in the table."""
        places = nodes.at(self.scope)
        if not places:
            return
        odd = mistyped or (self.of_fields and not all(isinstance(node, Mapping) for _, node in places))
        for (place, rule), test in self.rules:
            for _, node in places:
                if odd or not test(node):
                    for problem in rule.problems(nodes, mistyped):
                        yield place, problem
                    break


def _groups(kind: str) -> Iterator[_Group]:
    rules: dict[str, list[Numbered]] = {}
    for place, rule in enumerate(RULES):
        if kind in rule.kinds:
            rules.setdefault(rule.scope, []).append((place, rule))
    for scope, mine in rules.items():
        tested = [((place, rule), rule.holds.test) for place, rule in mine]
        yield _Group(mine[0][1].top, scope, tested, any(rule.field for _, rule in mine))


_OF_KIND = {kind: tuple(_groups(kind)) for kind in KINDS}


def check(kind: str, spec: Mapping[str, Any], mistyped: Collection[str] = ()) -> list[Problem]:
    """Apply all rules to a spec.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: in canonical spelling; its types need not be right, since a rule passes over what it cannot
            judge.
        mistyped: paths whose values are known to be of a wrong type; no rule concludes anything from them.

    Returns:
        Every problem, errors and warnings, in the table's order.
    """
    nodes, given = Nodes(spec), {"", *spec}
    found: list[tuple[int, Problem]] = []
    for group in _OF_KIND.get(kind, ()):
        if group.top in given:
            found += group.judge(nodes, mistyped)
    return [problem for _, problem in sorted(found, key=itemgetter(0))]


def cel_rules() -> Mapping[str, Mapping[str, Sequence[CelRule]]]:
    """Say in CEL what of the table it can say; see `mljobs.api.crd.crds`."""
    return cel.cel_rules(RULES, list(KINDS))
