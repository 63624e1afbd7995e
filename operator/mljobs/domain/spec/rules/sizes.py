"""Rules that keep a spec small enough to be stored with its status; see `mljobs.domain.spec.sizes`.

The API server counts characters, which is close enough for texts as people write them; the last rule counts
the bytes, which only the operator can.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from mljobs.domain.spec.problems import Source
from mljobs.domain.spec.rules.rule import PREDICTION_JOB, TRAINING_JOB, Rule
from mljobs.domain.spec.rules.terms import Term, get, sized
from mljobs.domain.spec.sizes import BINDINGS_BYTES, KIB, SPEC_BYTES, stored_bytes

COMMAND_LINES = 256 * KIB
INPUT_PATHS = 256 * KIB
CATEGORIES = 64 * KIB
BINDINGS = 8 * KIB
"""Characters, in all."""

DISCRETE_VALUES = 4000
CATEGORICAL_VALUES = 4000
"""Values, in all."""

_ROLES = ("master", "worker", "parameterServer", "evaluator")
_CONFIGS = tuple(f"{role}Config" for role in _ROLES)
_CONTAINER = ("containerArgs", "containerCommand")
_LINES = ("args", *(f"{config}.{field}" for config in _CONFIGS for field in _CONTAINER))


def _items(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else ()


def _characters(texts: Any) -> int:
    return sum(len(text) for text in _items(texts) if isinstance(text, str))


def _of_binding(binding: Any) -> int:
    condition = get(binding, "condition")
    texts = [get(binding, "role"), *(condition.values() if isinstance(condition, Mapping) else ())]
    return _characters(texts) + _characters(get(binding, "members"))


_SUM = "{}.map(text, size(text)).sum()"
_OF_CONFIG = " + ".join(sized("{0}", field, _SUM) for field in _CONTAINER)
_OPTIONAL = ("expression", "title", "description", "location")


RULES = (
    Rule(
        "command-lines-size",
        "trainingInput",
        Term(
            lambda node: sum(_characters(get(node, line)) for line in _LINES) <= COMMAND_LINES,
            " + ".join(
                [sized("self", "args", _SUM), *(sized("self", config, _OF_CONFIG) for config in _CONFIGS)]
            )
            + f" <= {COMMAND_LINES}",
        ),
        f"all command lines together have at most {COMMAND_LINES} characters",
        Source.OPERATOR,
        kinds=frozenset({TRAINING_JOB}),
    ),
    Rule(
        "categorical-values-size",
        "trainingInput.hyperparameters.params",
        Term(
            lambda params: (
                sum(_characters(get(one, "categoricalValues")) for one in _items(params)) <= CATEGORIES
            ),
            f"self.map(one, {sized('one', 'categoricalValues', _SUM)}).sum() <= {CATEGORIES}",
        ),
        f"all categoricalValues together have at most {CATEGORIES} characters",
        Source.OPERATOR,
        kinds=frozenset({TRAINING_JOB}),
    ),
    Rule(
        "categorical-values-count",
        "trainingInput.hyperparameters.params",
        Term(
            lambda params: (
                sum(len(list(_items(get(one, "categoricalValues")))) for one in _items(params))
                <= CATEGORICAL_VALUES
            ),
            f"self.map(one, {sized('one', 'categoricalValues', 'size({})')}).sum() <= {CATEGORICAL_VALUES}",
        ),
        f"at most {CATEGORICAL_VALUES} categoricalValues in all",
        Source.OPERATOR,
        kinds=frozenset({TRAINING_JOB}),
    ),
    Rule(
        "discrete-values-size",
        "trainingInput.hyperparameters.params",
        Term(
            lambda params: (
                sum(len(list(_items(get(one, "discreteValues")))) for one in _items(params))
                <= DISCRETE_VALUES
            ),
            f"self.map(one, {sized('one', 'discreteValues', 'size({})')}).sum() <= {DISCRETE_VALUES}",
        ),
        f"at most {DISCRETE_VALUES} discreteValues in all",
        Source.OPERATOR,
        kinds=frozenset({TRAINING_JOB}),
    ),
    Rule(
        "input-paths-size",
        "predictionInput.inputPaths",
        Term(lambda paths: _characters(paths) <= INPUT_PATHS, f"{_SUM.format('self')} <= {INPUT_PATHS}"),
        f"all inputPaths together have at most {INPUT_PATHS} characters",
        Source.OPERATOR,
        kinds=frozenset({PREDICTION_JOB}),
    ),
    Rule(
        "iam-bindings-size",
        "iamBindings",
        Term(
            lambda bindings: sum(map(_of_binding, _items(bindings))) <= BINDINGS,
            f"self.map(one, size(one.role) + {_SUM.format('one.members')} + "
            + " + ".join(sized("one", f"condition.{name}", "size({})") for name in _OPTIONAL)
            + f").sum() <= {BINDINGS}",
        ),
        f"all bindings together have at most {BINDINGS} characters",
        Source.OPERATOR,
    ),
    Rule(
        "iam-bindings-stored-size",
        "iamBindings",
        Term(lambda bindings: stored_bytes(bindings) <= BINDINGS_BYTES),
        f"all bindings together take at most {BINDINGS_BYTES} bytes as they are stored",
        Source.OPERATOR,
    ),
    Rule(
        "spec-stored-size",
        "",
        Term(lambda spec: stored_bytes(spec) <= SPEC_BYTES),
        f"a spec takes at most {SPEC_BYTES} bytes as it is stored, so that its status has room beside it",
        Source.OPERATOR,
    ),
)
"""The rules of this module."""
