"""JobClasses: one operator for both services, and nobody's call where a class does not let it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Json, Namespace, condition, job_classes, prediction, training
from tests.e2e.support_identities import account
from tests.e2e.support_plugin import Plugin
from tests.e2e.support_stack import Emulator, Operator

A, B = "project-of-a", "project-of-b"
ACCOUNT = f"train@{A}.iam.gserviceaccount.com"


@pytest.fixture
def classes(admin: client.ApiClient, emulator: Emulator, operator: Operator) -> Iterator[None]:
    """Two services for everybody, the second as a tenant who names nothing of another one."""
    mlv1 = {"service": "MLv1", "endpoint": emulator.url, "projects": [A], "locations": ["us-central1"]}
    vertex = {**mlv1, "service": "VertexAI", "jobServiceAccounts": [ACCOUNT]}
    others = {**mlv1, "projects": [B], "namespaces": {"names": ["namespace-of-b"]}}
    with job_classes(admin, {"mlv1": mlv1, "vertex": vertex, "of-b": others}):
        yield


pytestmark = pytest.mark.usefixtures("classes")


def test_one_operator_serves_both_services(namespace: Namespace, emulator: Emulator) -> None:
    old = namespace.create(training("old"))
    new = namespace.create(training("new", {"jobClassName": "vertex"}))
    statuses = {job.name: job.until_state("QUEUED", "PREPARING") for job in (old, new)}
    assert statuses["old"]["jobName"].startswith(f"projects/{A}/jobs/")
    assert statuses["new"]["jobName"].startswith(f"projects/{A}/locations/us-central1/customJobs/")
    assert [statuses[name]["jobClassName"] for name in ("old", "new")] == ["mlv1", "vertex"]
    for job in (old, new):
        job.delete()
        job.until_gone()


def test_what_runs_outlives_its_class(
    namespace: Namespace, emulator: Emulator, admin: client.ApiClient
) -> None:
    with job_classes(admin, {"short": {"service": "VertexAI", "endpoint": emulator.url, "projects": [A]}}):
        job = namespace.create(training("census", {"jobClassName": "short"}))
        job.until_state("QUEUED", "PREPARING")
    late = namespace.create(training("late", {"jobClassName": "short"}))
    late.until_condition("Stalled", "True", "NoJobClass")
    job.patch_spec(suspend=True)
    job.until_state("CANCELLED", "CANCELLING")
    job.delete()
    job.until_gone()


def test_deadline_and_ttl_of_a_class_as_at_the_submission(
    namespace: Namespace, emulator: Emulator, admin: client.ApiClient
) -> None:
    spec = {"service": "MLv1", "endpoint": emulator.url, "projects": [A]}
    with job_classes(admin, {"brief": {**spec, "defaults": {"activeDeadlineSeconds": 2}}}):
        ends = namespace.create(training("ends", {"jobClassName": "brief"}))
        stays = namespace.create(training("stays", {"jobClassName": "brief", "activeDeadlineSeconds": 3600}))
        ends.until_state("QUEUED", "PREPARING", "RUNNING", "CANCELLING")
    ends.until_condition("Succeeded", "False", "DeadlineExceeded")
    assert (
        stays.until_state("QUEUED", "PREPARING", "RUNNING")["record"]["jobClass"]["activeDeadlineSeconds"]
        == 2
    )
    with job_classes(admin, {"tidy": {**spec, "defaults": {"ttlSecondsAfterFinished": 0}}}):
        tidy = namespace.create(training("tidy", {"jobClassName": "tidy"}))
        emulator.force(tidy.job_id, "SUCCEEDED", project=A)
    tidy.until_gone()


WHOLE: Json = {
    "region": "us-central1",
    "jobSpec": {
        "serviceAccount": f"owner@{B}.iam.gserviceaccount.com",
        "workerPoolSpecs": [
            {
                "machineSpec": {"machineType": "n1-standard-4"},
                "replicaCount": 1,
                "containerSpec": {"imageUri": "gcr.io/p/image:1"},
            }
        ],
    },
}


def foreign() -> Iterator[Json]:
    """Manifests of A, each with something of B in one of the places that can name it."""
    for make in (training, prediction):
        yield make("project", {"projectId": B})
        yield make("project-vertex", {"projectId": B, "jobClassName": "vertex"})
        yield make("class", {"jobClassName": "of-b"})
        yield make("class-and-project", {"jobClassName": "of-b", "projectId": B})
        yield make("location", {"projectId": B}, region="europe-west4")
        adopting = make("adopted", {"projectId": B, "jobId": "job_of_b"})
        adopting["metadata"]["annotations"] = {"mljobs.dev/adopt": "true"}
        yield adopting
        held = make("held", {"projectId": B})
        held["metadata"]["finalizers"] = ["mljobs.dev/cancel-job"]
        yield held
    yield training("account", {"jobClassName": "vertex"}, serviceAccount=f"owner@{B}.iam.gserviceaccount.com")
    whole = training("whole", {"jobClassName": "vertex", "vertex": WHOLE})
    del whole["spec"]["trainingInput"]
    yield whole


def test_a_tenant_makes_no_call_where_another_one_is(namespace: Namespace, emulator: Emulator) -> None:
    """By whatever field or annotation, also with a forged record of a submission."""
    before = emulator.last
    jobs = []
    for number, manifest in enumerate(foreign()):
        manifest["metadata"]["name"] += f"-{number}"
        jobs.append(namespace.create(manifest))
    for job in jobs:
        shown = job.until_status(lambda status: condition(status, "Stalled"), "it is stalled")
        assert condition(shown, "Stalled")["reason"] in ("NotAllowed", "NoJobClass")
    for job in jobs:
        forged = f'{{"uid": "{job.uid}", "project": "{B}", "jobId": "job_of_b", "attempt": 1, '
        forged += '"generation": 1, "time": "2026-01-02T03:04:05Z"}'
        job.patch({"metadata": {"annotations": {"mljobs.dev/submission": forged, "x": "1"}}})
        job.patch({"metadata": {"finalizers": ["mljobs.dev/cancel-job"]}})
    for job in jobs:
        # what may be in B's project is neither looked for nor released
        job.annotate(**{"mljobs.dev/force-release": "true"})
        job.delete()
        job.until_gone()
    assert made(emulator, before) == []


def made(emulator: Emulator, after: int) -> list[Any]:
    """The calls in B's project, and all create calls."""
    rows = emulator.effects(after)
    return [row for row in rows if row["project"] == B or row["method"].endswith(".create")]


def test_a_user_sees_which_classes_there_are_and_why_not(namespace: Namespace, plugin: Plugin) -> None:
    rows = {row["name"]: row for row in json.loads(plugin.ok("classes", "-o", "json"))}
    assert {name: row["usable"] for name, row in rows.items()} == {
        "mlv1": True,
        "of-b": False,
        "vertex": True,
    }
    assert rows["mlv1"]["default"]
    assert rows["of-b"]["why"] == "it is for other namespaces"
    assert plugin.ok("classes", "-o", "name").split() == [
        "jobclass.mljobs.dev/mlv1",
        "jobclass.mljobs.dev/vertex",
    ]
    shown = [line.split() for line in plugin.ok("classes").splitlines()]
    assert shown[0] == ["NAME", "SERVICE", "DEFAULT", "USABLE", "PROJECTS", "LOCATIONS", "WHY", "NOT"]
    assert shown[1][:4] == ["mlv1", "MLv1", "yes", "yes"]


def test_a_user_who_may_not_read_classes_is_told(
    namespace: Namespace, plugin: Plugin, control_plane: ControlPlane, tmp_path: Path
) -> None:
    control_plane.apply(account(namespace.name, "reader"))
    user = control_plane.service_account_kubeconfig(namespace.name, "reader", tmp_path / "kubeconfig")
    (said,) = plugin.refused(1, "classes", KUBECONFIG=str(user))
    assert "have the administrator grant you `list jobclasses`" in said


def test_plan_is_given_a_class_of_the_cluster(namespace: Namespace, plugin: Plugin) -> None:
    manifest = yaml.safe_dump(training("planned"))
    request = json.loads(plugin.ok("plan", "--class=vertex", "-f", "-", stdin=manifest))
    assert request["jobSpec"]["serviceAccount"] == ACCOUNT
    done = plugin.run("plan", "--class=of-b", "-f", "-", stdin=manifest)
    assert done.returncode == 1
    assert "may not use 'of-b'" in done.stdout
