"""Rules for a StudySpec: metrics, parameters and what stops a search.

The API server judges the parameters themselves; those below them, which cost too much there, and what ties
them to their parents, only the operator does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.problems import MISSING, Severity, Source
from mljobs.domain.spec.rules.rule import Rule
from mljobs.domain.spec.rules.terms import (
    Term,
    above_zero,
    absent,
    all_of,
    any_of,
    at_least,
    filled,
    fits,
    get,
    given,
    integer,
    is_one_of,
    number,
    ordered,
    present,
)
from mljobs.domain.spec.rules.training import hyphened
from mljobs.domain.spec.rules.vertex.making import (
    STUDY,
    TRAINING,
    excluding,
    items,
    required,
    some,
    unique,
    warning,
)

PARAMETERS = f"{STUDY}.parameters"
PARAMETER = f"{PARAMETERS}[]"

KINDS = ("doubleValueSpec", "integerValueSpec", "categoricalValueSpec", "discreteValueSpec")
PARENTS = {
    "parentIntValues": "integerValueSpec",
    "parentDiscreteValues": "discreteValueSpec",
    "parentCategoricalValues": "categoricalValueSpec",
}
"""Conditions, and the kind of parent that each is for."""

STOPPING = ("medianAutomatedStoppingSpec", "decayCurveStoppingSpec", "convexAutomatedStoppingSpec")

WORD = r"\S+"
LOGARITHMIC = is_one_of("scaleType", "UNIT_LOG_SCALE", "UNIT_REVERSE_LOG_SCALE")
SCALED = given("scaleType") & ~is_one_of("scaleType", "SCALE_TYPE_UNSPECIFIED")

APART = 1e-10
"""How far discrete values are from each other, at the least."""


def _ordered_integers(low: str, high: str) -> Term:
    """Whether one whole number is not above another, where both are there."""

    def test(node: Any) -> bool:
        a, b = integer(get(node, low)), integer(get(node, high))
        return a is None or b is None or a <= b

    said = f"{absent(low)} || {absent(high)} || int(self.{low}) <= int(self.{high})"
    return Term(test, said, frozenset({low, high}))


_VALUES = "discreteValueSpec.values"
_SORTED = f"{absent(_VALUES)} || self.{_VALUES}.isSorted()"

_Finder = Callable[[Any], list[tuple[str, Any]]]


def _gaps(parameter: Any) -> Iterator[tuple[str, Any, float]]:
    """Each discrete value but the first, with how far it is above the one before it."""
    found = [number(item) for item in items(get(parameter, _VALUES))]
    for index in range(1, len(found)):
        before, item = found[index - 1], found[index]
        if before is not None and item is not None:
            yield f"{_VALUES}[{index}]", item, float(item) - float(before)


def _close(parameter: Any) -> list[tuple[str, Any]]:
    """The values that are above the one before them, and not by enough; doubles are not exact."""
    return [(path, item) for path, item, gap in _gaps(parameter) if 0 <= gap < APART * 0.999]


def _falling(parameter: Any) -> list[tuple[str, Any]]:
    """The values that are below the one before them."""
    return [(path, item) for path, item, gap in _gaps(parameter) if gap < 0]


def _among_values(find: _Finder, cel: str | None) -> Term:
    return Term(lambda parameter: not find(parameter), cel, frozenset({_VALUES}))


_EXACTLY_ONE = all_of(
    any_of(*(present(kind) for kind in KINDS)),
    *(~(present(kind) & present(other)) for index, kind in enumerate(KINDS) for other in KINDS[index + 1 :]),
)


def _bound(kind: str, field: str) -> Term:
    return present(kind).implies(present(f"{kind}.{field}"))


def _of_a_parameter() -> Iterator[Rule]:
    """What holds for a parameter on every level."""

    def refused(
        name: str, holds: Term, text: str, field: str, error_type: FieldErrorType = FieldErrorType.INVALID
    ) -> Rule:
        return Rule(
            name, PARAMETER, holds, text, Source.DISCOVERY, field=field, error_type=error_type, kinds=TRAINING
        )

    yield refused(
        "parameter-id-required",
        given("parameterId"),
        "a parameter needs an id",
        "parameterId",
        FieldErrorType.REQUIRED,
    )
    yield refused(
        "parameter-id", fits(WORD, "parameterId"), "a parameter's id has no whitespace", "parameterId"
    )
    yield refused(
        "parameter-kind",
        _EXACTLY_ONE,
        f"a parameter has exactly one of {', '.join(KINDS)}",
        "doubleValueSpec",
        FieldErrorType.REQUIRED,
    )
    for kind, name in (("doubleValueSpec", "double"), ("integerValueSpec", "integer")):
        for field, end in (("minValue", "min"), ("maxValue", "max")):
            yield refused(
                f"{name}-{end}-required",
                _bound(kind, field),
                f"a {kind} needs {field}",
                f"{kind}.{field}",
                FieldErrorType.REQUIRED,
            )
    yield refused(
        "double-order",
        ordered("doubleValueSpec.minValue", "doubleValueSpec.maxValue"),
        "minValue is not above maxValue",
        "doubleValueSpec.minValue",
    )
    yield refused(
        "integer-order",
        _ordered_integers("integerValueSpec.minValue", "integerValueSpec.maxValue"),
        "minValue is not above maxValue",
        "integerValueSpec.minValue",
    )
    yield refused(
        "double-logarithmic",
        LOGARITHMIC.implies(above_zero("doubleValueSpec.minValue")),
        "a logarithmic scale needs bounds above zero",
        "doubleValueSpec.minValue",
    )
    yield refused(
        "integer-logarithmic",
        LOGARITHMIC.implies(at_least(1, "integerValueSpec.minValue")),
        "a logarithmic scale needs bounds above zero",
        "integerValueSpec.minValue",
    )
    for kind, name in (("categoricalValueSpec", "categorical"), ("discreteValueSpec", "discrete")):
        yield refused(
            f"{name}-values-missing",
            present(kind).implies(filled(f"{kind}.values")),
            f"a {kind} needs values",
            f"{kind}.values",
            FieldErrorType.REQUIRED,
        )
    yield refused(
        "categorical-scale",
        present("categoricalValueSpec").implies(~SCALED),
        "a categorical parameter has no scaleType",
        "scaleType",
        FieldErrorType.FORBIDDEN,
    )
    for name, find, cel, text in (
        ("discrete-increasing", _falling, _SORTED, "values are in increasing order"),
        ("discrete-apart", _close, None, "values are at least 1e-10 apart"),
    ):
        yield Rule(
            name,
            PARAMETER,
            _among_values(find, cel),
            text,
            Source.DISCOVERY,
            field="discreteValueSpec.values",
            blame=find,
            kinds=TRAINING,
        )
    yield Rule(
        "default-value",
        PARAMETER,
        ~any_of(*(present(f"{kind}.defaultValue") for kind in KINDS)),
        "a defaultValue has an effect in Vizier's own studies only",
        Source.DISCOVERY,
        field="doubleValueSpec.defaultValue",
        blame=_defaults,
        severity=Severity.WARNING,
        kinds=TRAINING,
    )


def _defaults(parameter: Any) -> Iterable[tuple[str, Any]]:
    found = ((f"{kind}.defaultValue", get(parameter, f"{kind}.defaultValue")) for kind in KINDS)
    return [(path, value) for path, value in found if value is not MISSING]


# --- what stands below a parameter


@dataclass(frozen=True)
class _Below:
    """A conditional parameter.

    Attributes:
        path: of it, relative to the parameter on top, as the API's ConditionalParameterSpec.
        node: that.
        parent: the parameter above it.
    """

    path: str
    node: Any
    parent: Any


def _below(parameter: Any, path: str = "") -> Iterator[_Below]:
    for index, node in enumerate(items(get(parameter, "conditionalParameterSpecs"))):
        here = f"{path}conditionalParameterSpecs[{index}]"
        yield _Below(here, node, parameter)
        yield from _below(get(node, "parameterSpec"), f"{here}.parameterSpec.")


def _on_every_level(rule: Rule) -> Rule:
    """The same for conditional parameters."""

    def blame(parameter: Any) -> Iterable[tuple[str, Any]]:
        for below in _below(parameter):
            node = get(below.node, "parameterSpec")
            if isinstance(node, Mapping) and not rule.holds.test(node):
                members = rule.blame(node) if rule.blame else [(rule.field, get(node, rule.field))]
                yield from ((f"{below.path}.parameterSpec.{path}", value) for path, value in members)

    holds = Term(lambda parameter: not list(blame(parameter)))
    return replace(rule, id=f"conditional-{rule.id}", holds=holds, blame=blame)


def _conditional(
    name: str, text: str, blame: Any, error_type: FieldErrorType = FieldErrorType.INVALID
) -> Rule:
    return Rule(
        name,
        PARAMETER,
        Term(lambda parameter: not list(blame(parameter))),
        text,
        Source.DISCOVERY,
        field="conditionalParameterSpecs",
        blame=blame,
        error_type=error_type,
        kinds=TRAINING,
    )


def _without_parameter(parameter: Any) -> Iterable[tuple[str, Any]]:
    for below in _below(parameter):
        if get(below.node, "parameterSpec") is MISSING:
            yield f"{below.path}.parameterSpec", MISSING


def _foreign(parameter: Any) -> Iterable[tuple[str, Any]]:
    """Conditions that are not for the kind that the parent is of."""
    for below in _below(parameter):
        wanted = {field for field, kind in PARENTS.items() if get(below.parent, kind) is not MISSING}
        given_ = {field for field in PARENTS if get(below.node, field) is not MISSING}
        if given_ != wanted or len(given_) != 1:
            found = sorted(given_ - wanted) or sorted(wanted) or list(PARENTS)[:1]
            yield f"{below.path}.{found[0]}", get(below.node, found[0])


def _impossible(parameter: Any) -> Iterable[tuple[str, Any]]:
    """Values in a condition that the parent never has."""
    for below in _below(parameter):
        for field, kind in PARENTS.items():
            possible = _possible(get(below.parent, kind))
            for index, value in enumerate(items(get(below.node, f"{field}.values"))):
                if possible is not None and not possible(value):
                    yield f"{below.path}.{field}.values[{index}]", value


def _possible(kind: Any) -> Any:
    """Whether a parameter of this kind may have a value; None where that is not known."""
    low, high = integer(get(kind, "minValue")), integer(get(kind, "maxValue"))
    if low is not None and high is not None:
        return lambda value: (found := integer(value)) is None or low <= found <= high
    values = items(get(kind, "values"))
    return values.__contains__ if values else None


def _empty_conditions(parameter: Any) -> Iterable[tuple[str, Any]]:
    for below in _below(parameter):
        for field in PARENTS:
            if get(below.node, field) is not MISSING and not items(get(below.node, f"{field}.values")):
                yield f"{below.path}.{field}.values", MISSING


def _stopping() -> Iterator[Rule]:
    config = f"{STUDY}.studyStoppingConfig"
    yield excluding(
        "stopping-single",
        STUDY,
        "at most one of the three rules stops trials early",
        TRAINING,
        *STOPPING,
    )
    for field, name in (("minimumRuntimeConstraint", "minimum"), ("maximumRuntimeConstraint", "maximum")):
        yield Rule(
            f"{name}-runtime",
            f"{config}.{field}",
            some("endTime", "maxDuration") & ~(present("endTime") & present("maxDuration")),
            "a limit of time is exactly one of endTime and maxDuration",
            Source.PROTO,
            field="maxDuration",
            error_type=FieldErrorType.REQUIRED,
            kinds=TRAINING,
        )
    for field, name in (
        ("minNumTrials", "min-trials"),
        ("maxNumTrials", "max-trials"),
        ("maxNumTrialsNoProgress", "no-progress"),
    ):
        yield Rule(
            f"stopping-{name}",
            f"{config}.{field}",
            at_least(0),
            "a number of trials is not negative",
            Source.DISCOVERY,
            kinds=TRAINING,
        )
    for field in ("maxStepCount", "minStepCount", "minMeasurementCount"):
        yield Rule(
            f"convex-{hyphened(field)}",
            f"{STUDY}.convexAutomatedStoppingSpec.{field}",
            at_least(0),
            "a number of steps or measurements is not negative",
            Source.DISCOVERY,
            kinds=TRAINING,
        )


_PARAMETER_RULES = tuple(_of_a_parameter())

RULES = (
    required("metric-id-required", f"{STUDY}.metrics[]", "metricId", "a metric needs an id", TRAINING),
    Rule(
        "metric-id",
        f"{STUDY}.metrics[].metricId",
        fits(WORD),
        "a metric's id has no whitespace",
        Source.DISCOVERY,
        kinds=TRAINING,
    ),
    unique("metric-id-unique", f"{STUDY}.metrics", "metricId", "a metric's id is unique", TRAINING),
    required("metric-goal", f"{STUDY}.metrics[]", "goal", "a metric needs a goal", TRAINING),
    Rule(
        "safe-fraction",
        f"{STUDY}.metrics[].safetyConfig.desiredMinSafeTrialsFraction",
        Term(lambda value: (found := number(value)) is None or 0 <= found <= 1, "self >= 0.0 && self <= 1.0"),
        "a fraction lies between 0 and 1",
        Source.DISCOVERY,
        kinds=TRAINING,
    ),
    unique("parameter-id-unique", PARAMETERS, "parameterId", "a parameter's id is unique", TRAINING),
    *_PARAMETER_RULES,
    *map(_on_every_level, _PARAMETER_RULES),
    _conditional(
        "conditional-parameter-required",
        "a conditional parameter needs its parameterSpec",
        _without_parameter,
        FieldErrorType.REQUIRED,
    ),
    _conditional(
        "conditional-parent",
        "a condition is exactly one, for a parent that is an INTEGER, DISCRETE or CATEGORICAL parameter",
        _foreign,
    ),
    _conditional(
        "conditional-values-required",
        "a condition needs the parent's values",
        _empty_conditions,
        FieldErrorType.REQUIRED,
    ),
    _conditional("conditional-values", "the parent never has this value", _impossible),
    *_stopping(),
    warning(
        "observation-noise",
        STUDY,
        ~(given("observationNoise") & ~is_one_of("observationNoise", "OBSERVATION_NOISE_UNSPECIFIED")),
        "observationNoise has an effect in Vizier's own studies only",
        source=Source.DISCOVERY,
        field="observationNoise",
        kinds=TRAINING,
    ),
    *(
        Rule(
            f"vertex-{name}",
            f"vertex.{field}",
            at_least(least),
            text,
            Source.DISCOVERY,
            kinds=TRAINING,
        )
        for name, field, least, text in (
            ("max-trials", "maxTrialCount", 1, "a search has at least one trial"),
            ("parallel-trials", "parallelTrialCount", 1, "at least one trial runs at a time"),
            ("failed-trials", "maxFailedTrialCount", 0, "a number of trials is not negative"),
        )
    ),
    warning(
        "vertex-trials-parallel",
        "vertex",
        any_of(
            ~present("parallelTrialCount"),
            ~present("maxTrialCount"),
            ordered("parallelTrialCount", "maxTrialCount"),
        ),
        "more parallel trials than trials in all",
        source=Source.DISCOVERY,
        field="parallelTrialCount",
        kinds=TRAINING,
    ),
)
"""The rules of this module."""
