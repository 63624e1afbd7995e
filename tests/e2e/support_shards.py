"""Operators that share the namespaces, and who of them has written what."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from mljobs.controller.kube import rights
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Json
from tests.e2e.support_stack import ACCOUNT, Operator

ROOT = Path(__file__).parents[2]
LEASE = "shards"
"""The name of the first shard's Lease."""


def bound(account: str, lease: str, shards: int) -> list[Json]:
    """A ServiceAccount with the rights of the operator's, so that the audit log tells processes apart.

    Args:
        account: its name.
        lease: the name of the first shard's Lease.
        shards: how many there are.
    """
    namespace = ACCOUNT[0]
    made: list[Json] = [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"namespace": namespace, "name": account},
        }
    ]
    for document in yaml.safe_load_all((ROOT / "deploy" / "base" / "rbac.yaml").read_text("utf-8")):
        kind = document["kind"]
        if kind == "ClusterRole" or not (kind == "Role" or kind.endswith("RoleBinding")):
            continue
        document["metadata"]["name"] = account
        if kind == "Role":
            document["rules"] = [rule.document() for rule in rights.leases(lease, shards)]
        else:
            document["subjects"] = [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]
        if kind == "RoleBinding":
            document["roleRef"]["name"] = account
        made.append(document)
    return made


def sharing(
    plane: ControlPlane,
    endpoint: str,
    files: Path,
    settings: Mapping[str, str],
    shards: int,
    operator: type[Operator] = Operator,
) -> dict[str, Operator]:
    """An operator for each shard and one in reserve, each under an account of its own; none is started.

    Args:
        plane: the cluster.
        endpoint: of the job service.
        files: the folder for kubeconfigs and logs.
        settings: more environment variables.
        shards: how many there are.
        operator: how each is started.

    Returns:
        The operators by their users.
    """
    env = {
        **settings,
        "MLJOBS_LEADER_ELECTION": "true",
        "MLJOBS_LEASE_NAME": LEASE,
        "MLJOBS_SHARDS": str(shards),
    }
    made = {}
    for number in range(shards + 1):
        account = f"shard-{number}"
        plane.apply(bound(account, LEASE, shards))
        access = plane.service_account_kubeconfig(ACCOUNT[0], account, files / account)
        user = f"system:serviceaccount:{ACCOUNT[0]}:{account}"
        made[user] = operator(access, endpoint, files / f"{account}.log", settings=env)
    return made


def leading(operators: Mapping[str, Operator]) -> list[str]:
    """The users of those that run and hold the Lease of a shard."""
    return [user for user, operator in operators.items() if operator.running and leads(operator, LEASE)]


def leads(operator: Operator, lease: str) -> bool:
    """Whether it holds the Lease of a shard."""
    return f'leader_election_master_status{{name="{lease}"}} 1.0' in operator.metrics()


def served(operator: Operator) -> int:
    """How many resources it reconciles."""
    found = re.search(r"^mljobs_resources ([0-9.]+)$", operator.metrics(), re.MULTILINE)
    return int(float(found[1])) if found else 0


def owners(plane: ControlPlane, users: set[str]) -> dict[str, list[str]]:
    """Who has written the resources of each namespace, one after the other."""
    found: dict[str, list[str]] = {}
    for event in plane.writes(resource="trainingjobs"):
        # a request that was cut off has neither a user nor a status
        user, namespace = event["user"].get("username"), event["objectRef"].get("namespace", "")
        if user in users and event.get("responseStatus", {}).get("code", 500) < 300:
            rows = found.setdefault(namespace, [])
            if not rows or rows[-1] != user:
                rows.append(user)
    return found
