"""What the generated files of the chart, of `deploy/` and of `crds/` hold.

`files` is all that `tools.generate` needs; the modules are pure but for reading prose of their own.
"""

from collections.abc import Callable

from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import KINDS, JobKind, ResourceKind
from tools.packaging import chart, dashboard, kustomize

_CHART = "helm/mljobs-operator"


def files(header: str) -> dict[str, Callable[[], str]]:
    """The path of each file, and what makes its text.

    Args:
        header: says in each file that may have comments that it is generated, and by what.
    """

    def commented(make: Callable[[], str]) -> Callable[[], str]:
        return lambda: f"# {header}\n{make()}"

    def crd(kind: ResourceKind) -> Callable[[], str]:
        return lambda: chart.crd_template(kind, header)

    def policy(kind: JobKind) -> Callable[[], str]:
        return lambda: chart.policy_template(kind, header)

    folder = f"{_CHART}/templates/crds"
    return {
        **{f"{folder}/{kind.plural}.yaml": crd(kind) for kind in ALL_KINDS.values()},
        **{f"{folder}/{kind.plural}-policy.yaml": policy(kind) for kind in KINDS.values()},
        f"{_CHART}/Chart.yaml": lambda: chart.chart_yaml(header),
        f"{_CHART}/values.yaml": lambda: chart.values_yaml(header),
        f"{_CHART}/values.schema.json": chart.values_schema,
        f"{_CHART}/README.md": lambda: chart.readme(header),
        f"{_CHART}/templates/_rules.tpl": lambda: chart.rules_template(header),
        f"{_CHART}/files/dashboard.json": dashboard.dashboard,
        "crds/Kustomization": commented(kustomize.crds_kustomization),
        "deploy/base/kustomization.yaml": commented(kustomize.base_kustomization),
        "deploy/base/rbac.yaml": commented(kustomize.base_rbac),
        "deploy/base/user-roles.yaml": commented(kustomize.user_roles),
        "deploy/overlays/namespace/role.yaml": commented(kustomize.namespace_role),
        "deploy/components/identities/kustomization.yaml": commented(kustomize.identities_kustomization),
        "deploy/components/identities/role.yaml": commented(kustomize.identities_role),
    }
