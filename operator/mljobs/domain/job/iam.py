"""The bindings of ours that a job's IAM policy may have."""

from collections.abc import Sequence

from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Binding


def recorded_bindings(resource: Resource, target: Target, observation: Observation) -> Sequence[Binding]:
    """The bindings of ours that a job's IAM policy may have."""
    if observation.bound is not None:
        return observation.bound
    return resource.iam_applied if resource.recorded == target else []
