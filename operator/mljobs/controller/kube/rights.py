"""The operator's permissions in a cluster: the one list from which all roles are generated.

`make generate` writes it into the chart and into `deploy/`. A new call to the API server needs its verb here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mljobs.api.jobclass import JOB_CLASS
from mljobs.api.jobschedule import JOB_SCHEDULE
from mljobs.api.resources import GROUP, KINDS
from mljobs.controller.kube.lease import lease_names

PLURALS = tuple(kind.plural for kind in KINDS.values())


@dataclass(frozen=True)
class PolicyRule:
    """One rule of a role.

    Attributes:
        group: the API group; empty for the core.
        resources: plurals, with a subresource after a slash.
        verbs: the allowed verbs.
        names: the objects that they are limited to; none: all.
    """

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The rule as an entry of a role's `rules`."""
        names = {"resourceNames": list(self.names)} if self.names else {}
        return {
            "apiGroups": [self.group],
            "resources": list(self.resources),
            **names,
            "verbs": list(self.verbs),
        }


RESOURCES = (
    PolicyRule(GROUP, PLURALS, ("get", "list", "watch", "patch")),
    PolicyRule(GROUP, tuple(f"{plural}/status" for plural in PLURALS), ("patch",)),
    PolicyRule(GROUP, PLURALS, ("delete",)),
    PolicyRule("", ("events",), ("create", "patch")),
)
"""Needed wherever resources are watched: in the whole cluster, or in each of the watched namespaces.
Resources are deleted whose ttl has passed, and the runs of schedules beyond their history limits."""

CLASSES = (
    PolicyRule(GROUP, (JOB_CLASS.plural,), ("list", "watch")),
    PolicyRule(GROUP, (f"{JOB_CLASS.plural}/status",), ("patch",)),
    PolicyRule("", ("namespaces",), ("list",)),
)
"""Needed in the whole cluster where all of it is watched, and nowhere else: an operator that watches
namespaces reads no classes. Namespaces are listed only while a class selects them by labels."""

SCHEDULES = (
    PolicyRule(GROUP, (JOB_SCHEDULE.plural,), ("list", "watch")),
    PolicyRule(GROUP, (f"{JOB_SCHEDULE.plural}/status",), ("patch",)),
    PolicyRule(GROUP, PLURALS, ("create",)),
)
"""Needed there besides, where JobSchedules are reconciled: their runs are created."""

_OURS = tuple(rule for rule in RESOURCES if rule.group == GROUP and "delete" not in rule.verbs)

LASTING: Mapping[str, tuple[PolicyRule, ...]] = {
    "None": (),
    "Patch": tuple(PolicyRule(GROUP, rule.resources, ("patch",)) for rule in _OURS),
    "ReadAndPatch": _OURS,
}
"""What may be granted in the whole cluster to an operator that watches namespaces: one that is being
deleted loses its Roles first, and its resources are deleted only once the finalizer is removed.

`Patch` is all that this needs, also to read a resource again (see `Kube.get`). With `ReadAndPatch` an
operator that starts meanwhile finds what is left there."""


def without(granted: tuple[PolicyRule, ...]) -> tuple[PolicyRule, ...]:
    """The rest of `RESOURCES` for a Role if the rules `granted` are granted in the whole cluster."""
    given = set(permissions(granted))
    rest = [
        PolicyRule(
            rule.group,
            rule.resources,
            tuple(verb for verb in rule.verbs if (rule.group, rule.resources[0], verb, "") not in given),
            rule.names,
        )
        for rule in RESOURCES
    ]
    return tuple(rule for rule in rest if rule.verbs)


def leases(name: str, shards: int = 1) -> tuple[PolicyRule, ...]:
    """What leader election needs in the namespace of the Leases.

    Args:
        name: of the first Lease. A create call cannot be limited to names, the others are. Whether anybody
            counts another number of shards is read from the Leases of all that there can be.
        shards: how many there are.
    """
    group, resources, names = "coordination.k8s.io", ("leases",), tuple(lease_names(name))
    return (
        PolicyRule(group, resources, ("create",)),
        PolicyRule(group, resources, ("get",), names),
        PolicyRule(group, resources, ("update",), names[:shards]),
    )


def account_tokens(names: tuple[str, ...]) -> tuple[PolicyRule, ...]:
    """What identities of namespaces need: tokens of ServiceAccounts with these names, and of no others.

    Args:
        names: of the accounts, the same in all namespaces. None: no right at all, since a rule without names
            would be one for every account.
    """
    return (PolicyRule("", ("serviceaccounts/token",), ("create",), names),) if names else ()


def needed(*, schedules: bool) -> tuple[PolicyRule, ...]:
    """What an operator needs wherever it watches resources.

    Args:
        schedules: whether it reconciles JobSchedules.
    """
    return (*RESOURCES, *(SCHEDULES if schedules else ()))


_READ = ("get", "list", "watch")
_WRITE = ("create", "patch", "update", "delete", "deletecollection")
_NAMESPACED = (*PLURALS, JOB_SCHEDULE.plural)

USERS: Mapping[str, tuple[PolicyRule, ...]] = {
    "view": (PolicyRule(GROUP, _NAMESPACED, _READ),),
    "edit": (PolicyRule(GROUP, _NAMESPACED, (*_READ, *_WRITE)),),
    "admin": (PolicyRule(GROUP, _NAMESPACED, (*_READ, *_WRITE)),),
}
"""What the cluster's roles view, edit and admin get for the kinds that users make. Nobody but the operator
writes a status: a forged one could only mislead it."""

AGGREGATE_LABEL = "rbac.authorization.k8s.io/aggregate-to-"


def permissions(rules: tuple[PolicyRule, ...]) -> Iterator[tuple[str, str, str, str]]:
    """Each single permission of rules: group, resource, verb, and the object's name or an empty text."""
    for rule in rules:
        for resource in rule.resources:
            for verb in rule.verbs:
                for name in rule.names or ("",):
                    yield rule.group, resource, verb, name
