"""What a resource counts as, for those who count resources: little, and the same of many."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from mljobs.domain.job.resource import managed_elsewhere
from mljobs.domain.reasons import ConditionType


class Counted(NamedTuple):
    """What is counted of a resource.

    Attributes:
        kind: its kind.
        state: of its job, as the status has it; empty if it has none.
        stalled: the reason for which it is stalled; empty if it is not.
    """

    kind: str
    state: str
    stalled: str


def counted(body: Mapping[str, Any]) -> Counted | None:
    """What an object counts as; None if another controller manages it."""
    if managed_elsewhere(body.get("spec") or {}):
        return None
    status = body.get("status") or {}
    stalled = next(
        (
            str(row.get("reason") or "")
            for row in status.get("conditions") or ()
            if row.get("type") == ConditionType.STALLED and row.get("status") == "True"
        ),
        "",
    )
    return _one_for_all(body["kind"], str(status.get("state") or ""), stalled)


_one_for_all = lru_cache(maxsize=1024)(Counted)
