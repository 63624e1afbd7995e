"""What a spec that keeps all rules may have, and `ml` v1 has not."""

from collections.abc import Mapping, Sequence
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.api.resources import KINDS, PREDICTION_JOB
from mljobs.domain.spec.problems import MISSING, Problem, Source

ELSEWHERE = frozenset({"3.10"})
"""The versions of Python that only Vertex AI's images have."""


def review(kind: str, spec: Mapping[str, Any]) -> Sequence[Problem]:
    """Find what refuses a spec for this service, before any call.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: the validated spec in canonical JSON.
    """
    field = KINDS[kind].input_field
    problems = []
    if "vertex" in spec:
        text = "this block is for Vertex AI, and the service chosen for this job is ml v1"
        problems.append(
            Problem(
                "spec.vertex",
                spec["vertex"],
                text,
                source=Source.OPERATOR,
                error_type=FieldErrorType.FORBIDDEN,
                id="vertex-service",
            )
        )
    if field not in spec:
        text = "a job of ml v1 is described by its input"
        problems.append(
            Problem(
                f"spec.{field}",
                MISSING,
                text,
                source=Source.PROTO,
                error_type=FieldErrorType.REQUIRED,
                id="input-service",
            )
        )
    problems += [
        Problem(
            f"spec.placements[{number}].strategy",
            one["strategy"],
            "ml v1 has no kinds of capacity but STANDARD; the others are Vertex AI's",
            source=Source.OPERATOR,
            error_type=FieldErrorType.FORBIDDEN,
            id="strategy-service",
        )
        for number, one in enumerate(spec.get("placements") or ())
        if one.get("strategy", "STANDARD") != "STANDARD"
    ]
    problems += [
        Problem(
            f"spec.placements[{number}].{word}",
            one[word],
            "ml v1 chooses the machines of a batch prediction itself",
            source=Source.OPERATOR,
            error_type=FieldErrorType.FORBIDDEN,
            id="prediction-machine-service",
        )
        for number, one in enumerate(spec.get("placements") or ())
        for word in ("machineType", "acceleratorType")
        if kind == PREDICTION_JOB.name and word in one
    ]
    python = spec.get(field, {}).get("pythonVersion")
    if python in ELSEWHERE:
        text = f"ml v1 has Python 2.7, 3.5 and 3.7; {python} is on Vertex AI alone"
        problems.append(Problem(f"spec.{field}.pythonVersion", python, text, id="python-service"))
    return problems
