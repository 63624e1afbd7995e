"""The loop serves whatever kinds have a handler: one that has no cloud job too."""

import asyncio
import logging
from collections.abc import Mapping

import pytest

from mljobs.controller.kube.errors import Unreachable
from mljobs.controller.loop.queue import WorkQueue
from mljobs.controller.loop.reconciler import Reconciler
from mljobs.controller.loop.store import Key
from mljobs.controller.process.clock import steady
from mljobs.controller.process.metrics import Metrics

JOB = Key("TrainingJob", "team-a", "census")
OTHER = Key("Colour", "team-a", "blue")


class Recorder:
    """A handler that notes its keys, and answers as it is told."""

    def __init__(self, *answers: float | Exception | None) -> None:
        self.keys: list[Key] = []
        self.called = asyncio.Event()
        self._answers = list(answers)

    async def reconcile(self, key: Key) -> float | None:
        self.keys.append(key)
        self.called.set()
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def ended(self, times: int) -> None:
        """Wait until it has been called so often."""
        while len(self.keys) < times:
            self.called.clear()
            await self.called.wait()


async def worked(handlers: Mapping[str, Recorder], keys: list[Key], *times: int) -> None:
    queue: WorkQueue[Key] = WorkQueue()
    reconciler = Reconciler(handlers, queue=queue, clock=steady(), metrics=Metrics())
    for key in keys:
        queue.add(key)
    task = asyncio.create_task(reconciler.work())
    async with asyncio.timeout(20):
        for recorder, often in zip(handlers.values(), times, strict=True):
            await recorder.ended(often)
    queue.close()
    await task


async def test_each_kind_has_its_own_handler() -> None:
    jobs, colours = Recorder(), Recorder()
    await worked({"TrainingJob": jobs, "Colour": colours}, [JOB, OTHER], 1, 1)
    assert (jobs.keys, colours.keys) == ([JOB], [OTHER])


async def test_a_handler_says_when_it_wants_the_key_again() -> None:
    colours = Recorder(0.01, None)
    await worked({"Colour": colours}, [OTHER], 2)
    assert colours.keys == [OTHER, OTHER]


async def test_a_failure_of_one_kind_is_tried_again_and_holds_up_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    jobs, colours = Recorder(), Recorder(Unreachable("no answer"), ValueError("a mistake"), None)
    with caplog.at_level(logging.WARNING):
        await worked({"TrainingJob": jobs, "Colour": colours}, [OTHER, JOB], 1, 3)
    assert (jobs.keys, colours.keys) == ([JOB], [OTHER] * 3)
    assert "no answer; tried again in" in caplog.text
    assert "reconciling Colour team-a/blue failed" in caplog.text
