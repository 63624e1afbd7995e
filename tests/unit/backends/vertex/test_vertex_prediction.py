"""Batch predictions of ml v1 as Vertex AI's: models, formats, machines, refusals."""

from typing import Any

import pytest

from mljobs.api.resources import PREDICTION_JOB
from mljobs.backends.vertex.tables import Tables, shipped
from mljobs.backends.vertex.translate import Translation, translate
from mljobs.domain.spec.problems import MISSING, Severity

Json = dict[str, Any]

MODEL = "projects/p/locations/us-central1/models/7"
TABLES = Tables.parse(
    {
        "models": {"census": {"default": MODEL, "v2": f"{MODEL}@2"}},
        "servingImages": {"tensorflow": {"2.11": "gcr.io/my-project/serve:1"}},
    }
)
INPUT: Json = {
    "region": "us-central1",
    "dataFormat": "JSON",
    "inputPaths": ["gs://b/in/1", "gs://b/in/2*"],
    "outputPath": "gs://b/out",
}


def translated(tables: Tables = TABLES, **fields: Any) -> Translation:
    named = {} if fields.keys() & {"uri", "versionName"} else {"modelName": "projects/p/models/census"}
    return translate(PREDICTION_JOB.name, {"predictionInput": {**INPUT, **named, **fields}}, tables)


def told(made: Translation, severity: Severity) -> list[tuple[str, str]]:
    return [(problem.id, problem.path) for problem in made.problems if problem.severity is severity]


def test_the_least_prediction_and_all_that_is_told_of_it() -> None:
    made = translated()
    assert (made.collection, made.body) == (
        "batchPredictionJobs",
        {
            "model": MODEL,
            "inputConfig": {
                "instancesFormat": "jsonl",
                "gcsSource": {"uris": ["gs://b/in/1", "gs://b/in/2*"]},
            },
            "outputConfig": {
                "predictionsFormat": "jsonl",
                "gcsDestination": {"outputUriPrefix": "gs://b/out"},
            },
            "dedicatedResources": {
                "machineSpec": {"machineType": "n1-standard-2"},
                "startingReplicaCount": 1,
                "maxReplicaCount": 1,
            },
        },
    )
    assert told(made, Severity.WARNING) == [
        ("vertex-output-folder", "spec.predictionInput.outputPath"),
        ("vertex-workers", "spec.predictionInput.maxWorkerCount"),
    ]
    assert made.problems[1].value is MISSING
    assert told(made, Severity.ERROR) == []


@pytest.mark.parametrize(
    ("legacy", "word"),
    [("JSON", "jsonl"), ("TEXT", "jsonl"), ("TF_RECORD", "tf-record"), ("TF_RECORD_GZIP", "tf-record-gzip")],
)
def test_formats_of_instances(legacy: str, word: str) -> None:
    assert translated(dataFormat=legacy).body["inputConfig"]["instancesFormat"] == word


@pytest.mark.parametrize(
    ("legacy", "word"),
    [("JSON", "jsonl"), ("TEXT", "jsonl"), ("CSV", "csv"), ("DATA_FORMAT_UNSPECIFIED", "jsonl")],
)
def test_formats_of_predictions(legacy: str, word: str) -> None:
    assert translated(outputDataFormat=legacy).body["outputConfig"]["predictionsFormat"] == word


def test_numbers_are_of_32_bits() -> None:
    made = translated(batchSize="32", maxWorkerCount=3)
    assert made.body["manualBatchTuningParameters"] == {"batchSize": 32}
    assert made.body["dedicatedResources"]["startingReplicaCount"] == 3
    assert "manualBatchTuningParameters" not in translated(batchSize="0").body
    assert told(translated(batchSize=str(2**31)), Severity.ERROR) == [
        ("vertex-int32", "spec.predictionInput.batchSize")
    ]


def test_the_machine_is_the_administrators() -> None:
    tables = Tables.parse(
        {
            "models": {"census": {"default": MODEL}},
            "predictionMachine": {
                "machineType": "g2-standard-4",
                "acceleratorType": "NVIDIA_L4",
                "acceleratorCount": 1,
            },
        }
    )
    assert translated(tables).body["dedicatedResources"]["machineSpec"] == {
        "machineType": "g2-standard-4",
        "acceleratorType": "NVIDIA_L4",
        "acceleratorCount": 1,
    }


def test_a_version_has_its_own_model() -> None:
    made = translated(versionName="projects/p/models/census/versions/v2")
    assert made.body["model"] == f"{MODEL}@2"


@pytest.mark.parametrize(
    ("field", "name", "hint"),
    [
        ("versionName", "projects/p/models/census/versions/v3", "{census: {v3: "),
        ("modelName", "projects/p/models/other", "{other: {default: "),
    ],
)
def test_an_unknown_model_is_refused_and_it_is_said_how_to_name_it(field: str, name: str, hint: str) -> None:
    made = translated(TABLES, **{field: name})
    (problem,) = [problem for problem in made.problems if problem.severity is Severity.ERROR]
    assert (problem.id, problem.path, problem.value) == (
        "vertex-model",
        f"spec.predictionInput.{field}",
        name,
    )
    assert hint in problem.rule


def test_files_of_a_model_are_served_by_the_image_of_their_runtime() -> None:
    made = translated(uri="gs://b/model", runtimeVersion="2.11")
    assert made.body["unmanagedContainerModel"] == {
        "artifactUri": "gs://b/model",
        "containerSpec": {"imageUri": "gcr.io/my-project/serve:1"},
    }
    assert ("vertex-serving-image-chosen", "spec.predictionInput.runtimeVersion") in told(
        made, Severity.WARNING
    )


def test_googles_own_images_serve_models_of_their_tensorflow_and_their_end_is_told() -> None:
    made = translated(shipped(), uri="gs://b/model", runtimeVersion="2.15")
    image = "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"
    assert made.body["unmanagedContainerModel"]["containerSpec"] == {"imageUri": image}
    (end,) = [problem for problem in made.problems if problem.id == "vertex-image-lifetime"]
    assert "availability ends on 2027-01-14" in end.rule
    learn = Tables.parse({"framework": "scikit-learn"})
    assert told(translated(learn, uri="gs://b/m", runtimeVersion="2.5"), Severity.ERROR) == [
        ("vertex-serving-image", "spec.predictionInput.runtimeVersion")
    ]


def test_an_image_that_serves_has_another_life_than_one_that_trains() -> None:
    assert shipped().lifetime("us-docker.pkg.dev/vertex-ai/prediction/tf-cpu.1-15:latest") is None
    assert shipped().lifetime("us-docker.pkg.dev/vertex-ai/training/tf-cpu.1-15:latest") is not None


@pytest.mark.parametrize("runtime", [{"runtimeVersion": "2.99"}, {}])
def test_files_of_a_model_without_an_image_are_refused(runtime: Json) -> None:
    made = translated(uri="gs://b/model", **runtime)
    assert told(made, Severity.ERROR) == [("vertex-serving-image", "spec.predictionInput.runtimeVersion")]


def test_a_model_brings_its_own_runtime() -> None:
    assert ("vertex-model-runtime", "spec.predictionInput.runtimeVersion") in told(
        translated(runtimeVersion="2.11"), Severity.WARNING
    )


@pytest.mark.parametrize(
    ("signature", "severity"), [("serving_default", Severity.WARNING), ("predict", Severity.ERROR)]
)
def test_there_is_one_signature(signature: str, severity: Severity) -> None:
    made = translated(signatureName=signature)
    assert ("vertex-signature", "spec.predictionInput.signatureName") in told(made, severity)
