"""What becomes of each field of `ml` v1's inputs on Vertex AI; a test holds this to real translations."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from mljobs.domain.spec.problems import Severity, Source
from mljobs.domain.spec.rules.machines import ROLES


class Fate(StrEnum):
    """What becomes of a field."""

    TRANSLATED = "translated"
    REPORTED = "reported"
    REFUSED = "refused"


@dataclass(frozen=True)
class Field:
    """One legacy field.

    Attributes:
        fate: what becomes of it where it has a value that is not the default.
        text: where it goes; or, in one sentence for the author of the spec, why it does not.
        id: the note's name, where it is not translated.
        source: where that comes from.
    """

    fate: Fate
    text: str
    id: str = ""
    source: Source = Source.DOCUMENTATION

    @property
    def severity(self) -> Severity:
        """Of the note that tells it."""
        return Severity.ERROR if self.fate is Fate.REFUSED else Severity.WARNING


def _to(place: str) -> Field:
    return Field(Fate.TRANSLATED, place)


def _role(number: int, role: str, config: str) -> Iterator[tuple[str, Field]]:
    pool = f"jobSpec.workerPoolSpecs[{number}]"
    yield f"{role}Type", _to(f"{pool}.machineSpec")
    if number:
        yield f"{role}Count", _to(f"{pool}.replicaCount")
    yield f"{config}.acceleratorConfig.type", _to(f"{pool}.machineSpec.acceleratorType")
    yield f"{config}.acceleratorConfig.count", _to(f"{pool}.machineSpec.acceleratorCount")
    yield f"{config}.containerArgs", _to(f"{pool}.containerSpec.args")
    yield f"{config}.containerCommand", _to(f"{pool}.containerSpec.command")
    yield f"{config}.diskConfig.bootDiskSizeGb", _to(f"{pool}.diskSpec.bootDiskSizeGb")
    yield f"{config}.diskConfig.bootDiskType", _to(f"{pool}.diskSpec.bootDiskType")
    yield f"{config}.imageUri", _to(f"{pool}.containerSpec.imageUri")
    yield (
        f"{config}.tpuTfVersion",
        Field(
            Fate.REFUSED,
            "on Vertex AI the container's image decides which TensorFlow runs on a TPU; leave it out, and "
            "name the machine and the image in spec.vertex.jobSpec",
            "vertex-tpu-tf-version",
        ),
    )


_TRAINING = {
    "args": _to("args of every pool"),
    "enableWebAccess": _to("jobSpec.enableWebAccess"),
    "encryptionConfig.kmsKeyName": _to("encryptionSpec.kmsKeyName"),
    "jobDir": _to("jobSpec.baseOutputDirectory.outputUriPrefix, and --job-dir in the args of every pool"),
    "network": _to("jobSpec.network"),
    "packageUris": _to("pythonPackageSpec.packageUris of every pool"),
    "pythonModule": _to("pythonPackageSpec.pythonModule of every pool"),
    "pythonVersion": _to("pythonPackageSpec.executorImageUri of every pool"),
    "runtimeVersion": _to("pythonPackageSpec.executorImageUri of every pool"),
    "region": _to("the location in the job's name"),
    "scaleTier": _to("jobSpec.workerPoolSpecs"),
    "scheduling.maxRunningTime": _to("jobSpec.scheduling.timeout"),
    "scheduling.maxWaitTime": Field(
        Fate.REPORTED,
        "lost: Vertex AI limits the wait of jobs with the scheduling strategy FLEX_START only, and this one "
        "waits for as long as it takes; spec.vertex.jobSpec.scheduling.strategy can choose that",
        "vertex-max-wait-time",
        Source.DISCOVERY,
    ),
    "scheduling.priority": Field(
        Fate.REPORTED,
        "lost: jobs of Vertex AI have no priority; leave it out if it does not matter",
        "vertex-priority",
        Source.DISCOVERY,
    ),
    "serviceAccount": _to("jobSpec.serviceAccount"),
    "useChiefInTfConfig": Field(
        Fate.REPORTED,
        "lost: Vertex AI sets TF_CONFIG in distributed jobs only, and chooses itself between chief and "
        "master; have the program read CLUSTER_SPEC, which is always there",
        "vertex-use-chief",
    ),
    **dict(
        pair
        for number, role in enumerate(ROLES)
        for pair in _role(number, role.type.removesuffix("Type"), role.config)
    ),
}

_SEARCH = {
    "algorithm": _to("studySpec.algorithm"),
    "enableTrialEarlyStopping": _to("studySpec.medianAutomatedStoppingSpec"),
    "goal": _to("studySpec.metrics[0].goal"),
    "hyperparameterMetricTag": _to("studySpec.metrics[0].metricId"),
    "maxFailedTrials": _to("maxFailedTrialCount"),
    "maxParallelTrials": _to("parallelTrialCount"),
    "maxTrials": _to("maxTrialCount"),
    "params[].categoricalValues": _to("studySpec.parameters[].categoricalValueSpec.values"),
    "params[].discreteValues": _to("studySpec.parameters[].discreteValueSpec.values"),
    "params[].maxValue": _to("maxValue of doubleValueSpec or integerValueSpec"),
    "params[].minValue": _to("minValue of doubleValueSpec or integerValueSpec"),
    "params[].parameterName": _to("studySpec.parameters[].parameterId"),
    "params[].scaleType": _to("studySpec.parameters[].scaleType"),
    "params[].type": _to("which value spec the parameter has"),
    "resumePreviousJobId": Field(
        Fate.REFUSED,
        "a tuning job of Vertex AI cannot go on with what an earlier one has learnt; leave it out, and give "
        "the params in full",
        "vertex-resume-previous-job",
        Source.DISCOVERY,
    ),
}

_PREDICTION = {
    "batchSize": _to("manualBatchTuningParameters.batchSize"),
    "dataFormat": _to("inputConfig.instancesFormat"),
    "inputPaths": _to("inputConfig.gcsSource.uris"),
    "maxWorkerCount": _to("dedicatedResources.startingReplicaCount and maxReplicaCount"),
    "modelName": _to("model, by the table of models"),
    "outputDataFormat": _to("outputConfig.predictionsFormat"),
    "outputPath": _to("outputConfig.gcsDestination.outputUriPrefix"),
    "region": _to("the location in the job's name"),
    "runtimeVersion": _to("unmanagedContainerModel.containerSpec.imageUri, by the table of serving images"),
    "signatureName": Field(
        Fate.REFUSED,
        "Vertex AI calls the signature serving_default; export the model with its signature under that name",
        "vertex-signature",
    ),
    "uri": _to("unmanagedContainerModel.artifactUri"),
    "versionName": _to("model, by the table of models"),
}

FIELDS: dict[str, Field] = {
    **{f"trainingInput.{path}": field for path, field in _TRAINING.items()},
    **{f"trainingInput.hyperparameters.{path}": field for path, field in _SEARCH.items()},
    **{f"predictionInput.{path}": field for path, field in _PREDICTION.items()},
}
"""By the path below `spec`; `[]` stands for each item of a list."""
