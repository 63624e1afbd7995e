"""The CRD of JobClass on a real API server."""

import json
from typing import Any

import pytest

from mljobs.api.jobclass import DEFAULT_CLASS, JobClass
from mljobs.api.resources import API_VERSION
from tests.e2e.crds.support_crds import Json, Kubectl
from tests.unit.api.test_jobclass_model import WHOLE


def job_class(name: str, **spec: Any) -> Json:
    metadata = {"name": name, "annotations": {DEFAULT_CLASS: "true"}}
    return {"apiVersion": API_VERSION, "kind": "JobClass", "metadata": metadata, "spec": spec}


def applied(kubectl: Kubectl, document: Json) -> str:
    """What the API server says against it; empty if it takes it."""
    done = kubectl.run("apply", "-f", "-", stdin=json.dumps(document))
    return "" if done.returncode == 0 else done.stderr


def test_a_whole_class_comes_back_equal(kubectl: Kubectl) -> None:
    assert applied(kubectl, job_class("whole", **WHOLE)) == ""
    found = json.loads(kubectl.out("get", "jc", "whole", "-o", "json"))
    assert found["spec"] == WHOLE
    assert JobClass.model_validate({**found, "metadata": {"name": "whole"}}).spec.document() == WHOLE


REFUSED: list[tuple[Json, str]] = [
    ({"projects": []}, "spec.projects"),
    ({"service": "SageMaker"}, "spec.service"),
    ({"service": "MLv1", "defaults": {"tables": {}}}, "spec.defaults.tables: Forbidden"),
    ({"defaults": {"serviceAccount": "other@example.com"}}, "defaults.serviceAccount has to be one of"),
    ({"defaults": {"labels": {"mljobs-uid": "x"}}}, "are the operator's own"),
    ({"namespaces": {"matchExpressions": [{"key": "a", "operator": "In"}]}}, "In and NotIn need values"),
    (
        {"namespaces": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}},
        "Exists and DoesNotExist take none",
    ),
]


@pytest.mark.parametrize(("change", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_makes_no_sense_is_refused(kubectl: Kubectl, change: Json, words: str) -> None:
    assert words in applied(kubectl, job_class("refused", **{**WHOLE, **change}))


def test_the_service_of_a_class_is_fixed(kubectl: Kubectl) -> None:
    assert applied(kubectl, job_class("fixed", service="MLv1")) == ""
    assert "spec.service: Forbidden" in applied(kubectl, job_class("fixed", service="VertexAI"))


def test_what_kubectl_shows_of_a_class(kubectl: Kubectl) -> None:
    assert applied(kubectl, job_class("shown", service="MLv1")) == ""
    head, row = kubectl.out("get", "jobclasses", "shown").splitlines()
    assert head.split() == ["NAME", "SERVICE", "READY", "DEFAULT", "ACTIVE", "AGE"]
    assert row.split()[:3] == ["shown", "MLv1", "true"]
    text = kubectl.out("explain", "jc.spec.jobServiceAccounts")
    assert "The accounts that jobs may run as." in " ".join(text.split())
