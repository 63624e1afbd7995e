"""Which classes a namespace may use, and why not the others: for people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mljobs.api.jobclass import LabelOperator, LabelRequirement, NamespaceSelector
from mljobs.domain.classes.choice import admits, default_of
from mljobs.domain.classes.job_class import JobClass, problem_of


@dataclass(frozen=True)
class Offer:
    """A class as a namespace sees it.

    Attributes:
        name: of the class.
        service: that it runs jobs at; empty if that cannot be read.
        default: whether it is the class of resources that name none.
        usable: whether the namespace may use it; None if that is not known.
        why: why not, or why that is not known; empty for one that is usable.
        projects: where jobs may run, the first for those that name none; none: everywhere.
        locations: likewise.
    """

    name: str
    service: str = ""
    default: bool = False
    usable: bool | None = False
    why: str = ""
    projects: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()


def offers(bodies: list[Mapping[str, Any]], namespace: str, labels: Mapping[str, str] | None) -> list[Offer]:
    """What each class is to a namespace, by name.

    Args:
        bodies: all classes.
        namespace: the namespace.
        labels: its labels; None where they are not known.
    """
    made = {body["metadata"]["name"]: _read(body) for body in bodies}
    default = default_of({name: one for name, one in made.items() if isinstance(one, JobClass)})
    return [
        Offer(name, why=one) if isinstance(one, str) else _offer(one, default is one, namespace, labels)
        for name, one in sorted(made.items())
    ]


def _read(body: Mapping[str, Any]) -> JobClass | str:
    """The class, or why jobs cannot use it; the operator has judged its tables."""
    try:
        made = JobClass.parse(body)
    except ValueError as error:
        return problem_of(error)
    rows = (body.get("status") or {}).get("conditions") or ()
    ready: Mapping[str, Any] = next((row for row in rows if row.get("type") == "Ready"), {})
    return str(ready.get("message")) if ready.get("status") == "False" else made


def _offer(given: JobClass, default: bool, namespace: str, labels: Mapping[str, str] | None) -> Offer:
    usable: bool | None = admits(given, namespace, labels)
    why = ""
    if not usable:
        why = "; ".join(_unmet(given.namespaces, namespace, labels)) if given.namespaces else ""
        if (
            labels is None
            and given.selects_by_labels
            and (given.namespaces and _named(given.namespaces, namespace))
        ):
            usable = None
    return Offer(
        given.name, given.service, default, usable, why, tuple(given.projects), tuple(given.locations)
    )


def _named(selector: NamespaceSelector, namespace: str) -> bool:
    return selector.names is None or namespace in selector.names


def _unmet(selector: NamespaceSelector, namespace: str, labels: Mapping[str, str] | None) -> Iterator[str]:
    """What the class wants of a namespace, and this one has not, or may not have."""
    if not _named(selector, namespace):
        yield "it is for other namespaces"
        return
    wanted = [f"{key}={value}" for key, value in sorted((selector.match_labels or {}).items())]
    rules = [_words(one) for one in selector.match_expressions or ()]
    needs = ", ".join([*wanted, *rules])
    if labels is None:
        yield f"the labels of {namespace} cannot be read; it needs: {needs}"
    else:
        yield f"the labels of {namespace} do not meet: {needs}"


def _words(requirement: LabelRequirement) -> str:
    values = ", ".join(requirement.values or ())
    match requirement.operator:
        case LabelOperator.IN:
            return f"{requirement.key} in ({values})"
        case LabelOperator.NOT_IN:
            return f"{requirement.key} notin ({values})"
        case LabelOperator.EXISTS:
            return requirement.key
        case LabelOperator.DOES_NOT_EXIST:
            return f"!{requirement.key}"
