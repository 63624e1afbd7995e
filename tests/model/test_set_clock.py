"""A machine's clock that somebody sets: what people read goes by it, and nothing that is decided."""

from datetime import timedelta

from mljobs.domain.job.resource import Resource
from mljobs.domain.job.timestamps import timestamp
from tests.model.process import EPOCH
from tests.model.specs import KEYS, spec_of
from tests.model.world import World

A = KEYS[0]


def test_times_that_people_read_are_right_once_the_clock_is(world: World) -> None:
    world.set_by = 3600
    world.cluster.create(A.kind, A.name, spec_of(A))
    world.work()
    resource = Resource.parse(world.cluster.objects[A])
    shown, now = {row["lastTransitionTime"] for row in resource.status["conditions"]}, world.wall_clock()
    assert shown == {timestamp(EPOCH + timedelta(seconds=world.loop.now + 3600))}
    world.work(1)  # until the Event is posted
    assert {moment for _, _, moment in world.cluster.events} == {now}
