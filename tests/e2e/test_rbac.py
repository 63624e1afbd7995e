"""The operator has the rights that it needs and no others; what it did in all tests so far is judged, too."""

import json

import pytest

from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Kubectl, Namespace, eventually
from tests.e2e.support_rights import Account, assert_every_right_is_needed, unused
from tests.e2e.support_stack import ACCOUNT, OPERATOR_USER, Emulator, Operator


@pytest.fixture(scope="module")
def operator_options() -> dict[str, object]:
    return {"settings": {"MLJOBS_LEADER_ELECTION": "true"}}


def test_every_right_is_used_and_none_is_missing(
    namespace: Namespace, emulator: Emulator, operator: Operator, control_plane: ControlPlane
) -> None:
    """Of all that it has done in the tests so far, too."""
    account = Account(control_plane, *ACCOUNT)
    account.exercise([namespace], emulator)
    eventually(
        lambda: sorted(unused(account.granted, account.used)),
        lambda left: not left,
        what="each right is used, the renewal of the Lease too",
        report=operator.tail,
    )
    assert account.forbidden == []
    # modules with identities give it the right to request tokens, and take it back
    used = {use for use in account.used if use.resource != "serviceaccounts/token"}
    assert_every_right_is_needed(account.granted, used)
    assert not any("*" in (grant.group, grant.resource, grant.verb) for grant in account.granted)
    assert "forbidden" not in operator.tail(1_000_000).lower()


FORBIDDEN = [
    ("update", "trainingjobs.mljobs.dev"),
    ("deletecollection", "trainingjobs.mljobs.dev"),
    ("create", "jobschedules.mljobs.dev"),
    ("patch", "jobschedules.mljobs.dev"),
    ("delete", "jobschedules.mljobs.dev"),
    ("update", "jobschedules.mljobs.dev/finalizers"),
    ("update", "predictionjobs.mljobs.dev/status"),
    ("get", "secrets"),
    ("list", "secrets"),
    ("get", "configmaps"),
    ("list", "pods"),
    ("watch", "namespaces"),
    ("patch", "jobclasses.mljobs.dev"),
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
    assert mine.run("auth", "can-i", "get", "secrets").stdout.strip() == "no"
