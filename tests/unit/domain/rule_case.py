"""What a case of a rule is, and the specs that cases are made from."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]

TRAINING, PREDICTION = "TrainingJob", "PredictionJob"

PACKAGES: Spec = {
    "projectId": "my-project",
    "trainingInput": {
        "region": "us-central1",
        "runtimeVersion": "2.11",
        "pythonVersion": "3.7",
        "packageUris": ["gs://bucket/trainer-1.tar.gz"],
        "pythonModule": "trainer.task",
    },
}
"""The least training job that runs a Python package."""

IMAGE: Spec = {
    "projectId": "my-project",
    "trainingInput": {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/my-project/trainer:1"}},
}
"""The least training job that runs a custom image."""

PREDICT: Spec = {
    "projectId": "my-project",
    "predictionInput": {
        "region": "us-central1",
        "dataFormat": "JSON",
        "inputPaths": ["gs://bucket/in/*"],
        "outputPath": "gs://bucket/out/",
        "modelName": "projects/my-project/models/census",
    },
}
"""The least prediction job."""


@dataclass(frozen=True)
class Case:
    """A spec, and what the rules say to it.

    Attributes:
        rule: the rule that it is about.
        kind: the kind of resource.
        spec: the spec.
        holds: whether it keeps that rule.
        also: other rules that it cannot but break.
        number: distinguishes the cases of a rule.
    """

    rule: str
    kind: str
    spec: Spec
    holds: bool
    also: frozenset[str]
    number: int

    def __str__(self) -> str:
        return f"{self.rule}-{'good' if self.holds else 'bad'}-{self.number}"


def merged(base: Any, patch: Any) -> Any:
    """A copy of `base` with a patch laid over it as in a JSON merge patch: None removes."""
    if not isinstance(patch, Mapping) or not isinstance(base, Mapping):
        return deepcopy(patch)
    made = {key: deepcopy(value) for key, value in base.items()}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key, {}), value) if isinstance(value, Mapping) else deepcopy(value)
    return made


def cases(
    rule: str,
    kind: str,
    base: Spec,
    bad: list[Spec],
    good: list[Spec],
    also: tuple[str, ...] = (),
) -> Iterator[Case]:
    """Cases of one rule: specs that break it, and specs that keep it, as patches of a base."""
    for number, patch in enumerate(bad):
        yield Case(rule, kind, merged(base, patch), False, frozenset(also), number)
    for number, patch in enumerate(good):
        yield Case(rule, kind, merged(base, patch), True, frozenset(), number)


def package(rule: str, bad: list[Spec], good: list[Spec], also: tuple[str, ...] = ()) -> list[Case]:
    """Cases about a training job with a package; the patches are of its input."""
    return _training(rule, PACKAGES, bad, good, also)


def image(rule: str, bad: list[Spec], good: list[Spec], also: tuple[str, ...] = ()) -> list[Case]:
    """Cases about a training job with a custom image; the patches are of its input."""
    return _training(rule, IMAGE, bad, good, also)


def _training(rule: str, base: Spec, bad: list[Spec], good: list[Spec], also: tuple[str, ...]) -> list[Case]:
    bad, good = ([{"trainingInput": patch} for patch in patches] for patches in (bad, good))
    return list(cases(rule, TRAINING, base, bad, good, also))


def predict(rule: str, bad: list[Spec], good: list[Spec], also: tuple[str, ...] = ()) -> list[Case]:
    """Cases about a prediction job; the patches are of its input."""
    bad, good = ([{"predictionInput": patch} for patch in patches] for patches in (bad, good))
    return list(cases(rule, PREDICTION, PREDICT, bad, good, also))


def job(
    rule: str,
    bad: list[Spec],
    good: list[Spec],
    also: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (TRAINING, PREDICTION),
) -> list[Case]:
    """Cases about what both kinds have; the patches are of the spec."""
    bases = {TRAINING: PACKAGES, PREDICTION: PREDICT}
    return [case for kind in kinds for case in cases(rule, kind, bases[kind], bad, good, also)]


def tune(rule: str, bad: list[Spec], good: list[Spec], also: tuple[str, ...] = ()) -> list[Case]:
    """Cases about a search; the patches are of `hyperparameters`, over one DOUBLE parameter."""
    bad, good = (
        [{"hyperparameters": merged({"params": [DOUBLE]}, patch)} for patch in patches]
        for patches in (bad, good)
    )
    return package(rule, bad, good, also)


def parameter(
    rule: str, base: Spec, bad: list[Spec], good: list[Spec], also: tuple[str, ...] = ()
) -> list[Case]:
    """Cases about one parameter of a search; the patches are of the parameter."""
    bad, good = ([{"params": [merged(base, patch)]} for patch in patches] for patches in (bad, good))
    return tune(rule, bad, good, also)


DOUBLE: Spec = {"parameterName": "rate", "type": "DOUBLE", "minValue": 0.5, "maxValue": 2.5}
INTEGER: Spec = {"parameterName": "layers", "type": "INTEGER", "minValue": 1, "maxValue": 9}
CATEGORICAL: Spec = {"parameterName": "cell", "type": "CATEGORICAL", "categoricalValues": ["lstm", "gru"]}
DISCRETE: Spec = {"parameterName": "batch", "type": "DISCRETE", "discreteValues": [16, 32.5, 64]}

CUSTOM: Spec = {"scaleTier": "CUSTOM", "masterType": "n1-standard-4"}
LEGACY: Spec = {"scaleTier": "CUSTOM", "masterType": "standard"}

LONG = "x" * 63
