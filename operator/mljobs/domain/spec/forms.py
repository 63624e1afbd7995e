"""Finds out whether a description is a whole job in the words of `spec.vertex`, and brings it there.

gcloud's `--config` is a CustomJobSpec for custom jobs and a whole HyperparameterTuningJob for searches; the
API's own answers, and files that people make of them, are a whole CustomJob or BatchPredictionJob.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mljobs.api.resources import PREDICTION_JOB, TRAINING_JOB
from mljobs.domain.spec.problems import join
from mljobs.domain.spec.rules.vertex.batch import OUTPUT_ONLY
from mljobs.domain.spec.spelling import folded

BLOCK = "vertex"

_OUTPUTS = frozenset(map(folded, (*OUTPUT_ONLY, "webAccessUris", "trials")))
"""Fields of the jobs that the service sets itself."""

_PLACE = re.compile(r"projects/[^/]+/locations/([^/]+)/.+")


@dataclass(frozen=True)
class Found:
    """A description in Vertex AI's words.

    Attributes:
        kind: `TrainingJob` or `PredictionJob`.
        spec: of the resource, in the spelling of the description.
        outputs: fields that only the service sets, which the spec is without: path and value of each.
    """

    kind: str
    spec: Mapping[str, Any]
    outputs: list[tuple[str, Any]] = field(default_factory=list)


def read(document: Mapping[str, Any]) -> Found | None:
    """Read a description; None where it is none in these words."""
    keys = {folded(key) for key in document}
    for marks, make in _FORMS:
        if marks & keys:
            return make(document)
    return None


def _job_spec(document: Mapping[str, Any]) -> Found:
    return Found(TRAINING_JOB.name, {BLOCK: {"jobSpec": document}})


def _training(document: Mapping[str, Any]) -> Found:
    """A CustomJob or a HyperparameterTuningJob, whose fields are the block's but for one name."""
    spec, rest, outputs = _taken_apart(document, BLOCK)
    block = {"jobSpec" if folded(key) == "trialjobspec" else key: value for key, value in rest.items()}
    return Found(TRAINING_JOB.name, {**spec, BLOCK: {**_region(outputs), **block}}, outputs)


def _prediction(document: Mapping[str, Any]) -> Found:
    spec, rest, outputs = _taken_apart(document, f"{BLOCK}.batchPredictionJob")
    return Found(
        PREDICTION_JOB.name, {**spec, BLOCK: {**_region(outputs), "batchPredictionJob": rest}}, outputs
    )


_FORMS: tuple[tuple[set[str], Callable[[Mapping[str, Any]], Found]], ...] = (
    ({"jobspec", "studyspec", "trialjobspec"}, _training),
    ({"workerpoolspecs"}, _job_spec),
    ({"inputconfig", "outputconfig", "unmanagedcontainermodel", "dedicatedresources"}, _prediction),
)
"""Keys that a description has if it is in these words, and what it is then."""


def _taken_apart(
    document: Mapping[str, Any], place: str
) -> tuple[dict[str, Any], dict[str, Any], list[tuple[str, Any]]]:
    """What stands in the spec, what stands in the block, and what only the service sets."""
    spec: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    outputs: list[tuple[str, Any]] = []
    for key, value in document.items():
        if folded(key) in _OUTPUTS:
            outputs.append((join(f"spec.{place}", str(key)), value))
        elif folded(key) == "labels":
            spec[key] = value
        else:
            rest[key] = value
    return spec, rest, outputs


def _region(outputs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The region of a job that the service has described, by its name."""
    for path, value in outputs:
        match = _PLACE.fullmatch(value) if path.endswith(".name") and isinstance(value, str) else None
        if match:
            return {"region": match[1]}
    return {}
