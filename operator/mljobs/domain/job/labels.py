"""A job's labels: ours are kept as the spec has them, everybody else's stay as they are."""

from collections.abc import Collection, Mapping

from mljobs.domain.job.naming import OWNERSHIP_LABELS
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Job


def wanted_labels(resource: Resource, target: Target, job: Job) -> Mapping[str, str]:
    """What a job's labels should be: the spec's and the operator's own, and those of others.

    A label that was the spec's and is not any longer goes.
    """
    obsolete = _owned(resource, target, job) - resource.labels.keys()
    return {**{key: job.labels[key] for key in job.labels.keys() - obsolete}, **resource.labels}


def recordable(resource: Resource, target: Target, job: Job) -> list[str]:
    """The keys of the job's labels that have to be remembered as the spec's, sorted."""
    ours = _owned(resource, target, job) | resource.labels.keys()
    return sorted((ours & job.labels.keys()) - OWNERSHIP_LABELS)


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> Collection[str]:
    """The keys whose labels are not the same in both."""
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def _owned(resource: Resource, target: Target, job: Job) -> frozenset[str]:
    """The keys of labels that are, or were, the spec's."""
    recorded = resource.label_keys
    if recorded is not None and resource.recorded == target:
        return frozenset(recorded)
    intent = resource.intent
    made = intent is not None and not intent.adopting and intent.target == target
    if not made or (intent and intent.generation == resource.generation):
        return frozenset(resource.labels)
    # the spec has changed since the job was made with all of its labels, and nobody has recorded which
    return frozenset(job.labels) - OWNERSHIP_LABELS
