"""Cases of the rules for `spec.vertex` as a whole, alone and over an input."""

from tests.unit.domain.rule_case import PREDICTION, TRAINING, Spec, cases
from tests.unit.domain.vertex_case import (
    BATCH,
    JOB,
    METRIC,
    PARAMETER,
    POOL,
    SEARCH,
    batch,
    block,
    job_spec,
    over,
    over_prediction,
)

MODEL = "projects/my-project/locations/us-central1/models/123"
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
HYPERPARAMETERS: Spec = {
    "params": [{"parameterName": "rate", "type": "DOUBLE", "minValue": 0.5, "maxValue": 2.5}]
}
PACKAGE: Spec = {
    "executorImageUri": "europe-docker.pkg.dev/vertex-ai/training/tf-cpu.2-17.py310:latest",
    "packageUris": ["gs://bucket/trainer-1.tar.gz"],
    "pythonModule": "trainer.task",
}
MACHINE: Spec = {"machineSpec": {"machineType": "n1-standard-4"}}


def pools(*found: Spec) -> Spec:
    return {"workerPoolSpecs": list(found)}


def overlay(**fields: object) -> Spec:
    return {"vertex": fields}


def models(found: Spec) -> Spec:
    return overlay(models=found)


TRAINING_CASES = [
    *block("training-block-batch-prediction-job", [{"batchPredictionJob": {}}], [{}]),
    *block("training-block-models", [{"models": {}}], [{}]),
    *block(
        "vertex-training-region-required", [{"region": None}, {"region": ""}], [{"region": "us-central1"}]
    ),
    *over("vertex-training-region-required", [], [overlay(jobSpec={"enableWebAccess": True}), overlay()]),
    *block(
        "vertex-region-form", [{"region": "us"}, {"region": "us-central1-a"}], [{"region": "europe-west4"}]
    ),
    *job_spec("pools-required", [pools(), {"workerPoolSpecs": None}], [pools(POOL)]),
    *over(
        "pools-required",
        [],
        [overlay(jobSpec={"scheduling": {"strategy": "SPOT"}}), overlay(jobSpec=pools())],
    ),
    *job_spec("first-pool-used", [pools({}, POOL)], [pools(POOL, {}, POOL)]),
    *over("first-pool-used", [], [overlay(jobSpec=pools({}, {"diskSpec": {"bootDiskSizeGb": 200}}))]),
    *job_spec(
        "pool-machine-required",
        [
            pools({"containerSpec": POOL["containerSpec"]}),
            pools(POOL, {**POOL, "machineSpec": {"tpuTopology": "2x2"}}),
        ],
        [pools(POOL, {}, POOL)],
    ),
    *over("pool-machine-required", [], [overlay(jobSpec=pools({"containerSpec": {"env": []}}))]),
    *job_spec(
        "pool-program-required",
        [pools(MACHINE), pools(POOL, {**MACHINE, "containerSpec": {"args": ["x"]}})],
        [pools(POOL, {**MACHINE, "pythonPackageSpec": PACKAGE})],
    ),
    *over("pool-program-required", [], [overlay(jobSpec=pools(MACHINE))]),
    *job_spec(
        "pool-package-required",
        [
            pools(
                {
                    **MACHINE,
                    "pythonPackageSpec": {key: value for key, value in PACKAGE.items() if key != field},
                }
            )
            for field in PACKAGE
        ],
        [pools({**MACHINE, "pythonPackageSpec": PACKAGE})],
    ),
    *over(
        "pool-package-required",
        [],
        [overlay(jobSpec=pools({"pythonPackageSpec": {"executorImageUri": "a/b:1"}}))],
    ),
    *cases(
        "study-metrics-required",
        TRAINING,
        SEARCH,
        [overlay(studySpec={"metrics": None}), overlay(studySpec={"metrics": []})],
        [overlay(studySpec={"metrics": [METRIC]})],
    ),
    *over("study-metrics-required", [overlay(studySpec={"parameters": [PARAMETER]})], []),
    *cases(
        "study-parameters-required",
        TRAINING,
        SEARCH,
        [overlay(studySpec={"parameters": None})],
        [overlay(studySpec={"parameters": [PARAMETER]})],
    ),
    *over(
        "study-parameters-required",
        [overlay(studySpec={"metrics": [METRIC]})],
        [
            {
                "trainingInput": {"hyperparameters": HYPERPARAMETERS},
                **overlay(studySpec={"measurementSelectionType": "BEST_MEASUREMENT"}),
            }
        ],
    ),
    *(
        case
        for name, field in (
            ("max-trials", "maxTrialCount"),
            ("parallel-trials", "parallelTrialCount"),
            ("failed-trials", "maxFailedTrialCount"),
        )
        for case in (
            *block(f"{name}-study", [{field: 1}], []),
            *over(
                f"{name}-study",
                [overlay(**{field: 1})],
                [{"trainingInput": {"hyperparameters": HYPERPARAMETERS}, **overlay(**{field: 1})}],
            ),
        )
    ),
    *over(
        "service-account-once",
        [{"trainingInput": {"serviceAccount": "a@b.c"}, **overlay(jobSpec={"serviceAccount": "a@b.c"})}],
        [
            overlay(jobSpec={"serviceAccount": "a@b.c"}),
            {"trainingInput": {"serviceAccount": "a@b.c"}, **overlay(jobSpec={})},
        ],
    ),
    *over(
        "network-once",
        [
            {
                "trainingInput": {"network": "projects/1/global/networks/n"},
                **overlay(jobSpec={"network": "projects/1/global/networks/n"}),
            }
        ],
        [overlay(jobSpec={"network": "projects/1/global/networks/n"})],
    ),
    *over(
        "key-once",
        [
            {
                "trainingInput": {"encryptionConfig": {"kmsKeyName": KEY}},
                **overlay(encryptionSpec={"kmsKeyName": KEY}),
            }
        ],
        [overlay(encryptionSpec={"kmsKeyName": KEY})],
    ),
    *cases(
        "training-input-required",
        TRAINING,
        {"projectId": "p"},
        [overlay(region="us-central1"), overlay(studySpec={"metrics": [METRIC], "parameters": [PARAMETER]})],
        [],
    ),
    *cases("training-input-required", TRAINING, JOB, [], [{}]),
]

PREDICTION_CASES = [
    *(
        case
        for name, field in (
            ("job-spec", "jobSpec"),
            ("study-spec", "studySpec"),
            ("encryption-spec", "encryptionSpec"),
        )
        for case in cases(f"prediction-block-{name}", PREDICTION, BATCH, [overlay(**{field: {}})], [{}])
    ),
    *cases("vertex-prediction-region-required", PREDICTION, BATCH, [overlay(region=None)], [{}]),
    *over_prediction(
        "vertex-prediction-region-required", [], [overlay(batchPredictionJob={"generateExplanation": True})]
    ),
    *batch("batch-instances-format", [{"inputConfig": {"instancesFormat": None}}], [{}]),
    *batch("batch-predictions-format", [{"outputConfig": {"predictionsFormat": None}}], [{}]),
    *batch("batch-input-required", [{"inputConfig": {"gcsSource": None}}], [{}]),
    *batch("batch-output-required", [{"outputConfig": {"gcsDestination": None}}], [{}]),
    *batch("batch-model-required", [{"model": None}], [{}]),
    *batch(
        "batch-machine-required",
        [{"dedicatedResources": {"machineSpec": None}}],
        [{"dedicatedResources": None}],
    ),
    *batch(
        "serving-image-required",
        [
            {"model": None, "unmanagedContainerModel": {"artifactUri": "gs://b/m"}},
            {"model": None, "unmanagedContainerModel": {"containerSpec": {"args": ["x"]}}},
        ],
        [{"model": None, "unmanagedContainerModel": {"containerSpec": {"imageUri": "a/b:1"}}}],
    ),
    *(
        case
        for name in (
            "batch-instances-format",
            "batch-input-required",
            "batch-output-required",
            "batch-predictions-format",
            "batch-model-required",
            "batch-machine-required",
            "serving-image-required",
        )
        for case in over_prediction(
            name,
            [],
            [
                overlay(
                    batchPredictionJob={"dedicatedResources": {"startingReplicaCount": 4}, "inputConfig": {}}
                )
            ],
        )
    ),
    *cases(
        "display-name-once",
        PREDICTION,
        BATCH,
        [overlay(displayName="a", batchPredictionJob={"displayName": "a"})],
        [overlay(displayName="a"), overlay(batchPredictionJob={"displayName": "a"})],
    ),
    *over_prediction(
        "vertex-model",
        [models({"census": {"v1": "projects/p/models/census/versions/v1"}})],
        [
            models(
                {"census": {"v1": MODEL, "default": f"{MODEL}@2"}, "projects/p/models/m": {"default": MODEL}}
            )
        ],
    ),
    *cases("models-unused", PREDICTION, BATCH, [models({"census": {"v1": MODEL}})], [{}]),
    *over_prediction("models-unused", [], [models({"census": {"v1": MODEL}})]),
    *cases("prediction-input-required", PREDICTION, {"projectId": "p"}, [overlay(region="us-central1")], []),
    *cases("prediction-input-required", PREDICTION, BATCH, [], [{}]),
]

VERTEX_WHOLE_CASES = [*TRAINING_CASES, *PREDICTION_CASES]
"""All cases of this module."""
