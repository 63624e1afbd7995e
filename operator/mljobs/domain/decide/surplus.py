"""Jobs that an attempt has too many, where the service names jobs itself and a create call got no answer.

A call that was taken for lost may have made a job all the same, later than anybody waits for it. So after a
doubt there is one more search, and whatever it finds besides the job that was accepted is ended.
"""

from dataclasses import replace
from datetime import datetime

from mljobs.domain.decide.decisions import CancelExtra, Decision, Release, Search, Wait, Watch
from mljobs.domain.decide.plan import Policy, facts_of
from mljobs.domain.decide.trouble import wait_for
from mljobs.domain.job.observation import Method, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.reasons import Reason


def end_surplus(
    resource: Resource, target: Target, observation: Observation, policy: Policy, now: datetime
) -> CancelExtra | Search | Wait | None:
    """End what there is too much, and search for it once when it is time; None where nothing is due."""
    if observation.extra:
        trouble = observation.waiting(now, Method.CANCEL)
        return wait_for(trouble) if trouble else CancelExtra(target, observation.extra[0])
    due = _due(resource, observation, policy)
    if due is None or now < due:
        return None
    trouble = observation.waiting(now, Method.GET)
    return wait_for(trouble) if trouble else Search(target)


def not_before_the_search(
    resource: Resource, target: Target, observation: Observation, policy: Policy, decision: Decision
) -> Decision:
    """Come back when the search is due, and let go of nothing before it."""
    due = _due(resource, observation, policy)
    match decision:
        case Watch() if due:
            return replace(decision, until=due)
        case Release() if due and not resource.force_release:
            message = (
                f"An earlier create call got no answer. The operator makes sure that {target.job_name} is "
                f"the only job, then lets go."
            )
            return Wait(Reason.DELETING, message, due)
        case _:
            return decision


def _due(resource: Resource, observation: Observation, policy: Policy) -> datetime | None:
    """When to search; None where there is no doubt, or where the search has been made."""
    doubtful_at = observation.doubtful_at
    if doubtful_at is None or observation.job is None or facts_of(resource).capabilities.client_names_jobs:
        return None
    due = doubtful_at + 2 * policy.grace
    searched = observation.searched_at
    return None if searched and searched >= due else due
