"""When the operator may end a job, and when it has to: the model's own view of deadlines."""

from collections.abc import Collection

from mljobs.api.base import JsonObject
from mljobs.controller.loop.store import Key
from mljobs.domain.job import naming
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.policies.deadlines import START, exceeded
from mljobs.domain.port import Reference
from tests.model.cluster import Cluster
from tests.model.service import CloudJob, Place, Service, place_of


def is_to_end(key: Key, resource: Resource, known: Observation, place: Place) -> bool:
    """Whether a job is to be cancelled by what is recorded, or is one too many."""
    if key.deleted or resource.deleting or resource.suspending or exceeded(resource):
        return True
    return any(place_of(job.reference) == place for job in known.extra)


def too_early(before: JsonObject, after: JsonObject, service: Service, now: float) -> list[str]:
    """The deadline that a change records as exceeded, and that cannot have passed.

    Of all but the first attempt it is not known since when activeDeadlineSeconds count.
    """
    resource, overdue = Resource.parse(after), exceeded(Resource.parse(after))
    if overdue is None or exceeded(Resource.parse(before)):
        return []
    job = service.jobs.get(place_of(Reference(str(resource.status["jobName"]))))
    known = resource.status["attempt"] == 1 or overdue.field == START
    if job is None or not (known and job.maker) or now >= job.born + overdue.seconds:
        return []
    return [f"{overdue} of {resource.name} is early"]


def unrecorded(before: JsonObject, after: JsonObject, written: Collection[str]) -> list[str]:
    """The finished resource that a change releases, and whose record was not written before."""
    was, resource = Resource.parse(before), Resource.parse(after)
    released = resource.deleting and was.held and not resource.held
    if not released or was.status.get("outcome") not in FINISHED or resource.uid in written:
        return []
    return [f"{resource.name} goes without a record"]


FINISHED = ("Succeeded", "Failed", "Cancelled")


def ttl_of(resource: Resource) -> int | None:
    """The ttl of a resource that has finished; None if it is kept, or has not."""
    outcome = str(resource.status.get("outcome"))
    if outcome not in FINISHED:
        return None
    by_outcome = resource.spec.get("ttlSecondsByOutcome") or {}
    return by_outcome.get(outcome.lower(), resource.spec.get("ttlSecondsAfterFinished"))


def broken(cluster: Cluster, service: Service, waived: Collection[str]) -> list[str]:
    """What must never be so."""
    return wrongly_discarded(cluster) + too_many(cluster, service, waived)


def too_many(cluster: Cluster, service: Service, waived: Collection[str]) -> list[str]:
    """The resources with more failed jobs than limit and placements ever allowed, or with several that run.

    Whoever takes away what the operator has written down has no count any more.
    """
    limits: dict[str, float] = {}
    lost = set(waived)
    for _, body in cluster.history:
        uid, spec = body["metadata"]["uid"], body["spec"]
        rules = (spec.get("failurePolicy") or {}).get("rules", ())
        ignored = any(rule["action"] == "RetryIgnoringLimit" for rule in rules)
        rounds = 1 + ((spec.get("placementPolicy") or {}).get("rounds") or 0)
        moves = max(len(spec.get("placements") or ()) * rounds - 1, 0)
        limit = float("inf") if ignored else (spec.get("backoffLimit") or 0) + moves
        limits[uid] = max(limits.get(uid, 0), limit)
    lost |= cluster.wiped
    found = []
    for uid, limit in limits.items():
        mine = [job for job in service.jobs.values() if job.maker == naming.label_value(uid)]
        failed = sum(job.state == "FAILED" for job in mine)
        if failed > limit + 1 and uid not in lost:
            found.append(f"{uid} has {failed} failed jobs, and a backoffLimit of {limit}")
        running = [job.job_id for job in mine if job.active and not job.disowned]
        if service.named_by_clients and len(running) > 1 and uid not in lost:
            found.append(f"{uid} has several jobs that run: {running}")
    return found


def wrongly_discarded(cluster: Cluster) -> list[str]:
    """The resources that the operator has deleted, and should not have."""
    found = [one.name for one in cluster.discarded if ttl_of(one) is None]
    cluster.discarded.clear()
    return [f"{name} is deleted by a ttl that it has not" for name in found]


def is_overdue(resource: Resource, job: CloudJob, now: float) -> bool:
    """Whether a deadline of a job that runs has passed by then."""
    names = ["activeDeadlineSeconds", *["startDeadlineSeconds"] * (job.state != "RUNNING")]
    seconds = [resource.spec[name] for name in names if resource.spec.get(name)]
    return bool(seconds) and now > job.born + min(seconds)
