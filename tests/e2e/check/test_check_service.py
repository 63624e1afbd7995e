"""The rows of the job service, which denies, fails and is not reached."""

from pathlib import Path

import pytest

from mljobs.admin.check.cluster import Cluster
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.check.support_check import SERVICE_ROW, rows, run
from tests.e2e.support import Json
from tests.e2e.support_stack import PROJECT, Emulator

RIGHTS_ROW = f"Permissions in project {PROJECT}"


@pytest.fixture(scope="module")
def account(operator_kubeconfig: Path) -> Path:
    """The operator's ServiceAccount on the common control plane, of which nothing is broken here."""
    return operator_kubeconfig


@pytest.mark.parametrize("permission", ["ml.jobs.get", "ml.jobs.update", "ml.jobs.cancel"])
def test_a_permission_that_the_service_denies_is_named(
    account: Path, cluster: Cluster, emulator: Emulator, job: str, permission: str
) -> None:
    emulator._json("POST", "/_emulator/permissions", {"jobId": f"^{job}$", "denied": [permission]})
    try:
        done = run(account, "--anonymous", f"--endpoint={emulator.url}", "-o", "json")
        found = rows(done, passed=False)[RIGHTS_ROW]
    finally:
        emulator._json("DELETE", "/_emulator/permissions")
    assert f"lacks {permission} on {job}" in found["found"]
    assert "roles/ml.developer lacks cancel" in found["remedy"]


@pytest.mark.parametrize("permission", ["ml.jobs.getIamPolicy", "ml.jobs.setIamPolicy"])
def test_a_permission_that_only_bindings_need_is_a_warning(
    account: Path, cluster: Cluster, emulator: Emulator, job: str, permission: str
) -> None:
    emulator._json("POST", "/_emulator/permissions", {"jobId": f"^{job}$", "denied": [permission]})
    try:
        done = run(account, "--anonymous", f"--endpoint={emulator.url}", "-o", "json")
        found = rows(done, passed=True)[RIGHTS_ROW]
    finally:
        emulator._json("DELETE", "/_emulator/permissions")
    assert found["status"] == "warning"
    assert f"lacks {permission} on {job}, which only spec.iamBindings needs" in found["found"]


def test_without_a_job_permissions_cannot_be_tried(
    account: Path, cluster: Cluster, emulator: Emulator
) -> None:
    done = run(account, "--anonymous", f"--endpoint={emulator.url}", "--project=without-jobs", "-o", "json")
    found = rows(done, passed=True)["Permissions in project without-jobs"]
    assert (found["status"], found["found"]) == ("skipped", "there is no job to try them on")


TROUBLES: list[tuple[Json, str, str, str]] = [
    (
        {"action": "error", "status": 403},
        "failed",
        "denies ml.jobs.list on projects/",
        "grant the account a role",
    ),
    ({"action": "error", "status": 401}, "failed", "does not accept the credentials", "Workload Identity"),
    ({"action": "error", "status": 429}, "warning", "a quota of the project is used up", "othersPerMinute"),
    ({"action": "error", "status": 404}, "failed", f"refuses projects/{PROJECT}", "check the project's id"),
    ({"action": "error", "status": 503}, "failed", "503", "try again if the service is down"),
    ({"action": "error", "status": 404, "html": True}, "failed", "404", "see the message"),
    ({"action": "dropBefore"}, "failed", "the connection broke", "check host and port"),
    ({"action": "delay", "seconds": 3}, "failed", "it did not answer in time", "egress to 127.0.0.1"),
]


@pytest.mark.parametrize(("fault", "status", "found", "remedy"), TROUBLES, ids=lambda part: str(part)[:40])
def test_what_the_service_answers_is_explained(
    account: Path, cluster: Cluster, emulator: Emulator, fault: Json, status: str, found: str, remedy: str
) -> None:
    emulator._json("POST", "/_emulator/faults", [{"method": "ml.projects.jobs.list", **fault}])
    try:
        done = run(account, "--anonymous", f"--endpoint={emulator.url}", "--request-timeout=1", "-o", "json")
    finally:
        emulator.fix()
    row = rows(done, passed=status != "failed")[SERVICE_ROW]
    assert row["status"] == status
    assert found in row["found"]
    assert remedy in row["remedy"]


@pytest.mark.parametrize(
    ("endpoint", "found", "remedy"),
    [
        ("http://127.0.0.1:1", "the connection was refused", "check host and port"),
        ("https://127.0.0.1:{port}", "TLS failed", "speaks https on this port"),
        ("{plane}", "its certificate is not trusted", "HTTPLIB2_CA_CERTS"),
    ],
)
def test_a_service_that_is_not_reached_is_explained(
    control_plane: ControlPlane,
    account: Path,
    cluster: Cluster,
    emulator: Emulator,
    endpoint: str,
    found: str,
    remedy: str,
) -> None:
    url = endpoint.format(port=emulator.url.rpartition(":")[2], plane=control_plane.url)
    row = rows(run(account, "--anonymous", f"--endpoint={url}", "-o", "json"), passed=False)[SERVICE_ROW]
    assert found in row["found"]
    assert remedy in row["remedy"]


def test_without_credentials_the_service_is_not_asked(
    account: Path, cluster: Cluster, emulator: Emulator, tmp_path: Path
) -> None:
    missing = str(tmp_path / "key.json")
    options = ("--project=unasked", f"--endpoint={emulator.url}", "-o", "json")
    done = run(account, *options, GOOGLE_APPLICATION_CREDENTIALS=missing)
    found = rows(done, passed=False)
    assert found["Google credentials"]["status"] == "failed"
    assert missing in found["Google credentials"]["found"]
    assert "Workload Identity" in found["Google credentials"]["remedy"]
    assert found["Job service"]["status"] == "skipped"
    assert emulator.effects(project="unasked") == []


def test_the_public_service_wants_credentials(account: Path, cluster: Cluster) -> None:
    found = rows(run(account, "--anonymous", "-o", "json"), passed=False)
    assert found["Google credentials"]["status"] == "failed"
    assert "anonymous to false" in found["Google credentials"]["remedy"]
    assert found["Job service"]["status"] == "skipped"


def test_without_a_project_there_is_nothing_to_list(
    account: Path, cluster: Cluster, emulator: Emulator
) -> None:
    done = run(account, "--anonymous", f"--endpoint={emulator.url}", "-o", "json", MLJOBS_PROJECT_ID="")
    found = rows(done, passed=True)
    assert found["Job service"]["status"] == "skipped"
    assert "--project" in found["Job service"]["remedy"]


def test_the_service_is_checked_without_a_cluster(emulator: Emulator, tmp_path: Path) -> None:
    arguments = ["--anonymous", f"--endpoint={emulator.url}", "-o", "json"]
    found = rows(run(tmp_path / "nowhere", *arguments), passed=False)
    assert found["Kubernetes API"]["status"] == "failed"
    assert "KUBECONFIG" in found["Kubernetes API"]["remedy"]
    assert found[SERVICE_ROW]["status"] == "ok"


VERTEX = ("--service=VertexAI", "--location=us-central1", "--location=europe-west4")
PLACES = f"Job service, projects/{PROJECT}/locations"


def test_vertex_ai_is_tried_in_each_location(account: Path, cluster: Cluster, emulator: Emulator) -> None:
    denied = {"denied": ["aiplatform.customJobs.list"], "location": "^europe-west4$"}
    emulator._json("POST", "/_emulator/permissions", denied)
    try:
        done = run(account, "--anonymous", f"--endpoint={emulator.url}", *VERTEX, "-o", "json")
    finally:
        emulator._json("DELETE", "/_emulator/permissions")
    found = rows(done, passed=False)
    assert found[f"{PLACES}/us-central1"]["status"] == "ok"
    assert found[f"{PLACES}/europe-west4"]["status"] == "failed"
    assert "aiplatform.customJobs.list" in found[f"{PLACES}/europe-west4"]["found"]


def test_vertex_ai_without_locations_is_not_tried(
    account: Path, cluster: Cluster, emulator: Emulator
) -> None:
    done = run(account, "--anonymous", f"--endpoint={emulator.url}", "--service=VertexAI", "-o", "json")
    found = rows(done, passed=True)[f"Job service, project {PROJECT}"]
    assert (found["status"], found["remedy"]) == ("skipped", "set locations, and check again")
