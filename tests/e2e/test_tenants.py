"""A tenant with all rights of Kubernetes' `edit` role: no call with another's identity or in its project."""

import itertools
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from mljobs.api.resources import GROUP, KINDS, VERSION
from mljobs.controller.kube.rights import USERS
from mljobs.domain.job.resource import ADOPT, FINALIZER, FORCE_RELEASE, RETRY, SUBMISSION
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import (
    Job,
    Json,
    Namespace,
    condition,
    connect,
    eventually,
    job_classes,
    prediction,
    training,
)
from tests.e2e.support_identities import (
    NAME,
    OPERATOR,
    account,
    bindings,
    identity_options,
    principal,
    published_keys,
    trust,
)
from tests.e2e.support_rights import Account
from tests.e2e.support_stack import Emulator, Operator
from tests.tenants import BASES, OWNER, A, B, attempts, forged

USER = "user"
EVERY = 4
"""The unit test tries each attempt, this one in so many."""

REFUSED = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.NOT_FOUND,
)
"""Whatever rights somebody has."""


@pytest.fixture(scope="module")
def operator_options(
    control_plane: ControlPlane,
    operator_kubeconfig: object,
    emulator: Emulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Json]:
    with identity_options(control_plane, emulator, tmp_path_factory.mktemp("own")) as options:
        yield options


@pytest.fixture
def classes(
    control_plane: ControlPlane,
    emulator: Emulator,
    namespace: Namespace,
    admin: client.ApiClient,
    operator: Operator,
    tmp_path: Path,
) -> Iterator[None]:
    """Two for the tenant, and B's with B's identity; the operator itself could act in both projects."""
    emulator.create({**_job("job_of_b")}, project=B)
    control_plane.apply(account(namespace.name))
    trust(
        control_plane,
        emulator,
        published_keys(control_plane, tmp_path),
        bindings=bindings({principal(namespace.name): [A], OPERATOR: [A, B], f"serviceAccount:{OWNER}": [B]}),
        serviceAccounts=[{"email": OWNER, "tokenCreators": [OPERATOR, principal(namespace.name)]}],
    )
    mlv1 = {
        "service": "MLv1",
        "endpoint": emulator.url,
        "projects": [A],
        "locations": ["us-central1"],
        "namespaces": {"names": [namespace.name]},
        "identity": {"serviceAccountRef": {"name": NAME}},
        "jobServiceAccounts": [f"train@{A}.iam.gserviceaccount.com"],
    }
    of_b = {
        "service": "VertexAI",
        "endpoint": emulator.url,
        "projects": [B],
        "namespaces": {"names": ["team-b"]},
        "identity": {"impersonate": OWNER},
    }
    with job_classes(admin, {"mlv1": mlv1, "vertex": {**mlv1, "service": "VertexAI"}, "of-b": of_b}):
        yield


def _job(job_id: str) -> Json:
    return {"jobId": job_id, "trainingInput": training("x")["spec"]["trainingInput"]}


@pytest.fixture
def user(
    classes: None, control_plane: ControlPlane, namespace: Namespace, tmp_path: Path
) -> Iterator[Namespace]:
    """The namespace as somebody sees it who has what `edit` gives, and nothing else."""
    named = {"name": USER, "namespace": namespace.name}
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": named}
    reference = {"apiGroup": group, "kind": "Role", "name": USER}
    control_plane.apply(
        [
            account(namespace.name, USER),
            {**role, "rules": [rule.document() for rule in USERS["edit"]]},
            {**role, "kind": "RoleBinding", "roleRef": reference, "subjects": [_subject(named)]},
        ]
    )
    kubeconfig = control_plane.service_account_kubeconfig(namespace.name, USER, tmp_path / "kubeconfig")
    with connect(kubeconfig) as api:
        yield Namespace(api, namespace.name, namespace.report)


def _subject(named: Json) -> Json:
    return {"kind": "ServiceAccount", **named}


def tried(call: Any, *args: Any, **more: Any) -> Any:
    """What a call gives; None if the API server refuses its body, or the object is gone."""
    try:
        return call(*args, **more)
    except client.ApiException as error:
        if error.status not in REFUSED:
            raise
        return None


def test_every_verb_of_a_tenant_with_what_is_of_another(
    user: Namespace, emulator: Emulator, control_plane: ControlPlane
) -> None:
    before = emulator.last
    jobs = _create(user)
    assert len(jobs) > 40
    settled(user)
    for number, job in enumerate(jobs):
        _change(user, job, number)
    _listen(user)
    _nothing_of_b(emulator, before)
    for job in jobs[::2]:
        tried(job.delete)
    user.delete_all()
    for item in user.all():  # some wait for this: whether they have a job is not to be found out
        job = user.job(item["kind"], item["metadata"]["name"])
        tried(job.annotate, **{FORCE_RELEASE: "true"})
    eventually(
        lambda: [_outline(item) for item in user.all()], lambda left: not left, what="all are gone", within=40
    )
    _nothing_of_b(emulator, before)
    callers = {row["identity"] for row in emulator.effects(before) if row["project"] == A}
    assert callers == {principal(user.name)}
    used = {(right.resource, right.verb) for right in Account(control_plane, user.name, USER).used}
    granted = {
        (resource, verb)
        for rule in USERS["edit"]
        for resource in rule.resources
        for verb in rule.verbs
        if resource in {kind.plural for kind in KINDS.values()}
    }
    assert granted <= used


def _outline(item: Json) -> Json:
    """What matters about a resource that should be gone."""
    metadata, status = item["metadata"], item.get("status") or {}
    kept = {name: metadata.get(name) for name in ("name", "finalizers", "annotations", "deletionTimestamp")}
    return {**kept, "managedBy": item["spec"].get("managedBy"), "conditions": status.get("conditions")}


def _create(user: Namespace) -> list[Job]:
    """Submit one in so many of the attempts, as far as the API server takes them."""
    found = []
    for kind, job_class in itertools.product(KINDS, ("mlv1", "vertex")):
        for number, spec in enumerate(itertools.islice(attempts(kind, job_class), 0, None, EVERY)):
            name = f"{job_class}-{number}"
            made = tried(user.create, {**BASES[kind], "metadata": {"name": name}, "spec": spec})
            found += [made] if made else []
    return found


def settled(user: Namespace) -> None:
    """Wait until the operator has come to a decision about each."""

    def waiting() -> list[str]:
        return [
            item["metadata"]["name"]
            for item in user.all()
            if not item["spec"].get("managedBy")
            and not any(
                condition(item.get("status") or {}, kind).get("status") == "True"
                for kind in ("Stalled", "Submitted")
            )
        ]

    eventually(waiting, lambda left: not left, what="all are decided about", within=90, report=user.report)


def _change(user: Namespace, job: Job, number: int) -> None:
    """Patch and update: annotations, finalizers, the project; a status is not the tenant's to write."""
    custom: Any = client.CustomObjectsApi(user.api)
    record = forged(job.uid)
    changes: list[Json] = [
        {"metadata": {"annotations": {SUBMISSION: record[number % 2], ADOPT: "true"}}},
        {
            "metadata": {
                "annotations": {SUBMISSION: record[number % 2], RETRY: "1"},
                "finalizers": [FINALIZER],
            }
        },
        {"metadata": {"annotations": {SUBMISSION: record[0]}, "finalizers": None}},
        {"metadata": {"annotations": {FORCE_RELEASE: "true", ADOPT: "true"}}, "spec": {"jobId": "job_of_b"}},
    ]
    tried(job.patch, changes[number % len(changes)])
    place = (GROUP, VERSION, user.name, job.kind.plural, job.name)
    found = job.object()
    if found is not None:
        moved = {**found["spec"], "projectId": B, "jobClassName": "of-b"}
        tried(custom.replace_namespaced_custom_object, *place, {**found, "spec": moved})
    if number == 0:
        status = {"status": {"record": {"job": {"project": B, "jobId": "job_of_b"}}}}
        with pytest.raises(client.ApiException) as refused:
            custom.patch_namespaced_custom_object_status(
                *place, status, _content_type="application/merge-patch+json"
            )
        assert refused.value.status == 403


def _listen(user: Namespace) -> None:
    """Watch all until a job that was made last has been submitted."""
    user.begin_history()  # the API server does not replay all that was done here before
    last = user.create(training("last", {"jobClassName": "mlv1"}))
    user.create(prediction("last", {"jobClassName": "mlv1"}))
    last.statuses_until("QUEUED")
    for kind in KINDS.values():
        next(user.history(kind))


def _nothing_of_b(emulator: Emulator, before: int) -> None:
    rows = emulator.effects(before)
    assert rows
    assert [row for row in rows if row["project"] == B] == []
    assert [row for row in rows if OWNER in (row["identity"], row.get("account"))] == []
