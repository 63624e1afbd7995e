"""The record that a rule is, and how it finds what breaks it in a spec."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.problems import MISSING, Problem, Severity, Source, join
from mljobs.domain.spec.rules.terms import Term, get

TRAINING_JOB = "TrainingJob"
PREDICTION_JOB = "PredictionJob"
BOTH = frozenset({TRAINING_JOB, PREDICTION_JOB})

Blame = Callable[[Any], Iterable[tuple[str, Any]]]
"""Finds the members to blame in a value that breaks a rule: relative path and value of each."""


@dataclass(frozen=True)
class Rule:
    """One rule of the table.

    Attributes:
        id: its name, unique in the table.
        scope: the values that it judges: a path below `spec`, in which `[]` stands for each item of a list
            and `{}` for each value of a map; both may follow each other. The empty scope is the spec.
        holds: what must be so.
        text: the rule in one sentence; the same in all places where it is applied.
        source: where it comes from.
        field: the field to blame, relative to the scope; empty for the scope's value itself.
        blame: finds the members to blame where no fixed field is close enough for the core.
        error_type: what is wrong, in the API server's words.
        severity: a warning does not refuse the spec and is not in the CRD.
        kinds: the kinds that it applies to.
        in_schema: whether the CRD's schema already says it, so that no CEL is needed.
        fails: whether some values make its CEL fail, in place of being false; it then stands in the CRD.
    """

    id: str
    scope: str
    holds: Term
    text: str
    source: Source
    field: str = ""
    blame: Blame | None = None
    error_type: FieldErrorType = FieldErrorType.INVALID
    severity: Severity = Severity.ERROR
    kinds: frozenset[str] = BOTH
    in_schema: bool = False
    fails: bool = False

    @property
    def top(self) -> str:
        """The field of the spec that the scope begins with; empty for the spec itself."""
        return _MARK.split(self.scope.partition(".")[0])[0]

    @property
    def cel(self) -> str | None:
        """The rule in CEL over the scope's schema, or None if only the core applies it."""
        refuses = self.severity is Severity.ERROR and not self.in_schema
        return self.holds.cel if refuses else None

    def problems(self, spec: "Nodes", mistyped: Collection[str] = ()) -> Iterator[Problem]:
        """Find what breaks the rule in a spec; nothing if its scope is absent or of another type.

        Args:
            spec: in canonical spelling.
            mistyped: paths whose values are of a wrong type; nothing is concluded from them.
        """
        for path, node in spec.at(self.scope):
            if self.field and not isinstance(node, Mapping):
                continue
            if self._is_open(path, mistyped) or self.holds.test(node):
                continue
            for member, value in self._blamed(node):
                yield Problem(
                    _below(path, member),
                    value,
                    self.text,
                    self.severity,
                    self.source,
                    self.error_type,
                    self.id,
                )

    def _is_open(self, path: str, mistyped: Collection[str]) -> bool:
        used = [_below(path, use) for use in self.holds.uses] if mistyped else ()
        return any(use == bad or use.startswith((f"{bad}.", f"{bad}[")) for use in used for bad in mistyped)

    def _blamed(self, node: Any) -> Iterable[tuple[str, Any]]:
        if self.blame:
            return self.blame(node)
        return [(self.field, get(node, self.field))]


_MARK = re.compile(r"(\[\]|\{\})")


class Nodes:
    """The values of a spec by scope, each looked up once, since hundreds of rules have scopes in common.

    Args:
        spec: in canonical spelling.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._found: dict[str, Sequence[tuple[str, Any]]] = {"": [("spec", spec)]}

    def at(self, scope: str) -> Sequence[tuple[str, Any]]:
        """The path and value of each place that a scope means, in the order of the spec."""
        found = self._found.get(scope)
        if found is None:
            above, name, marks = _parted(scope)
            parents = self.at(above)
            found = ()
            if parents:
                found = [inner for path, node in parents for inner in _step(path, node, name, marks)]
            self._found[scope] = found
        return found


@cache
def _parted(scope: str) -> tuple[str, str, Sequence[str]]:
    """The scope above, and the name and the marks of the last step."""
    above, _, last = scope.rpartition(".")
    name, *marks = filter(None, _MARK.split(last))
    return above, name, marks


def _step(path: str, node: Any, name: str, marks: Sequence[str]) -> Iterator[tuple[str, Any]]:
    found = get(node, name)
    if found is not MISSING:
        yield from _members(join(path, name), found, marks)


def _members(path: str, node: Any, marks: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """The items of a list, the values of a map, or what is in them, as the marks say."""
    if not marks:
        yield path, node
        return
    mark, *others = marks
    members: Iterable[tuple[str, Any]] = ()
    if mark == "[]" and isinstance(node, list | tuple):
        members = ((join(path, index), item) for index, item in enumerate(node))
    elif mark == "{}" and isinstance(node, Mapping):
        members = ((f"{path}[{key}]", value) for key, value in node.items())
    for inner, member in members:
        yield from _members(inner, member, others)


def _below(path: str, member: str) -> str:
    if not member:
        return path
    return f"{path}{member}" if member.startswith("[") else f"{path}.{member}"
