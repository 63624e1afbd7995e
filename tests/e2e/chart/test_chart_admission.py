"""The limits of JobClasses as the API server tells them, by the chart's admission policy."""

from collections.abc import Callable
from typing import Any

import pytest

from mljobs.admin import crds
from mljobs.api.jobclass import DEFAULT_CLASS
from mljobs.api.resources import API_VERSION
from mljobs_dev.controlplane.client import ApiError
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.chart.support_chart import Helm
from tests.e2e.support import Json, eventually, prediction, training

ACCOUNT = "train@proj-a.iam.gserviceaccount.com"


def job_class(name: str, **spec: Any) -> Json:
    metadata = {"name": name, "annotations": {DEFAULT_CLASS: "true"} if name == "a" else {}}
    whole = {"service": "MLv1", **spec}
    return {"apiVersion": API_VERSION, "kind": "JobClass", "metadata": metadata, "spec": whole}


CLASSES = [
    job_class(
        "a",
        namespaces={
            "matchLabels": {"team": "a"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["gold"]},
                {"key": "zone", "operator": "NotIn", "values": ["dmz"]},
                {"key": "team", "operator": "Exists"},
                {"key": "legacy", "operator": "DoesNotExist"},
            ],
        },
        projects=["proj-a"],
        locations=["us-central1"],
        jobServiceAccounts=[ACCOUNT],
        machineTypes=["n1-*", "large_model"],
    ),
    job_class("b", namespaces={"names": ["team-b"]}, projects=["proj-b"]),
    job_class("all"),
    job_class("vertex", service="VertexAI", machineTypes=["g2-*"]),
]
NAMESPACES = {
    "team-a": {"team": "a", "tier": "gold"},
    "team-b": {"team": "b"},
    "silver": {"team": "a", "tier": "silver"},
    "dmz": {"team": "a", "tier": "gold", "zone": "dmz"},
    "legacy": {"team": "a", "tier": "gold", "legacy": ""},
}
CUSTOM: Json = {"scaleTier": "CUSTOM", "masterType": "n1-standard-4"}
MACHINE: Json = {"machineSpec": {"machineType": "a2-highgpu-1g"}}
POOLS = [{**MACHINE, "machineSpec": {"machineType": "g2-standard-4"}}, {}, {**MACHINE, "replicaCount": 1}]
NOT_A, NOT_B = "may not use a", "may not use b"

# the namespace, the manifest, and what is said; empty: it is taken
TABLE: dict[str, tuple[str, Json, str]] = {
    "by default": ("team-a", training("x", {"projectId": "proj-a"}), ""),
    "without a project": ("team-a", training("x"), ""),
    "another project": ("team-a", training("x", {"projectId": "proj-b"}), "spec.projectId: it is not among"),
    "another region": (
        "team-a",
        training("x", region="europe-west4"),
        "region: it is not among the locations",
    ),
    "another region of a prediction": ("team-a", prediction("x", region="europe-west4"), "region: it is not"),
    "another region of a placement": (
        "team-a",
        training("x", {"placements": [{}, {"region": "us-central1"}, {"region": "europe-west4"}]}),
        "placements: a region is not among the locations",
    ),
    "an account": ("team-a", training("x", serviceAccount=ACCOUNT), ""),
    "another account": (
        "team-a",
        training("x", serviceAccount="owner@proj-b.iam.gserviceaccount.com"),
        "serviceAccount: owner@proj-b.iam.gserviceaccount.com is not among the jobServiceAccounts",
    ),
    "another account in the block": (
        "team-a",
        training("x", {"vertex": {"jobSpec": {"serviceAccount": "owner@proj-b.iam.gserviceaccount.com"}}}),
        "serviceAccount: owner@proj-b.iam.gserviceaccount.com is not among the jobServiceAccounts",
    ),
    "another account of a prediction": (
        "team-a",
        prediction("x", {"vertex": {"batchPredictionJob": {"serviceAccount": "b@proj-b.example.com"}}}),
        "serviceAccount: b@proj-b.example.com is not among the jobServiceAccounts",
    ),
    "a machine type": ("team-a", training("x", workerType="n1-standard-8", **CUSTOM), ""),
    "a whole machine type": ("team-a", training("x", scaleTier="CUSTOM", masterType="large_model"), ""),
    "another machine type": (
        "team-a",
        training("x", parameterServerType="n2-standard-4", **CUSTOM),
        "machineType: n2-standard-4 is not among the machineTypes of the JobClass a: n1-*, large_model",
    ),
    "the beginning of a machine type": (
        "team-a",
        training("x", scaleTier="CUSTOM", masterType="large_model_v100"),
        "machineType: large_model_v100 is not",
    ),
    "a scale tier": ("team-a", training("x", scaleTier="PREMIUM_1"), "machineType: PREMIUM_1 is not among"),
    "a machine type in the block": (
        "team-b",
        training("x", {"jobClassName": "vertex", "vertex": {"jobSpec": {"workerPoolSpecs": POOLS}}}),
        "machineType: a2-highgpu-1g is not among the machineTypes of the JobClass vertex: g2-*",
    ),
    "a machine type of a prediction": (
        "team-b",
        prediction(
            "x", {"jobClassName": "vertex", "vertex": {"batchPredictionJob": {"dedicatedResources": MACHINE}}}
        ),
        "machineType: a2-highgpu-1g is not among",
    ),
    "a machine type of a placement": (
        "team-a",
        training("x", {"placements": [{}, {"machineType": "n2-standard-4"}]}, **CUSTOM),
        "machineType: n2-standard-4 is not among",
    ),
    "older names on Vertex AI": ("team-b", training("x", {"jobClassName": "vertex"}, **CUSTOM), ""),
    "another class": ("team-a", training("x", {"jobClassName": "b"}), NOT_B),
    "its class": ("team-b", training("x", {"jobClassName": "b", "projectId": "proj-b"}), ""),
    "by default for another": ("team-b", training("x"), NOT_A),
    "a class for all": ("team-b", training("x", {"jobClassName": "all", "projectId": "proj-z"}), ""),
    "In": ("silver", training("x"), NOT_A),
    "NotIn": ("dmz", training("x"), NOT_A),
    "DoesNotExist": ("legacy", training("x"), NOT_A),
}


@pytest.fixture(scope="module")
def create(plane: ControlPlane, helm: Helm) -> Callable[[str, Json], str]:
    """Makes a resource, and says why it is refused; empty if it is not."""
    only = ("--show-only", "templates/admissionpolicy.yaml")
    policy = helm.render({"admissionPolicy": {"enabled": True}}, *only).documents
    places = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        for name, labels in NAMESPACES.items()
    ]
    plane.apply([*crds.manifests(), *places])
    plane.apply([*CLASSES, *policy])

    def made(namespace: str, manifest: Json) -> str:
        plural = f"{manifest['kind'].lower()}s"
        path = f"/apis/{API_VERSION}/namespaces/{namespace}/{plural}?dryRun=All"
        try:
            plane.client.request("POST", path, manifest)
        except ApiError as error:
            return str(error)
        return ""

    refused = training("x", {"projectId": "proj-b"})
    eventually(lambda: made("team-a", refused), what="the policy has taken effect")
    return made


@pytest.mark.parametrize("name", TABLE)
def test_what_a_class_does_not_give_is_refused_at_once(create: Callable[[str, Json], str], name: str) -> None:
    namespace, manifest, said = TABLE[name]
    refusal = create(namespace, manifest)
    assert (said in refusal) if said else refusal == "", refusal


def test_what_is_there_can_be_suspended_and_deleted_whatever_its_class_is_by_now(
    create: Callable[[str, Json], str], plane: ControlPlane
) -> None:
    manifest = training("there", {"projectId": "proj-c", "jobClassName": "late"})
    manifest["metadata"]["finalizers"] = ["mljobs.dev/cancel-job"]
    path = f"/apis/{API_VERSION}/namespaces/team-a/trainingjobs"
    plane.client.request("POST", path, manifest)  # its class is made only later
    plane.apply(job_class("late", projects=["proj-b"]))
    again = training("again", {"projectId": "proj-c", "jobClassName": "late"})
    eventually(lambda: create("team-a", again), what="the class has taken effect")
    merge = "application/merge-patch+json"
    for change in ({"spec": {"suspend": True}}, {"metadata": {"finalizers": None}}):
        plane.client.request("PATCH", f"{path}/there", change, content_type=merge)
    with pytest.raises(ApiError, match=r"spec\.projectId"):
        plane.client.request("PATCH", f"{path}/there", {"spec": {"projectId": "proj-d"}}, content_type=merge)
    plane.client.request("DELETE", f"{path}/there")
