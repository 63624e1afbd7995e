"""The ConfigMap that gives Argo CD the health check of both kinds. Called by `tools.generate`."""

from mljobs.api.resources import GROUP, KINDS
from mljobs_dev.stack.files import deploy_folder


def argocd_config() -> str:
    """Make the patch of Argo CD's ConfigMap from `health.lua`."""
    script = (deploy_folder() / "gitops" / "argocd" / "health.lua").read_text("utf-8")
    indented = "".join(f"    {line}".rstrip() + "\n" for line in script.splitlines())
    checks = "".join(
        f"  resource.customizations.health.{GROUP}_{kind.name}: |\n{indented}" for kind in KINDS.values()
    )
    return (
        "# kubectl patch configmap argocd-cm -n argocd --patch-file argocd-cm.yaml\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\ndata:\n" + checks
    )
