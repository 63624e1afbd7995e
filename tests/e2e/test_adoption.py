"""A job that exists is handed to a resource, and never made twice."""

from tests.e2e.support import Json, Namespace, eventually, training
from tests.e2e.support_stack import PROJECT, Emulator

INPUT = {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/p/i:1"}}


def existing(emulator: Emulator, job_id: str, **labels: str) -> None:
    emulator.create({"jobId": job_id, "labels": labels, "trainingInput": INPUT})


def adopting(name: str, job_id: str, spec: Json | None = None) -> Json:
    manifest = training(name, {"jobId": job_id, **(spec or {})})
    manifest["metadata"]["annotations"] = {"mljobs.dev/adopt": "true"}
    return manifest


def test_an_existing_job_is_adopted_watched_and_cancelled(namespace: Namespace, emulator: Emulator) -> None:
    job_id = f"{namespace.name}_existing"
    existing(emulator, job_id, owner="x")
    job = namespace.create(adopting("census", job_id, {"labels": {"owner": "x"}}))
    job.until_condition("Submitted", "True", "Adopted")
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
