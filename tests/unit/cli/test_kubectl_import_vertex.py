"""`kubectl mljobs import` from Vertex AI: which jobs get which resources."""

from typing import Any

from mljobs.domain.job.naming import ownership_labels
from mljobs.domain.port import Owner
from mljobs.kubectl.importing import IMPORTED
from mljobs.kubectl.importing_vertex import plan_copies

Json = dict[str, Any]

PLACE = "locations/europe-west4"
POOL: Json = {
    "machineSpec": {"machineType": "n1-standard-4"},
    "replicaCount": "1",
    "containerSpec": {"imageUri": "gcr.io/team/trainer:1"},
}
SPEC: Json = {"workerPoolSpecs": [POOL]}


def custom(number: int, title: str = "nightly", **more: Any) -> Json:
    return {
        "name": f"projects/123/{PLACE}/customJobs/{number}",
        "displayName": title,
        "jobSpec": SPEC,
        "state": "JOB_STATE_RUNNING",
        "createTime": "2026-02-26T10:32:44.182Z",
        **more,
    }


def tuning(number: int, *trials: str) -> Json:
    job = custom(number, "search")
    return {
        **{key: value for key, value in job.items() if key != "jobSpec"},
        "name": f"projects/123/{PLACE}/hyperparameterTuningJobs/{number}",
        "studySpec": {
            "metrics": [{"metricId": "loss", "goal": "MINIMIZE"}],
            "parameters": [{"parameterId": "rate", "doubleValueSpec": {"maxValue": 1}}],
        },
        "maxTrialCount": 2,
        "parallelTrialCount": 1,
        "trialJobSpec": SPEC,
        "trials": [{"id": str(count), "customJob": name} for count, name in enumerate(trials, 1)],
    }


def batch(number: int) -> Json:
    return {
        "name": f"projects/123/{PLACE}/batchPredictionJobs/{number}",
        "displayName": "scores",
        "model": f"projects/123/{PLACE}/models/7",
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://bucket/in"]}},
        "outputConfig": {
            "predictionsFormat": "jsonl",
            "gcsDestination": {"outputUriPrefix": "gs://bucket/out"},
        },
        "dedicatedResources": {"machineSpec": {"machineType": "n1-standard-2"}, "startingReplicaCount": 1},
        "manualBatchTuningParameters": {},
        "state": "JOB_STATE_SUCCEEDED",
        "completionStats": {"successfulCount": "10"},
    }


def test_a_job_becomes_a_suspended_resource_that_says_whose_copy_it_is() -> None:
    plan = plan_copies([custom(1, labels={"team": "a"})], "p", [], {"jobClassName": "vertex"}, "team-a")
    assert plan.manifests == [
        {
            "apiVersion": "mljobs.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {
                "name": "nightly",
                "namespace": "team-a",
                "annotations": {IMPORTED: f"projects/123/{PLACE}/customJobs/1"},
            },
            "spec": {
                "projectId": "p",
                "labels": {"team": "a"},
                "vertex": {"region": "europe-west4", "displayName": "nightly", "jobSpec": SPEC},
                "jobClassName": "vertex",
                "suspend": True,
            },
        }
    ]
    assert (plan.left_out, plan.refused, plan.warnings) == ([], [], [])


def test_all_collections_with_the_zeros_that_answers_lack() -> None:
    plan = plan_copies([custom(1), tuning(2), batch(3)], "p", [])
    assert not plan.refused
    kinds = {made["metadata"]["name"]: made["kind"] for made in plan.manifests}
    assert kinds == {"nightly": "TrainingJob", "search": "TrainingJob", "scores": "PredictionJob"}
    (parameter,) = plan.manifests[1]["spec"]["vertex"]["studySpec"]["parameters"]
    assert parameter["doubleValueSpec"] == {"minValue": 0.0, "maxValue": 1}
    assert all(made["spec"]["suspend"] is True for made in plan.manifests)


def test_names_that_are_alike_and_a_job_without_one() -> None:
    plan = plan_copies([custom(1), custom(2), custom(3, "名")], "p", [])
    names = [made["metadata"]["name"] for made in plan.manifests]
    assert len(set(names)) == 3
    assert [name.rpartition("-")[0] for name in names] == ["nightly", "nightly", "job"]


def test_what_has_a_resource_or_an_owner_or_is_a_trial_is_left_out() -> None:
    """The service names a project by its number where it was asked with its id."""
    labels = ownership_labels(Owner("team-b", "other", "some-uid"), 1)
    running = {"metadata": {"name": "one"}, "status": {"jobName": f"projects/p/{PLACE}/customJobs/1"}}
    copied = {
        "metadata": {"name": "two", "annotations": {IMPORTED: f"projects/123/{PLACE}/customJobs/2"}},
        "spec": {"suspend": True},
    }
    earlier = {
        "metadata": {"name": "three"},
        "status": {"attempts": [{"attempt": 1, "jobName": f"projects/p/{PLACE}/customJobs/3"}]},
    }
    trial = custom(5, "trial")
    jobs = [custom(1), custom(2), custom(3), custom(4, labels=labels), trial, tuning(6, trial["name"])]
    plan = plan_copies(jobs, "p", [running, copied, earlier])
    assert [made["metadata"]["name"] for made in plan.manifests] == ["search"]
    assert plan.left_out == [
        "nightly (1): is one's already",
        "nightly (2): is two's already",
        "nightly (3): is three's already",
        "nightly (4): belongs to team-b/other, as its label mljobs-uid says",
        "trial (5): is a trial of search (6)",
    ]


def test_a_job_that_breaks_a_rule_is_refused_and_a_secret_warned_about_but_not_shown() -> None:
    env = [{"name": "API_TOKEN", "value": "s3cr3t"}]
    secret = {"workerPoolSpecs": [{**POOL, "containerSpec": {**POOL["containerSpec"], "env": env}}]}
    broken = {"workerPoolSpecs": [{**POOL, "replicaCount": "2"}]}
    plan = plan_copies([custom(1, jobSpec=secret), custom(2, "broken", jobSpec=broken)], "p", [])
    (line,) = plan.refused
    assert line.startswith("broken (2): spec.vertex.jobSpec.workerPoolSpecs[0].replicaCount")
    (warning,) = plan.warnings
    assert "env[0].value" in warning
    assert "s3cr3t" not in warning
