"""Trials of a hyperparameter tuning job: legal values for its parameters, and objective values.

The shape is that of recorded traffic, with the times and states of today's discovery document:
`{"trialId": "2", "hyperparameters": {"nfil": "10"}, "finalMetric": {"trainingStep": "1", "objectiveValue":
0.84}}`; hyperparameters and the training step are strings.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

STEP = 1000
"""Training steps of every trial."""

TRIAL_LIMIT = 10_000
"""Trials that are made up for a job, however many it asks for, so that memory stays bounded."""


@dataclass(frozen=True)
class Trial:
    """A trial that is yet to come.

    Attributes:
        done: the share, 0 to 1, of the job's time in RUNNING after which the trial is complete.
        begun: the same for its start.
        document: the trial's JSON without times and state.
    """

    done: float
    begun: float
    document: Json

    @property
    def objective(self) -> float:
        """The final metric's objective value, zero where the metric does not say; NaN where there is none."""
        metric = self.document.get("finalMetric")
        return math.nan if metric is None else float(metric.get("objectiveValue", 0))


def make_trials(spec: Mapping[str, Any], seed: str, *, failing: bool = False) -> list[Trial]:
    """The trials of a job, in the order in which they run.

    Args:
        spec: a HyperparameterSpec as JSON.
        seed: the same trials come of the same seed.
        failing: whether the last trial fails, and the job with it.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    count = min(max(1, int(spec.get("maxTrials", 1))), TRIAL_LIMIT)
    documents = [_document(spec.get("params", ()), number, chance) for number in range(1, count + 1)]
    if failing:
        del documents[-1]["finalMetric"]
        documents[-1]["state"] = "FAILED"
    return schedule(documents, int(spec.get("maxParallelTrials", 1)))


def schedule(documents: Sequence[Json], parallel: int = 1) -> list[Trial]:
    """Spread trials evenly over the job's time in RUNNING, so many at a time."""
    waves = math.ceil(len(documents) / max(1, parallel))
    trials = []
    for index, document in enumerate(documents):
        wave = index // max(1, parallel)
        trials.append(Trial(done=(wave + 1) / waves, begun=wave / waves, document=document))
    return trials


def best_first(trials: Sequence[Trial], goal: str) -> list[Trial]:
    """Trials by their objective value; those without one come last."""
    sign = 1 if goal == "MINIMIZE" else -1
    return sorted(
        trials, key=lambda trial: math.inf if math.isnan(trial.objective) else sign * trial.objective
    )


def _document(params: Sequence[Mapping[str, Any]], number: int, chance: random.Random) -> Json:
    return {
        "trialId": str(number),
        "hyperparameters": {param["parameterName"]: draw(param, chance) for param in params},
        "finalMetric": {"trainingStep": str(STEP), "objectiveValue": round(chance.uniform(0.5, 0.99), 6)},
    }


def draw(param: Mapping[str, Any], chance: random.Random) -> str:
    """A legal value of a ParameterSpec, as the service writes it."""
    kind = param.get("type")
    if kind == "CATEGORICAL":
        return str(chance.choice(param["categoricalValues"]))
    if kind == "DISCRETE":
        return str(chance.choice(param["discreteValues"]))
    low, high = float(param.get("minValue", 0)), float(param.get("maxValue", 0))
    if kind == "INTEGER":
        return str(chance.randint(math.ceil(low), math.floor(high)))
    return repr(_scaled(low, high, param.get("scaleType", ""), chance))


def _scaled(low: float, high: float, scale: str, chance: random.Random) -> float:
    if scale == "UNIT_LOG_SCALE" and low > 0:
        value = math.exp(chance.uniform(math.log(low), math.log(high)))
    elif scale == "UNIT_REVERSE_LOG_SCALE" and low > 0:
        value = low + high - math.exp(chance.uniform(math.log(low), math.log(high)))
    else:
        value = chance.uniform(low, high)
    return min(max(value, low), high)
