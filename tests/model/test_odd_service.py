"""Stories of a service that keeps the API's form, and not its promises."""

from collections.abc import Mapping

import pytest

from mljobs.domain.job.resource import Resource
from mljobs.domain.port import Job, JobDocument
from mljobs.domain.reasons import ConditionType, Reason
from tests.conditions import condition_of, stalled_by
from tests.model.service import Place, Service
from tests.model.specs import KEYS, spec_of
from tests.model.world import World

A = KEYS[0]


def apply(world: World) -> None:
    world.cluster.create(A.kind, A.name, spec_of(A))


def resource(world: World) -> Resource:
    return Resource.parse(world.cluster.objects[A])


def test_labels_that_the_service_does_not_keep_are_not_patched_without_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Service.take_patch

    def take_patch(self: Service, place: Place, labels: Mapping[str, str], etag: str) -> Job:
        return original(self, place, {**labels, "team": "fixed"}, etag)

    monkeypatch.setattr(Service, "take_patch", take_patch)
    apply(world)
    world.work()
    world.cluster.edit(A, spec={"labels": {"team": "b"}})
    world.work(60)
    assert world.wire.counts["patch"] == 1
    assert stalled_by(resource(world), Reason.REJECTED)
    assert "team=fixed" in condition_of(resource(world), ConditionType.STALLED)["message"]
    world.cluster.edit(A, spec={"labels": {"team": "fixed"}})
    world.work()
    assert not stalled_by(resource(world), Reason.REJECTED)


def test_a_job_whose_labels_the_create_call_does_not_answer_is_ours_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Service.take_create

    def take_create(self: Service, place: Place, document: JobDocument) -> Job:
        return Job(original(self, place, document).job_id, "QUEUED")

    monkeypatch.setattr(Service, "take_create", take_create)
    apply(world)
    world.work(10)
    assert resource(world).submitted
    world.cluster.delete(A)
    world.work(10)
    assert [job.state for job in world.service.jobs.values() if job.maker] == ["CANCELLING"]
