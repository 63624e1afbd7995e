"""A job that the service had accepted, and now reports as not found."""

from mljobs.domain.decide.decisions import Decision, Read, Release, Stall, Watch
from mljobs.domain.decide.plan import AdminPolicy
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.policies.lost import is_lost
from mljobs.domain.reasons import Reason


def wait_for_job(
    resource: Resource, target: Target, observation: Observation, policy: AdminPolicy
) -> Decision:
    """Keep reading the job; report once that it counts as lost."""
    if not _lost(resource, observation, policy):
        return Watch(target)
    return Stall(
        Reason.LOST,
        f"The service no longer has {target.job_name}. It is not submitted again; the operator checks for it "
        f"periodically, and resumes if it reappears. If the job is still wanted, delete this resource and "
        f"create a new one.",
    )


def release_if_lost(
    resource: Resource, target: Target, observation: Observation, policy: AdminPolicy
) -> Decision:
    """Release the resource, which is being deleted, once the job counts as lost; read the job before."""
    if not observation.checked_while_deleting:
        return Read(target)
    return Release() if _lost(resource, observation, policy) else Watch(target)


def _lost(resource: Resource, observation: Observation, policy: AdminPolicy) -> bool:
    return resource.lost or is_lost(observation, policy.lost_after)
