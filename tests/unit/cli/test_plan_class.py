"""`mljobs plan --class FILE`: what a class gives, lays under a spec, and does not allow."""

from pathlib import Path
from typing import Any

import pytest

from mljobs.api.resources import API_VERSION
from mljobs.console.documents import writing
from tests.unit.cli.test_plan import Json, manifest, planned
from tests.unit.domain.rule_case import IMAGE, merged

TRAIN: Json = {"trainingInput": IMAGE["trainingInput"]}


def job_class(name: str, spec: Json, *, default: bool = False) -> Json:
    annotations = {"mljobs.dev/is-default-class": "true"} if default else {}
    metadata = {"name": name, "annotations": annotations}
    return {"apiVersion": API_VERSION, "kind": "JobClass", "metadata": metadata, "spec": spec}


@pytest.fixture
def of(tmp_path: Path) -> Any:
    """The option that names a file with these classes."""

    def option(*classes: Json) -> str:
        file = tmp_path / "classes.yaml"
        file.write_text(writing.dump(list(classes)))
        return f"--class={file}"

    return option


VERTEX: Json = {
    "service": "VertexAI",
    "projects": ["team-project"],
    "locations": ["us-central1", "europe-west4"],
    "jobServiceAccounts": ["train@team-project.iam.gserviceaccount.com"],
    "machineTypes": ["n1-*"],
    "defaults": {"labels": {"team": "a"}, "network": "projects/1/global/networks/shared"},
}


def test_a_class_says_where_and_with_what(of: Any) -> None:
    outcome = planned(manifest(TRAIN), of(job_class("vertex", VERTEX)))
    assert outcome.code == 0, outcome
    assert "note: POST v1/projects/team-project/locations/us-central1/customJobs" in outcome.err
    assert "note: the class is vertex" in outcome.err
    job = outcome.request["jobSpec"]
    assert job["network"] == "projects/1/global/networks/shared"
    assert job["serviceAccount"] == "train@team-project.iam.gserviceaccount.com"
    assert outcome.request["labels"]["team"] == "a"


def test_deadlines_and_ttl_of_a_class_are_told(of: Any) -> None:
    defaults = {"activeDeadlineSeconds": 86400, "startDeadlineSeconds": 600, "ttlSecondsAfterFinished": 0}
    spec = {**TRAIN, "startDeadlineSeconds": 60}
    outcome = planned(manifest(spec), of(job_class("vertex", {**VERTEX, "defaults": defaults})))
    assert [line for line in outcome.err if "the class gives" in line] == [
        "note: the class gives spec.activeDeadlineSeconds: 86400",
        "note: the class gives spec.ttlSecondsAfterFinished: 0",
    ]


OTHER = "owner@other-project.iam.gserviceaccount.com"

REFUSED: dict[str, tuple[Json, str]] = {
    "project": (
        {"projectId": "other-project"},
        "spec.projectId: 'other-project' is not among the projects of the JobClass vertex: team-project.",
    ),
    "location": (
        {"trainingInput": {"region": "asia-east1"}},
        "spec.trainingInput.region: 'asia-east1' is not among the locations of the JobClass vertex: "
        "us-central1, europe-west4.",
    ),
    "machine": (
        {"trainingInput": {"scaleTier": "CUSTOM", "masterType": "a2-highgpu-1g"}},
        "spec.trainingInput.masterType: 'a2-highgpu-1g' is not among the machineTypes of the JobClass "
        "vertex: n1-*.",
    ),
    "account": (
        {"trainingInput": {"serviceAccount": OTHER}},
        f"spec.trainingInput.serviceAccount: '{OTHER}' is not among the jobServiceAccounts of the JobClass "
        f"vertex: train@team-project.iam.gserviceaccount.com.",
    ),
    "class": (
        {"jobClassName": "another"},
        "spec.jobClassName: there is no JobClass 'another'. The classes that it may use: vertex.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_class_does_not_allow(of: Any, name: str) -> None:
    more, message = REFUSED[name]
    outcome = planned(manifest(merged(TRAIN, more)), of(job_class("vertex", VERTEX)))
    assert outcome.code == 1
    assert outcome.out == [message]


def test_a_machine_of_a_placement_that_the_class_does_not_give(of: Any) -> None:
    custom = {**TRAIN["trainingInput"], "scaleTier": "CUSTOM", "masterType": "n1-standard-4"}
    spec = {**TRAIN, "trainingInput": custom, "placements": [{}, {"machineType": "n2-standard-4"}]}
    shared = {
        name: value for name, value in VERTEX.items() if name != "projects"
    }  # nor does the spec name one
    outcome = planned(manifest(spec), of(job_class("vertex", shared)))
    said = (
        "spec.placements[1].machineType: 'n2-standard-4' is not among the machineTypes of the JobClass vertex"
    )
    assert outcome.code == 1
    assert any(said in line for line in [*outcome.out, *outcome.err]), outcome


def test_several_classes_are_chosen_from_as_the_operator_does(of: Any) -> None:
    old = {"service": "MLv1", "projects": ["old-project"]}
    option = of(job_class("old", old, default=True), job_class("vertex", VERTEX))
    one, other = manifest(TRAIN), manifest({**TRAIN, "jobClassName": "vertex"})
    outcome = planned([one, other], option)
    assert outcome.code == 0, outcome
    assert ["jobId" in request for request in outcome.request] == [True, False]


def test_a_namespace_that_the_class_is_not_for(of: Any) -> None:
    named = {**VERTEX, "namespaces": {"names": ["team-b"]}}
    outcome = planned(manifest(TRAIN), of(job_class("vertex", named)))
    assert outcome.code == 1
    assert outcome.out == [
        "spec.jobClassName: the namespace team-a may not use 'vertex'. There is no class that it may use."
    ]


def test_labels_of_namespaces_are_not_known_without_a_cluster(of: Any) -> None:
    by_labels = {**VERTEX, "namespaces": {"matchLabels": {"team": "a"}}}
    outcome = planned(manifest(TRAIN), of(job_class("vertex", by_labels)))
    assert outcome.code == 0
    assert any("those of team-a are not known here" in line for line in outcome.err)


@pytest.mark.parametrize(
    "option", ["--service=MLv1", "--project=p", "--location=us-central1", "--tables=tables.yaml"]
)
def test_what_the_class_says_is_not_said_twice(of: Any, option: str) -> None:
    outcome = planned(manifest(TRAIN), of(job_class("vertex", VERTEX)), option)
    assert outcome.code == 1
    name = option.partition("=")[0]
    assert outcome.err == [f"mljobs plan: {name} cannot be given beside --class: the class says it"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"service": "Azure"}, "spec.service: Input should be 'MLv1' or 'VertexAI'"),
        ({**VERTEX, "defaults": {"tables": {"wrong": 1}}}, "spec.defaults.tables: "),
    ],
)
def test_a_class_that_cannot_be_used(of: Any, spec: Json, message: str) -> None:
    outcome = planned(manifest(TRAIN), of(job_class("broken", spec)))
    assert outcome.code == 1
    assert f"JobClass broken: {message}" in outcome.err[0]


def test_a_file_without_a_class(of: Any) -> None:
    outcome = planned(manifest(TRAIN), of(manifest(TRAIN)))
    assert outcome.code == 1
    assert outcome.err[0].endswith("has no JobClass")


def test_a_name_needs_a_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    outcome = planned(manifest(TRAIN), "--class=vertex")
    assert outcome.code == 1
    assert outcome.err[0].startswith("mljobs plan: --class vertex: ")
    assert "KUBECONFIG" in outcome.err[0]
