"""`kubectl mljobs import`: which jobs get which resources."""

from typing import Any

from hypothesis import given

from mljobs.api.resources import KINDS
from mljobs.backends.mlv1.translate import to_job
from mljobs.domain.job.naming import ownership_labels
from mljobs.domain.job.resource import Resource
from mljobs.domain.port import Owner
from mljobs.domain.spec.validate import validate
from mljobs.kubectl.importing import plan_import
from tests.strategies import kinds_and_specs

Json = dict[str, Any]

INPUT: Json = {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/team/trainer:1"}}


def job(job_id: str, **more: Any) -> Json:
    return {"jobId": job_id, "state": "RUNNING", "etag": "e", "trainingInput": INPUT, **more}


def existing(name: str, job_id: str, project: str | None = "p") -> Json:
    spec = {"jobId": job_id, **({"projectId": project} if project else {})}
    return {"kind": "TrainingJob", "metadata": {"name": name}, "spec": spec}


def test_a_training_job() -> None:
    plan = plan_import([job("census_nightly", labels={"team": "a"})], "p", [], namespace="team-a")
    assert plan.manifests == [
        {
            "apiVersion": "mljobs.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {
                "name": "census-nightly",
                "namespace": "team-a",
                "annotations": {"mljobs.dev/adopt": "true"},
            },
            "spec": {
                "projectId": "p",
                "jobId": "census_nightly",
                "labels": {"team": "a"},
                "trainingInput": INPUT,
            },
        }
    ]
    assert not plan.left_out
    assert not plan.refused


def test_a_policy_for_all() -> None:
    (made,) = plan_import([job("a")], "p", [], {"deletionPolicy": "Orphan"}).manifests
    assert made["spec"]["deletionPolicy"] == "Orphan"


def test_what_has_a_resource_or_another_owner_is_left_out() -> None:
    plan = plan_import(
        [
            job("here"),
            job("here_by_default"),
            job("elsewhere", labels=ownership_labels(Owner("team-b", "other", "some-uid"), 1)),
            {"jobId": "empty", "state": "QUEUED"},
            job("wanted"),
        ],
        "p",
        [
            existing("one", "here"),
            existing("two", "here_by_default", project=None),
            existing("three", "wanted", project="another"),
        ],
    )
    assert [made["spec"]["jobId"] for made in plan.manifests] == ["wanted"]
    assert plan.left_out == [
        "here: is one's already",
        "here_by_default: is two's already",
        "elsewhere: belongs to team-b/other, as its label mljobs-uid says",
        "empty: has neither trainingInput nor predictionInput",
    ]


def test_names_that_would_be_alike_are_told_apart() -> None:
    plan = plan_import([job("a_1"), job("A_1"), job("taken")], "p", [existing("taken", "other")])
    names = [made["metadata"]["name"] for made in plan.manifests]
    assert len(set(names)) == 3
    assert [name.rsplit("-", 1)[0] for name in names] == ["a-1", "a-1", "taken"]


def test_what_breaks_a_rule_is_refused_with_the_rule() -> None:
    plan = plan_import([job("old", trainingInput={"masterType": "n1-standard-4"}), job("new")], "p", [])
    assert [made["spec"]["jobId"] for made in plan.manifests] == ["new"]
    (line,) = plan.refused
    assert line.startswith("old: spec.trainingInput.")


@given(kinds_and_specs())
def test_every_job_that_the_operator_would_make_can_be_imported(drawn: tuple[str, Json]) -> None:
    kind, spec = drawn
    model = validate(kind, spec, default_project="p").spec
    assert model is not None
    document = to_job(kind, model.document(), job_id="census", labels={})
    (made,) = plan_import([document], "p", []).manifests
    assert made["kind"] == kind
    assert Resource.parse(made).adopt
    assert validate(kind, made["spec"]).spec is not None
    field = KINDS[kind].input_field
    assert made["spec"][field] == document[field]
