"""Rules for a search over hyperparameters."""

from collections.abc import Iterable, Iterator
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.api.patterns import JOB_ID
from mljobs.domain.spec.problems import Severity, Source
from mljobs.domain.spec.rules.job import JOB_ID_TEXT
from mljobs.domain.spec.rules.machines import INPUT, KINDS
from mljobs.domain.spec.rules.rule import Rule
from mljobs.domain.spec.rules.terms import (
    Term,
    above_zero,
    any_of,
    at_least,
    exact,
    filled,
    fits,
    get,
    given,
    is_one_of,
    length,
    number,
    ordered,
    present,
    whole,
)

SEARCH = f"{INPUT}.hyperparameters"
PARAMETER = f"{SEARCH}.params[]"

RANGE = is_one_of("type", "DOUBLE", "INTEGER")
INTEGER = is_one_of("type", "INTEGER")
CATEGORICAL = is_one_of("type", "CATEGORICAL")
DISCRETE = is_one_of("type", "DISCRETE")
LOGARITHMIC = is_one_of("scaleType", "UNIT_LOG_SCALE", "UNIT_REVERSE_LOG_SCALE")
EXACT_TEXT = "the service keeps a double, which cannot be exactly this number; a multiple of 1024 can"

SCALED = given("scaleType") & ~is_one_of("scaleType", "NONE")


def _items(node: Any) -> list[Any]:
    return list(node) if isinstance(node, list | tuple) else []


def _repeated_names(params: Any) -> Iterable[tuple[str, Any]]:
    seen: set[str] = set()
    for index, item in enumerate(_items(params)):
        name = get(item, "parameterName")
        if isinstance(name, str) and name in seen:
            yield f"[{index}].parameterName", name
        elif isinstance(name, str):
            seen.add(name)


def _doubles(search: Any) -> Iterable[tuple[str, Any]]:
    for index, item in enumerate(_items(get(search, "params"))):
        if get(item, "type") == "DOUBLE":
            yield f"params[{index}].type", "DOUBLE"


def _pairs(values: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each item of a list of numbers with the one before it: path, before, item."""
    items = _items(values)
    for index in range(1, len(items)):
        before, item = number(items[index - 1]), number(items[index])
        if before is not None and item is not None:
            yield f"[{index}]", before, item


def _falling(values: Any) -> Iterable[tuple[str, Any]]:
    return [(path, item) for path, before, item in _pairs(values) if item < before]


def _repeated(values: Any) -> Iterable[tuple[str, Any]]:
    return [(path, item) for path, before, item in _pairs(values) if item == before]


def _bound(field: str) -> tuple[Rule, ...]:
    """The rules for one end of a range; zero is a value like any other."""
    name = field.replace("Value", "-value")
    return (
        Rule(
            f"{name}-required",
            PARAMETER,
            RANGE.implies(present(field)),
            f"a parameter of type DOUBLE or INTEGER needs {field}",
            Source.DISCOVERY,
            field=field,
            error_type=FieldErrorType.REQUIRED,
            kinds=KINDS,
        ),
        Rule(
            f"{name}-whole",
            PARAMETER,
            INTEGER.implies(whole(field)),
            "the bounds of an INTEGER parameter are whole numbers of 64 bits",
            Source.DISCOVERY,
            field=field,
            kinds=KINDS,
        ),
        Rule(
            f"{name}-exact",
            PARAMETER,
            exact(field),
            EXACT_TEXT,
            Source.DISCOVERY,
            field=field,
            kinds=KINDS,
        ),
        Rule(
            f"{name}-logarithmic",
            PARAMETER,
            (RANGE & LOGARITHMIC).implies(above_zero(field)),
            "a logarithmic scale needs bounds above zero",
            Source.DISCOVERY,
            field=field,
            kinds=KINDS,
        ),
        Rule(
            f"{name}-categorical",
            PARAMETER,
            CATEGORICAL.implies(~present(field)),
            f"a CATEGORICAL parameter has no {field}",
            Source.DISCOVERY,
            field=field,
            error_type=FieldErrorType.FORBIDDEN,
            kinds=KINDS,
        ),
        Rule(
            f"{name}-discrete",
            PARAMETER,
            DISCRETE.implies(~present(field)),
            f"{field} is ignored for a DISCRETE parameter",
            Source.DISCOVERY,
            field=field,
            severity=Severity.WARNING,
            kinds=KINDS,
        ),
    )


def _inexact(values: Any) -> Iterable[tuple[str, Any]]:
    return [(f"[{index}]", item) for index, item in enumerate(_items(values)) if not exact().test(item)]


def _not_negative(field: str, name: str) -> Rule:
    return Rule(
        name,
        f"{SEARCH}.{field}",
        at_least(0),
        "a number of trials is not negative; 0 stands for the default",
        Source.DISCOVERY,
        kinds=KINDS,
    )


RULES = (
    Rule(
        "params-required",
        SEARCH,
        given("resumePreviousJobId") | filled("params"),
        "parameters to tune are required unless resumePreviousJobId names an earlier job",
        Source.DISCOVERY,
        field="params",
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    ),
    _not_negative("maxTrials", "max-trials"),
    _not_negative("maxParallelTrials", "max-parallel-trials"),
    _not_negative("maxFailedTrials", "max-failed-trials"),
    Rule(
        "resume-previous-job-id",
        f"{SEARCH}.resumePreviousJobId",
        fits(JOB_ID),
        JOB_ID_TEXT,
        Source.DOCUMENTATION,
        kinds=KINDS,
    ),
    Rule(
        "grid-search-double",
        SEARCH,
        ~is_one_of("algorithm", "GRID_SEARCH")
        | Term(
            lambda search: not list(_doubles(search)),
            "!has(self.params) || self.params.all(p, !has(p.type) || p.type != 'DOUBLE')",
        ),
        "GRID_SEARCH allows no parameter of type DOUBLE",
        Source.DISCOVERY,
        field="params",
        blame=_doubles,
        kinds=KINDS,
    ),
    Rule(
        "parameter-name-unique",
        f"{SEARCH}.params",
        Term(
            lambda params: not list(_repeated_names(params)),
            "self.all(p, !has(p.parameterName) || "
            "self.filter(q, has(q.parameterName) && q.parameterName == p.parameterName).size() == 1)",
        ),
        "a parameter's name is unique in its job",
        Source.DISCOVERY,
        blame=_repeated_names,
        error_type=FieldErrorType.DUPLICATE,
        kinds=KINDS,
    ),
    Rule(
        "parameter-name-required",
        PARAMETER,
        given("parameterName"),
        "a parameter needs a name",
        Source.DISCOVERY,
        field="parameterName",
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    ),
    Rule(
        "parameter-type-required",
        PARAMETER,
        given("type") & ~is_one_of("type", "PARAMETER_TYPE_UNSPECIFIED"),
        "a parameter needs a type: DOUBLE, INTEGER, CATEGORICAL or DISCRETE",
        Source.DISCOVERY,
        field="type",
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    ),
    *_bound("minValue"),
    *_bound("maxValue"),
    Rule(
        "bounds-order",
        PARAMETER,
        RANGE.implies(ordered("minValue", "maxValue")),
        "minValue is not above maxValue",
        Source.DISCOVERY,
        field="minValue",
        kinds=KINDS,
    ),
    Rule(
        "categorical-values-required",
        PARAMETER,
        CATEGORICAL.implies(filled("categoricalValues")),
        "a CATEGORICAL parameter needs categoricalValues",
        Source.DISCOVERY,
        field="categoricalValues",
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    ),
    Rule(
        "categorical-values-unused",
        PARAMETER,
        filled("categoricalValues").implies(CATEGORICAL),
        "categoricalValues are for CATEGORICAL parameters only",
        Source.DISCOVERY,
        field="categoricalValues",
        severity=Severity.WARNING,
        kinds=KINDS,
    ),
    Rule(
        "scale-type-categorical",
        PARAMETER,
        CATEGORICAL.implies(~SCALED),
        "a CATEGORICAL parameter has no scaleType",
        Source.DISCOVERY,
        field="scaleType",
        error_type=FieldErrorType.FORBIDDEN,
        kinds=KINDS,
    ),
    Rule(
        "scale-type-discrete",
        PARAMETER,
        DISCRETE.implies(~SCALED),
        "a scaleType on a DISCRETE parameter is unusual and may be ignored",
        Source.CLIENTS,
        field="scaleType",
        severity=Severity.WARNING,
        kinds=KINDS,
    ),
    Rule(
        "discrete-values-required",
        PARAMETER,
        DISCRETE.implies(filled("discreteValues")),
        "a DISCRETE parameter needs discreteValues",
        Source.DISCOVERY,
        field="discreteValues",
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    ),
    Rule(
        "discrete-values-unused",
        PARAMETER,
        filled("discreteValues").implies(DISCRETE),
        "discreteValues are for DISCRETE parameters only",
        Source.DISCOVERY,
        field="discreteValues",
        severity=Severity.WARNING,
        kinds=KINDS,
    ),
    Rule(
        "discrete-values-order",
        f"{PARAMETER}.discreteValues",
        Term(lambda values: not _falling(values), "self.isSorted()"),
        "discrete values are in strictly increasing order",
        Source.DISCOVERY,
        blame=_falling,
        kinds=KINDS,
    ),
    Rule(
        "discrete-values-distinct",
        f"{PARAMETER}.discreteValues",
        Term(lambda values: not _repeated(values)),
        "discrete values are in strictly increasing order, so that none is given twice",
        Source.DISCOVERY,
        blame=_repeated,
        error_type=FieldErrorType.DUPLICATE,
        kinds=KINDS,
    ),
    Rule(
        "discrete-values-exact",
        f"{PARAMETER}.discreteValues",
        Term(lambda values: not _inexact(values)),
        EXACT_TEXT,
        Source.DISCOVERY,
        blame=_inexact,
        kinds=KINDS,
    ),
    Rule(
        "discrete-values-count",
        f"{PARAMETER}.discreteValues",
        length(0, 1000),
        "at most 1000 discrete values",
        Source.DISCOVERY,
        kinds=KINDS,
        in_schema=True,
    ),
    Rule(
        "trials-parallel",
        SEARCH,
        any_of(
            ~present("maxParallelTrials"), ~present("maxTrials"), ordered("maxParallelTrials", "maxTrials")
        ),
        "more parallel trials than trials in all",
        Source.DISCOVERY,
        field="maxParallelTrials",
        severity=Severity.WARNING,
        kinds=KINDS,
    ),
)
"""The rules of this module."""
