"""What a spec that keeps all rules may have, and `ml` v1 has not."""

from collections.abc import Mapping, Sequence
from typing import Any

from mljobs.api.resources import KINDS
from mljobs.domain.spec.problems import MISSING, Problem, Reason, Source


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
                reason=Reason.FORBIDDEN,
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
                reason=Reason.REQUIRED,
                id="input-service",
            )
        )
    return problems
