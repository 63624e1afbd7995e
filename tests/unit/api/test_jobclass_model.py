"""The model of a JobClass: what it takes, and what it refuses."""

from typing import Any

import pytest
from pydantic import ValidationError

from mljobs.api.identity import Service
from mljobs.api.jobclass import Adoption, JobClass, JobClassSpec

WHOLE: dict[str, Any] = {
    "service": "VertexAI",
    "endpoint": "https://vertex.example.com",
    "locations": ["us-central1", "europe-west4"],
    "projects": ["ml-team-a", "example.com:old"],
    "namespaces": {
        "names": ["team-a"],
        "matchLabels": {"team": "a"},
        "matchExpressions": [{"key": "tier", "operator": "In", "values": ["research"]}],
    },
    "machineTypes": ["n1-*", "a2-highgpu-1g"],
    "identity": {
        "serviceAccountRef": {
            "name": "mljobs-identity",
            "provider": "projects/7/locations/global/workloadIdentityPools/pool/providers/cluster",
        },
        "impersonate": "jobs@ml-team-a.iam.gserviceaccount.com",
    },
    "jobServiceAccounts": ["train@ml-team-a.iam.gserviceaccount.com"],
    "adoption": "SameNamespace",
    "limits": {
        "activeJobs": 200,
        "accelerators": 64,
        "perNamespace": {"activeJobs": 20, "accelerators": 8},
        "createsPerMinute": 60,
        "readsPerMinute": 600,
    },
    "defaults": {
        "labels": {"cost": "a"},
        "network": "projects/7/global/networks/shared",
        "serviceAccount": "train@ml-team-a.iam.gserviceaccount.com",
        "deletionPolicy": "Orphan",
        "activeDeadlineSeconds": 86400,
        "startDeadlineSeconds": 3600,
        "ttlSecondsAfterFinished": 0,
        "tables": {"models": {}},
    },
}


def test_a_class_that_says_everything_is_kept_to_the_letter() -> None:
    assert JobClassSpec.model_validate(WHOLE).document() == WHOLE


def test_a_class_that_says_little_adopts_nothing_and_limits_nothing_else() -> None:
    spec = JobClass.model_validate({"metadata": {"name": "ml"}, "spec": {"service": "MLv1"}}).spec
    assert (spec.service, spec.adoption) == (Service.MLV1, Adoption.NEVER)
    assert spec.document() == {"service": "MLv1", "adoption": "Never"}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"service": "SageMaker"}, "service"),
        ({"endpoint": "ftp://example.com"}, "endpoint"),
        ({"endpoint": "https://user@example.com"}, "endpoint"),
        ({"projects": []}, "projects"),
        ({"projects": ["Not A Project"]}, "projects"),
        ({"locations": ["us-central1/../x"]}, "locations"),
        ({"machineTypes": ["*-1"]}, "machineTypes"),
        ({"jobServiceAccounts": ["nobody"]}, "jobServiceAccounts"),
        ({"identity": {"serviceAccountRef": {"name": "a/b"}}}, "identity"),
        ({"identity": {"serviceAccountRef": {"name": "a", "provider": "projects/x"}}}, "identity"),
        ({"limits": {"createsPerMinute": 0}}, "limits"),
        ({"limits": {"activeJobs": 0}}, "limits"),
        ({"limits": {"perNamespace": {"accelerators": -1}}}, "limits"),
        ({"limits": {"perNamespace": {"createsPerMinute": 1}}}, "limits"),
        ({"namespaces": {"matchExpressions": [{"key": "a", "operator": "Near"}]}}, "namespaces"),
        ({"location": ["us-central1"]}, "location"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(change: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as refused:
        JobClassSpec.model_validate({**WHOLE, **change})
    assert {row["loc"][0] for row in refused.value.errors()} == {place}
