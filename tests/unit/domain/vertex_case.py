"""Specs that cases about `spec.vertex` are made from."""

from tests.unit.domain.rule_case import IMAGE, PREDICT, PREDICTION, TRAINING, Case, Spec, cases, merged

POOL: Spec = {
    "machineSpec": {"machineType": "n1-standard-4"},
    "replicaCount": "1",
    "containerSpec": {"imageUri": "europe-docker.pkg.dev/my-project/team/trainer:1"},
}
"""The least worker pool."""

PARAMETER: Spec = {"parameterId": "rate", "doubleValueSpec": {"minValue": 0.1, "maxValue": 0.9}}
CATEGORIES: Spec = {"parameterId": "cell", "categoricalValueSpec": {"values": ["lstm", "gru"]}}
NUMBERS: Spec = {"parameterId": "batch", "discreteValueSpec": {"values": [16, 32.5, 64]}}
WHOLE: Spec = {"parameterId": "layers", "integerValueSpec": {"minValue": 1, "maxValue": "9"}}
"""A parameter of each kind."""

METRIC: Spec = {"metricId": "accuracy", "goal": "MAXIMIZE"}

JOB: Spec = {
    "projectId": "my-project",
    "vertex": {"region": "us-central1", "jobSpec": {"workerPoolSpecs": [POOL]}},
}
"""The least training job in Vertex AI's words."""

SEARCH: Spec = merged(JOB, {"vertex": {"studySpec": {"metrics": [METRIC], "parameters": [PARAMETER]}}})
"""The least search."""

BATCH: Spec = {
    "projectId": "my-project",
    "vertex": {
        "region": "us-central1",
        "batchPredictionJob": {
            "model": "projects/my-project/locations/us-central1/models/123",
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://bucket/in/*"]}},
            "outputConfig": {
                "predictionsFormat": "jsonl",
                "gcsDestination": {"outputUriPrefix": "gs://bucket/out"},
            },
            "dedicatedResources": {
                "machineSpec": {"machineType": "n1-standard-2"},
                "startingReplicaCount": 1,
            },
        },
    },
}
"""The least batch prediction in Vertex AI's words."""


def block(
    rule: str, bad: list[Spec], good: list[Spec], also: tuple[str, ...] = (), base: Spec = JOB
) -> list[Case]:
    """Cases about a training job; the patches are of `vertex`."""
    bad, good = ([{"vertex": patch} for patch in patches] for patches in (bad, good))
    return list(cases(rule, TRAINING, base, bad, good, also))


def over(rule: str, bad: list[Spec], good: list[Spec], also: tuple[str, ...] = ()) -> list[Case]:
    """Cases about a block over a trainingInput with an image; the patches are of the spec."""
    return list(cases(rule, TRAINING, IMAGE, bad, good, also))


def over_prediction(rule: str, bad: list[Spec], good: list[Spec], also: tuple[str, ...] = ()) -> list[Case]:
    """Cases about a block over a predictionInput; the patches are of the spec."""
    return list(cases(rule, PREDICTION, PREDICT, bad, good, also))


def job_spec(rule: str, bad: list[Spec], good: list[Spec], also: tuple[str, ...] = ()) -> list[Case]:
    """Cases about a jobSpec, which the patches are of."""
    bad, good = ([{"jobSpec": patch} for patch in patches] for patches in (bad, good))
    return block(rule, bad, good, also)


def pool(rule: str, bad: list[Spec], good: list[Spec], also: tuple[str, ...] = ()) -> list[Case]:
    """Cases about the first pool, which the patches are of."""
    bad, good = ([{"workerPoolSpecs": [merged(POOL, patch)]} for patch in patches] for patches in (bad, good))
    return job_spec(rule, bad, good, also)


def study(rule: str, bad: list[Spec], good: list[Spec], also: tuple[str, ...] = ()) -> list[Case]:
    """Cases about a studySpec, which the patches are of."""
    bad, good = ([{"studySpec": patch} for patch in patches] for patches in (bad, good))
    return block(rule, bad, good, also, SEARCH)


def batch(rule: str, bad: list[Spec], good: list[Spec], also: tuple[str, ...] = ()) -> list[Case]:
    """Cases about a batchPredictionJob, which the patches are of."""
    bad, good = ([{"vertex": {"batchPredictionJob": patch}} for patch in patches] for patches in (bad, good))
    return list(cases(rule, PREDICTION, BATCH, bad, good, also))


def conditional(parameter: Spec, **parents: Spec) -> Spec:
    """A conditional parameter, as the API's ConditionalParameterSpec."""
    return {"parameterSpec": parameter, **parents}
