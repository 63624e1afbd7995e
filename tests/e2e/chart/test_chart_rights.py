"""The operator uses every right that the chart grants, and needs no other: by verb, resource, namespace.

The audit log tells what the ServiceAccount has asked for, refused requests too; the roles are read from the
cluster as they are bound. Over one flow that makes the operator do all it ever does, both must be the same.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.chart.support_chart import FULLNAME, NAMESPACE, Helm, Release, ReleasedOperator, reach
from tests.e2e.support import Json, Namespace, connect, eventually, of_kind
from tests.e2e.support_stack import Emulator

from mljobs.api.resources import KINDS
from mljobs.devcluster.controlplane import ControlPlane

USER = f"system:serviceaccount:{NAMESPACE}:{FULLNAME}"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ANY = "*"
TEAMS = ("team-a", "team-b")


@dataclass(frozen=True, order=True)
class Right:
    """One verb with one resource.

    Attributes:
        namespace: where; `*` is the whole cluster.
        group: the API group; empty for the core.
        resource: plural, with a subresource after a slash.
        verb: what is done.
        name: the only object, or that which was asked for; empty: all, or none in particular.
    """

    namespace: str
    group: str
    resource: str
    verb: str
    name: str = ""

    def covers(self, use: "Right") -> bool:
        """Whether this, granted, allows that use."""
        return (
            self.namespace in (ANY, use.namespace)
            and (self.group, self.resource, self.verb) == (use.group, use.resource, use.verb)
            and self.name in ("", use.name)
        )


def missing(granted: Iterable[Right], used: Iterable[Right]) -> set[Right]:
    """What was asked for and nothing allows."""
    granted = tuple(granted)
    return {use for use in used if not any(grant.covers(use) for grant in granted)}


def unused(granted: Iterable[Right], used: Iterable[Right]) -> set[Right]:
    """What is allowed and nothing has asked for."""
    used = tuple(used)
    return {grant for grant in granted if not any(grant.covers(use) for use in used)}


def granted(plane: ControlPlane) -> set[Right]:
    """What all roles that are bound to the ServiceAccount allow."""
    found: set[Right] = set()
    for kind in ("clusterrolebindings", "rolebindings"):
        for binding in plane.client.get(f"{RBAC}/{kind}")["items"]:
            subjects = {(one.get("namespace"), one["name"]) for one in binding.get("subjects", [])}
            if (NAMESPACE, FULLNAME) in subjects:
                found |= set(_rights(plane, binding))
    return found


def _rights(plane: ControlPlane, binding: Json) -> Iterator[Right]:
    namespace = binding["metadata"].get("namespace", "")
    role = binding["roleRef"]
    place = f"/namespaces/{namespace}" if role["kind"] == "Role" else ""
    for rule in plane.client.get(f"{RBAC}{place}/{role['kind'].lower()}s/{role['name']}")["rules"]:
        names = rule.get("resourceNames") or [""]
        for row in itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"], names):
            yield Right(namespace or ANY, *row)


@dataclass
class World:
    """A release, its operator and the namespaces of two teams."""

    plane: ControlPlane
    emulator: Emulator
    release: Release
    operator: ReleasedOperator
    teams: tuple[Namespace, ...]
    since: int

    @property
    def requests(self) -> list[Json]:
        """All that the ServiceAccount of this release has asked for, of any resource."""
        events = self.plane.writes(user=USER)[self.since :]
        # what is left out are the version and the list of APIs, which everybody may read
        return [event for event in events if "objectRef" in event]

    @property
    def granted(self) -> set[Right]:
        """What the roles in the cluster allow it."""
        return granted(self.plane)

    @property
    def used(self) -> set[Right]:
        """What it has asked for, whether it was allowed or not."""
        found = set()
        for event in self.requests:
            about = event["objectRef"]
            resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
            group, name = about.get("apiGroup", ""), about.get("name", "")
            found.add(Right(about.get("namespace", ANY), group, resource, event["verb"], name))
        return found

    @property
    def forbidden(self) -> list[Json]:
        """What it has asked for and not got."""
        decision = "authorization.k8s.io/decision"
        return [event for event in self.requests if event["annotations"][decision] != "allow"]

    def flow(self) -> None:
        """Make the operator do all that it ever does: in each namespace, for both kinds."""
        for team in self.teams:
            for kind in KINDS.values():
                job = team.create(of_kind(kind, "census"))
                job.until_state("QUEUED")
                job.expect_events("Accepted")
                self.emulator.force(job.job_id, "RUNNING")
                job.until_state("RUNNING")
                job.delete()
                job.until_gone()

    def disturb(self) -> None:
        """Change resources under the operator's hands until it has had to read each kind again."""
        for number in range(100):
            for team in self.teams:
                for kind in KINDS.values():
                    if not self.has_read(team.name, kind.plural):
                        self._disturb(team, number, kind.name)
            if all(self.has_read(team.name, kind.plural) for team in self.teams for kind in KINDS.values()):
                return
        pytest.fail(f"the operator has read no resource again: {self.operator.tail()}")

    def has_read(self, namespace: str, plural: str) -> bool:
        return any((use.namespace, use.resource, use.verb) == (namespace, plural, "get") for use in self.used)

    def _disturb(self, team: Namespace, number: int, kind: str) -> None:
        job = team.create(of_kind(KINDS[kind], f"busy-{number}"))
        for change in range(40):
            job.annotate(change=str(change))
        job.until_state("QUEUED")
        job.delete()
        job.until_gone()


Start = Callable[..., World]


@pytest.fixture
def start(cluster_helm: Helm, plane: ControlPlane, emulator: Emulator, tmp_path: Path) -> Iterator[Start]:
    """Installs the chart and runs the operator of the release; both are removed at the end."""
    release = Release(cluster_helm, plane)
    running: list[ReleasedOperator] = []

    def run(**values: object) -> World:
        for name in TEAMS:
            plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        since = len(plane.writes(user=USER))
        release.install(reach(emulator, **values))
        running.append(release.operator(tmp_path))
        running[0].start()
        api = connect(plane.kubeconfig)
        teams = tuple(Namespace(api, name, running[0].tail) for name in TEAMS)
        return World(plane, emulator, release, running[0], teams, since)

    yield run
    for operator in running:
        operator.stop()
    release.uninstall()
    plane.client.request(
        "DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{FULLNAME}"
    )  # which the operator has made, not the chart


def check(world: World, record: Callable[[str, object], None]) -> None:
    """What is used is what is granted; and that is seen in every single verb and resource."""
    world.flow()
    world.disturb()
    eventually(
        lambda: sorted(unused(world.granted, world.used)),
        lambda left: not left,
        what="every right is used",
        report=world.operator.tail,
    )
    grants, uses = world.granted, world.used
    assert missing(grants, uses) == set()
    assert world.forbidden == []
    record("rights granted", len(grants))
    record("rights used", len(grants - unused(grants, uses)))
    for grant in grants:
        assert missing(grants - {grant}, uses), f"nobody would miss {grant}"
        for excess in (
            Right(grant.namespace, grant.group, grant.resource, "deletecollection"),
            Right(grant.namespace, grant.group, f"{grant.resource}/scale", grant.verb),
            Right("elsewhere", grant.group, grant.resource, grant.verb),
        ):
            assert unused({*grants, excess}, uses) == {excess}


def test_rights_in_the_cluster(start: Start, record_property: Callable[[str, object], None]) -> None:
    world = start()
    check(world, record_property)
    assert {grant.namespace for grant in world.granted} == {ANY, NAMESPACE}
    _one_too_few_and_one_too_many(world)


def _one_too_few_and_one_too_many(world: World) -> None:
    """In the cluster itself: a request that is refused is seen, and so is a verb that is never used."""
    path = f"{RBAC}/clusterroles/{FULLNAME}"
    role = world.plane.client.get(path)
    rules = [
        {**rule, "verbs": ["deletecollection"]} if "events" in rule["resources"] else rule
        for rule in role["rules"]
    ]
    world.plane.client.request("PATCH", path, {"rules": rules}, content_type="application/merge-patch+json")
    team = world.teams[0]
    job = team.create(of_kind(KINDS["TrainingJob"], "unheard"))
    job.until_state("QUEUED")
    refused = eventually(lambda: world.forbidden, what="a request is refused", report=world.operator.tail)
    assert {one["objectRef"]["resource"] for one in refused} == {"events"}
    grants, uses = world.granted, world.used
    assert {(right.resource, right.verb) for right in missing(grants, uses)} == {("events", "create")}
    assert unused(grants, uses) == {Right(ANY, "", "events", "deletecollection")}
    job.delete()
    job.until_gone()


def test_rights_in_two_namespaces(start: Start, record_property: Callable[[str, object], None]) -> None:
    world = start(watchNamespaces=list(TEAMS))
    check(world, record_property)
    places = {NAMESPACE, *TEAMS}
    assert {grant.namespace for grant in world.granted} == places
    assert {use.namespace for use in world.used} == places
