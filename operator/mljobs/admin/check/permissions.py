"""The operator's permissions in the cluster, rule by rule of the list from which its roles are generated."""

import json
from collections.abc import Iterable, Sequence

from mljobs.admin.check.cluster import Cluster, ClusterError
from mljobs.admin.check.finding import Finding, Status, failed, ok, skipped, warning
from mljobs.config import Settings
from mljobs.controller.kube import rights
from mljobs.controller.kube.lease import lease_names
from mljobs.controller.kube.rights import PolicyRule

_REMEDY = "reinstall the role with the chart or with deploy/, or add to it: "
_OUTLIVES = (
    "a namespace that is being deleted loses its Roles first, then waits with its jobs running: set the "
    "chart's rbac.namespaceDeletion, or delete the resources before the namespace"
)


def check_permissions(cluster: Cluster, settings: Settings) -> list[Finding]:
    """Review each permission, in every watched namespace or everywhere, and of the Lease if it is used."""
    needed = rights.needed(schedules=settings.schedules)
    findings = [
        _check(cluster, f"Permissions in {namespace}", needed, namespace) for namespace in settings.namespaces
    ] or [_check(cluster, "Permissions in all namespaces", (*needed, *rights.CLASSES), "")]
    findings += _check_namespace_deletion(cluster, settings)
    if settings.leader_election:
        names = lease_names(settings.lease_name)
        needed = rights.leases(settings.lease_name, settings.shards)
        findings += [
            _check_lease(cluster, settings.lease_namespace, name, needed) for name in names[: settings.shards]
        ]
    return findings


def _check(cluster: Cluster, check: str, rules: Sequence[PolicyRule], namespace: str) -> Finding:
    try:
        missing = list(_missing(cluster, rules, namespace))
    except ClusterError as error:
        return skipped(check, f"the API server does not answer that: {error}", error.remedy)
    if missing:
        texts = ", ".join(f"{verb} {resource}" for rule in missing for resource, verb in _pairs(rule))
        return failed(check, f"it may not {texts}", _REMEDY + "; ".join(map(_shown, missing)))
    count = sum(1 for _ in rights.permissions(tuple(rules)))
    return ok(check, f"all {count} permissions are granted")


def _check_namespace_deletion(cluster: Cluster, settings: Settings) -> list[Finding]:
    """Check whether a watched namespace could be deleted; the operator's own includes the operator."""
    if not set(settings.namespaces) - {settings.lease_namespace}:
        return []
    check = "Deletion of a watched namespace"
    granted = _check(cluster, check, rights.LASTING["Patch"], "")
    if granted.status is not Status.FAILED:
        return [granted]
    return [warning(check, f"{granted.found} in the whole cluster", _OUTLIVES)]


def _missing(cluster: Cluster, rules: Sequence[PolicyRule], namespace: str) -> Iterable[PolicyRule]:
    """The parts of rules that are not granted, a rule for each resource."""
    for rule in rules:
        for resource in rule.resources:
            verbs = tuple(
                verb
                for verb in rule.verbs
                if not all(
                    cluster.may(rule.group, resource, verb, name, namespace=namespace)
                    for name in rule.names or ("",)
                )
            )
            if verbs:
                yield PolicyRule(rule.group, (resource,), verbs, rule.names)


def _pairs(rule: PolicyRule) -> list[tuple[str, str]]:
    return [(resource, verb) for resource in rule.resources for verb in rule.verbs]


def _shown(rule: PolicyRule) -> str:
    return json.dumps(rule.document())


def _check_lease(cluster: Cluster, namespace: str, name: str, needed: Sequence[PolicyRule]) -> Finding:
    check = f"Lease {namespace}/{name}"
    granted = _check(cluster, check, needed, namespace)
    if granted.remedy:
        return granted
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}"
    try:
        spec = cluster.get(path).document.get("spec") or {}
    except ClusterError as error:
        if error.status == 404:
            return ok(check, f"{granted.found}; it has no holder yet")
        return skipped(check, str(error), error.remedy)
    holder = spec.get("holderIdentity")
    held = f"held by {holder} since {spec.get('acquireTime')}" if holder else "it has no holder"
    return ok(check, f"{granted.found}; {held}")
