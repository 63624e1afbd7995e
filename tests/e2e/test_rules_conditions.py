"""The match conditions on a real API server: which new specs are not judged, and how large these may be.

In a namespace of its own a second policy refuses what the conditions of the first leave to be judged. That
nothing is missed, `test_rules_cel` shows: there each case, and each random change, goes through both.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from mljobs.admin import crds as shipped
from mljobs.api.policy_conditions import APART, COUNTED, JUDGED
from mljobs.api.resources import API_VERSION, GROUP, KINDS, VERSION
from mljobs_dev.controlplane.client import ApiError
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import eventually
from tests.unit.domain.rule_case import IMAGE, PACKAGES, PREDICT, merged
from tests.unit.domain.rule_cases import CASES

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

NAMESPACE, OTHERS = "conditions", "default"
JUDGED_WORD = "this spec is judged"
LEFT = [merged(spec, {"placements": [{"region": "us-central1"}]}) for spec in (PACKAGES, PREDICT)]
"""Valid specs, one of each kind, with something that no condition looks at."""

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"


def probe(name: str) -> list[Json]:
    """A policy that refuses what another judges, and its binding to one namespace."""
    policy, binding = shipped.policy(KINDS[name])
    spec = policy["spec"]
    _, *conditions = spec.pop("matchConditions")
    for document in (policy, binding):
        document["metadata"]["name"] = f"conditions.{KINDS[name].crd_name}"
    spec["variables"] = [
        {"name": f"condition{number}", "expression": one["expression"]}
        for number, one in enumerate(conditions)
    ]
    judges = " && ".join(f"variables.{one['name']}" for one in spec["variables"])
    spec["validations"] = [{"expression": f"!({judges})", "message": JUDGED_WORD}]
    binding["spec"] |= {
        "policyName": policy["metadata"]["name"],
        "matchResources": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
        },
    }
    return [policy, binding]


class Asked:
    """What the API server says to a spec, by a dry run: nothing where it accepts."""

    def __init__(self, plane: ControlPlane) -> None:
        self._client = plane.client

    def __call__(self, kind: str, spec: Json, namespace: str = NAMESPACE) -> str:
        body = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "case"}, "spec": spec}
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{KINDS[kind].plural}?dryRun=All"
        try:
            self._client.request("POST", path, body)
        except ApiError as error:
            if error.status != 422:
                raise
            return str(error)
        return ""


@pytest.fixture(scope="module")
def asked(control_plane: ControlPlane, crds: None) -> Iterator[Asked]:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    documents = [document for name in KINDS for document in probe(name)]
    control_plane.apply([space, *documents])
    ask = Asked(control_plane)
    for name, spec in zip(KINDS, LEFT, strict=True):
        eventually(partial(ask, name, spec), lambda said: JUDGED_WORD in said, what=f"{name} is probed")
    yield ask
    for policy, binding in map(probe, KINDS):
        control_plane.client.request("DELETE", f"{BINDINGS}/{binding['metadata']['name']}")
        control_plane.client.request("DELETE", f"{POLICIES}/{policy['metadata']['name']}")


def looked_at(spec: Any) -> bool:
    """Whether the conditions look at all that is in a spec of one part."""
    if isinstance(spec, dict):
        return not APART & spec.keys() and len(spec) <= JUDGED and all(map(looked_at, spec.values()))
    return not isinstance(spec, list) or (len(spec) <= JUDGED and all(map(looked_at, spec)))


def test_what_keeps_all_rules_is_not_judged(asked: Asked) -> None:
    counted = 0
    for case in CASES:
        parts = {KINDS[case.kind].input_field, "vertex"} & case.spec.keys()
        if not case.holds or len(parts) > 1 or not looked_at(case.spec):
            continue
        if not asked(case.kind, case.spec, OTHERS):
            counted += 1
            assert asked(case.kind, case.spec) == "", case
    assert counted > 200


def test_what_no_condition_looks_at_is_judged_and_taken(asked: Asked) -> None:
    both_parts = merged(IMAGE, {"vertex": {"jobSpec": {"network": "projects/1/global/networks/n"}}})
    for kind, spec in [*zip(KINDS, LEFT, strict=True), ("TrainingJob", both_parts)]:
        assert asked(kind, spec, OTHERS) == ""
        assert JUDGED_WORD in asked(kind, spec)


def texts(count: int, length: int, start: str = "") -> list[str]:
    return [f"{start}{number:03}".ljust(length, "o") for number in range(count)]


LABELS = {"labels": dict.fromkeys(texts(JUDGED, 63, "k"), "v" * 63)}
URIS = texts(JUDGED, 2048, "gs://bucket/")
ENV = [{"name": name, "value": "v"} for name in texts(JUDGED, 128, "N")]
MACHINES = {"machineType": "n1-standard-8", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 2}
MOUNTS = [
    {"server": "10.0.0.2", "path": path, "mountPoint": f"/mnt/nfs{path}"} for path in texts(4, 100, "/")
]
CONTAINERS = {
    "machineSpec": MACHINES,
    "replicaCount": 1,
    "containerSpec": {"imageUri": "i" * 2048, "args": texts(COUNTED, 100), "env": ENV},
    "nfsMounts": MOUNTS,
}


def python(uris: list[str]) -> Json:
    """A pool that runs packages."""
    return {
        "machineSpec": MACHINES,
        "replicaCount": 1,
        "pythonPackageSpec": {
            "executorImageUri": "i" * 2048,
            "packageUris": uris,
            "pythonModule": "trainer.task",
            "args": texts(COUNTED, 20),
            "env": ENV,
        },
        "nfsMounts": MOUNTS,
    }


def pools(pool: Json) -> Json:
    """A spec of four pools that are the same."""
    work = {"region": "us-central1", "jobSpec": {"workerPoolSpecs": [pool] * 4}}
    return {"projectId": "my-project", **LABELS, "vertex": work}


LARGEST: dict[str, tuple[str, Json]] = {
    "packages": (
        "TrainingJob",
        merged(PACKAGES, {**LABELS, "trainingInput": {"packageUris": URIS, "args": texts(COUNTED, 256)}}),
    ),
    "arguments": ("TrainingJob", merged(IMAGE, {"trainingInput": {"args": ["<" * 30_000] * 6}})),
    "containers": ("TrainingJob", pools(CONTAINERS)),
    "python": ("TrainingJob", pools(python(URIS[:8]))),
    "inputs": ("PredictionJob", merged(PREDICT, {**LABELS, "predictionInput": {"inputPaths": URIS}})),
}
"""Valid specs with as many and as long members as a condition looks at."""


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_that_is_looked_at_is_within_the_cost_limit(name: str, asked: Asked) -> None:
    assert asked(*LARGEST[name]) == ""


BEYOND: dict[str, tuple[str, Json]] = {
    "packages": ("TrainingJob", merged(PACKAGES, {"trainingInput": {"packageUris": [*URIS, URIS[0]]}})),
    "arguments": ("TrainingJob", merged(PACKAGES, {"trainingInput": {"args": texts(1024, 256)}})),
    "labels": ("TrainingJob", merged(PACKAGES, {"labels": dict.fromkeys(texts(60, 63, "k"), "v")})),
    "inputs": (
        "PredictionJob",
        merged(PREDICT, {"predictionInput": {"inputPaths": texts(1024, 200, "gs://b/")}}),
    ),
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_is_larger_is_judged_and_taken(name: str, asked: Asked) -> None:
    assert asked(*BEYOND[name], OTHERS) == ""
    assert JUDGED_WORD in asked(*BEYOND[name])


@pytest.mark.parametrize(
    ("kind", "spec", "said"),
    [
        (
            "TrainingJob",
            merged(PACKAGES, {"trainingInput": {"packageUris": [*URIS, "here"]}}),
            f"spec.trainingInput.packageUris[{JUDGED}]: Invalid value: ",
        ),
        (
            "TrainingJob",
            merged(PACKAGES, {"labels": {**dict.fromkeys(texts(50, 63, "k"), "v"), "worse": "X"}}),
            "spec.labels[worse]: Invalid value: ",
        ),
        (
            "TrainingJob",
            pools(python(URIS)),
            "of all pools together have at most 100000 characters",
        ),
        (
            "PredictionJob",
            merged(PREDICT, {"predictionInput": {"inputPaths": [*texts(1000, 200, "gs://b/"), "here"]}}),
            "spec.predictionInput.inputPaths[1000]: Invalid value: ",
        ),
    ],
)
def test_a_problem_of_what_is_large_is_told(kind: str, spec: Json, said: str, asked: Asked) -> None:
    assert said in asked(kind, spec, OTHERS)
