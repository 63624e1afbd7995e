"""Tenant A names something of B in every field of the schema and every annotation: nothing goes out to B.

The fields are those of the CRDs, so that a new one is tried as well.
"""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import pytest

from mljobs.api.resources import KINDS
from mljobs.backends import facts_of_class
from mljobs.domain.classes.choice import standing_of
from mljobs.domain.classes.job_class import JobClass
from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.turns import to_create
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import FINALIZER, Resource, Target
from tests.tenants import ANNOTATIONS, BASES, OF_B, A, B, Json, attempts, forged, schema_of, texts
from tests.unit.domain.world import NOW, START

UID = "11111111-2222-3333-4444-555555555555"
ACCOUNT = f"train@{A}.iam.gserviceaccount.com"


def a_class(name: str, service: str, *, default: bool = False) -> JobClass:
    spec = {
        "service": service,
        "projects": [A],
        "locations": ["us-central1"],
        "namespaces": {"names": ["team-a"]},
        "identity": {"serviceAccountRef": {"name": "trainer"}},
        "jobServiceAccounts": [ACCOUNT],
    }
    annotations = {"mljobs.dev/is-default-class": "true"} if default else {}
    return JobClass.parse({"metadata": {"name": name, "annotations": annotations}, "spec": spec})


CLASSES = {
    "mlv1": a_class("mlv1", "MLv1", default=True),
    "vertex": a_class("vertex", "VertexAI"),
    "of-b": JobClass.parse(
        {
            "metadata": {"name": "of-b"},
            "spec": {"service": "VertexAI", "projects": [B], "namespaces": {"names": ["team-b"]}},
        }
    ),
}


def with_spec(kind: str, spec: Json, annotations: Json | None = None, *, held: bool = False) -> Resource:
    metadata = {
        "name": "census",
        "namespace": "team-a",
        "uid": UID,
        "generation": 1,
        "annotations": annotations or {},
        "finalizers": [FINALIZER] if held else [],
    }
    body = {**BASES[kind], "metadata": metadata, "spec": spec, "status": {"observedGeneration": -1}}
    standing = standing_of(body, CLASSES, None)
    return Resource.parse(body, facts_of_class(standing.job_class or CLASSES["mlv1"]), standing)


def targets(node: object) -> Iterator[Target]:
    """All jobs that a decision is about."""
    if isinstance(node, Target):
        yield node
    elif is_dataclass(node):
        for one in fields(node):
            yield from targets(getattr(node, one.name))


def check(resource: Resource) -> bool:
    """Hold a decision against the class; says whether it leads to a job."""
    decision = decide(resource, Observation(since=START), AdminPolicy(), NOW)
    order = to_create(decision)
    for target in targets(decision):
        assert target.project == A, decision
        assert target.scope in (f"projects/{A}", f"projects/{A}/locations/us-central1"), decision
    given = resource.job_class
    if order is None:
        return False
    assert given is not None
    assert given.name in ("mlv1", "vertex")
    caller = given.route(resource.namespace).caller
    assert (caller.namespace, caller.account) == ("team-a", "trainer")
    assert resource.facts is not None
    assert {account for _, account in resource.facts.claims(order.kind, order.spec).accounts} <= {ACCOUNT}
    return True


@pytest.mark.parametrize("job_class", ["mlv1", "vertex"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_field_reaches_another_tenant(kind: str, job_class: str) -> None:
    paths = list(texts(schema_of(kind)))
    assert len(paths) > 40
    assert ("projectId",) in paths
    submitted = sum(check(with_spec(kind, spec)) for spec in attempts(kind, job_class))
    assert submitted  # some say nothing about another tenant, such as a label


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("project", [A, B, None])
def test_no_annotation_reaches_another_tenant(kind: str, project: str | None, held: bool) -> None:
    spec = {**BASES[kind]["spec"], "jobId": "job_of_b", **({"projectId": project} if project else {})}
    for name in CLASSES:
        for annotation in ANNOTATIONS:
            for value in (*OF_B, "true", UID, *forged(UID)):
                check(with_spec(kind, {**spec, "jobClassName": name}, {annotation: value}, held=held))
