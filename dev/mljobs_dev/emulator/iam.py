"""IAM policies of jobs, and which permission each method needs."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mljobs_dev.emulator.errors import ApiError, Violation, refused
from mljobs_dev.emulator.schema import ml_v1

Json = dict[str, Any]

EMPTY_ETAG = "ACAB"
"""The etag of a job that has no policy."""

PERMISSIONS = {
    "ml.projects.jobs.create": "ml.jobs.create",
    "ml.projects.jobs.get": "ml.jobs.get",
    "ml.projects.jobs.list": "ml.jobs.list",
    "ml.projects.jobs.patch": "ml.jobs.update",
    "ml.projects.jobs.cancel": "ml.jobs.cancel",
    "ml.projects.jobs.getIamPolicy": "ml.jobs.getIamPolicy",
    "ml.projects.jobs.setIamPolicy": "ml.jobs.setIamPolicy",
}
"""The permission that a method needs (documentation of access control)."""

CONFLICT = (
    "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff."
)

_ROLE = re.compile(r"(roles|projects/[^/]+/roles|organizations/[^/]+/roles)/[\w.]+")
_MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers|(user|serviceAccount|group|domain|principal|principalSet|"
    r"projectOwner|projectEditor|projectViewer|deleted:[a-zA-Z]+):\S+"
)


def read_policy(policy: Json | None) -> Json:
    """The policy as `getIamPolicy` answers it."""
    return policy if policy is not None else {"etag": EMPTY_ETAG}


def write_policy(policy: Json | None, request: Mapping[str, Any], version: int) -> Json:
    """The policy after `setIamPolicy`.

    Args:
        policy: the present one, if any.
        request: a SetIamPolicyRequest.
        version: what tells this change from others.

    Raises:
        ApiError: 400 for a policy that is none; 409 ABORTED for an etag that is not the present one.
    """
    wanted = request.get("policy", {})
    violations = list(_violations(wanted))
    if violations:
        raise refused(violations)
    present = read_policy(policy)
    etag = wanted.get("etag")
    if etag and etag != present["etag"]:
        raise ApiError(409, CONFLICT, status="ABORTED")
    mask = {_first(path) for path in str(request.get("updateMask") or "bindings,etag").split(",")}
    kept = {name: value for name, value in present.items() if name not in (*mask, "etag", "version")}
    taken = {name: value for name, value in wanted.items() if name in mask - {"etag", "version"} and value}
    written = (
        ml_v1().message("GoogleIamV1__Policy").prune({"version": wanted.get("version") or 1, **kept, **taken})
    )
    return {**written, "etag": _etag(written, version)}


def _violations(policy: Mapping[str, Any]) -> Iterator[Violation]:
    version = policy.get("version", 0)
    if version not in (0, 1, 3):
        yield Violation("policy.version", f"The version {version} should be 0, 1 or 3.")
    for index, binding in enumerate(policy.get("bindings", [])):
        path = f"policy.bindings[{index}]"
        if not _ROLE.fullmatch(binding.get("role", "")):
            yield Violation(f"{path}.role", f"The role '{binding.get('role', '')}' is not a role's name.")
        if not binding.get("members"):
            yield Violation(f"{path}.members", "At least one member should be specified.")
        for member in binding.get("members", []):
            if not _MEMBER.fullmatch(member):
                yield Violation(f"{path}.members", f"The member '{member}' is of an unknown type.")
        if "condition" in binding and version != 3:
            yield Violation("policy.version", "A policy with conditions should have the version 3.")


def _first(path: str) -> str:
    return path.strip().partition(".")[0].replace("audit_configs", "auditConfigs")


def _etag(policy: Mapping[str, Any], version: int) -> str:
    text = json.dumps([policy, version], sort_keys=True)
    return base64.b64encode(hashlib.blake2b(text.encode(), digest_size=8).digest()).decode()
