"""Fields that Vertex AI has refused, said again in the words of the spec that they were made from."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mljobs.domain.errors import Rejected, Violation
from mljobs.domain.port import Order
from mljobs.domain.spec.rules.machines import ROLES

_POOL = re.compile(r"jobSpec[.]workerPoolSpecs\[([0-3])\][.]?(.*)")
_PARAMETER = re.compile(r"studySpec[.]parameters(\[[0-9]+\])[.]?(.*)")
_SNAKE = re.compile(r"_([a-z0-9])")

_OF_POOL = {
    "machineSpec.accelerator": "{config}.acceleratorConfig",
    "machineSpec": "{type}",
    "replicaCount": "{count}",
    "containerSpec.imageUri": "{config}.imageUri",
    "containerSpec.command": "{config}.containerCommand",
    "containerSpec.args": "{config}.containerArgs",
    "pythonPackageSpec.executorImageUri": "runtimeVersion",
    "pythonPackageSpec.packageUris": "packageUris",
    "pythonPackageSpec.pythonModule": "pythonModule",
    "pythonPackageSpec.args": "args",
    "diskSpec": "{config}.diskConfig",
}
"""A TrainingInput's fields by how the fields of a worker pool begin, the longer beginnings first."""

_OF_PARAMETER = {
    "parameterId": "parameterName",
    "doubleValueSpec.minValue": "minValue",
    "doubleValueSpec.maxValue": "maxValue",
    "integerValueSpec.minValue": "minValue",
    "integerValueSpec.maxValue": "maxValue",
    "categoricalValueSpec": "categoricalValues",
    "discreteValueSpec": "discreteValues",
    "scaleType": "scaleType",
}

_OF_TRAINING = {
    "jobSpec.workerPoolSpecs": "scaleTier",
    "jobSpec.baseOutputDirectory": "jobDir",
    "jobSpec.network": "network",
    "jobSpec.serviceAccount": "serviceAccount",
    "jobSpec.enableWebAccess": "enableWebAccess",
    "jobSpec.scheduling.timeout": "scheduling.maxRunningTime",
    "encryptionSpec": "encryptionConfig",
    "studySpec.metrics[0].goal": "hyperparameters.goal",
    "studySpec.metrics": "hyperparameters.hyperparameterMetricTag",
    "studySpec.algorithm": "hyperparameters.algorithm",
    "studySpec.medianAutomatedStoppingSpec": "hyperparameters.enableTrialEarlyStopping",
    "studySpec.parameters": "hyperparameters.params",
    "maxTrialCount": "hyperparameters.maxTrials",
    "parallelTrialCount": "hyperparameters.maxParallelTrials",
    "maxFailedTrialCount": "hyperparameters.maxFailedTrials",
    "parent": "region",
}
"""A TrainingInput's fields by how all others begin."""

_OF_PREDICTION = {
    "inputConfig.instancesFormat": "dataFormat",
    "inputConfig": "inputPaths",
    "outputConfig.predictionsFormat": "outputDataFormat",
    "outputConfig": "outputPath",
    "manualBatchTuningParameters": "batchSize",
    "dedicatedResources.startingReplicaCount": "maxWorkerCount",
    "dedicatedResources.maxReplicaCount": "maxWorkerCount",
    "unmanagedContainerModel.artifactUri": "uri",
    "unmanagedContainerModel.containerSpec": "runtimeVersion",
    "model": "modelName",
    "parent": "region",
}

_OF_SPEC = {"displayName": "jobId", "labels": "labels"}


def refused(error: Rejected, order: Order) -> Rejected:
    """Say which fields of a spec it is that the service has refused.

    Args:
        error: the service's answer.
        order: what it refused.

    Returns:
        The same error; where it names fields, its message has a line for each.
    """
    if not error.violations:
        return error
    lines = [f"{_place(violation, order)}{violation.description}" for violation in error.violations]
    return Rejected("\n".join(lines), status=error.status, violations=error.violations)


def _place(violation: Violation, order: Order) -> str:
    if not violation.field:
        return ""
    field = spec_field(violation.field, order.spec)
    return f"{field} ({violation.field}): " if field else f"{violation.field}: "


def spec_field(path: str, spec: Mapping[str, Any]) -> str:
    """Find the field of a spec that a field of a request was made from.

    Args:
        path: of the request's field as the service names it, `job_spec.worker_pool_specs[0].disk_spec`.
        spec: in canonical JSON.

    Returns:
        Its path, `spec.trainingInput.masterConfig.diskConfig`; empty where it is not known.
    """
    camel = _SNAKE.sub(lambda match: match[1].upper(), path).replace("trialJobSpec", "jobSpec")
    for bare in (camel, *(camel.removeprefix(f"{name}.") for name in _MESSAGES)):
        for candidate in _candidates(bare, spec):
            if _given(spec, candidate):
                return f"spec.{candidate}"
    return ""


_MESSAGES = ("customJob", "hyperparameterTuningJob", "batchPredictionJob")
"""What the service may put before a path."""


def _candidates(path: str, spec: Mapping[str, Any]) -> Iterator[str]:
    """Where a field may have come from, what wins over the others first."""
    yield f"vertex.{path}"
    yield f"vertex.batchPredictionJob.{path}"
    if match := _POOL.fullmatch(path):
        yield from _of_pool(int(match[1]), match[2])
    if match := _PARAMETER.fullmatch(path):
        params = f"trainingInput.hyperparameters.params{match[1]}"
        yield from (f"{params}.{field}" for field in _begun(_OF_PARAMETER, match[2]))
        yield params
    yield from (f"trainingInput.{field}" for field in _begun(_OF_TRAINING, path))
    yield from (f"predictionInput.{field}" for field in _begun(_OF_PREDICTION, path))
    yield from _begun(_OF_SPEC, path)
    if path == "parent" and spec.get("vertex"):
        yield "vertex.region"


def _of_pool(number: int, path: str) -> Iterator[str]:
    role = ROLES[number]
    for field in _begun(_OF_POOL, path):
        yield "trainingInput." + field.format(config=role.config, type=role.type, count=role.count)
    if path.startswith("containerSpec.args"):
        yield "trainingInput.args"
    if path.startswith("machineSpec"):
        yield f"trainingInput.{role.type}"
    yield f"trainingInput.{role.config}"


def _begun(table: Mapping[str, str], path: str) -> Iterator[str]:
    return (field for beginning, field in table.items() if path.startswith(beginning))


def _given(spec: Mapping[str, Any], path: str) -> bool:
    """Whether a spec has a value there."""
    node: Any = spec
    for key, index in re.findall(r"([A-Za-z0-9]+)|\[([0-9]+)\]", path):
        if index and isinstance(node, list | tuple) and int(index) < len(node):
            node = node[int(index)]
        elif key and isinstance(node, Mapping) and key in node:
            node = node[key]
        else:
            return False
    return True
