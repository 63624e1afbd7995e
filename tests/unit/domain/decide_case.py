"""How a case of the next step is written."""

from typing import Any

from mljobs.domain import errors
from mljobs.domain.decide.decisions import Decision
from mljobs.domain.job.observation import Call, FailedCall, Observation
from mljobs.domain.job.resource import Resource
from tests.unit.domain.world import JOB_ID, condition, intent, later, target

SECOND = target("proj", JOB_ID[:-1] + "2", 2)
STRANGER = "99999999-2222-3333-4444-555555555555"
ADOPTION = intent(adopting=True)
SUSPENDED = condition("Suspended", "True", "Suspending")

Cases = dict[str, tuple[Resource, Observation | None, Decision | type]]
"""By name: the resource, what is known of its job, and the next step, or only its type."""


def trouble(method: Call, error: errors.JobServiceError, *, fresh: bool = True, generation: int = 1) -> Any:
    return {method: FailedCall(method, error, generation, later(5 if fresh else -5))}
