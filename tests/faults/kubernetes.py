"""The world of the tests of the API server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mljobs.api.resources import TRAINING_JOB
from tests.faults.checks import broken
from tests.faults.lab import Lab
from tests.faults.world import World


@asynccontextmanager
async def a_world(lab: Lab) -> AsyncIterator[World]:
    """A namespace; at the end every invariant holds, and nothing is written any more."""
    namespace = await lab.namespace()
    opened = World(lab, TRAINING_JOB, namespace, lab.truth(namespace))
    yield opened
    if opened.operators:
        await opened.settle()
        assert not broken(opened), opened.report()
    await opened.close()
