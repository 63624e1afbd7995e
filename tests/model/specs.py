"""The resources of the stories: their keys and the specs that they begin with."""

from typing import Any

from mljobs.api.base import JsonObject
from mljobs.controller.loop.store import Key
from tests.model.cluster import NAMESPACE

KEYS = [
    Key("TrainingJob", NAMESPACE, "a"),
    Key("PredictionJob", NAMESPACE, "b"),
    Key("TrainingJob", NAMESPACE, "c"),
]
TRAINING: JsonObject = {
    "trainingInput": {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/proj/image:1"}}
}
PREDICTION: JsonObject = {
    "predictionInput": {
        "region": "us-central1",
        "dataFormat": "JSON",
        "inputPaths": ["gs://bucket/in"],
        "outputPath": "gs://bucket/out",
        "modelName": "projects/proj/models/m",
    }
}


def spec_of(key: Key, **more: Any) -> JsonObject:
    base = TRAINING if key.kind == "TrainingJob" else PREDICTION
    return {**base, **{name: value for name, value in more.items() if value is not None}}
