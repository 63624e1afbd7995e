"""When the operator may end a job, and when it has to: the model's own view of deadlines."""

from mljobs.controller.loop.store import Key
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.policies.deadlines import START, exceeded
from tests.model.service import CloudJob, Place, place_of


def is_to_end(key: Key, resource: Resource, known: Observation, place: Place) -> bool:
    """Whether a job is to be cancelled by what is recorded, or is one too many."""
    if key.deleted or resource.deleting or resource.suspending or exceeded(resource):
        return True
    return any(place_of(job.reference) == place for job in known.extra)


def is_early(resource: Resource, job: CloudJob, now: float) -> bool:
    """Whether the recorded deadline of a job cannot have passed; of a later attempt that is not known."""
    overdue = exceeded(resource)
    first = resource.recorded is not None and resource.recorded.attempt == 1
    known = overdue is not None and job.maker != "" and (first or overdue.field == START)
    return known and overdue is not None and now < job.born + overdue.seconds


def is_overdue(resource: Resource, job: CloudJob, now: float) -> bool:
    """Whether a deadline of a job that runs has passed by then."""
    names = ["activeDeadlineSeconds", *["startDeadlineSeconds"] * (job.state != "RUNNING")]
    seconds = [resource.spec[name] for name in names if resource.spec.get(name)]
    return bool(seconds) and now > job.born + min(seconds)
