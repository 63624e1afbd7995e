"""Rights in the cluster: those that a ServiceAccount has, those that it has used, and a flow that uses all.

The audit log tells what was asked for, refused requests too; the roles are read from the cluster as they are
bound.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pytest
from kubernetes.client import ApiException

from mljobs.api.jobclass import JOB_CLASS
from mljobs.api.jobschedule import JOB_SCHEDULE
from mljobs.api.resources import KINDS, JobKind
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Job, Json, Namespace, condition, eventually, job_classes, of_kind
from tests.e2e.support_stack import PROJECT, Emulator

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ANY = "*"
ACCOUNTS = "system:serviceaccounts"
"""The group of all ServiceAccounts, whose reads a control plane has to record."""


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


@dataclass(frozen=True)
class Account:
    """A ServiceAccount at work.

    Attributes:
        plane: the cluster, which records what ServiceAccounts read.
        namespace: the account's.
        name: the account's.
        since: how many of its requests are older than what is of interest.
    """

    plane: ControlPlane
    namespace: str
    name: str
    since: int = 0

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    @property
    def requests(self) -> list[Json]:
        """All that it has asked for, of any resource."""
        events = self.plane.requests(user=self.user)[self.since :]
        # what is left out is open to everybody: the version, the list of APIs, questions about oneself
        about = [(event, event["objectRef"]["resource"]) for event in events if "objectRef" in event]
        return [event for event, resource in about if not resource.startswith("selfsubject")]

    @property
    def granted(self) -> set[Right]:
        """What all roles that are bound to it allow."""
        found: set[Right] = set()
        for kind in ("clusterrolebindings", "rolebindings"):
            for binding in self.plane.client.get(f"{RBAC}/{kind}")["items"]:
                subjects = {(one.get("namespace"), one["name"]) for one in binding.get("subjects", [])}
                if (self.namespace, self.name) in subjects:
                    found |= set(self._rights(binding))
        return found

    def _rights(self, binding: Json) -> Iterator[Right]:
        namespace = binding["metadata"].get("namespace", "")
        role = binding["roleRef"]
        place = f"/namespaces/{namespace}" if role["kind"] == "Role" else ""
        path = f"{RBAC}{place}/{role['kind'].lower()}s/{role['name']}"
        for rule in self.plane.client.get(path)["rules"]:
            names = rule.get("resourceNames") or [""]
            for row in itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"], names):
                yield Right(namespace or ANY, *row)

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

    def exercise(self, teams: Sequence[Namespace], emulator: Emulator) -> None:
        """Make the operator that works under it do all that it ever does, everywhere and with both kinds.

        One that may read JobClasses gets one that selects namespaces by their labels.
        """
        if any(grant.resource == JOB_CLASS.plural for grant in self.granted):
            with job_classes(teams[0].api, {"rights": _by_labels(emulator.url)}):
                self._exercise(teams, emulator)
        else:
            self._exercise(teams, emulator)

    def _exercise(self, teams: Sequence[Namespace], emulator: Emulator) -> None:
        for team in teams:
            for kind in KINDS.values():
                job = team.create(of_kind(kind, "census"))
                job.until_state("QUEUED")
                job.expect_events("Accepted")
                emulator.force(job.job_id, "RUNNING")
                job.until_state("RUNNING")
                _happens_twice(job, emulator)
                job.delete()
                job.until_gone()
                _replaces_a_run(team, kind)
        places = [(team, name) for team in teams for name in KINDS]
        for number in range(100):
            quiet = [(team, name) for team, name in places if not self._has_read(team.name, name)]
            if not quiet:
                return
            for team, name in quiet:
                _disturb(team, number, name)
        pytest.fail("the operator has read no resource again")

    def _has_read(self, namespace: str, kind: str) -> bool:
        plural = KINDS[kind].plural
        return any((use.namespace, use.resource, use.verb) == (namespace, plural, "get") for use in self.used)


def _by_labels(endpoint: str) -> Json:
    """A default class for all namespaces, by a label that each has."""
    every = [{"key": "kubernetes.io/metadata.name", "operator": "Exists"}]
    return {
        "service": "MLv1",
        "endpoint": endpoint,
        "projects": [PROJECT],
        "namespaces": {"matchExpressions": every},
    }


def _replaces_a_run(team: Namespace, kind: JobKind) -> None:
    """Let a schedule make runs of a kind, and delete one to make the next."""
    name = kind.short_name
    team.schedule(name, of_kind(kind, name), overdue=True, concurrencyPolicy="Replace")
    (first,) = eventually(lambda: team.runs(name), what=f"a run of {name}", report=team.report)
    team.job(kind.name, first["metadata"]["name"]).until_state("QUEUED")
    # the schedule is another one now, whose run of the same hour has another name
    team.patch(JOB_SCHEDULE, name, {"spec": {"schedule": "1 * * * *"}})
    eventually(
        lambda: (team.get(JOB_SCHEDULE, name) or {})["status"]["record"]["schedule"] == "1 * * * *",
        what="the change is seen",
        report=team.report,
    )
    team.neglect(name)
    eventually(
        lambda: team.runs(name),
        lambda runs: len(runs) == 1 and runs[0]["metadata"]["uid"] != first["metadata"]["uid"],
        what=f"another run of {name} takes the place of the first",
        report=team.report,
    )
    team.delete(JOB_SCHEDULE, name)
    for run in team.runs(name):
        with suppress(ApiException):  # where there is a garbage collector, it may have been faster
            team.delete(kind, run["metadata"]["name"])
        team.job(kind.name, run["metadata"]["name"]).until_gone()


def _happens_twice(job: Job, emulator: Emulator) -> None:
    """Let something be told that was told before: the job loses its labels, and gets them back."""
    labels = emulator.job(job.job_id)["labels"]
    for _ in range(2):
        emulator.relabel(job.job_id, {})
        job.until_condition("Stalled", "True", "Taken")
        emulator.relabel(job.job_id, labels)
        job.until_status(lambda status: not condition(status, "Stalled"), "it is not stalled")
    eventually(
        lambda: [row["count"] for row in job.namespace.events(job.uid) if row["reason"] == "Taken"],
        lambda counts: counts == [2],
        what="one Event that has happened twice",
        report=job.namespace.report,
    )


def _disturb(team: Namespace, number: int, kind: str) -> None:
    """Change a resource under the operator's hands, until it has had to read it again with some luck."""
    job = team.create(of_kind(KINDS[kind], f"busy-{number}"))
    for change in range(40):
        job.annotate(change=str(change))
    job.until_state("QUEUED")
    job.delete()
    job.until_gone()


def assert_every_right_is_needed(granted: set[Right], used: set[Right]) -> None:
    """Both comparisons see a difference in every single verb, resource and place."""
    assert missing(granted, used) == set()
    assert unused(granted, used) == set()
    for grant in granted:
        assert missing(granted - {grant}, used), f"nobody would miss {grant}"
        for excess in (
            Right(grant.namespace, grant.group, grant.resource, "deletecollection"),
            Right(grant.namespace, grant.group, f"{grant.resource}/scale", grant.verb),
            Right("elsewhere", grant.group, grant.resource, grant.verb),
        ):
            assert unused({*granted, excess}, used) == {excess}
