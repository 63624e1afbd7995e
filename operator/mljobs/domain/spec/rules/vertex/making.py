"""What the rules of the block are made with: shapes of values, and rules of a frequent form."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.problems import Severity, Source
from mljobs.domain.spec.rules.rule import PREDICTION_JOB, TRAINING_JOB, Rule
from mljobs.domain.spec.rules.terms import Term, all_of, any_of, fits, get, given, integer, item_fits, present

TRAINING = frozenset({TRAINING_JOB})
PREDICTION = frozenset({PREDICTION_JOB})

JOB_SPEC = "vertex.jobSpec"
POOLS = f"{JOB_SPEC}.workerPoolSpecs"
STUDY = "vertex.studySpec"
BATCH = "vertex.batchPredictionJob"

ACCOUNT = r"[^@ ]+@[^@ ]+"
KEY = r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+"

forbidden = partial(Rule, source=Source.DISCOVERY, error_type=FieldErrorType.FORBIDDEN)
warning = partial(Rule, source=Source.DOCUMENTATION, severity=Severity.WARNING)


def required(
    name: str, scope: str, field: str, text: str, kinds: frozenset[str], there: Term | None = None
) -> Rule:
    """A field that has to be there where its message is: a text that is not empty, or what `there` says."""
    return Rule(
        name,
        scope,
        there or given(field),
        text,
        Source.DISCOVERY,
        field=field,
        error_type=FieldErrorType.REQUIRED,
        kinds=kinds,
    )


def shaped(
    name: str, scope: str, pattern: str, text: str, kinds: frozenset[str], source: Source = Source.DISCOVERY
) -> Rule:
    """A text that has a form, where it is given; in a list each one is."""
    form = item_fits(pattern) if scope.endswith("[]") else fits(pattern)
    return Rule(name, scope, form, text, source, kinds=kinds)


def excluding(name: str, scope: str, text: str, kinds: frozenset[str], *fields: str) -> Rule:
    """Fields of which at the most one may be there; the last one is blamed."""
    pairs = [
        ~(present(one) & present(other)) for index, one in enumerate(fields) for other in fields[index + 1 :]
    ]
    return Rule(
        name,
        scope,
        all_of(*pairs),
        text,
        Source.PROTO,
        field=fields[-1],
        error_type=FieldErrorType.FORBIDDEN,
        kinds=kinds,
    )


def items(value: Any) -> list[Any]:
    """The items of a list; none of anything else."""
    return list(value) if isinstance(value, list | tuple) else []


def unique(name: str, scope: str, field: str, text: str, kinds: frozenset[str]) -> Rule:
    """A list, of whose items no two have the same text in a field."""

    def repeated(found: Any) -> Iterable[tuple[str, Any]]:
        seen: set[str] = set()
        for index, item in enumerate(items(found)):
            value = get(item, field)
            if isinstance(value, str) and value in seen:
                yield f"[{index}].{field}", value
            elif isinstance(value, str):
                seen.add(value)

    once = Term(
        lambda found: not list(repeated(found)),
        f"self.all(p, !has(p.{field}) || "
        f"self.filter(q, has(q.{field}) && q.{field} == p.{field}).size() == 1)",
    )
    return Rule(
        name,
        scope,
        once,
        text,
        Source.DISCOVERY,
        blame=repeated,
        error_type=FieldErrorType.DUPLICATE,
        kinds=kinds,
    )


def some(*fields: str) -> Term:
    """Whether one of the fields is there."""
    return any_of(*(present(field) for field in fields))


def is_number(path: str, *numbers: int) -> Term:
    """Whether a whole number, or its decimal text, is one of these."""
    there = present(path)
    return Term(
        lambda node: integer(get(node, path)) in numbers,
        f"{there.cel} && int(self.{path}) in {list(numbers)}",
        there.uses,
    )


def exceeds(path: str, least: int) -> Term:
    """Whether a whole number, or its decimal text, is there and not below a bound."""
    there = present(path)

    def test(node: object) -> bool:
        found = integer(get(node, path))
        return found is not None and found >= least

    return Term(test, f"{there.cel} && int(self.{path}) >= {least}", there.uses)
