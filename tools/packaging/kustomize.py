"""The generated files of `deploy/`: what follows from the list of rights, the kinds and the version."""

from collections.abc import Sequence

from mljobs import __version__
from mljobs.admin import crds
from mljobs.api.base import JsonObject
from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import KINDS
from mljobs.controller.kube import rights
from tools.packaging.chart import NAME

NAMESPACE = "mljobs-system"
IDENTITY_ACCOUNT = "mljobs-identity"
"""The ServiceAccount of a user's namespace that a JobClass may have as its identity."""

_LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/version": __version__}
_API_GROUP = "rbac.authorization.k8s.io"


def crds_kustomization() -> str:
    """`crds/Kustomization`: named without an ending, so that `kubectl apply -f crds/` does not read it."""
    names = [
        *(kind.plural for kind in ALL_KINDS.values()),
        *(f"{kind.plural}-policy" for kind in KINDS.values()),
    ]
    return _text([_kustomization(resources=[f"{name}.yaml" for name in names])])


def base_kustomization() -> str:
    """`deploy/base/kustomization.yaml`."""
    resources = ["namespace", "rbac", "user-roles", "deployment", "service", "poddisruptionbudget"]
    return _text(
        [
            _kustomization(
                namespace=NAMESPACE,
                resources=[f"{name}.yaml" for name in resources],
                labels=[{"pairs": _LABELS, "includeTemplates": True}],
                images=[{"name": NAME, "newTag": __version__}],
                # not NAME alone: kustomize would take the Lease's name in the Role for a reference to it
                configMapGenerator=[{"name": f"{NAME}-config", "files": ["config.yaml=config/config.yaml"]}],
            )
        ]
    )


def base_rbac() -> str:
    """`deploy/base/rbac.yaml`: the ServiceAccount and its rights in the whole cluster."""
    account: JsonObject = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _named(namespaced=True),
        "automountServiceAccountToken": False,
    }
    return _text(
        [
            account,
            *_granted("ClusterRole", (*rights.needed(schedules=True), *rights.CLASSES), _named()),
            *_granted("Role", rights.leases(NAME), _named(namespaced=True)),
        ]
    )


def user_roles() -> str:
    """`deploy/base/user-roles.yaml`: what users' roles get."""
    return _text(
        [
            {
                **_role("ClusterRole", rules, _named(f"-{role}")),
                "metadata": {
                    **_named(f"-{role}"),
                    "labels": {f"{rights.AGGREGATE_LABEL}{role}": "true"},
                },
            }
            for role, rules in rights.USERS.items()
        ]
    )


def namespace_role() -> str:
    """`deploy/overlays/namespace/role.yaml`: rights in one namespace, in place of those in the cluster."""
    return _text(_granted("Role", rights.needed(schedules=True), _named("-jobs", namespaced=True)))


def identities_kustomization() -> str:
    """`deploy/components/identities/kustomization.yaml`: a component for either overlay."""
    component = _kustomization(resources=["role.yaml"])
    return _text([{**component, "apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}])


def identities_role() -> str:
    """`deploy/components/identities/role.yaml`: tokens of the ServiceAccounts that JobClasses may have."""
    rules = rights.account_tokens((IDENTITY_ACCOUNT,))
    return _text(_granted("ClusterRole", rules, _named("-identities")))


def _granted(kind: str, rules: Sequence[rights.PolicyRule], metadata: JsonObject) -> list[JsonObject]:
    """A role and its binding to the operator's account."""
    binding: JsonObject = {
        "apiVersion": f"{_API_GROUP}/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": _API_GROUP, "kind": kind, "name": metadata["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
    }
    return [_role(kind, rules, metadata), binding]


def _role(kind: str, rules: Sequence[rights.PolicyRule], metadata: JsonObject) -> JsonObject:
    return {
        "apiVersion": f"{_API_GROUP}/v1",
        "kind": kind,
        "metadata": metadata,
        "rules": [rule.document() for rule in rules],
    }


def _named(suffix: str = "", *, namespaced: bool = False) -> JsonObject:
    place = {"namespace": NAMESPACE} if namespaced else {}
    return {"name": f"{NAME}{suffix}", **place}


def _kustomization(**fields: object) -> JsonObject:
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", **fields}


def _text(documents: list[JsonObject]) -> str:
    return crds.render(documents)
