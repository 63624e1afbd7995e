"""Stories of one resource: what they ask of the world."""

from mljobs.domain.job.resource import Resource
from tests.model.service import CloudJob
from tests.model.specs import KEYS
from tests.model.world import World

A = KEYS[0]


def resource(world: World) -> Resource:
    return Resource.parse(world.cluster.objects[A])


def jobs(world: World) -> list[CloudJob]:
    """Those that the operator has made."""
    return [job for job in world.service.jobs.values() if job.maker]


def fail(world: World) -> None:
    """Let the job that runs fail, and the operator see it."""
    (running,) = [job for job in jobs(world) if job.active]
    world.service.progress(running, "FAILED")
    world.work(15)
