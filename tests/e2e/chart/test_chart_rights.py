"""The operator uses every right that the chart grants, and needs no other: by verb, resource, namespace."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mljobs.api.resources import KINDS
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.chart.support_chart import FULLNAME, NAMESPACE, Helm, Release, ReleasedOperator, reach
from tests.e2e.support import Namespace, connect, eventually, of_kind
from tests.e2e.support_rights import (
    ANY,
    RBAC,
    Account,
    Right,
    assert_every_right_is_needed,
    missing,
    unused,
)
from tests.e2e.support_stack import Emulator

TEAMS = ("team-a", "team-b")


@dataclass
class World:
    """A release, its ServiceAccount, its operator and the namespaces of two teams."""

    account: Account
    emulator: Emulator
    operator: ReleasedOperator
    teams: tuple[Namespace, ...]


Start = Callable[..., World]


@pytest.fixture
def start(cluster_helm: Helm, plane: ControlPlane, emulator: Emulator, tmp_path: Path) -> Iterator[Start]:
    """Installs the chart and runs the operator of the release; both are removed at the end."""
    release = Release(cluster_helm, plane)
    running: list[ReleasedOperator] = []

    def run(**values: object) -> World:
        for name in TEAMS:
            plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        account = Account(plane, NAMESPACE, FULLNAME)
        account = replace(account, since=len(plane.requests(user=account.user)))
        release.install(reach(emulator, **values))
        running.append(release.operator(tmp_path))
        running[0].start()
        api = connect(plane.kubeconfig)
        teams = tuple(Namespace(api, name, running[0].tail) for name in TEAMS)
        return World(account, emulator, running[0], teams)

    yield run
    for operator in running:
        operator.stop()
    release.uninstall()
    plane.client.request(
        "DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{FULLNAME}"
    )  # which the operator has made, not the chart


def check(world: World, record: Callable[[str, object], None]) -> None:
    """What is used is what is granted; and that is seen in every single verb and resource."""
    account = world.account
    account.exercise(world.teams, world.emulator)
    eventually(
        lambda: sorted(unused(account.granted, account.used)),
        lambda left: not left,
        what="every right is used",
        report=world.operator.tail,
    )
    grants, uses = account.granted, account.used
    assert account.forbidden == []
    assert_every_right_is_needed(grants, uses)
    record("rights granted", len(grants))
    record("rights used", len(grants - unused(grants, uses)))


def test_rights_in_the_cluster(start: Start, record_property: Callable[[str, object], None]) -> None:
    world = start()
    check(world, record_property)
    assert {grant.namespace for grant in world.account.granted} == {ANY, NAMESPACE}
    _one_too_few_and_one_too_many(world)


def _one_too_few_and_one_too_many(world: World) -> None:
    """In the cluster itself: a request that is refused is seen, and so is a verb that is never used."""
    path = f"{RBAC}/clusterroles/{FULLNAME}"
    role = world.account.plane.client.get(path)
    rules = [
        {**rule, "verbs": ["deletecollection"]} if "events" in rule["resources"] else rule
        for rule in role["rules"]
    ]
    world.account.plane.client.request(
        "PATCH", path, {"rules": rules}, content_type="application/merge-patch+json"
    )
    team = world.teams[0]
    job = team.create(of_kind(KINDS["TrainingJob"], "unheard"))
    job.until_state("QUEUED")
    refused = eventually(
        lambda: world.account.forbidden, what="a request is refused", report=world.operator.tail
    )
    assert {one["objectRef"]["resource"] for one in refused} == {"events"}
    grants, uses = world.account.granted, world.account.used
    assert {(right.resource, right.verb) for right in missing(grants, uses)} == {
        ("events", verb) for verb in ("create", "patch")
    }
    assert unused(grants, uses) == {Right(ANY, "", "events", "deletecollection")}
    job.delete()
    job.until_gone()


KIND_VERBS = {"None": set(), "Patch": {"patch"}, "ReadAndPatch": {"get", "list", "watch", "patch"}}
"""What may be done with resources of both kinds in the whole cluster, by `rbac.namespaceDeletion`."""


@pytest.mark.parametrize("outlives", KIND_VERBS)
def test_rights_in_two_namespaces(
    start: Start, record_property: Callable[[str, object], None], outlives: str
) -> None:
    world = start(watchNamespaces=list(TEAMS), rbac={"namespaceDeletion": outlives})
    check(world, record_property)
    wide = [grant for grant in world.account.granted if grant.namespace == ANY]
    assert {grant.verb for grant in wide} == KIND_VERBS[outlives]
    assert {grant.group for grant in wide} <= {"mljobs.dev"}
    assert {grant.namespace for grant in world.account.granted} - {ANY} == {NAMESPACE, *TEAMS}
    assert {use.namespace for use in world.account.used} == {NAMESPACE, *TEAMS}
