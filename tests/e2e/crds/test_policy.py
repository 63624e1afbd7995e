"""The policies on a real API server: when a spec is judged, how its problems are told, and when it is not."""

import json
from collections.abc import Iterator

import pytest

from mljobs.admin import crds
from mljobs.api import policy
from mljobs.api.resources import TRAINING_JOB, JobKind
from mljobs.domain.spec.rules.vertex import sizes
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.crds.support_crds import Json, Kubectl, both, resource
from tests.e2e.support import eventually

BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
BROKEN: dict[str, Json] = {
    "TrainingJob": {"region": None, "scaleTier": "CUSTOM"},
    "PredictionJob": {"region": None, "outputPath": "here"},
}
MENDED: dict[str, Json] = {
    "TrainingJob": {"region": "us-central1", "scaleTier": None},
    "PredictionJob": {"region": "us-central1", "outputPath": "gs://bucket/out"},
}
PROBLEMS = {
    "TrainingJob": [
        "spec.trainingInput.region: Required value: the region to run in is required",
        "spec.trainingInput.masterType: Required value: ",
    ],
    "PredictionJob": [
        "spec.predictionInput.region: Required value: the region to run in is required",
        "spec.predictionInput.outputPath: Invalid value: ",
    ],
}


def broken(kind: JobKind, name: str) -> Json:
    return resource(kind, name, **BROKEN[kind.name])


@both
def test_all_problems_are_told_at_once(kubectl: Kubectl, kind: JobKind) -> None:
    said = kubectl.refuse(broken(kind, "broken"))
    assert f'The {kind.plural} "broken" is invalid' in said
    for problem in PROBLEMS[kind.name]:
        assert problem in said
    assert said.count(": Required value: ") + said.count(": Invalid value: ") >= 2
    assert len(said.strip().splitlines()) == 1


def test_the_items_of_lists_and_maps_are_named(kubectl: Kubectl) -> None:
    params = [{"parameterName": "x", "type": "DISCRETE", "discreteValues": [1.0]}, {"type": "DISCRETE"}]
    document = resource(
        TRAINING_JOB, "named", {"labels": {"good": "x", "worse": "X"}}, hyperparameters={"params": params}
    )
    said = kubectl.refuse(document)
    place = "spec.trainingInput.hyperparameters.params[1]"
    for field in (f"{place}.parameterName: Required", f"{place}.discreteValues: Required"):
        assert field in said
    assert "spec.labels[worse]: Invalid value: a label's value" in said
    assert "params[0]" not in said


def test_more_than_fits_is_cut_and_says_so(kubectl: Kubectl) -> None:
    params = [{"parameterName": f"p{number}", "type": "DISCRETE"} for number in range(sizes.PARAMETERS)]
    said = kubectl.refuse(resource(TRAINING_JOB, "many", hyperparameters={"params": params}))
    assert "params[0].discreteValues: Required value" in said
    assert said.strip().endswith(policy.MORE)


def test_a_key_that_would_break_the_line_gets_the_general_message(kubectl: Kubectl) -> None:
    said = kubectl.refuse(resource(TRAINING_JOB, "lines", {"labels": {"a\nb": "X"}}))
    assert policy.FALLBACK in said


@both
def test_a_changed_spec_is_judged_and_a_status_is_not(kubectl: Kubectl, kind: JobKind) -> None:
    kubectl.apply(resource(kind, "changed"))
    change = {"spec": {kind.input_field: {"region": None}}}
    for how in ((), ("--dry-run=server",)):
        done = kubectl.patch(kind, "changed", change, *how)
        assert f"spec.{kind.input_field}.region: Required value" in done.stderr
    # a patch of the status that names the spec is served, and changes none of it
    assert kubectl.patch(kind, "changed", change, "--subresource=status").returncode == 0
    assert kubectl.get(kind, "changed")["spec"][kind.input_field]["region"]


@pytest.fixture
def older(kubectl: Kubectl, control_plane: ControlPlane, kind: JobKind) -> Iterator[str]:
    """A resource that breaks rules, from before there were any; they are in force again."""
    control_plane.client.request("DELETE", f"{BINDINGS}/{kind.crd_name}")
    document = broken(kind, "older")
    document["metadata"]["finalizers"] = ["example.com/held"]
    try:
        eventually(
            lambda: kubectl.run("create", "-f", "-", stdin=json.dumps(document)),
            lambda done: done.returncode == 0,
            what="the policy is out of force",
        )
    finally:
        control_plane.apply(crds.policy(kind))
        control_plane.client.wait_in_force(crds.policy(kind))
    yield "older"
    kubectl.patch(kind, "older", {"metadata": {"finalizers": None}})
    kubectl.run("delete", kind.plural, "older", "--ignore-not-found", "--wait=false")


@both
def test_an_older_resource_that_breaks_a_rule_can_be_operated_and_mended(
    kubectl: Kubectl, kind: JobKind, older: str
) -> None:
    allowed: list[tuple[Json, tuple[str, ...]]] = [
        ({"metadata": {"annotations": {"example.com/seen": "true"}}}, ()),
        ({"metadata": {"finalizers": ["example.com/held", "mljobs.dev/cancel-job"]}}, ()),
        ({"status": {"observedGeneration": 1}}, ("--subresource=status",)),
        ({"spec": {"suspend": True}}, ()),
    ]
    for change, how in allowed:
        done = kubectl.patch(kind, older, change, *how)
        assert done.returncode == 0, done.stderr
    half = kubectl.patch(kind, older, {"spec": {kind.input_field: {"region": "us-central1"}}})
    assert PROBLEMS[kind.name][0] not in half.stderr
    assert PROBLEMS[kind.name][1] in half.stderr
    done = kubectl.patch(kind, older, {"spec": {kind.input_field: MENDED[kind.name]}})
    assert done.returncode == 0, done.stderr


@both
def test_the_finalizer_of_one_that_breaks_a_rule_can_be_taken_off(
    kubectl: Kubectl, kind: JobKind, older: str
) -> None:
    kubectl.out("delete", kind.plural, older, "--wait=false")
    assert kubectl.get(kind, older)["metadata"]["deletionTimestamp"]
    done = kubectl.patch(kind, older, {"metadata": {"finalizers": None}})
    assert done.returncode == 0, done.stderr
    assert "NotFound" in kubectl.run("get", kind.plural, older).stderr
