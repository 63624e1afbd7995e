"""A job that exists is handed to a resource, and never made twice."""

import pytest

from tests.e2e.support import Job, Json, Namespace, condition, eventually, training
from tests.e2e.support_stack import PROJECT, Emulator

BINDING = {"role": "roles/viewer", "members": ["user:a@example.com"]}
INPUT = {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/p/i:1"}}


def existing(emulator: Emulator, job_id: str, **labels: str) -> None:
    emulator.create({"jobId": job_id, "labels": labels, "trainingInput": INPUT})


def adopting(name: str, job_id: str, spec: Json | None = None, *, owner: str = "true") -> Json:
    manifest = training(name, {"jobId": job_id, **(spec or {})})
    manifest["metadata"]["annotations"] = {"mljobs.dev/adopt": owner}
    return manifest


def test_an_existing_job_is_adopted_watched_and_cancelled(namespace: Namespace, emulator: Emulator) -> None:
    job_id = f"{namespace.name}_existing"
    existing(emulator, job_id, owner="x")
    job = namespace.create(adopting("census", job_id, {"labels": {"owner": "x"}}))
    adopted = job.until_condition("Submitted", "True", "Adopted")
    assert "as the annotation mljobs.dev/adopt requests" in adopted["message"]
    assert job.status()["jobName"] == f"projects/{PROJECT}/jobs/{job_id}"
    labels = emulator.job(job_id)["labels"]
    assert (labels["owner"], labels["mljobs-uid"]) == ("x", job.uid)
    emulator.force(job_id, "RUNNING")
    job.until_state("RUNNING")
    job.delete()
    job.until_gone()
    assert emulator.applied("create", namespace.name) == [job_id]
    assert emulator.applied("cancel", namespace.name) == [job_id]
    assert len(emulator.effects(method="create", jobId=job_id)) == 1


def test_without_the_annotation_a_foreign_job_is_left_alone(namespace: Namespace, emulator: Emulator) -> None:
    job_id = f"{namespace.name}_foreign"
    existing(emulator, job_id, owner="x")
    job = namespace.create(training("census", {"jobId": job_id}))
    stalled = job.until_condition("Stalled", "True", "JobIdTaken")
    assert "Choose another spec.jobId" in stalled["message"]
    job.delete()
    job.until_gone()
    assert emulator.job(job_id)["labels"] == {"owner": "x"}
    assert emulator.job(job_id)["state"] == "QUEUED"
    assert not emulator.effects(method="cancel", jobId=job_id)


def test_a_taken_id_can_be_mended_in_place(namespace: Namespace, emulator: Emulator) -> None:
    job_id = f"{namespace.name}_taken"
    existing(emulator, job_id)
    job = namespace.create(training("census", {"jobId": job_id}))
    job.until_condition("Stalled", "True", "JobIdTaken")
    job.patch_spec(jobId=f"{namespace.name}_free")
    job.until_condition("Submitted", "True", "Accepted")
    assert job.job_id == f"{namespace.name}_free"


def running(namespace: Namespace, emulator: Emulator) -> Job:
    """A resource whose job runs."""
    job = namespace.create(training("census", {"labels": {"team": "a"}}))
    emulator.force(job.job_id, "RUNNING")
    job.until_state("RUNNING")
    return job


def test_another_resources_job_is_taken_by_none_that_does_not_name_it(
    namespace: Namespace, emulator: Emulator
) -> None:
    owner = running(namespace, emulator)
    before = emulator.job(owner.job_id)
    thief = namespace.create(adopting("thief", owner.job_id))
    stalled = thief.until_condition("Stalled", "True", "JobIdTaken")
    assert f"belongs to the resource {namespace.name}/census, whose uid is {owner.uid}" in stalled["message"]
    thief.delete()
    thief.until_gone()
    assert emulator.job(owner.job_id) == before
    assert not emulator.effects(method="patch", jobId=owner.job_id)
    assert not emulator.effects(method="cancel", jobId=owner.job_id)


@pytest.mark.parametrize("named", [False, True])
def test_another_namespaces_job_is_taken_by_none(
    namespace: Namespace, elsewhere: Namespace, emulator: Emulator, named: bool
) -> None:
    owner = running(namespace, emulator)
    before = emulator.job(owner.job_id)
    thief = elsewhere.create(adopting("thief", owner.job_id, owner=owner.uid if named else "true"))
    stalled = thief.until_condition("Stalled", "True", "NotAllowed")
    assert "the setting adoption is SameNamespace" in stalled["message"]
    assert owner.uid not in stalled["message"]
    thief.delete()
    thief.until_gone()
    assert emulator.job(owner.job_id) == before
    assert not emulator.effects(method="patch", jobId=owner.job_id)
    assert not emulator.effects(method="cancel", jobId=owner.job_id)


def test_who_is_named_gives_the_job_up_and_is_told(namespace: Namespace, emulator: Emulator) -> None:
    old = running(namespace, emulator)
    job_id = old.job_id
    new = namespace.create(adopting("renamed", job_id, {"labels": {"team": "a"}}, owner=old.uid))
    new.until_condition("Submitted", "True", "Adopted")
    stalled = old.until_condition("Stalled", "True", "Taken")
    assert f"now carries the uid {new.uid}" in stalled["message"]
    old.expect_events("Accepted", "Taken")
    old.patch_spec(labels={"team": "b"}, suspend=True, iamBindings=[BINDING])
    old.until_observed()
    old.delete()
    old.until_gone()
    assert emulator.job(job_id)["labels"]["mljobs-uid"] == new.uid
    assert emulator.job(job_id)["labels"]["team"] == "a"
    assert not emulator.effects(method="cancel", jobId=job_id)
    assert not emulator.effects(method="setIamPolicy", jobId=job_id)
    new.delete()
    new.until_gone()
    assert len(emulator.effects(method="cancel", jobId=job_id)) == 1


def test_a_job_that_loses_its_label_to_nobody_is_told_and_comes_back_with_it(
    namespace: Namespace, emulator: Emulator
) -> None:
    job = running(namespace, emulator)
    labels = emulator.job(job.job_id)["labels"]
    emulator.relabel(job.job_id, {"owner": "bob"})
    stalled = job.until_condition("Stalled", "True", "Taken")
    assert "has lost it" in stalled["message"]
    emulator.relabel(job.job_id, labels)
    job.until_status(lambda status: not condition(status, "Stalled"), "nothing is stalled")
    assert job.status()["state"] == "RUNNING"
    assert len(emulator.effects(method="patch", jobId=job.job_id)) == 2  # both of them ours, of this test


def test_nothing_is_made_where_there_is_nothing_to_adopt(namespace: Namespace, emulator: Emulator) -> None:
    job_id = f"{namespace.name}_missing"
    job = namespace.create(adopting("census", job_id))
    stalled = job.until_condition("Stalled", "True", "NothingToAdopt")
    assert job_id in stalled["message"]
    assert not emulator.effects(method="create", jobId=job_id)
    job.delete()
    job.until_gone()


def test_what_is_legal_but_odd_is_said_once(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census", useChiefInTfConfig=True, masterConfig=None, **PACKAGE))
    assert job.job_id
    eventually(
        lambda: [row["reason"] for row in namespace.events(job.uid)],
        lambda reasons: sorted(reasons) == ["Accepted", "SpecWarning"],
        what="one warning",
        report=namespace.report,
    )
    emulator.force(job.job_id, "RUNNING")
    job.until_state("RUNNING")
    job.patch_spec(deletionPolicy="Orphan")
    job.until_observed()
    assert [row["reason"] for row in namespace.events(job.uid)].count("SpecWarning") == 1


PACKAGE: Json = {
    "packageUris": ["gs://bucket/trainer.tar.gz"],
    "pythonModule": "trainer.task",
    "runtimeVersion": "2.11",
    "pythonVersion": "3.7",
}
