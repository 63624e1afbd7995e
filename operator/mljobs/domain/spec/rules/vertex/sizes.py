"""Rules that keep the block small enough to be stored; see `mljobs.domain.spec.sizes`.

What the API server cannot look into, the values of any form, only the rule on the whole spec counts.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mljobs.domain.spec.problems import Source
from mljobs.domain.spec.rules.rule import Rule
from mljobs.domain.spec.rules.terms import Term, get, sized
from mljobs.domain.spec.rules.vertex.making import BATCH, JOB_SPEC, PREDICTION, STUDY, TRAINING, items
from mljobs.domain.spec.sizes import KIB

AROUND = 3
"""Characters around each text as it is stored: two quotes and a comma."""

AROUND_VARIABLE = 24
"""Characters around an environment variable: its braces, and the two names in it."""

PROGRAMS = 100_000
"""The service itself allows no more for the arguments of a job (documentation of quotas)."""

SERVING = 64 * KIB
URIS = 128 * KIB
EXAMPLES = 32 * KIB
FEATURES = 64 * KIB
CATEGORIES = 16 * KIB
"""Characters, in all."""

PARAMETERS = 100
NUMBERS = 1000
CONDITIONAL_VALUES = 100
"""Members, in all."""

KEY = 256
"""Characters of a key."""


def _characters(value: Any) -> int:
    """What the texts of a list take, or the variables of an environment."""
    if isinstance(value, Mapping):
        return AROUND_VARIABLE + sum(len(text) for text in value.values() if isinstance(text, str))
    return len(value) + AROUND if isinstance(value, str) else 0


def _in_all(node: Any, paths: Iterable[str]) -> int:
    return sum(_characters(item) for path in paths for item in items(get(node, path)))


_TEXTS = f"{{}}.map(text, size(text) + {AROUND}).sum()"
_VARIABLES = (
    "{}.map(one, (has(one.name) ? size(one.name) : 0) + (has(one.value) ? size(one.value) : 0) + "
    f"{AROUND_VARIABLE}).sum()"
)


def _sum(value: str, paths: Iterable[str]) -> str:
    return " + ".join(sized(value, path, _VARIABLES if path.endswith("env") else _TEXTS) for path in paths)


POOL = (
    "containerSpec.command",
    "containerSpec.args",
    "containerSpec.env",
    "pythonPackageSpec.packageUris",
    "pythonPackageSpec.args",
    "pythonPackageSpec.env",
)
CONTAINER = (
    "command",
    "args",
    "env",
    *(f"{probe}.exec.command" for probe in ("startupProbe", "healthProbe", "livenessProbe")),
)


_POOLS = f"{{}}.map(pool, {_sum('pool', POOL)}).sum()"


def nested(parameter: Any) -> Iterator[Any]:
    """The conditional parameters below a parameter, each as the API's `ConditionalParameterSpec`."""
    for conditional in items(get(parameter, "conditionalParameterSpecs")):
        yield conditional
        yield from nested(get(conditional, "parameterSpec"))


_VALUES = ("categoricalValueSpec.values", "discreteValueSpec.values")
_PARENTS = ("parentIntValues.values", "parentDiscreteValues.values", "parentCategoricalValues.values")
_CONDITIONAL = (*_PARENTS, *(f"parameterSpec.{path}" for path in _VALUES))


def _parameters(parameters: Any) -> int:
    return sum(1 + len(list(nested(parameter))) for parameter in items(parameters))


def _numbers(parameters: Any) -> int:
    return sum(len(items(get(one, "discreteValueSpec.values"))) for one in items(parameters))


def _conditional_values(parameters: Any) -> int:
    found = (conditional for parameter in items(parameters) for conditional in nested(parameter))
    return sum(len(items(get(conditional, path))) for conditional in found for path in _CONDITIONAL)


_BELOW = "conditionalParameterSpecs"
_COUNTED = sized(
    "one", _BELOW, "{}.map(two, 1 + " + sized("two", f"parameterSpec.{_BELOW}", "size({})") + ").sum()"
)


def _values(value: str) -> str:
    return " + ".join(sized(value, path, "size({})") for path in _CONDITIONAL)


_BELOW_TWO = sized("two", f"parameterSpec.{_BELOW}", f"{{}}.map(three, {_values('three')}).sum()")
_BELOW_ONE = sized("one", _BELOW, f"{{}}.map(two, {_values('two')} + {_BELOW_TWO}).sum()")

PARAMETERS_OF = f"{STUDY}.parameters"
EXPLANATION = f"{BATCH}.explanationSpec"


def _texts(id_: str, scope: str, limit: int, what: str) -> Rule:
    return Rule(
        id_,
        scope,
        Term(lambda texts: _in_all({"all": texts}, ["all"]) <= limit, f"{_TEXTS.format('self')} <= {limit}"),
        f"all {what} together have at most {limit} characters, with {AROUND} more for each",
        Source.OPERATOR,
        kinds=PREDICTION,
    )


def _long_keys(found: Any) -> list[tuple[str, Any]]:
    keys = found if isinstance(found, Mapping) else {}
    return [(f"[{key}]", key) for key in keys if isinstance(key, str) and len(key) > KEY]


def _keys(id_: str, scope: str) -> Rule:
    return Rule(
        id_,
        scope,
        Term(lambda found: not _long_keys(found), f"self.all(key, size(key) <= {KEY})"),
        f"a key has at most {KEY} characters",
        Source.OPERATOR,
        blame=_long_keys,
        kinds=PREDICTION,
    )


RULES = (
    Rule(
        "vertex-programs-size",
        JOB_SPEC,
        Term(
            lambda job: sum(_in_all(pool, POOL) for pool in items(get(job, "workerPoolSpecs"))) <= PROGRAMS,
            f"{sized('self', 'workerPoolSpecs', _POOLS)} <= {PROGRAMS}",
        ),
        "commands, arguments, environment variables and packages of all pools together have at most "
        f"{PROGRAMS} characters, with {AROUND} more for each and {AROUND_VARIABLE} for a variable",
        Source.DOCUMENTATION,
        field="workerPoolSpecs",
        kinds=TRAINING,
    ),
    Rule(
        "vertex-parameters-count",
        PARAMETERS_OF,
        Term(
            lambda parameters: _parameters(parameters) <= PARAMETERS,
            f"self.map(one, 1 + {_COUNTED}).sum() <= {PARAMETERS}",
        ),
        f"at most {PARAMETERS} parameters, conditional ones included",
        Source.OPERATOR,
        kinds=TRAINING,
    ),
    Rule(
        "vertex-categories-size",
        PARAMETERS_OF,
        Term(
            lambda parameters: (
                sum(_in_all(one, ["categoricalValueSpec.values"]) for one in items(parameters)) <= CATEGORIES
            ),
            f"self.map(one, {_sum('one', ['categoricalValueSpec.values'])}).sum() <= {CATEGORIES}",
        ),
        f"all categories together have at most {CATEGORIES} characters, with {AROUND} more for each",
        Source.OPERATOR,
        kinds=TRAINING,
    ),
    Rule(
        "vertex-numbers-count",
        PARAMETERS_OF,
        Term(
            lambda parameters: _numbers(parameters) <= NUMBERS,
            f"self.map(one, {sized('one', 'discreteValueSpec.values', 'size({})')}).sum() <= {NUMBERS}",
        ),
        f"at most {NUMBERS} values of discreteValueSpec in all",
        Source.OPERATOR,
        kinds=TRAINING,
    ),
    Rule(
        "vertex-conditional-values-count",
        PARAMETERS_OF,
        Term(
            lambda parameters: _conditional_values(parameters) <= CONDITIONAL_VALUES,
            f"self.map(one, {_BELOW_ONE}).sum() <= {CONDITIONAL_VALUES}",
        ),
        f"at most {CONDITIONAL_VALUES} values in all conditional parameters and their conditions",
        Source.OPERATOR,
        kinds=TRAINING,
    ),
    _texts("vertex-uris-size", f"{BATCH}.inputConfig.gcsSource.uris", URIS, "uris"),
    _texts(
        "vertex-examples-size",
        f"{EXPLANATION}.parameters.examples.exampleGcsSource.gcsSource.uris",
        EXAMPLES,
        "uris of examples",
    ),
    Rule(
        "vertex-serving-size",
        f"{BATCH}.unmanagedContainerModel.containerSpec",
        Term(
            lambda container: _in_all(container, CONTAINER) <= SERVING,
            f"{_sum('self', CONTAINER)} <= {SERVING}",
        ),
        f"commands, arguments and environment variables together have at most {SERVING} characters, with "
        f"{AROUND} more for each and {AROUND_VARIABLE} for a variable",
        Source.OPERATOR,
        kinds=PREDICTION,
    ),
    Rule(
        "vertex-features-size",
        f"{EXPLANATION}.metadata.inputs",
        Term(
            lambda inputs: (
                sum(
                    _in_all(one, ["indexFeatureMapping"])
                    for one in (inputs.values() if isinstance(inputs, Mapping) else ())
                )
                <= FEATURES
            ),
            f"self.map(key, {_sum('self[key]', ['indexFeatureMapping'])}).sum() <= {FEATURES}",
        ),
        f"all names in indexFeatureMapping together have at most {FEATURES} characters, with {AROUND} more "
        "for each",
        Source.OPERATOR,
        kinds=PREDICTION,
    ),
    _keys("vertex-model-key", "vertex.models"),
    _keys("vertex-version-key", "vertex.models{}"),
    _keys("vertex-input-key", f"{EXPLANATION}.metadata.inputs"),
    _keys("vertex-output-key", f"{EXPLANATION}.metadata.outputs"),
)
"""The rules of this module."""
