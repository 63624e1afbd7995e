"""The operator has the rights that it needs and no others; what it did in all tests so far is judged, too."""

import json
from collections.abc import Iterator

import pytest
from tests.e2e.support import Json, Kubectl, Namespace, eventually, prediction, training
from tests.e2e.support_stack import ACCOUNT, OPERATOR_USER, Emulator, Operator

from mljobs.devcluster.controlplane import ControlPlane

WRITING = {"create", "update", "patch", "delete", "deletecollection"}
Right = tuple[str, str, str]
"""API group, resource, verb."""


@pytest.fixture(scope="module")
def operator_options() -> dict[str, object]:
    return {"settings": {"MLJOBS_LEADER_ELECTION": "true"}}


def rights(rules: list[Json]) -> Iterator[Right]:
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    yield group, resource, verb


def granted(kubectl: Kubectl) -> set[Right]:
    """What the roles that are bound to the operator allow, as the cluster has them."""
    cluster_role = json.loads(kubectl.out("get", "clusterrole", ACCOUNT[1], "-o", "json"))
    role = json.loads(kubectl.out("get", "role", ACCOUNT[1], "-n", ACCOUNT[0], "-o", "json"))
    return {*rights(cluster_role["rules"]), *rights(role["rules"])}


def used(control_plane: ControlPlane) -> set[Right]:
    """With which rights the operator has written so far."""
    found = set()
    for write in control_plane.writes(user=OPERATOR_USER):
        about = write["objectRef"]
        resource = "/".join(filter(None, [about["resource"], about.get("subresource")]))
        found.add((about.get("apiGroup", ""), resource, write["verb"]))
    return found


def test_every_right_to_write_is_used_and_none_is_missing(
    namespace: Namespace,
    emulator: Emulator,
    operator: Operator,
    kubectl: Kubectl,
    control_plane: ControlPlane,
) -> None:
    for job in namespace.create_all([training("census"), prediction("census")]):
        job.until_state("QUEUED")
        job.delete()
        job.until_gone()
    allowed = granted(kubectl)
    eventually(
        lambda: sorted(used(control_plane)),
        lambda rights: rights == sorted(right for right in allowed if right[2] in WRITING),
        what="each right to write is used, the renewal of the Lease too",
        report=operator.tail,
    )
    assert not any("*" in right for right in allowed)
    assert "forbidden" not in operator.tail(1_000_000).lower()


def test_nothing_was_ever_forbidden(control_plane: ControlPlane) -> None:
    writes = control_plane.writes(user=OPERATOR_USER)
    assert writes
    decisions = {write["annotations"]["authorization.k8s.io/decision"] for write in writes}
    assert decisions == {"allow"}


FORBIDDEN = [
    ("create", "trainingjobs.mljobs.dev"),
    ("update", "trainingjobs.mljobs.dev"),
    ("delete", "trainingjobs.mljobs.dev"),
    ("update", "predictionjobs.mljobs.dev/status"),
    ("get", "secrets"),
    ("list", "secrets"),
    ("get", "configmaps"),
    ("list", "pods"),
    ("list", "namespaces"),
    ("delete", "events"),
    ("list", "leases.coordination.k8s.io"),
    ("get", "customresourcedefinitions.apiextensions.k8s.io"),
    ("create", "serviceaccounts/token"),
    ("impersonate", "users"),
]


@pytest.mark.parametrize(("verb", "resource"), FORBIDDEN, ids=[" ".join(row) for row in FORBIDDEN])
def test_the_operator_may_not(kubectl: Kubectl, verb: str, resource: str) -> None:
    resource, _, subresource = resource.partition("/")
    more = [f"--subresource={subresource}"] if subresource else []
    done = kubectl.run("auth", "can-i", verb, resource, *more, f"--as={OPERATOR_USER}")
    assert (done.stdout.strip(), done.returncode) == ("no", 1), done.stderr


def test_it_is_not_the_administrator(namespace: Namespace, operator: Operator, kubectl: Kubectl) -> None:
    """The operator's own kubeconfig cannot do what the administrator's can."""
    mine = kubectl.with_kubeconfig(operator.kubeconfig)
    who = json.loads(mine.out("auth", "whoami", "-o", "json"))["status"]["userInfo"]
    assert who["username"] == OPERATOR_USER
    assert "system:masters" not in who["groups"]
    assert "forbidden" in mine.run("get", "secrets").stderr.lower()
