"""Extra jobs of an attempt, if the service names jobs itself and a create call got no answer.

A call that seemed lost may still have created a job, after the search for it. So there is one more search
later, and every job that it finds besides the accepted one is cancelled.
"""

from datetime import datetime

from mljobs.domain.decide.decisions import CancelExtra, Decision, Release, Search, Wait
from mljobs.domain.decide.failed_calls import wait_for
from mljobs.domain.decide.plan import AdminPolicy, facts_of
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.reasons import Reason


def cancel_extra_jobs(
    resource: Resource, target: Target, observation: Observation, policy: AdminPolicy, now: datetime
) -> CancelExtra | Search | Wait | None:
    """Cancel extra jobs, and search for them once when it is time; None if nothing is due."""
    if observation.extra:
        failed = observation.waiting(now, Call.CANCEL)
        return wait_for(failed) if failed else CancelExtra(target, observation.extra[0])
    due = _due(resource, observation, policy)
    if due is None or now < due:
        return None
    failed = observation.waiting(now, Call.GET)
    return wait_for(failed) if failed else Search(target)


def defer_until_search(
    resource: Resource,
    target: Target,
    observation: Observation,
    policy: AdminPolicy,
    now: datetime,
    decision: Decision,
) -> Decision:
    """Decide again when the search is due, and release nothing before it; later it has its own steps."""
    due = _due(resource, observation, policy)
    if due is None or due <= now or (isinstance(decision, Release) and resource.force_release):
        return decision
    if isinstance(decision, Release):
        message = (
            f"An earlier create call got no answer. The operator verifies that {target.job_name} is the "
            f"only job, then releases the resource."
        )
        return Wait(Reason.DELETING, message, again=due)
    return decision.by(due)


def _due(resource: Resource, observation: Observation, policy: AdminPolicy) -> datetime | None:
    """When to search; None if no outcome is unknown, or if the search has been made."""
    outcome_unknown_at = observation.outcome_unknown_at
    if (
        outcome_unknown_at is None
        or observation.job is None
        or facts_of(resource).capabilities.client_names_jobs
    ):
        return None
    due = outcome_unknown_at + 2 * policy.grace
    searched = observation.searched_at
    return None if searched and searched >= due else due
