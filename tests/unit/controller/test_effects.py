from typing import Any

import pytest

from mljobs.controller.loop.effects import Effects
from mljobs.domain import errors
from mljobs.domain.decide.decisions import Adopt, BindIam, Cancel, Effect, Read, Submit, UpdateLabels
from mljobs.domain.job import naming
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.port import Order
from tests.unit.controller.conftest import Cloud
from tests.unit.domain.world import NOW, START, intent, resource, target

TARGET = target("p", "census", 1)
SUBJECT: Resource = resource()
INPUT = {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/p/i:1"}}
JOB: dict[str, Any] = {"jobId": "census", "labels": SUBJECT.labels, "trainingInput": INPUT}
ORDER = Order("TrainingJob", {"trainingInput": INPUT}, TARGET.scope, "census", SUBJECT.labels)
SUBMIT = Submit(intent(TARGET), ORDER)
BINDINGS = [{"role": "roles/viewer", "members": ["user:a@example.com"]}]


class Rig:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.effects = Effects(cloud.backend, lambda: NOW, lambda: 1.0)
        self.known = Observation(since=START)

    async def do(self, effect: Effect) -> Observation:
        self.known = await self.effects.carry_out(effect, SUBJECT, self.known)
        return self.known

    async def calls(self) -> list[str]:
        return [method for method, _ in await self.cloud.effects()]

    def error(self, method: Call) -> errors.JobServiceError | None:
        trouble = self.known.failed_calls.get(method)
        return trouble.error if trouble else None


@pytest.fixture
async def rig(cloud: Cloud) -> Rig:
    return Rig(cloud)


async def test_a_job_is_created_once_and_then_known(rig: Rig) -> None:
    known = await rig.do(SUBMIT)
    assert known.created
    assert known.target == TARGET
    assert known.job is not None
    assert naming.is_owned(known.job.labels, SUBJECT.uid)
    assert await rig.calls() == ["create"]


async def test_a_second_create_is_a_fact_and_a_look_tells_whose_it_is(rig: Rig) -> None:
    await rig.do(SUBMIT)
    rig.known = Observation(since=START)
    await rig.do(SUBMIT)
    assert isinstance(rig.error(Call.CREATE), errors.AlreadyExists)
    known = await rig.do(Read(TARGET))
    assert not known.failed_calls
    assert not known.created
    assert known.job is not None


async def test_a_lost_answer_leaves_the_outcome_in_doubt(rig: Rig) -> None:
    await rig.cloud.fault(method="ml.projects.jobs.create", action="dropAfter", times=1)
    known = await rig.do(SUBMIT)
    assert known.outcome_unknown_at == NOW
    assert isinstance(rig.error(Call.CREATE), errors.Unavailable)
    assert (await rig.do(Read(TARGET))).job is not None
    assert await rig.calls() == ["create", "get"]


async def test_absence_is_counted(rig: Rig) -> None:
    assert (await rig.do(Read(TARGET))).absences == 1
    assert (await rig.do(Read(TARGET))).absences == 2


async def test_labels_are_patched_with_the_etag(rig: Rig) -> None:
    job = (await rig.do(SUBMIT)).job
    assert job is not None
    wanted = {**SUBJECT.labels, "team": "b"}
    known = await rig.do(UpdateLabels(TARGET, wanted, job.etag))
    assert known.job is not None
    assert known.job.labels == wanted
    assert known.job.etag != job.etag
    assert known.relabelling
    assert (known.relabelling.count, known.relabelling.generation) == (1, SUBJECT.generation)
    known = await rig.do(UpdateLabels(TARGET, SUBJECT.labels, known.job.etag))
    assert known.relabelling
    assert known.relabelling.count == 2
    assert known.relabelling.keys == {"team"}


async def test_a_stale_etag_is_read_again(rig: Rig) -> None:
    job = (await rig.do(SUBMIT)).job
    assert job is not None
    await rig.cloud.backend.client.patch_labels("p", "census", {**SUBJECT.labels, "team": "x"}, job.etag)
    known = await rig.do(UpdateLabels(TARGET, {**SUBJECT.labels, "team": "b"}, job.etag))
    assert not known.failed_calls
    assert known.job is not None
    assert known.job.labels["team"] == "x"
    known = await rig.do(UpdateLabels(TARGET, {**SUBJECT.labels, "team": "b"}, known.job.etag))
    assert known.job is not None
    assert known.job.labels["team"] == "b"


async def test_adoption_gives_the_job_our_labels(rig: Rig) -> None:
    there = await rig.cloud.backend.client.create("p", {**JOB, "labels": {"owner": "x"}})
    known = await rig.do(Adopt(intent(TARGET), {"owner": "x", **SUBJECT.labels}, there["etag"]))
    assert known.job is not None
    assert known.job.labels == {"owner": "x", **SUBJECT.labels}
    assert not known.created


async def test_a_job_that_has_changed_since_it_was_judged_is_not_adopted(rig: Rig) -> None:
    there = await rig.cloud.backend.client.create("p", {**JOB, "labels": {}})
    await rig.cloud.backend.client.patch_labels("p", "census", {"mljobs-uid": "somebody"}, there["etag"])
    known = await rig.do(Adopt(intent(TARGET), SUBJECT.labels, there["etag"]))
    assert known.job is not None
    assert known.job.labels == {"mljobs-uid": "somebody"}
    assert not known.failed_calls


async def test_adopting_nothing_is_an_absence(rig: Rig) -> None:
    known = await rig.do(Adopt(intent(TARGET), SUBJECT.labels, "AAAAAAAAAAE="))
    assert (known.job, known.absences) == (None, 1)


async def test_a_cancel_is_sent_once(rig: Rig) -> None:
    await rig.do(SUBMIT)
    assert (await rig.do(Cancel(TARGET))).cancelled
    assert await rig.calls() == ["create", "cancel"]


async def test_a_cancel_that_came_too_late_is_no_trouble(rig: Rig) -> None:
    await rig.do(SUBMIT)
    rig.cloud.clock.seconds = 1e6
    known = await rig.do(Cancel(TARGET))
    assert not known.failed_calls
    assert not known.cancelled
    assert known.job is not None
    assert known.job.state == "SUCCEEDED"


async def test_a_cancel_that_is_refused_on_a_running_job_is_trouble(rig: Rig) -> None:
    await rig.do(SUBMIT)
    await rig.cloud.fault(method="ml.projects.jobs.cancel", action="error", status=400, times=1)
    await rig.do(Cancel(TARGET))
    assert isinstance(rig.error(Call.CANCEL), errors.Rejected)


async def test_a_cancel_of_no_job_waits_before_the_next_although_a_look_finds_it(rig: Rig) -> None:
    await rig.do(SUBMIT)
    await rig.cloud.fault(method="ml.projects.jobs.cancel", action="error", status=404, times=1)
    known = await rig.do(Cancel(TARGET))
    assert (known.job, known.absences) == (None, 1)
    known = await rig.do(Read(TARGET))
    assert known.job is not None
    assert known.waiting(NOW, Call.CANCEL)


async def test_a_cancel_that_is_denied_names_the_permission(rig: Rig) -> None:
    await rig.do(SUBMIT)
    await rig.cloud.control("POST", "permissions", {"jobId": "census", "denied": ["ml.jobs.cancel"]})
    await rig.do(Cancel(TARGET))
    error = rig.error(Call.CANCEL)
    assert isinstance(error, errors.Denied)
    assert "ml.jobs.cancel is missing on projects/p/jobs/census" in error.message


async def test_bindings_come_and_go_and_foreign_ones_stay(rig: Rig) -> None:
    await rig.do(SUBMIT)
    foreign = {"role": "roles/viewer", "members": ["user:z@example.com"]}
    await rig.cloud.backend.client.set_iam_policy("p", "census", {"bindings": [foreign]})
    known = await rig.do(BindIam(TARGET, BINDINGS, []))
    assert known.bound == BINDINGS
    policy = await rig.cloud.backend.client.get_iam_policy("p", "census")
    assert policy["bindings"] == [
        {"role": "roles/viewer", "members": ["user:z@example.com", "user:a@example.com"]}
    ]
    await rig.do(BindIam(TARGET, [], BINDINGS))
    policy = await rig.cloud.backend.client.get_iam_policy("p", "census")
    assert policy["bindings"] == [foreign]


async def test_a_policy_that_is_right_is_not_written(rig: Rig) -> None:
    await rig.do(SUBMIT)
    await rig.do(BindIam(TARGET, BINDINGS, []))
    await rig.do(BindIam(TARGET, BINDINGS, BINDINGS))
    assert (await rig.calls()).count("setIamPolicy") == 1


async def test_a_policy_that_changes_meanwhile_is_read_again_and_only_so_often(rig: Rig) -> None:
    await rig.do(SUBMIT)
    await rig.cloud.fault(method="ml.projects.jobs.setIamPolicy", action="error", status=409, times=2)
    assert (await rig.do(BindIam(TARGET, BINDINGS, []))).bound == BINDINGS
    await rig.cloud.fault(method="ml.projects.jobs.setIamPolicy", action="error", status=409)
    rig.known = Observation(since=START)
    await rig.do(BindIam(TARGET, [], BINDINGS))
    assert isinstance(rig.error(Call.IAM), errors.StaleEtag)
    assert (await rig.calls()).count("setIamPolicy") == 6
