"""The JobClasses of a development stack: one for each service, and the default one."""

from typing import Any

API_VERSION = "mljobs.dev/v1alpha1"
DEFAULT = "mljobs.dev/is-default-class"

CLASSES = {"MLv1": "mlv1", "VertexAI": "vertex"}
"""The class of each service."""


def development_classes(service: str, endpoint: str) -> list[dict[str, Any]]:
    """The manifests of all classes: everybody may use them, in any project.

    Args:
        service: of the class `default`, which is that of resources that name none.
        endpoint: the emulator's URL.
    """
    made = [_manifest(name, of, endpoint) for of, name in CLASSES.items()]
    default = _manifest("default", service, endpoint)
    default["metadata"]["annotations"] = {DEFAULT: "true"}
    return [*made, default]


def _manifest(name: str, service: str, endpoint: str) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "JobClass",
        "metadata": {"name": name},
        "spec": {"service": service, "endpoint": endpoint, "adoption": "SameNamespace"},
    }
