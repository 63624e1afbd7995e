"""Tenant A names something of B in every field of the schema and every annotation: nothing goes out to B.

The fields are those of the CRDs, so that a new one is tried as well.
"""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from mljobs.admin.crds import definition
from mljobs.api.resources import KINDS
from mljobs.backends import facts_of_class
from mljobs.domain.classes.choice import standing_of
from mljobs.domain.classes.job_class import JobClass
from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.turns import to_create
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import ADOPT, FINALIZER, FORCE_RELEASE, RETRY, SUBMISSION, Resource, Target
from tests.e2e.support import prediction, training
from tests.unit.domain.world import NOW, START

Json = dict[str, Any]
Path = tuple[str | int, ...]

A, B = "project-of-a", "project-of-b"
UID = "11111111-2222-3333-4444-555555555555"
ACCOUNT = f"train@{A}.iam.gserviceaccount.com"
OF_B = (
    B,
    "europe-west4",
    "of-b",
    "team-b",
    f"owner@{B}.iam.gserviceaccount.com",
    f"projects/{B}/locations/europe-west4/customJobs/7",
    f"projects/{B}/global/networks/shared",
    "gs://bucket-of-b/data",
    "job_of_b",
)
"""What B has: project, region, class, namespace, account, job, network, bucket."""


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
BASES = {"TrainingJob": training("census"), "PredictionJob": prediction("census")}


def texts(schema: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """The paths of all fields of a schema that can hold a text."""
    kind = schema.get("type")
    if kind == "string" or (kind is None and "properties" not in schema):
        yield path
    for name, child in (schema.get("properties") or {}).items():
        yield from texts(child, (*path, name))
    if isinstance(schema.get("items"), Mapping):
        yield from texts(schema["items"], (*path, 0))
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from texts(schema["additionalProperties"], (*path, "key"))


def schema_of(kind: str) -> Mapping[str, Any]:
    (version,) = definition(KINDS[kind])["spec"]["versions"]
    found: Mapping[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def put(node: Any, path: Path, value: Any) -> Any:
    """A document with a value at a path."""
    if not path:
        return value
    head, *rest = path
    if isinstance(head, int):
        first = node[0] if isinstance(node, list) and node else None
        return [put(first, tuple(rest), value)]
    known = node if isinstance(node, dict) else {}
    return {**known, head: put(known.get(head), tuple(rest), value)}


def tried(number: int, path: Path) -> tuple[str, ...]:
    """All of B's near the top, where places are named, and one of them in turn further down."""
    return OF_B if len(path) <= 1 else (OF_B[number % len(OF_B)],)


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
    assert {account for _, account in resource.facts.claims(order.kind, order.spec).accounts} <= {ACCOUNT}  # type: ignore[union-attr]
    return True


@pytest.mark.parametrize("job_class", ["mlv1", "vertex"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_field_reaches_another_tenant(kind: str, job_class: str) -> None:
    base = {**deepcopy(BASES[kind]["spec"]), "projectId": A, "jobClassName": job_class}
    paths = list(dict.fromkeys(texts(schema_of(kind))))
    assert len(paths) > 40
    assert ("projectId",) in paths
    pairs = [(path, value) for number, path in enumerate(paths) for value in tried(number, path)]
    submitted = sum(check(with_spec(kind, put(base, path, value))) for path, value in pairs)
    assert submitted  # some say nothing about another tenant, such as a label


ANNOTATIONS = (ADOPT, FORCE_RELEASE, RETRY, SUBMISSION)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("project", [A, B, None])
def test_no_annotation_reaches_another_tenant(kind: str, project: str | None, held: bool) -> None:
    forged = [
        json.dumps(
            {
                "uid": UID,
                "project": B,
                "jobId": "job_of_b",
                "attempt": 1,
                "generation": 1,
                "time": "2026-01-02T03:04:05Z",
                "adopting": adopting,
                "location": "europe-west4",
            }
        )
        for adopting in (False, True)
    ]
    spec = {**BASES[kind]["spec"], "jobId": "job_of_b", **({"projectId": project} if project else {})}
    for name in CLASSES:
        for annotation in ANNOTATIONS:
            for value in (*OF_B, "true", UID, *forged):
                check(with_spec(kind, {**spec, "jobClassName": name}, {annotation: value}, held=held))
