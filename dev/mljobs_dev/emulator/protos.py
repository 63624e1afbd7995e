"""What the services' protocol buffers say and discovery documents do not: oneofs, names, numbers of enums."""

from collections.abc import Mapping, Sequence

ONEOFS: Mapping[str, Mapping[str, str]] = {
    "GoogleCloudMlV1__Job": {"trainingInput": "input", "predictionInput": "input"},
    "GoogleCloudMlV1__PredictionInput": {
        "modelName": "model_version",
        "versionName": "model_version",
        "uri": "model_version",
    },
    "GoogleCloudAiplatformV1WorkerPoolSpec": {"containerSpec": "task", "pythonPackageSpec": "task"},
    "GoogleCloudAiplatformV1StudySpec": {
        "decayCurveStoppingSpec": "automated_stopping_spec",
        "medianAutomatedStoppingSpec": "automated_stopping_spec",
        "convexAutomatedStoppingSpec": "automated_stopping_spec",
    },
    "GoogleCloudAiplatformV1StudySpecParameterSpec": {
        "doubleValueSpec": "parameter_value_spec",
        "integerValueSpec": "parameter_value_spec",
        "categoricalValueSpec": "parameter_value_spec",
        "discreteValueSpec": "parameter_value_spec",
    },
    "GoogleCloudAiplatformV1StudySpecParameterSpecConditionalParameterSpec": {
        "parentDiscreteValues": "parent_value_condition",
        "parentIntValues": "parent_value_condition",
        "parentCategoricalValues": "parent_value_condition",
    },
    "GoogleCloudAiplatformV1StudyTimeConstraint": {"maxDuration": "constraint", "endTime": "constraint"},
    "GoogleCloudAiplatformV1BatchPredictionJobInputConfig": {
        "gcsSource": "source",
        "bigquerySource": "source",
        "vertexMultimodalDatasetSource": "source",
    },
    "GoogleCloudAiplatformV1BatchPredictionJobOutputConfig": {
        "gcsDestination": "destination",
        "bigqueryDestination": "destination",
        "vertexMultimodalDatasetDestination": "destination",
    },
}
"""Fields of which at most one is set, by the name of their group (google/cloud/ml/v1/job_service.proto, and
job.proto and its neighbours of google/cloud/aiplatform/v1)."""

_NUMBERED = "google.cloud.aiplatform."
"""The messages whose enums may be numbers: Google's generated clients send Vertex AI's so."""

_NUMBERS: Mapping[str, Mapping[str, int]] = {
    "ACCELERATOR_TYPE_UNSPECIFIED": {
        "NVIDIA_TESLA_A100": 8,
        "NVIDIA_A100_80GB": 9,
        "NVIDIA_L4": 11,
        "NVIDIA_H100_80GB": 13,
        "NVIDIA_H100_MEGA_80GB": 14,
        "NVIDIA_H200_141GB": 15,
        "NVIDIA_B200": 16,
        "NVIDIA_GB200": 17,
        "NVIDIA_RTX_PRO_6000": 18,
        "TPU_V2": 6,
        "TPU_V3": 7,
        "TPU_V4_POD": 10,
        "TPU_V5_LITEPOD": 12,
    },
    "STRATEGY_UNSPECIFIED": {"FLEX_START": 6},
    "ALGORITHM_UNSPECIFIED": {"GRID_SEARCH": 2, "RANDOM_SEARCH": 3},
}
"""Numbers that are not the word's position, by the enum's first word (google-cloud-aiplatform 2.7.0)."""


def enum_numbers(owner: str, words: Sequence[str]) -> Mapping[int, str]:
    """The words of an enum by their numbers; nothing where numbers are refused.

    Args:
        owner: the full name of the message that has the field.
        words: in the order of the discovery document.
    """
    if not owner.startswith(_NUMBERED):
        return {}
    numbers = _NUMBERS.get(words[0], {})
    return {numbers.get(word, position): word for position, word in enumerate(words)}


def proto_name(schema: str) -> str:
    """The full name of a schema's message, as errors show it."""
    for prefix, package in (
        ("GoogleCloudMlV1__", "google.cloud.ml.v1."),
        ("GoogleCloudMlV1_", "google.cloud.ml.v1."),
        ("GoogleIamV1__", "google.iam.v1."),
        ("GoogleType__", "google.type."),
        ("GoogleCloudAiplatformV1", "google.cloud.aiplatform.v1."),
        ("GoogleRpc", "google.rpc."),
    ):
        if schema.startswith(prefix):
            return package + schema.removeprefix(prefix).replace("_", ".")
    return f"google.logging.v2.{schema}"
