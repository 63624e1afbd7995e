"""What of a spec that keeps all rules Vertex AI cannot do, or does otherwise."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.backends.vertex.tables import Tables
from mljobs.backends.vertex.translate import translate
from mljobs.domain.spec.problems import MISSING, Problem


def review(
    kind: str, spec: Mapping[str, Any], tables: Tables, location: str, *, today: date | None = None
) -> Sequence[Problem]:
    """Find what refuses a spec for this service, before any call, and what is lost or becomes something else.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: the validated spec in canonical JSON.
        tables: the administrator's.
        location: where the job is created; empty if nobody has named a region.
        today: see `translate`.
    """
    found = translate(kind, spec, tables, today=today).problems
    if location:
        return found
    rule = "name a region, or have the administrator set locations, whose first is the default"
    return [
        Problem("spec.vertex.region", MISSING, rule, error_type=FieldErrorType.REQUIRED, id="vertex-region"),
        *found,
    ]
