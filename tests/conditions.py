"""What a resource's conditions say, for tests: the operator itself never reads them back."""

from collections.abc import Mapping
from typing import Any

from mljobs.domain.job.resource import Resource
from mljobs.domain.reasons import ConditionType, Reason


def condition_of(resource: Resource, kind: ConditionType) -> Mapping[str, Any]:
    """A condition, or an empty mapping."""
    rows = resource.status.get("conditions") or ()
    return next((row for row in rows if row["type"] == kind), {})


def stalled_by(resource: Resource, *reasons: Reason) -> bool:
    """Whether it says Stalled for one of these reasons."""
    stalled = condition_of(resource, ConditionType.STALLED)
    return stalled.get("status") == "True" and stalled.get("reason") in reasons
