"""The operator uses every right that the chart grants, and needs no other: by verb, resource, namespace."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mljobs.api.resources import KINDS
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.chart.support_chart import FULLNAME, NAMESPACE, Helm, Release, ReleasedOperator, reach
from tests.e2e.support import Job, Json, Namespace, connect, eventually, job_classes, of_kind, training
from tests.e2e.support_identities import PROVIDER, account, principal, published_keys, trust
from tests.e2e.support_rights import (
    ANY,
    RBAC,
    Account,
    Right,
    assert_every_right_is_needed,
    missing,
    unused,
)
from tests.e2e.support_stack import PROJECT, Emulator

TEAMS = ("team-a", "team-b")
NAMES = ("mljobs-identity", "another")
"""Of the ServiceAccounts whose tokens a release may request, where it may."""


@dataclass
class World:
    """A release, its ServiceAccount, its operator and the namespaces of two teams."""

    account: Account
    emulator: Emulator
    operator: ReleasedOperator
    teams: tuple[Namespace, ...]
    release: Release


Start = Callable[..., World]


@pytest.fixture
def start(cluster_helm: Helm, plane: ControlPlane, emulator: Emulator, tmp_path: Path) -> Iterator[Start]:
    """Installs the chart and runs the operator of the release; both are removed at the end."""
    release = Release(cluster_helm, plane)
    running: list[ReleasedOperator] = []

    def run(**values: object) -> World:
        for name in TEAMS:
            plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        whose = Account(plane, NAMESPACE, FULLNAME)
        whose = replace(whose, since=len(plane.requests(user=whose.user)))
        release.install(reach(emulator, **values))
        running.append(release.operator(tmp_path))
        running[0].start()
        api = connect(plane.kubeconfig)
        teams = tuple(Namespace(api, name, running[0].tail) for name in TEAMS)
        return World(whose, emulator, running[0], teams, release)

    yield run
    for operator in running:
        operator.stop()
    release.uninstall()
    forget_lease(plane)


def forget_lease(plane: ControlPlane) -> None:
    """Delete what the operator has made, not the chart."""
    plane.client.request("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{FULLNAME}")


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


@pytest.fixture
def identities(emulator: Emulator, plane: ControlPlane, tmp_path: Path) -> Json:
    """Values of a release whose classes have identities of namespaces, which the emulator trusts."""
    trust(plane, emulator, published_keys(plane, tmp_path), required=False, bindings=None)
    known = reach(emulator)["config"]
    return {
        "config": {**known, "identityProvider": PROVIDER, "tokenEndpoint": emulator.url},
        "rbac": {"identityServiceAccounts": list(NAMES)},
    }


def submit_as_accounts(world: World) -> list[Job]:
    """Submit a job in each namespace as each account."""
    common = {"service": "MLv1", "endpoint": world.emulator.url, "projects": [PROJECT]}
    classes = {f"as-{name}": {**common, "identity": {"serviceAccountRef": {"name": name}}} for name in NAMES}
    places = [(team, name) for team in world.teams for name in NAMES]
    world.account.plane.apply([account(team.name, name) for team, name in places])
    with job_classes(world.teams[0].api, classes):
        jobs = [team.create(training(name, {"jobClassName": f"as-{name}"})) for team, name in places]
        for job in jobs:
            job.until_state("QUEUED")
    return jobs


def end(jobs: list[Job], emulator: Emulator) -> None:
    """Delete the jobs, each of which is cancelled as the account that has made it."""
    start = emulator.last
    for job in jobs:
        job.delete()
    for job in jobs:
        job.until_gone()
    cancelled = {row["identity"] for row in emulator.effects(start, method="cancel")}
    assert cancelled == {principal(team, name) for team in TEAMS for name in NAMES}


def assert_tokens_are_limited(granted: set[Right], places: set[str]) -> None:
    """Tokens may be requested of accounts with these names only, there."""
    tokens = {grant for grant in granted if grant.resource == "serviceaccounts/token"}
    assert tokens == {
        Right(place, "", "serviceaccounts/token", "create", name) for place in places for name in NAMES
    }


def test_rights_of_identities_in_the_cluster(
    start: Start, identities: Json, record_property: Callable[[str, object], None]
) -> None:
    world = start(**identities)
    end(submit_as_accounts(world), world.emulator)
    check(world, record_property)
    assert_tokens_are_limited(world.account.granted, {ANY})


def test_rights_of_identities_in_two_namespaces(
    start: Start, identities: Json, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """There are no classes any more, but jobs that were given an identity by some."""
    world = start(**identities)
    jobs = submit_as_accounts(world)
    world.operator.stop()
    forget_lease(world.account.plane)  # or there would be none to create
    world.release.upgrade({**identities, "watchNamespaces": list(TEAMS)})
    world.release.operator(tmp_path)  # which writes the new configuration
    whose = world.account
    world.account = replace(whose, since=len(whose.plane.requests(user=whose.user)))
    world.operator.start()
    end(jobs, world.emulator)
    check(world, record_property)
    assert_tokens_are_limited(world.account.granted, set(TEAMS))
