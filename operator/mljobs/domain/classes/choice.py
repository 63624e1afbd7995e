"""Which class a resource has: the one that it names, else the default; and whether its namespace may."""

from collections.abc import Mapping, Sequence
from typing import Any

from mljobs.api.jobclass import DEFAULT_CLASS, LabelOperator, LabelRequirement
from mljobs.domain.classes.job_class import JobClass, Standing
from mljobs.domain.reasons import Reason

SHOWN = 10
"""Classes that a message lists."""


def standing_of(
    body: Mapping[str, Any], classes: Mapping[str, JobClass], labels: Mapping[str, str] | None
) -> Standing:
    """What the classes give a resource now; a later attempt stays with the class of the one before.

    Args:
        body: the object.
        classes: all of them by name, the one that the settings make included.
        labels: of its namespace; None where they are not known.
    """
    spec, status = body.get("spec"), body.get("status")
    named = spec.get("jobClassName") if isinstance(spec, Mapping) else None
    before = status.get("jobClassName") if isinstance(status, Mapping) else None
    return choose(classes, str(named or before or ""), body["metadata"].get("namespace", ""), labels)


def choose(
    classes: Mapping[str, JobClass], name: str | None, namespace: str, labels: Mapping[str, str] | None
) -> Standing:
    """Choose the class of a resource's next job.

    Args:
        classes: all of them by name; never empty: the operator's settings make one where there is none.
        name: the class that the resource names; None or empty: it names none.
        namespace: of the resource.
        labels: of the namespace; None where they are not known.
    """
    chosen = classes.get(name) if name else default_of(classes)
    if chosen is None:
        return Standing(reason=Reason.NO_JOB_CLASS, message=_missing(classes, name, namespace, labels))
    if not admits(chosen, namespace, labels):
        # the class's own list of namespaces is not this one's to know
        usable = _usable(classes, namespace, labels)
        which = f"The classes that it may use: {usable}." if usable else "There is no class that it may use."
        return Standing(
            reason=Reason.NOT_ALLOWED,
            message=f"spec.jobClassName: the namespace {namespace} may not use {chosen.name!r}. {which}",
            pending=labels is None and chosen.selects_by_labels,
        )
    return Standing(chosen)


def default_of(classes: Mapping[str, JobClass]) -> JobClass | None:
    """The class of resources that name none: of several, the newest, as for StorageClasses."""
    own = [one for one in classes.values() if one.own]
    defaults = own or [one for one in classes.values() if one.is_default]
    return max(defaults, key=lambda one: (one.created, one.name), default=None)


def other_defaults(classes: Mapping[str, JobClass]) -> Sequence[str]:
    """The names of further default classes, which do not count and may be a mistake."""
    chosen = default_of(classes)
    return sorted(one.name for one in classes.values() if one.is_default and one is not chosen)


def admits(job_class: JobClass, namespace: str, labels: Mapping[str, str] | None) -> bool:
    """Whether a namespace may use a class; while labels that count are not known, it may not."""
    selector = job_class.namespaces
    if selector is None:
        return True
    if selector.names is not None and namespace not in selector.names:
        return False
    if not job_class.selects_by_labels:
        return True
    if labels is None:
        return False
    wanted = selector.match_labels or {}
    return wanted.items() <= labels.items() and all(
        _meets(labels, requirement) for requirement in selector.match_expressions or ()
    )


def _meets(labels: Mapping[str, str], requirement: LabelRequirement) -> bool:
    """As Kubernetes does: a label that is missing is not in, and so meets `NotIn`."""
    value = labels.get(requirement.key)
    match requirement.operator:
        case LabelOperator.IN:
            return value is not None and value in (requirement.values or ())
        case LabelOperator.NOT_IN:
            return value not in (requirement.values or ())
        case LabelOperator.EXISTS:
            return value is not None
        case LabelOperator.DOES_NOT_EXIST:
            return value is None


def _missing(
    classes: Mapping[str, JobClass], name: str | None, namespace: str, labels: Mapping[str, str] | None
) -> str:
    usable = _usable(classes, namespace, labels)
    which = (
        f"The classes that it may use: {usable}."
        if usable
        else "There is no class that this namespace may use."
    )
    if name:
        return f"spec.jobClassName: there is no JobClass {name!r}. {which}"
    return (
        f"spec.jobClassName is not set, and no JobClass is the default (annotation {DEFAULT_CLASS}). "
        f"Name one. {which}"
    )


def _usable(classes: Mapping[str, JobClass], namespace: str, labels: Mapping[str, str] | None) -> str:
    names = sorted(one.name for one in classes.values() if admits(one, namespace, labels))
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
