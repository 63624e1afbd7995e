"""The same work as Google's migration notebooks asked both services for it, each difference explained."""

import copy
from pathlib import Path
from typing import Any

import pytest

from mljobs.api.resources import PREDICTION_JOB, TRAINING_JOB
from mljobs.backends.vertex.facts import VertexFacts
from mljobs.backends.vertex.tables import Tables, shipped
from mljobs.backends.vertex.translate import request
from mljobs.domain.port import Order
from mljobs.domain.spec.validate import validate
from tests.unit.backends.vertex.corpus import EXTRACTS, FOLDERS, calls

Json = dict[str, Any]

OLD_IMAGES = "gcr.io/cloud-aiplatform/training/"
IMAGES = "us-docker.pkg.dev/vertex-ai/training/"
SKLEARN = Tables.parse({"framework": "scikit-learn"})
"""What the notebook did with a legacy runtime, that its image has scikit-learn alone."""


def asked(kind: str, spec: Json, tables: Tables) -> tuple[str, Json]:
    """The request for a spec as a user writes it."""
    checked = validate(kind, spec)
    assert checked.spec, checked.problems
    facts = VertexFacts()
    order = Order(kind, checked.spec.document(), facts.scope("p", facts.location(spec)), spec["jobId"], {})
    collection, body = request(order, tables)
    return collection, dict(body)


def like(body: Json, theirs: Json) -> Json:
    """Our request with what differs for a known reason as in theirs.

    - The notebooks ran on different days: names and buckets have the time in them.
    - Their images had their old names.
    """
    told = copy.deepcopy(body)
    told["displayName"] = theirs["displayName"]
    pool = package(told)
    theirs_pool = package(theirs)
    assert pool["executorImageUri"].removeprefix(IMAGES) == theirs_pool["executorImageUri"].removeprefix(
        OLD_IMAGES
    )
    pool["executorImageUri"] = theirs_pool["executorImageUri"]
    for field in ("packageUris", "args"):
        assert [without_bucket(text) for text in pool[field]] == [
            without_bucket(text) for text in theirs_pool[field]
        ]
        pool[field] = theirs_pool[field]
    return told


def package(body: Json) -> Json:
    spec = body["jobSpec"] if "jobSpec" in body else body["trialJobSpec"]
    found: Json = spec["workerPoolSpecs"][0]["pythonPackageSpec"]
    return found


def without_bucket(text: str) -> str:
    head, _, tail = text.partition("gs://")
    return head + tail.partition("/")[2].rstrip("0123456789")


def legacy(folder: Path, name: str) -> Json:
    body: Json = calls(folder, f"{name}.ml-v1.json")[0][0]["body"]
    return {"jobId": body["jobId"], "projectId": "p", "trainingInput": body["trainingInput"]}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_training_job_is_asked_for_as_the_notebook_does(folder: Path) -> None:
    theirs = calls(folder, "uj10-sklearn.vertex.json")[0][0]["customJob"]
    collection, body = asked(TRAINING_JOB.name, legacy(folder, "uj10-sklearn"), SKLEARN)
    assert collection == "customJobs"
    assert like(body, theirs) == theirs


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_search_is_asked_for_as_the_notebook_does(folder: Path) -> None:
    theirs = calls(folder, "uj11-tuning.vertex.json")[0][0]["hyperparameterTuningJob"]
    collection, body = asked(TRAINING_JOB.name, legacy(folder, "uj11-tuning"), shipped())
    assert collection == "hyperparameterTuningJobs"
    assert like(body, theirs) == theirs


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_batch_prediction_is_asked_for_as_the_notebook_does(folder: Path) -> None:
    """The notebook's first half had no batch prediction on ml v1: this is what it would have been."""
    theirs = calls(folder, "uj10-sklearn.vertex.json")[0][1]["batchPredictionJob"]
    spec = {
        "jobId": "census",
        "projectId": "p",
        "predictionInput": {
            "dataFormat": "TEXT",
            "inputPaths": theirs["inputConfig"]["gcsSource"]["uris"],
            "outputPath": theirs["outputConfig"]["gcsDestination"]["outputUriPrefix"],
            "region": "us-central1",
            "modelName": "projects/p/models/census",
        },
    }
    tables = Tables.parse({"models": {"census": {"default": theirs["model"]}}})
    collection, body = asked(PREDICTION_JOB.name, spec, tables)
    assert collection == "batchPredictionJobs"
    own = {key: value for key, value in theirs.items() if key != "modelParameters"}  # parameters of AutoML
    assert {**body, "displayName": own["displayName"]} == own


def test_both_halves_of_a_finished_search_read_alike() -> None:
    """The trials of ml v1 come best first and as text; so do those that are read from Vertex AI."""
    answer = calls(EXTRACTS, "uj11-tuning.ml-v1.json")[1][-1]
    values = [trial["finalMetric"]["objectiveValue"] for trial in answer["trainingOutput"]["trials"]]
    assert values == sorted(values)
    assert {
        type(value)
        for trial in answer["trainingOutput"]["trials"]
        for value in trial["hyperparameters"].values()
    } == {str}
