"""Training quotas of Vertex AI in the emulator, in their three faces."""

import itertools
from typing import Any

Json = dict[str, Any]
Vertex = Any
Jobs = Any
L4 = "custom_model_training_nvidia_l4_gpus"


def states(vertex: Vertex, method: str, name: str, *instants: float) -> list[str]:
    """The state of a job after so many seconds each."""
    found, clock = [], 0.0
    for instant in instants:
        vertex.advance(instant - clock)
        clock = instant
        found.append(vertex(method, name)["state"].removeprefix("JOB_STATE_"))
    return found


def gpu_job(jobs: Jobs, name: str = "c", count: int = 1, **spec: Any) -> Json:
    machine = {1: "g2-standard-4", 2: "g2-standard-24"}[count]
    job: Json = jobs.custom(name, jobs.pool(machine, kind="NVIDIA_L4", count=count), **spec)
    return job


def test_a_quota_that_refuses(vertex: Vertex, jobs: Jobs) -> None:
    vertex.control("POST", "quotas", {"metric": L4, "limit": 2, "location": "^us-"})
    first = vertex("customJobs.create", body=gpu_job(jobs))["name"]
    error = vertex.refuse("customJobs.create", body=gpu_job(jobs, count=2))
    assert error.as_json() == {
        "error": {
            "code": 429,
            "message": f"The following quota metrics exceed quota limits: aiplatform.googleapis.com/{L4}",
            "status": "RESOURCE_EXHAUSTED",
        }
    }
    vertex("customJobs.create", body=gpu_job(jobs))
    vertex("customJobs.create", body=jobs.custom())
    vertex.location = "europe-west4"
    vertex("customJobs.create", body=gpu_job(jobs, count=2))
    vertex.location = "us-central1"
    vertex("customJobs.cancel", first)
    vertex.advance(10)
    vertex("customJobs.create", body=gpu_job(jobs))
    vertex.control("DELETE", "quotas")
    vertex("customJobs.create", body=gpu_job(jobs, count=2))


def test_a_quota_that_lets_wait(vertex: Vertex, jobs: Jobs) -> None:
    vertex.control(
        "POST", "quotas", {"metric": f"aiplatform.googleapis.com/{L4}", "limit": 1, "face": "queue"}
    )
    vertex.rig.script(timeline={"QUEUED": 1, "PREPARING": 1, "RUNNING": 100})
    made = [vertex("customJobs.create", body=gpu_job(jobs, f"j{number}"))["name"] for number in range(3)]
    vertex.advance(90)
    assert [vertex("customJobs.get", name)["state"][10:] for name in made] == ["RUNNING", "QUEUED", "QUEUED"]
    vertex.advance(90)  # the first has ended at 102 s, and the second has begun then
    assert [vertex("customJobs.get", name)["state"][10:] for name in made] == [
        "SUCCEEDED",
        "RUNNING",
        "QUEUED",
    ]
    started = vertex("customJobs.get", made[1])["startTime"]
    assert started.endswith("16:55:03Z")
    vertex("customJobs.cancel", made[2])
    vertex.advance(10)
    assert vertex("customJobs.get", made[2])["state"] == "JOB_STATE_CANCELLED"
    waiting = vertex("customJobs.create", body=gpu_job(jobs, "last"))["name"]
    vertex.advance(5)
    assert vertex("customJobs.get", waiting)["state"] == "JOB_STATE_QUEUED"
    vertex.control("DELETE", "quotas")
    vertex.advance(5)
    assert vertex("customJobs.get", waiting)["state"] in ("JOB_STATE_PENDING", "JOB_STATE_RUNNING")


def test_a_quota_that_lets_fail(vertex: Vertex, jobs: Jobs) -> None:
    vertex.control("POST", "quotas", {"metric": "custom_model_training_cpus", "limit": 3, "face": "fail"})
    name = vertex("customJobs.create", body=jobs.custom())["name"]
    seen = states(vertex, "customJobs.get", name, *(step * 0.5 for step in range(1, 600)))
    assert [state for state, _ in itertools.groupby(seen)] == ["QUEUED", "PENDING", "FAILED"]
    error = vertex("customJobs.get", name)["error"]
    assert error["code"] == 8
    assert error["message"].endswith("aiplatform.googleapis.com/custom_model_training_cpus")


def test_a_tuning_job_takes_its_trials_share(vertex: Vertex, jobs: Jobs) -> None:
    vertex.control("POST", "quotas", {"metric": L4, "limit": 3})
    spec = gpu_job(jobs)["jobSpec"]
    vertex("hyperparameterTuningJobs.create", body=jobs.tuning(trialJobSpec=spec, parallelTrialCount=3))
    assert vertex.refuse("customJobs.create", body=gpu_job(jobs)).code == 429
    spot = gpu_job(jobs, scheduling={"strategy": "SPOT"})
    vertex("customJobs.create", body=spot)  # of another quota
    vertex.advance(300)
    assert len(vertex("customJobs.list")["customJobs"]) > 1  # trials are not refused


def test_everything_is_forgotten_on_reset(vertex: Vertex, jobs: Jobs) -> None:
    vertex.control("POST", "quotas", {"metric": L4, "limit": 0})
    vertex("customJobs.create", body=jobs.custom())
    assert vertex.control("GET", "health")["jobs"] == 1
    vertex.control("POST", "reset")
    assert vertex.control("GET", "health")["jobs"] == 0
    vertex("customJobs.create", body=gpu_job(jobs))
