"""A job that the service had accepted, and now says that it does not have."""

from mljobs.domain.decide.decisions import Decision, Look, Release, Stall, Watch
from mljobs.domain.decide.plan import AdminPolicy
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.policies.lost import is_lost
from mljobs.domain.reasons import Reason


def wait_for_job(
    resource: Resource, target: Target, observation: Observation, policy: AdminPolicy
) -> Decision:
    """Go on looking for the job; say once it counts as lost."""
    if not (resource.lost or is_lost(observation, policy.lost_after)):
        return Watch(target)
    return Stall(
        Reason.LOST,
        f"The service no longer knows {target.job_name}. It is not submitted again; the operator looks for "
        f"it now and then, and goes on with it if it is there again. If the job is still wanted, delete this "
        f"resource and make a new one.",
    )


def release_if_lost(
    resource: Resource, target: Target, observation: Observation, policy: AdminPolicy
) -> Decision:
    """Let go of the resource, which is being deleted, once the job counts as lost; look before that."""
    if not observation.checked_while_deleting:
        return Look(target)
    lost = resource.lost or is_lost(observation, policy.lost_after)
    return Release() if lost else Watch(target)
