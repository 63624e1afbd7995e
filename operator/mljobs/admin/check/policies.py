"""The policies that judge specs when they are applied: that they are there, and this version's.

Without them the operator refuses what breaks a rule all the same, so that what is found is a warning.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mljobs import __version__
from mljobs.admin import crds
from mljobs.admin.check.cluster import Cluster, ClusterError
from mljobs.admin.check.definitions import REMEDY
from mljobs.admin.check.finding import Finding, ok, skipped, warning
from mljobs.api.resources import KINDS, JobKind

_GROUP = "admissionregistration.k8s.io"
_PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}
_MEANS = "`kubectl apply` does not judge specs as it should; the operator does"


def check_policies(cluster: Cluster) -> list[Finding]:
    """Check the policy of each kind of job, and its binding.

    Raises:
        ClusterError: the API server does not answer.
    """
    return [_check(cluster, kind) for kind in KINDS.values()]


def _check(cluster: Cluster, kind: JobKind) -> Finding:
    check = f"policy {kind.crd_name}"
    for expected in crds.policy(kind):
        what = expected["kind"]
        plural = _PLURALS[what]
        if not cluster.may(_GROUP, plural, "get", kind.crd_name):
            return skipped(check, f"this user may not read a {what}", "run the check as an administrator")
        try:
            found = cluster.get(f"/apis/{_GROUP}/v1/{plural}/{kind.crd_name}").document
        except ClusterError as error:
            if error.status == 404:
                return warning(check, f"its {what} is not installed: {_MEANS}", REMEDY)
            raise
        if not has(found.get("spec"), expected["spec"]):
            return warning(check, f"its {what} is not that of version {__version__}: {_MEANS}", REMEDY)
    return ok(check, f"it is that of version {__version__}")


def has(found: Any, expected: Any) -> bool:
    """Whether a document has all that is expected of it; the API server may have added more."""
    if isinstance(expected, Mapping):
        return isinstance(found, Mapping) and all(
            name in found and has(found[name], value) for name, value in expected.items()
        )
    if isinstance(expected, Sequence) and not isinstance(expected, str):
        return isinstance(found, Sequence) and len(found) == len(expected) and all(map(has, found, expected))
    return bool(found == expected)
