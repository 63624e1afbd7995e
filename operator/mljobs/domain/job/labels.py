"""A job's labels: ours follow the spec, everybody else's stay unchanged."""

from collections.abc import Collection, Mapping

from mljobs.domain.job.naming import OWNERSHIP_LABELS
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Job


def wanted_labels(resource: Resource, target: Target, job: Job) -> Mapping[str, str]:
    """What a job's labels should be: the spec's and the operator's own, and those of others.

    A label that was removed from the spec is removed.
    """
    obsolete = _owned(resource, target) - resource.labels.keys()
    return {**{key: job.labels[key] for key in job.labels.keys() - obsolete}, **resource.labels}


def recordable(resource: Resource, target: Target, job: Job) -> list[str]:
    """The keys of the job's labels that have to be recorded as the spec's, sorted."""
    ours = _owned(resource, target) | resource.labels.keys()
    return sorted((ours & job.labels.keys()) - OWNERSHIP_LABELS)


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> Collection[str]:
    """The keys whose labels are not the same in both."""
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def _owned(resource: Resource, target: Target) -> frozenset[str]:
    """The keys of labels that are, or were, the spec's, as far as that is recorded."""
    recorded = resource.label_keys if resource.recorded == target else None
    return frozenset(recorded or ())
