"""The request that is made from a spec, against the discovery document."""

import copy
from functools import cache
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings

from mljobs.api.crd import structural, walk
from mljobs.api.resources import KINDS
from mljobs.backends.mlv1.translate import to_job
from mljobs.domain.spec.lenient import canonical
from mljobs.domain.spec.validate import validate
from mljobs_dev.emulator import schema as emulated
from mljobs_dev.emulator import validation
from tests.strategies import kinds_and_specs, specs
from tests.unit.api import discovery
from tests.unit.domain.rule_case import IMAGE, PREDICT, merged

Json = dict[str, Any]

OWN = {"mljobs-uid": "u-1", "mljobs-namespace": "team-a", "mljobs-name": "census"}


def request(kind: str, spec: Json, labels: dict[str, str] = OWN) -> Json:
    """Translate a spec that has to be valid."""
    checked = validate(kind, spec, default_project="p")
    assert checked.spec is not None, checked.problems
    return dict(to_job(kind, checked.spec.document(), job_id="job_1", labels=labels))


@cache
def schemas() -> dict[str, discovery.Schema]:
    return discovery.load()


def complaints(node: discovery.Schema, value: Any, path: str = "") -> list[str]:
    """What of a value the discovery document does not allow, canonical JSON being meant."""
    if "$ref" in node:
        node = schemas()[node["$ref"]]
    if node["type"] == "object" and isinstance(value, dict):
        found = []
        for key, item in value.items():
            child = node.get("properties", {}).get(key) or node.get("additionalProperties")
            found += complaints(child, item, f"{path}.{key}") if child else [f"{path}.{key}: unknown"]
        return found
    if node["type"] == "array" and isinstance(value, list):
        return [line for item in value for line in complaints(node["items"], item, f"{path}[]")]
    return [] if _fits(node, value) else [f"{path}: {value!r} is no {node['type']} {node.get('format')}"]


def _fits(node: discovery.Schema, value: Any) -> bool:
    if "enum" in node:
        return value in node["enum"]
    if node["type"] == "string":
        return isinstance(value, str) and (node.get("format") != "int64" or str(int(value)) == value)
    types: dict[str, Any] = {"integer": int, "number": (int, float), "boolean": bool}
    expected = types.get(node["type"], ())
    return isinstance(value, expected) and (isinstance(value, bool) == (node["type"] == "boolean"))


@given(kinds_and_specs())
@settings(max_examples=100, deadline=None)
def test_request_is_what_the_discovery_document_allows(made: tuple[str, Json]) -> None:
    kind, spec = made
    assert complaints(schemas()[discovery.JOB], request(kind, spec)) == []


@given(kinds_and_specs())
@settings(max_examples=100, deadline=None)
def test_emulator_takes_the_request_to_the_letter(made: tuple[str, Json]) -> None:
    kind, spec = made
    job = request(kind, spec)
    message = emulated.ml_v1().message(discovery.JOB)
    read = message.decode(job)
    assert read == job
    validation.check_job(read)


@given(kinds_and_specs())
@settings(max_examples=100, deadline=None)
def test_nothing_is_lost_added_or_changed(made: tuple[str, Json]) -> None:
    kind, spec = made
    field = KINDS[kind].input_field
    wanted, problems = canonical(kind, spec)
    assert problems == ()
    assert request(kind, spec) == {
        "jobId": "job_1",
        "labels": {**spec.get("labels", {}), **OWN},
        field: wanted[field],
    }


@given(kinds_and_specs())
@settings(max_examples=30, deadline=None)
def test_translation_leaves_its_input_alone(made: tuple[str, Json]) -> None:
    kind, spec = made
    before = copy.deepcopy(spec)
    assert request(kind, spec) == request(kind, spec)
    assert spec == before


def _paths(value: Any, path: str) -> set[str]:
    if isinstance(value, dict):
        return {path}.union(*(_paths(item, f"{path}.{key}") for key, item in value.items()))
    if isinstance(value, list):
        return {path}.union(*(_paths(item, f"{path}[]") for item in value))
    return {path}


ELSEWHERE = {"vertex", "jobClassName", "placements", "placementPolicy"}
"""Fields that no request to ml v1 is made of."""


@pytest.mark.parametrize("kind", KINDS)
def test_random_specs_use_every_field(kind: str) -> None:
    seen: set[str] = set()
    steady = settings(deadline=None, derandomize=True, database=None, phases=[Phase.generate])

    @given(specs(kind))
    @settings(steady, max_examples=200)
    def collect(spec: Json) -> None:
        seen.update(_paths({**spec, "labels": None}, "spec"))

    collect()
    every = {
        f"spec.{path}"
        for path, _ in walk(structural(KINDS[kind].spec))
        if path and "{}" not in path and path.split(".")[0].removesuffix("[]") not in ELSEWHERE
    }
    for path in sorted(every - seen):
        found = find(
            specs(kind),
            lambda spec, path=path: path in _paths(spec, "spec"),  # type: ignore[misc]
            settings=settings(steady, max_examples=2000),
        )
        assert found


TRAINING = [
    ({"serviceAccount": ""}, {}),
    ({"serviceAccount": "a@b.c"}, {"serviceAccount": "a@b.c"}),
    ({"workerCount": 0}, {"workerCount": "0"}),
    ({"workerCount": "0"}, {"workerCount": "0"}),
    ({"args": []}, {"args": []}),
    ({"jobDir": ""}, {"jobDir": ""}),
    ({"enableWebAccess": False}, {"enableWebAccess": False}),
    ({"scheduling": {"priority": 0}}, {"scheduling": {"priority": 0}}),
    ({"scheduling": {}}, {"scheduling": {}}),
    ({"scaleTier": "BASIC"}, {"scaleTier": "BASIC"}),
]


@pytest.mark.parametrize(("given_fields", "sent"), TRAINING, ids=lambda fields: str(fields)[:40])
def test_training_input(given_fields: Json, sent: Json) -> None:
    job = request("TrainingJob", merged(IMAGE, {"trainingInput": given_fields}))
    assert job["trainingInput"] == {**IMAGE["trainingInput"], **sent}


def test_what_is_not_the_jobs_stays_here() -> None:
    job = request(
        "PredictionJob", merged(PREDICT, {"deletionPolicy": "Orphan", "suspend": True, "jobId": "a"})
    )
    assert set(job) == {"jobId", "labels", "predictionInput"}
    assert job["jobId"] == "job_1"


def test_ownership_labels_win() -> None:
    spec = merged(PREDICT, {"labels": {"mljobs-uid": "forged", "team": "a"}})
    assert request("PredictionJob", spec)["labels"] == {"team": "a", **OWN}


def test_no_labels_at_all_are_no_field() -> None:
    assert "labels" not in request("PredictionJob", PREDICT, {})
