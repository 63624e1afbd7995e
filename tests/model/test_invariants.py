"""An operator that is made worse breaks an invariant, and the model says which."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mljobs.backends.mlv1.facts import MlV1Facts
from mljobs.controller.kinds import job as handler
from mljobs.domain.decide import deletion, missing, polled
from mljobs.domain.decide.decisions import Release
from mljobs.domain.job.resource import Resource
from mljobs.domain.port import Job, Order
from tests.model import process
from tests.model.service import ModelBackend
from tests.model.specs import KEYS, spec_of
from tests.model.world import FOREIGN, World

A = KEYS[0]


@pytest.fixture
def worse(_small_pages: None) -> Iterator[World]:
    made = World()
    yield made
    made.close()


def apply(world: World, **spec: Any) -> None:
    world.cluster.create(A.kind, A.name, spec_of(A, **spec))


def test_i1_a_second_try_with_an_id_of_its_own(worse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    original = ModelBackend.submit

    async def submit(self: ModelBackend, order: Order) -> Job:
        await original(self, replace(order, job_id="copy_1"))
        return await original(self, order)

    monkeypatch.setattr(ModelBackend, "submit", submit)
    apply(worse)
    worse.work()
    with pytest.raises(AssertionError, match="I1"):
        worse.check()


def test_i2_deletions_that_do_not_cancel(worse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "_end", lambda *_: Release())
    apply(worse)
    worse.work()
    worse.cluster.delete(A)
    worse.work()
    with pytest.raises(AssertionError, match="I2"):
        worse.check()


def test_i2_deletions_that_believe_the_first_answer(worse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing, "is_lost", lambda *_: True)
    apply(worse)
    worse.work()
    (job,) = [job for job in worse.service.jobs.values() if job.maker]
    worse.service.vanish(job)
    worse.cluster.delete(A)
    worse.work(5)
    worse.service.reappear(job)
    with pytest.raises(AssertionError, match="I2"):
        worse.check()


def test_i6_jobs_that_stay_lost(worse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(worse)
    worse.work()
    (job,) = [job for job in worse.service.jobs.values() if job.maker]
    worse.service.vanish(job)
    monkeypatch.setattr(handler, "polled", lambda one, known: None if one.lost else polled(one, known))
    worse.work(100)
    worse.service.reappear(job)
    with pytest.raises(AssertionError, match="I6: a"):
        worse.converge()


def test_i3_ends_that_are_forgotten(worse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(worse)
    worse.work()
    (job,) = [job for job in worse.service.jobs.values() if job.maker]
    worse.service.change(job, state="FAILED")
    worse.work(30)
    monkeypatch.setattr(Resource, "ended", False)
    worse.service.change(job, state="RUNNING")
    worse.kill()
    worse.start()
    worse.work(30)
    with pytest.raises(AssertionError, match="I3"):
        worse.check()


def test_i4_jobs_of_others_that_are_taken_for_ours(worse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Resource, "owns", lambda _, job: job is not None)
    apply(worse, jobId=FOREIGN[1])
    worse.work()
    with pytest.raises(AssertionError, match="I4"):
        worse.check()


def test_i5_unknown_outcomes_that_nobody_waits_for(worse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "POLICY", replace(process.POLICY, grace=timedelta(0)))
    worse.kill()
    worse.start()
    worse.plan("service", "effects", "late")
    apply(worse)
    worse.work()
    worse.cluster.delete(A)
    worse.work(10)
    with pytest.raises(AssertionError, match="I5"):
        worse.check()


def test_i6_statuses_that_are_never_left_alone(worse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = itertools.count()
    monkeypatch.setattr(MlV1Facts, "links", lambda *_: {"consoleUrl": f"https://example.com/{next(numbers)}"})
    apply(worse)
    with pytest.raises(AssertionError, match="without end"):
        worse.work()
