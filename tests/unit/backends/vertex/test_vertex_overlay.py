"""What a spec says in Vertex AI's own words, laid over the translation, or as the whole job."""

import copy
from typing import Any

import pytest

from mljobs.api.resources import PREDICTION_JOB, TRAINING_JOB
from mljobs.backends.vertex.tables import Tables, shipped
from mljobs.backends.vertex.translate import Translation, translate
from mljobs.backends.vertex.translate.overlay import laid
from mljobs.domain.spec.problems import Severity
from mljobs.domain.spec.validate import validate
from tests.unit.backends.vertex.schema import mistakes

Json = dict[str, Any]

IMAGE = "gcr.io/my-project/trainer:1"
CONTAINER: Json = {
    "region": "us-central1",
    "scaleTier": "CUSTOM",
    "masterType": "standard_gpu",
    "masterConfig": {"imageUri": IMAGE},
    "workerType": "standard",
    "workerCount": "2",
    "args": ["--epochs=3"],
}
PACKAGE: Json = {
    "region": "us-central1",
    "runtimeVersion": "2.11",
    "pythonVersion": "3.7",
    "packageUris": ["gs://b/p.tar.gz"],
    "pythonModule": "trainer.task",
}
L4 = {"machineType": "g2-standard-8", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1}
METRICS = [{"metricId": "acc", "goal": "MAXIMIZE"}]
PARAMETERS = [{"parameterId": "x", "doubleValueSpec": {"minValue": 0.5, "maxValue": 1.5}}]


def training(spec: Json | None, **vertex: Any) -> Translation:
    whole = {"vertex": vertex, **({"trainingInput": spec} if spec else {})}
    before = copy.deepcopy(whole)
    made = translate(TRAINING_JOB.name, whole, shipped())
    assert whole == before
    return made


def pools(made: Translation) -> list[Json]:
    spec = made.body.get("jobSpec") or made.body["trialJobSpec"]
    found: list[Json] = spec["workerPoolSpecs"]
    return found


def ids(made: Translation, severity: Severity = Severity.ERROR) -> set[str]:
    return {problem.id for problem in made.problems if problem.severity is severity}


# --- the rules of merging


@pytest.mark.parametrize(
    ("under", "over", "expected"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
        ({"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}),
        ({"args": ["a"]}, {"args": []}, {"args": []}),
        ({"a": True}, {"a": False}, {"a": False}),
        ({}, {"a": {"b": [1]}}, {"a": {"b": [1]}}),
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"env": [{"name": "C", "value": "3"}, {"name": "A", "value": "4"}]},
            {"env": [{"name": "A", "value": "4"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}]},
        ),
        (
            {"nfsMounts": [{"mountPoint": "/mnt/nfs/a", "server": "1", "path": "/x"}]},
            {"nfsMounts": [{"mountPoint": "/mnt/nfs/a", "server": "2", "path": "/y"}]},
            {"nfsMounts": [{"mountPoint": "/mnt/nfs/a", "server": "2", "path": "/y"}]},
        ),
        ({}, {"lustreMounts": [{"mountPoint": "m"}]}, {"lustreMounts": [{"mountPoint": "m"}]}),
        (
            {"machineSpec": {"machineType": "n1-standard-8", "acceleratorType": "T4", "acceleratorCount": 1}},
            {"machineSpec": {"machineType": "e2-standard-4"}},
            {"machineSpec": {"machineType": "e2-standard-4"}},
        ),
        (
            {"machineSpec": {"machineType": "n1-standard-8"}},
            {"machineSpec": {"gpuPartitionSize": "1g.10gb"}},
            {"machineSpec": {"machineType": "n1-standard-8", "gpuPartitionSize": "1g.10gb"}},
        ),
        (
            {"pythonPackageSpec": {"pythonModule": "m"}},
            {"containerSpec": {"imageUri": IMAGE}},
            {"containerSpec": {"imageUri": IMAGE}},
        ),
        (
            {"containerSpec": {"imageUri": IMAGE}},
            {"pythonPackageSpec": {"pythonModule": "m"}},
            {"pythonPackageSpec": {"pythonModule": "m"}},
        ),
        (
            {"workerPoolSpecs": [{"replicaCount": "1"}, {"replicaCount": "2"}]},
            {"workerPoolSpecs": [{}, {"replicaCount": "5"}, {"replicaCount": "7"}]},
            {"workerPoolSpecs": [{"replicaCount": "1"}, {"replicaCount": "5"}, {"replicaCount": "7"}]},
        ),
        ({"model": "m"}, {"unmanagedContainerModel": {}}, {"unmanagedContainerModel": {}}),
        (
            {"gcsSource": {"uris": ["u"]}, "instancesFormat": "jsonl"},
            {"bigquerySource": {"inputUri": "bq"}},
            {"bigquerySource": {"inputUri": "bq"}, "instancesFormat": "jsonl"},
        ),
        (
            {"medianAutomatedStoppingSpec": {}},
            {"decayCurveStoppingSpec": {"useElapsedDuration": True}},
            {"decayCurveStoppingSpec": {"useElapsedDuration": True}},
        ),
        (
            {"medianAutomatedStoppingSpec": {}},
            {"algorithm": "GRID_SEARCH"},
            {"medianAutomatedStoppingSpec": {}, "algorithm": "GRID_SEARCH"},
        ),
    ],
)
def test_messages_merge_and_what_excludes_each_other_is_dropped(
    under: Json, over: Json, expected: Json
) -> None:
    before = copy.deepcopy((under, over))
    assert laid(under, over) == expected
    assert (under, over) == before


# --- over a translation


def test_a_machine_of_ones_own_leaves_no_word_of_a_substitute() -> None:
    plain = training(CONTAINER)
    assert ids(plain, Severity.WARNING) == {"vertex-accelerator-substitute"}
    made = training(CONTAINER, jobSpec={"workerPoolSpecs": [{"machineSpec": L4}, {}]})
    assert made.problems == ()
    assert pools(made)[0] == {**pools(plain)[0], "machineSpec": L4}
    assert pools(made)[1] == pools(plain)[1]


def test_an_accelerator_of_ones_own_is_no_substitute_either() -> None:
    own = {"acceleratorType": "NVIDIA_TESLA_V100", "acceleratorCount": 2}
    made = training(CONTAINER, jobSpec={"workerPoolSpecs": [{"machineSpec": own}]})
    assert made.problems == ()
    assert pools(made)[0]["machineSpec"] == {"machineType": "n1-standard-8", **own}


def test_the_machine_decides_which_image_runs_a_package() -> None:
    made = training(PACKAGE, jobSpec={"workerPoolSpecs": [{"machineSpec": L4}]})
    image = pools(made)[0]["pythonPackageSpec"]["executorImageUri"]
    assert image == "us-docker.pkg.dev/vertex-ai/training/tf-gpu.2-11:latest"


def test_an_image_of_ones_own_is_for_all_pools_and_needs_no_table() -> None:
    old = {**PACKAGE, "scaleTier": "STANDARD_1", "runtimeVersion": "1.15", "pythonVersion": "2.7"}
    assert ids(training(old)) == {"vertex-training-image"}
    over = {"pythonPackageSpec": {"executorImageUri": "gcr.io/my-project/runtime:1"}}
    made = training(
        old,
        jobSpec={
            "workerPoolSpecs": [
                over,
                {},
                {"pythonPackageSpec": {"executorImageUri": "gcr.io/my-project/ps:1"}},
            ]
        },
    )
    assert ids(made) == set()
    images = [pool["pythonPackageSpec"]["executorImageUri"] for pool in pools(made)]
    assert images == ["gcr.io/my-project/runtime:1", "gcr.io/my-project/runtime:1", "gcr.io/my-project/ps:1"]
    assert all(pool["pythonPackageSpec"]["pythonModule"] == "trainer.task" for pool in pools(made))


def test_a_container_takes_the_place_of_a_package() -> None:
    made = training(PACKAGE, jobSpec={"workerPoolSpecs": [{"containerSpec": {"imageUri": IMAGE}}]})
    assert pools(made)[0]["containerSpec"] == {"imageUri": IMAGE}
    assert "pythonPackageSpec" not in pools(made)[0]
    assert made.problems == ()


@pytest.mark.parametrize(
    ("over", "rule", "path"),
    [
        ({"acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 3}, None, None),
        ({"acceleratorType": "NVIDIA_L4", "acceleratorCount": 1}, "pool-accelerator-n1", "acceleratorType"),
        (
            {"acceleratorType": "NVIDIA_TESLA_V100", "acceleratorCount": 1},
            "pool-accelerator-n1-least",
            "acceleratorCount",
        ),
    ],
)
def test_what_only_both_together_break_is_refused(over: Json, rule: str | None, path: str | None) -> None:
    spec = {**CONTAINER, "masterType": "n1-standard-16", "workerType": "n1-standard-4"}
    block = {"jobSpec": {"workerPoolSpecs": [{"machineSpec": over}]}}
    alone = validate(TRAINING_JOB.name, {"trainingInput": spec, "vertex": block}, default_project="p")
    assert alone.problems == ()  # the block does not say which machine it is
    wrong = [problem for problem in training(spec, **block).problems if problem.severity is Severity.ERROR]
    places = [f"spec.vertex.jobSpec.workerPoolSpecs[0].machineSpec.{path or 'acceleratorCount'}"]
    assert [problem.path for problem in wrong] == places
    assert {problem.id for problem in wrong} == {rule or "pool-accelerator-n1-count"}


def test_what_the_block_breaks_alone_is_told_once() -> None:
    block = {"jobSpec": {"workerPoolSpecs": [{"replicaCount": "2"}]}}
    whole = {"trainingInput": CONTAINER, "vertex": block}
    alone = validate(TRAINING_JOB.name, whole, default_project="p")
    assert [problem.id for problem in alone.problems] == ["first-pool-replicas"]
    assert ids(training(CONTAINER, **block)) == set()


def test_flex_start_is_refused_for_machines_that_the_translation_chose() -> None:
    made = training(CONTAINER, jobSpec={"scheduling": {"strategy": "FLEX_START"}})
    wrong = [(problem.id, problem.path) for problem in made.problems if problem.severity is Severity.ERROR]
    assert ("flex-accelerator", "spec.trainingInput.masterType") in wrong
    assert "flex-same-machine" in {name for name, _ in wrong}


def test_a_package_and_half_a_container_are_refused() -> None:
    env = {"env": [{"name": "TOKEN", "value": "very-secret"}]}
    made = training(PACKAGE, jobSpec={"workerPoolSpecs": [{"containerSpec": env}]})
    assert ids(made) == {"vertex-program"}
    assert "very-secret" not in str([str(problem) for problem in made.problems])


def test_a_waiting_time_goes_to_flex_start_and_is_lost_elsewhere() -> None:
    spec = {**CONTAINER, "scheduling": {"maxWaitTime": "7200s", "maxRunningTime": "60s"}}
    plain, flex = training(spec), training(spec, jobSpec={"scheduling": {"strategy": "FLEX_START"}})
    assert plain.body["jobSpec"]["scheduling"] == {"timeout": "60s"}
    assert "vertex-max-wait-time" in ids(plain, Severity.WARNING)
    assert flex.body["jobSpec"]["scheduling"] == {
        "timeout": "60s",
        "strategy": "FLEX_START",
        "maxWaitDuration": "7200s",
    }
    assert "vertex-max-wait-time" not in ids(flex, Severity.WARNING)


def test_a_region_of_vertex_is_where_the_job_runs_and_that_is_told() -> None:
    made = training(CONTAINER, region="europe-west4")
    (told,) = [problem for problem in made.problems if problem.id == "vertex-region"]
    assert (told.path, told.value) == ("spec.trainingInput.region", "us-central1")
    assert "vertex-region" not in ids(training(CONTAINER, region="us-central1"), Severity.WARNING)


def test_a_study_is_laid_over_a_search() -> None:
    search = {
        "params": [{"parameterName": "x", "type": "INTEGER", "minValue": 1.0, "maxValue": 3.0}],
        "enableTrialEarlyStopping": True,
    }
    made = training(
        {**CONTAINER, "hyperparameters": search},
        studySpec={"measurementSelectionType": "BEST_MEASUREMENT", "decayCurveStoppingSpec": {}},
        maxTrialCount=7,
    )
    assert made.collection == "hyperparameterTuningJobs"
    assert made.body["studySpec"] == {
        "metrics": [{"metricId": "training/hptuning/metric", "goal": "MAXIMIZE"}],
        "parameters": [{"parameterId": "x", "integerValueSpec": {"minValue": "1", "maxValue": "3"}}],
        "decayCurveStoppingSpec": {},
        "measurementSelectionType": "BEST_MEASUREMENT",
    }
    assert (made.body["maxTrialCount"], made.body["parallelTrialCount"]) == (7, 1)


def test_a_study_of_ones_own_makes_a_search_of_a_plain_job() -> None:
    made = training(CONTAINER, studySpec={"metrics": METRICS, "parameters": PARAMETERS}, maxTrialCount=2)
    assert made.collection == "hyperparameterTuningJobs"
    assert mistakes(made.collection, {"displayName": "x", **made.body}) == []


# --- whole jobs


def test_a_whole_custom_job_is_sent_as_it_is() -> None:
    spec = {
        "workerPoolSpecs": [
            {"machineSpec": L4, "replicaCount": "1", "containerSpec": {"imageUri": IMAGE}},
            {},
            {"machineSpec": L4, "replicaCount": "1", "containerSpec": {"imageUri": IMAGE}},
        ],
        "serviceAccount": "a@p.iam.gserviceaccount.com",
        "tensorboard": "projects/p/locations/us-central1/tensorboards/1",
    }
    made = training(None, region="us-central1", displayName="nightly census", jobSpec=spec)
    assert made.problems == ()
    assert made.collection == "customJobs"
    assert made.body == {"displayName": "nightly census", "jobSpec": spec}


def test_a_whole_search_is_sent_as_it_is() -> None:
    spec = {
        "workerPoolSpecs": [{"machineSpec": L4, "replicaCount": "1", "containerSpec": {"imageUri": IMAGE}}]
    }
    key = {"kmsKeyName": "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"}
    study = {"metrics": METRICS, "parameters": PARAMETERS}
    made = training(
        None, jobSpec=spec, studySpec=study, maxTrialCount=4, parallelTrialCount=2, encryptionSpec=key
    )
    assert made.problems == ()
    assert made.body == {
        "studySpec": study,
        "trialJobSpec": spec,
        "maxTrialCount": 4,
        "parallelTrialCount": 2,
        "encryptionSpec": key,
    }


# --- batch predictions

PREDICTION: Json = {
    "region": "us-central1",
    "dataFormat": "TF_RECORD_GZIP",
    "inputPaths": ["gs://b/in/*"],
    "outputPath": "gs://b/out",
}
MODEL = "projects/p/locations/us-central1/models/7"


def prediction(spec: Json | None, tables: Tables | None = None, **vertex: Any) -> Translation:
    whole = {"vertex": vertex, **({"predictionInput": spec} if spec else {})}
    return translate(PREDICTION_JOB.name, whole, tables or shipped())


def test_a_whole_batch_prediction_is_sent_as_it_is() -> None:
    job = {
        "model": MODEL,
        "inputConfig": {"instancesFormat": "bigquery", "bigquerySource": {"inputUri": "bq://p.d.t"}},
        "outputConfig": {"predictionsFormat": "bigquery", "bigqueryDestination": {"outputUri": "bq://p"}},
    }
    made = prediction(None, region="us-central1", batchPredictionJob=job)
    assert (made.problems, made.collection, made.body) == ((), "batchPredictionJobs", job)


def test_a_model_of_ones_own_needs_no_map() -> None:
    spec = {**PREDICTION, "versionName": "projects/p/models/m/versions/v1"}
    assert ids(prediction(spec)) == {"vertex-model"}
    made = prediction(spec, batchPredictionJob={"model": MODEL})
    assert (ids(made), made.body["model"]) == (set(), MODEL)


@pytest.mark.parametrize("name", ["m", "projects/p/models/m"])
def test_models_are_mapped_by_the_spec_before_the_administrator(name: str) -> None:
    spec = {**PREDICTION, "versionName": "projects/p/models/m/versions/v1"}
    tables = Tables.parse({"models": {"m": {"v1": f"{MODEL}@3", "v2": f"{MODEL}@4"}}})
    assert prediction(spec, tables).body["model"] == f"{MODEL}@3"
    made = prediction(spec, tables, models={name: {"v1": f"{MODEL}@9"}})
    assert made.body["model"] == f"{MODEL}@9"


def test_a_version_that_the_spec_does_not_map_is_the_administrators() -> None:
    spec = {**PREDICTION, "versionName": "projects/p/models/m/versions/v2"}
    tables = Tables.parse({"models": {"m": {"v2": f"{MODEL}@4"}}})
    assert prediction(spec, tables, models={"m": {"v1": f"{MODEL}@9"}}).body["model"] == f"{MODEL}@4"


def test_a_model_elsewhere_is_refused() -> None:
    there = "projects/p/locations/europe-west4/models/7"
    spec = {**PREDICTION, "modelName": "projects/p/models/m"}
    by_map = prediction(spec, models={"m": {"default": there}})
    by_job = prediction(spec, batchPredictionJob={"model": there})
    paths = [
        [problem.path for problem in made.problems if problem.id == "vertex-model-region"]
        for made in (by_map, by_job)
    ]
    assert paths == [["spec.predictionInput.modelName"], ["spec.vertex.batchPredictionJob.model"]]


def test_a_models_files_are_served_by_the_image_that_the_spec_names() -> None:
    spec = {**PREDICTION, "uri": "gs://b/model", "runtimeVersion": "2.99"}
    assert ids(prediction(spec)) == {"vertex-serving-image"}
    container = {"imageUri": "gcr.io/p/serve:1", "predictRoute": "/predict"}
    made = prediction(spec, batchPredictionJob={"unmanagedContainerModel": {"containerSpec": container}})
    assert ids(made) == set()
    assert made.body["unmanagedContainerModel"] == {"artifactUri": "gs://b/model", "containerSpec": container}


def test_machines_of_ones_own_are_no_choice_of_ours() -> None:
    spec = {**PREDICTION, "modelName": "projects/p/models/m", "maxWorkerCount": "10"}
    plain = prediction(spec, models={"m": {"default": MODEL}})
    assert plain.body["dedicatedResources"] == {
        "machineSpec": {"machineType": "n1-standard-2"},
        "startingReplicaCount": 10,
        "maxReplicaCount": 10,
    }
    assert "vertex-workers" in ids(plain, Severity.WARNING)
    own = {"machineSpec": {"machineType": "n1-highmem-4"}, "startingReplicaCount": 2, "maxReplicaCount": 2}
    made = prediction(spec, models={"m": {"default": MODEL}}, batchPredictionJob={"dedicatedResources": own})
    assert made.body["dedicatedResources"] == own
    assert "vertex-workers" not in ids(made, Severity.WARNING)
