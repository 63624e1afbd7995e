"""How many accelerators a job asks for at both services, those that a tier or a machine brings included."""

from typing import Any

import pytest

from mljobs.backends import MLV1, VERTEX_AI, facts_of_class
from mljobs.domain.classes.job_class import JobClass

Json = dict[str, Any]

GPU: Json = {"acceleratorConfig": {"type": "NVIDIA_TESLA_T4", "count": "2"}, "imageUri": "gcr.io/p/image:1"}
CUSTOM: Json = {
    "region": "us-central1",
    "scaleTier": "CUSTOM",
    "masterType": "n1-standard-8",
    "masterConfig": GPU,
}
WORKERS: Json = {"workerType": "n1-standard-8", "workerConfig": GPU, "workerCount": "3"}
TUNING: Json = {
    "hyperparameters": {
        "goal": "MAXIMIZE",
        "hyperparameterMetricTag": "auc",
        "maxTrials": 8,
        "maxParallelTrials": 4,
        "params": [{"parameterName": "x", "type": "DOUBLE", "minValue": 0.1, "maxValue": 1.0}],
    }
}
IMAGE: Json = {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/p/image:1"}}
LEGACY: Json = {**IMAGE, "scaleTier": "CUSTOM", "masterType": "complex_model_m_gpu"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (IMAGE, 0),
        (CUSTOM, 2),
        ({**CUSTOM, **WORKERS}, 8),
        ({**CUSTOM, **TUNING}, 8),
        ({**CUSTOM, **WORKERS, **TUNING}, 32),
        ({**IMAGE, "scaleTier": "BASIC_GPU"}, 1),
        (LEGACY, 4),
        ({**LEGACY, "workerType": "standard_gpu", "workerCount": "2"}, 6),
    ],
)
@pytest.mark.parametrize("service", [MLV1, VERTEX_AI])
def test_accelerators_of_all_machines_and_trials(service: str, given: Json, expected: int) -> None:
    facts = facts_of_class(JobClass("c", service))
    assert facts.claims("TrainingJob", {"trainingInput": given}).accelerators == expected


def test_those_of_the_vertex_block() -> None:
    machine = {"machineType": "n1-standard-8", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 4}
    pools = [{"machineSpec": machine, "replicaCount": 3, "containerSpec": {"imageUri": "gcr.io/p/image:1"}}]
    spec = {"vertex": {"region": "us-central1", "jobSpec": {"workerPoolSpecs": pools}}}
    assert facts_of_class(JobClass("c", VERTEX_AI)).claims("TrainingJob", spec).accelerators == 12
