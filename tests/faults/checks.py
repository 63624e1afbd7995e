"""What must hold after every fault (I1 to I6), and what makes two ends of a scenario the same.

I1 at most one cloud job per (uid, attempt); I2 a resource that is gone has left no running job, unless its
policy is Orphan; I3 a terminal state never regresses; I4 no job without our uid label is cancelled or
relabelled; I5 the finalizer is never removed on an unknown outcome; I6 when faults stop, everything
converges, and then nothing is written.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from mljobs.domain.job.resource import ADOPT, FORCE_RELEASE, Resource
from tests.e2e.support import conditions
from tests.faults.backend import ENDED, ENDING, CloudJob
from tests.faults.gate import Json
from tests.faults.world import World


def broken(world: World) -> list[str]:
    """The invariants that do not hold, in words; I6 is the caller's."""
    jobs = world.truth.jobs()
    resources = _resources(world)
    return [
        *_doubles(jobs, resources),
        *_orphans(world, jobs, resources),
        *_regressions(world),
        *_trespasses(world, jobs, resources),
        *_releases(world),
    ]


def _resources(world: World) -> dict[str, Resource]:
    """Every resource of the namespace that has ever been, as it was last seen, by uid."""
    return {
        body["metadata"]["uid"]: Resource.parse(body)
        for _, body in world.lab.cluster.history.get(world.namespace, ())
    }


def _attempts(resource: Resource) -> int:
    """How many attempts were ever intended for a resource."""
    return resource.target.attempt if resource.target else 0


def _doubles(jobs: list[CloudJob], resources: dict[str, Resource]) -> list[str]:
    found = []
    for uid, resource in resources.items():
        owned = [job for job in jobs if job.owned(uid)]
        if len(owned) > _attempts(resource):
            found.append(f"I1: {len(owned)} jobs for {_attempts(resource)} attempts: {owned}")
        running = [job for job in owned if job.state not in ENDING]
        if len(running) > 1:
            found.append(f"I1: these run at once: {running}")
    return found


def _orphans(world: World, jobs: list[CloudJob], resources: dict[str, Resource]) -> list[str]:
    living = {body["metadata"]["uid"] for body in world.lab.cluster.objects.values()}
    return [
        f"I2: {resource.name} is gone, and {job} runs"
        for uid, resource in resources.items()
        if uid not in living and not resource.orphan and not resource.force_release
        for job in jobs
        if job.owned(uid) and job.state not in ENDING
    ]


def _regressions(world: World) -> list[str]:
    found = []
    last: dict[tuple[str, int], str] = {}
    for _, body in world.lab.cluster.history.get(world.namespace, ()):
        resource = Resource.parse(body)
        key = (resource.uid, int(resource.status.get("attempt") or 1))
        before, now = last.get(key, ""), resource.state
        if before in ENDED and now != before:
            found.append(f"I3: attempt {key[1]} was {before} and became {now or 'nothing'}")
        if now:
            last[key] = now
    return found


def _trespasses(world: World, jobs: list[CloudJob], resources: dict[str, Resource]) -> list[str]:
    adopted = {
        resource.target.job_id
        for resource in resources.values()
        if resource.target and resource.annotations.get(ADOPT) == "true"
    }
    ours = {job.job_id for job in jobs if any(job.owned(uid) for uid in resources)}
    return [
        f"I4: {method} of {job_id}, which is not ours"
        for operator in world.operators
        for method, job_id in _touched(operator.gate.calls, world.project)
        if job_id in {job.job_id for job in jobs} - ours - adopted
    ]


def _touched(calls: list[Any], project: str) -> list[tuple[str, str]]:
    return [
        (call.step.name, call.path.partition("?")[0].rsplit("/", 1)[-1].partition(":")[0])
        for call in calls
        if call.side == "service" and f"/projects/{project}/" in call.path
        if call.step.name in ("cancel", "patch", "setIamPolicy")
    ]


def _releases(world: World) -> list[str]:
    found = []
    latest = _resources(world)
    seen = {
        (body["metadata"]["uid"], body["metadata"]["resourceVersion"]): Resource.parse(body)
        for _, body in world.lab.cluster.history.get(world.namespace, ())
    }
    for freed in world.freed:
        resource = seen.get((freed.uid, freed.version)) or latest[freed.uid]
        if resource.orphan or resource.annotations.get(FORCE_RELEASE) == "true":
            continue
        running = [job for job in freed.jobs if job.owned(resource.uid) and job.state not in ENDING]
        if running:
            found.append(f"I5: the finalizer went while {running} ran")
    return found


@dataclass(frozen=True)
class End:
    """The end of a run, without anything that differs between two good runs.

    Attributes:
        resources: state, conditions and the like, by name.
        jobs: the service's jobs: whose attempt, state and labels.
        applied: how often each method has changed something.
        events: how often each reason was posted; Adopted counts as Accepted.
    """

    resources: dict[str, Json]
    jobs: list[Any]
    applied: dict[str, int]
    events: Counter[str]

    def differences(self, reference: "End", may_say: frozenset[str], *, lossless: bool = False) -> list[str]:
        """In what this end is not the reference's.

        Events may be missing, since they are posted after the fact; none but those of `may_say` may be more.
        A second attempt is told of only where the first one was told of in another word. With `lossless`, no
        Event may be missing either: a process that is asked to end posts those that wait.
        """
        found = [
            f"{name}: {mine!r}, in the reference run {theirs!r}"
            for name, mine, theirs in (
                ("resources", self.resources, reference.resources),
                ("jobs", self.jobs, reference.jobs),
                ("applied", self.applied, reference.applied),
            )
            if mine != theirs
        ]
        more = self.events - reference.events
        if self.events["Accepted"] <= self.applied.get("create", 0):
            del more["Accepted"]
        if said := {reason: count for reason, count in more.items() if reason not in may_say}:
            found.append(f"events that the reference run has not: {said}")
        if lossless and (lost := reference.events - self.events):
            found.append(f"events that only the reference run has: {dict(lost)}")
        return found


async def end_of(world: World) -> End:
    """The end that a run has come to."""
    jobs = world.truth.jobs()
    applied = [method for method, _ in world.truth.applied()]
    return End(
        {
            name: _resource_end(body)
            for (namespace, kind, name), body in world.lab.cluster.objects.items()
            if (namespace, kind) == (world.namespace, world.kind.name)
        },
        [(job.state, job.user_labels, world.truth.policy(job.job_id)) for job in jobs],
        dict(Counter(applied)),
        Counter(_told(reason) for reason in await world.events()),
    )


def _told(reason: str) -> str:
    """A crash between create and status makes the next process find the job: it says Adopted, truly."""
    return "Accepted" if reason == "Adopted" else reason


def _resource_end(body: Json) -> Json:
    resource = Resource.parse(body)
    status = resource.status
    return {
        "state": resource.state,
        "attempt": status.get("attempt"),
        "attempts": [row.get("state") for row in status.get("attempts") or ()],
        "observed": status.get("observedGeneration"),
        "generation": resource.generation,
        "conditions": {kind: (said, _told(reason)) for kind, (said, reason) in conditions(status).items()},
        "error": status.get("errorMessage"),
        "labels": {k: v for k, v in (status.get("labels") or {}).items() if not k.startswith("mljobs-")},
        "bindings": status.get("record", {}).get("iamBindings"),
        "fields": sorted(status),
        "held": resource.held,
        "submitted": resource.submitted,
    }
