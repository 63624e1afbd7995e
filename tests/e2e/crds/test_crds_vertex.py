"""`spec.vertex` on a real API server: client-side apply, the cost limits, what is fixed once submitted."""

import json

import pytest

from mljobs.admin import crds
from mljobs.api.resources import PREDICTION_JOB, TRAINING_JOB, JobKind
from mljobs.domain.spec.rules.vertex import sizes
from tests.e2e.crds.support_crds import Json, Kubectl, both, resource
from tests.unit.domain.rule_case import merged
from tests.vertex_documents import BATCH, CUSTOM, LEAF, SEARCHES


def whole(kind: JobKind, name: str, block: Json) -> Json:
    """A resource that is described in its block alone."""
    return {**resource(kind, name), "spec": {"projectId": "my-project", "vertex": block}}


@both
@pytest.mark.parametrize("what", ["CRD", "policy"])
def test_it_can_be_applied_by_the_client(kubectl: Kubectl, kind: JobKind, what: str) -> None:
    """Client-side apply keeps the whole object in an annotation, and there is room for 256 KiB of these."""
    text = json.dumps(crds.definition(kind) if what == "CRD" else crds.policy(kind)[0])
    done = kubectl.run("apply", "-f", "-", "--dry-run=server", "-o", "json", stdin=text)
    assert done.returncode == 0, done.stderr
    annotations = json.loads(done.stdout)["metadata"]["annotations"]
    assert annotations["kubectl.kubernetes.io/last-applied-configuration"]
    assert sum(len(f"{key}{value}".encode()) for key, value in annotations.items()) < 240 * 1024


LARGEST: list[tuple[JobKind, Json]] = [
    (
        TRAINING_JOB,
        merged(
            CUSTOM,
            {
                "jobSpec": {
                    "workerPoolSpecs": [
                        {
                            **CUSTOM["jobSpec"]["workerPoolSpecs"][2],
                            "replicaCount": 1,
                            "pythonPackageSpec": {
                                **CUSTOM["jobSpec"]["workerPoolSpecs"][2]["pythonPackageSpec"],
                                "packageUris": [f"gs://b/{'p' * 60}{n}" for n in range(100)],
                                "args": ["a"] * 1024,
                                "env": [{"name": f"{'N' * 60}{n}", "value": "v"} for n in range(100)],
                            },
                        }
                    ]
                    * 4
                }
            },
        ),
    ),
    (
        TRAINING_JOB,
        merged(
            SEARCHES[1],
            {
                "studySpec": {
                    "parameters": [
                        {**LEAF[0], "parameterId": f"{'x' * 120}{number}"}
                        for number in range(sizes.PARAMETERS)
                    ]
                }
            },
        ),
    ),
    (
        PREDICTION_JOB,
        merged(
            BATCH,
            {"batchPredictionJob": {"inputConfig": {"gcsSource": {"uris": [f"gs://b/{'o' * 100}"] * 1024}}}},
        ),
    ),
]


@pytest.mark.parametrize(("kind", "block"), LARGEST, ids=["pools", "parameters", "uris"])
def test_the_largest_blocks_are_within_the_cost_limits(kubectl: Kubectl, kind: JobKind, block: Json) -> None:
    kubectl.apply(whole(kind, "largest", block))
    kubectl.out("delete", kind.plural, "largest")


CHANGED: list[tuple[JobKind, str, Json, Json]] = [
    (TRAINING_JOB, "region", CUSTOM, {"region": "europe-west4"}),
    (TRAINING_JOB, "displayName", CUSTOM, {"displayName": None}),
    (TRAINING_JOB, "jobSpec", CUSTOM, {"jobSpec": {"scheduling": {"timeout": "7201s"}}}),
    (
        TRAINING_JOB,
        "jobSpec",
        CUSTOM,
        {"jobSpec": {"workerPoolSpecs": [CUSTOM["jobSpec"]["workerPoolSpecs"][0]]}},
    ),
    (TRAINING_JOB, "studySpec", SEARCHES[1], {"studySpec": {"algorithm": "GRID_SEARCH"}}),
    (TRAINING_JOB, "maxTrialCount", SEARCHES[1], {"maxTrialCount": 21}),
    (TRAINING_JOB, "maxFailedTrialCount", SEARCHES[1], {"maxFailedTrialCount": None}),
    (TRAINING_JOB, "encryptionSpec", CUSTOM, {"encryptionSpec": None}),
    (
        PREDICTION_JOB,
        "batchPredictionJob",
        BATCH,
        {"batchPredictionJob": {"modelParameters": {"threshold": 0.6}}},
    ),
    (PREDICTION_JOB, "batchPredictionJob", BATCH, {"batchPredictionJob": {"modelParameters": None}}),
    (PREDICTION_JOB, "models", BATCH, {"models": {"m": {"default": "projects/p/locations/l/models/1"}}}),
]


@pytest.mark.parametrize(("kind", "field", "block", "change"), CHANGED, ids=lambda value: str(value)[:20])
def test_fixed_once_submitted(kubectl: Kubectl, kind: JobKind, field: str, block: Json, change: Json) -> None:
    name = f"fixed-{abs(hash(json.dumps(change))):x}"
    kubectl.apply(whole(kind, name, block))
    kubectl.submitted(kind, name)
    done = kubectl.patch(kind, name, {"spec": {"vertex": change}})
    words = f"vertex.{field} cannot be changed once the job is submitted; make a new {kind.name} instead"
    assert f"spec.vertex: Forbidden: {words}" in done.stderr


def test_the_block_cannot_be_added_or_taken_away_once_submitted(kubectl: Kubectl) -> None:
    kubectl.apply(resource(TRAINING_JOB, "without"), whole(TRAINING_JOB, "with", CUSTOM))
    for name, change in (
        ("without", {"vertex": {"displayName": "a"}}),
        ("with", {"vertex": None, "trainingInput": resource(TRAINING_JOB, "x")["spec"]["trainingInput"]}),
    ):
        kubectl.submitted(TRAINING_JOB, name)
        done = kubectl.patch(TRAINING_JOB, name, {"spec": change})
        assert "spec.vertex: Forbidden: vertex cannot be changed" in done.stderr


def test_another_spelling_is_no_change(kubectl: Kubectl) -> None:
    kubectl.apply(whole(TRAINING_JOB, "spelt", CUSTOM))
    kubectl.submitted(TRAINING_JOB, "spelt")
    pools = [dict(pool) for pool in CUSTOM["jobSpec"]["workerPoolSpecs"]]
    pools[0]["replicaCount"] = 1
    pools[2]["replicaCount"] = "02"
    for change in (
        {"jobSpec": {"workerPoolSpecs": pools}},
        {"jobSpec": {"scheduling": {"timeout": "7200.0s"}}},
    ):
        done = kubectl.patch(TRAINING_JOB, "spelt", {"spec": {"vertex": change}})
        assert done.returncode == 0, done.stderr
    pools[2]["replicaCount"] = 3
    done = kubectl.patch(TRAINING_JOB, "spelt", {"spec": {"vertex": {"jobSpec": {"workerPoolSpecs": pools}}}})
    assert "vertex.jobSpec cannot be changed" in done.stderr
