"""`mljobs leftovers` where the operator was removed before its resources."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml
from kubernetes import client

from mljobs.admin import crds as crds_command
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Job, Json, Kubectl, Namespace, eventually, prediction, training
from tests.e2e.support_forks import MLJOBS_FORKS
from tests.e2e.support_stack import ACCOUNT, FAST, PROJECT, Emulator, Operator
from tests.unit.docs.markdown import DOCS, blocks

USER = ("mljobs-system", "leftovers")
LEASE = f"{ACCOUNT[0]}/mljobs-operator"


class Leftovers:
    """The command, with the rights that the documentation names and no others."""

    def __init__(self, kubeconfig: Path, emulator: Emulator, namespace: str) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith("MLJOBS_")}
        self._env = {**env, **FAST, "KUBECONFIG": str(kubeconfig)}
        self._options = [f"--endpoint={emulator.url}", "--anonymous", f"--project={PROJECT}"]
        self._options += ["-n", namespace] if namespace else []

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        return MLJOBS_FORKS.run(["leftovers", *self._options, *options], env=self._env, whole=True)

    def __call__(self, *options: str, code: int = 0) -> Json:
        """Run it, expect this exit code, and give what it prints, with the resources and jobs by name."""
        done = self.run("-o", "json", *options)
        assert done.returncode == code, done.stdout + done.stderr
        found: Json = json.loads(done.stdout)
        resources = {row["name"]: row for row in found["resources"]}
        return {**found, "resources": resources, "jobs": {row["jobId"]: row for row in found["jobs"]}}


@pytest.fixture(scope="module")
def user_kubeconfig(
    control_plane: ControlPlane, operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An account with the role of the documentation."""
    (rules,) = (block.text for block in blocks(DOCS / "uninstall.md") if block.language == "yaml")
    namespace, name = USER
    rbac = "rbac.authorization.k8s.io"
    kind = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": name}}
    role: Json = {**kind, **yaml.safe_load(rules)}
    control_plane.apply(
        [
            role,
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": name, "namespace": namespace},
            },
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            },
        ]
    )
    return control_plane.service_account_kubeconfig(*USER, tmp_path_factory.mktemp("user") / "kubeconfig")


@pytest.fixture
def operator(operator_kubeconfig: Path, emulator: Emulator, tmp_path: Path) -> Iterator[Operator]:
    """An operator that holds the Lease; each test removes it when it likes."""
    settings = {"MLJOBS_LEADER_ELECTION": "true"}
    server = Operator(operator_kubeconfig, emulator.url, tmp_path / "log", settings=settings)
    server.start()
    server.until_leading()
    yield server
    emulator.fix()
    server.stop()


@pytest.fixture
def leftovers(user_kubeconfig: Path, emulator: Emulator, namespace: Namespace) -> Leftovers:
    return Leftovers(user_kubeconfig, emulator, namespace.name)


def finalizers(*jobs: Job) -> list[Sequence[str]]:
    return [(job.object() or {"metadata": {}})["metadata"].get("finalizers") or [] for job in jobs]


HELD = ["mljobs.dev/cancel-job"]


def column(found: Json, name: str) -> Json:
    """One column of the resources, by their names."""
    return {resource: row[name] for resource, row in found["resources"].items()}


def test_resources_in_all_states(
    namespace: Namespace, emulator: Emulator, operator: Operator, leftovers: Leftovers
) -> None:
    at = f"^{namespace.name}_"
    emulator.fault("dropAfter", method="create", jobId=f"{at}unanswered")
    emulator.fault("dropBefore", method="create", jobId=f"{at}unsent")
    emulator.fault("error", method="get", jobId=f"{at}un")
    theirs = f"{namespace.name}_theirs"
    emulator.create({"jobId": theirs, "trainingInput": training("x")["spec"]["trainingInput"]})
    jobs = {
        job.name: job
        for job in namespace.create_all(
            [
                training("running"),
                prediction("queued"),
                training("finished"),
                training("orphan", {"deletionPolicy": "Orphan"}),
                training("stranger"),
                prediction("vanished"),
                training("unanswered"),
                training("unsent"),
                training("suspended", {"suspend": True}),
                training("theirs", {"jobId": theirs}),
            ]
        )
    }
    names = ("running", "queued", "finished", "orphan", "stranger", "vanished")
    ids = {name: jobs[name].job_id for name in names}
    emulator.force(ids["running"], "RUNNING")
    jobs["running"].until_state("RUNNING")
    emulator.force(ids["finished"], "SUCCEEDED")
    jobs["finished"].until_state("SUCCEEDED")
    jobs["theirs"].until_condition("Stalled", "True", "JobIdTaken")
    jobs["suspended"].until_condition("Suspended", "True")
    for name in ("unanswered", "unsent"):
        jobs[name].until_condition("Submitted", "Unknown", "OutcomeUnknown")
    operator.stop()
    emulator.fix()
    emulator.relabel(ids["stranger"], {"owner": "bob"})
    emulator.vanish(ids["vanished"])
    for name in ("running", "vanished", "unsent"):
        jobs[name].delete()
    held = [job for name, job in jobs.items() if name != "suspended"]
    versions = [job.metadata()["resourceVersion"] for job in held]
    before = emulator.last

    listed = leftovers()
    assert column(listed, "plan") == {
        "running": "cancel",
        "queued": "cancel",
        "finished": "release",
        "orphan": "release",
        "stranger": "release",
        "vanished": "wait",
        "unanswered": "cancel",
        "unsent": "wait",
        "theirs": "release",
    }
    assert column(listed, "job") == {
        "running": "ours",
        "queued": "ours",
        "finished": "recorded",
        "orphan": "ours",
        "stranger": "not ours",
        "vanished": "not found",
        "unanswered": "ours",
        "unsent": "not found",
        "theirs": "not ours",
    }
    assert {name for name, deleting in column(listed, "deleting").items() if deleting} == {
        "running",
        "vanished",
        "unsent",
    }
    assert {**column(listed, "jobId"), **ids} == column(listed, "jobId")
    assert {row["project"] for row in listed["resources"].values()} == {PROJECT}
    assert [row for row in emulator.effects(after=before) if row["applied"]] == []
    assert [job.metadata()["resourceVersion"] for job in held] == versions

    done = leftovers("--cancel", "--timeout=30s")
    assert column(done, "outcome") == {
        "running": "cancelled",
        "queued": "cancelled",
        "finished": "released",
        "orphan": "left running",
        "stranger": "left running",
        "vanished": "released",
        "unanswered": "cancelled",
        "unsent": "released",
        "theirs": "released",
    }
    unanswered = listed["resources"]["unanswered"]["jobId"]
    cancelled = emulator.applied("cancel", namespace.name)
    assert sorted(cancelled) == sorted([ids["running"], ids["queued"], unanswered])
    assert finalizers(*held) == [[]] * len(held)
    assert jobs["running"].object() is None
    assert leftovers()["resources"] == {}


def one_running(namespace: Namespace, emulator: Emulator, name: str = "census") -> tuple[Job, str]:
    job = namespace.create(training(name))
    emulator.force(job.job_id, "RUNNING")
    job.until_state("RUNNING")
    return job, job.job_id


def test_while_the_service_is_down_nothing_is_let_go(
    namespace: Namespace, emulator: Emulator, operator: Operator, leftovers: Leftovers
) -> None:
    job, job_id = one_running(namespace, emulator)
    operator.stop()
    emulator.fault("error", status=503, message="The service is on holiday.")
    listed = leftovers(code=1)["resources"]["census"]
    assert (listed["job"], listed["plan"]) == ("unknown", "wait")
    assert "on holiday" in listed["trouble"]
    kept = leftovers("--cancel", "--timeout=1s", code=1)["resources"]["census"]
    assert (kept["outcome"], kept["done"]) == ("kept", False)
    assert "on holiday" in kept["message"]
    assert finalizers(job) == [HELD]
    emulator.fix()
    assert leftovers("--cancel")["resources"]["census"]["outcome"] == "cancelled"
    assert emulator.applied("cancel", namespace.name) == [job_id]


def test_a_missing_permission_is_named(
    namespace: Namespace, emulator: Emulator, operator: Operator, leftovers: Leftovers
) -> None:
    job, _ = one_running(namespace, emulator)
    operator.stop()
    emulator.fault("error", method="cancel", status=403)
    kept = leftovers("--cancel", code=1)["resources"]["census"]
    assert "Grant the permission" in kept["message"]
    assert finalizers(job) == [HELD]
    emulator.fix()
    leftovers("--cancel")


def test_orphans_go_on_and_are_named(
    namespace: Namespace, emulator: Emulator, operator: Operator, leftovers: Leftovers
) -> None:
    (job, job_id), (ended, ended_id) = (
        one_running(namespace, emulator, name) for name in ("census", "ended")
    )
    emulator.force(ended_id, "SUCCEEDED")
    ended.until_state("SUCCEEDED")
    uid = job.uid
    operator.stop()
    job.delete()
    emulator.fault("error")  # nothing has to be known for this
    done = leftovers.run("--orphan")
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()[1:]] == [
        "trainingjob/census",
        "trainingjob/ended",
    ]
    assert f"projects/{PROJECT}/jobs/{job_id}" in done.stderr
    assert ended_id not in done.stderr
    job.until_gone()
    assert finalizers(ended) == [[]]
    event = namespace.events(uid)[-1]
    assert (event["reason"], job_id in event["message"]) == ("LeftBehind", True)
    emulator.fix()
    assert emulator.applied("cancel", namespace.name) == []
    assert emulator.job(job_id)["state"] == "RUNNING"


def test_a_namespace_that_hangs_in_deletion_ends(
    namespace: Namespace,
    emulator: Emulator,
    operator: Operator,
    leftovers: Leftovers,
    kubectl: Kubectl,
    has_controller_manager: bool,
) -> None:
    if not has_controller_manager:
        pytest.skip("deleting namespaces needs kube-controller-manager: mljobs controlplane ensure --with it")
    ids = [one_running(namespace, emulator, f"job-{number}")[1] for number in range(3)]
    operator.stop()
    kubectl.out("delete", "namespace", namespace.name, "--wait=false")
    eventually(
        lambda: [job["metadata"].get("deletionTimestamp") for job in namespace.all()],
        lambda times: len(times) == 3 and all(times),
        what="the namespace waits for its resources",
    )
    assert set(column(leftovers("--cancel"), "outcome").values()) == {"cancelled"}
    kubectl.out("wait", "--for=delete", f"namespace/{namespace.name}", "--timeout=60s")
    assert sorted(emulator.applied("cancel", namespace.name)) == sorted(ids)


def test_an_operator_that_runs_keeps_what_it_looks_after_and_a_killed_one_is_waited_for(
    namespace: Namespace, emulator: Emulator, operator: Operator, leftovers: Leftovers
) -> None:
    job, job_id = one_running(namespace, emulator)
    before = job.metadata()["resourceVersion"]
    for options in (["--cancel"], ["--cancel", "--without-lease"]):
        beside = leftovers(*options, code=1)
        assert f"holds the Lease {LEASE} and renews it" in beside["notes"][0]
        assert "is not being deleted" in beside["resources"]["census"]["message"]
    done = leftovers.run("--orphan", "--without-lease")
    assert (done.returncode, "stop it first" in done.stderr) == (2, True), done.stderr
    assert job.metadata()["resourceVersion"] == before
    assert emulator.applied("cancel", namespace.name) == []
    operator.kill()
    assert leftovers("--cancel")["resources"]["census"]["outcome"] == "cancelled"
    assert emulator.applied("cancel", namespace.name) == [job_id]
    operator.start()  # which could not lead if the command had not given the Lease back
    operator.until_leading()


def test_beside_an_operator_that_runs_jobs_without_a_resource_are_cancelled(
    namespace: Namespace, emulator: Emulator, operator: Operator, leftovers: Leftovers
) -> None:
    stray = f"{namespace.name}_stray"
    labels = {"mljobs-uid": "0", "mljobs-namespace": namespace.name, "mljobs-name": "x"}
    emulator.create(
        {"jobId": stray, "labels": labels, "trainingInput": training("x")["spec"]["trainingInput"]}
    )
    _, job_id = one_running(namespace, emulator)
    done = leftovers("--cancel-all-strays")
    assert (list(done["jobs"]), done["resources"]) == ([stray], {})
    assert emulator.applied("cancel", namespace.name) == [stray]
    assert emulator.job(job_id)["state"] == "RUNNING"


def test_without_a_lease_it_has_to_be_said_that_no_operator_runs(
    namespace: Namespace,
    emulator: Emulator,
    operator: Operator,
    leftovers: Leftovers,
    admin: client.ApiClient,
) -> None:
    job, _ = one_running(namespace, emulator)
    operator.stop()
    client.CoordinationV1Api(admin).delete_namespaced_lease("mljobs-operator", ACCOUNT[0])
    done = leftovers.run("--cancel")
    assert (done.returncode, "--without-lease" in done.stderr) == (2, True), done.stderr
    assert finalizers(job) == [HELD]
    denied = leftovers.run("--cancel", "--lease-name=another")
    assert (denied.returncode, "cannot be read" in denied.stderr) == (2, True), denied.stderr
    assert leftovers("--cancel", "--without-lease")["resources"]["census"]["outcome"] == "cancelled"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--cancel", "--orphan"], "exclude"),
        (["--cancel", "--timeout=soon"], "--timeout soon"),
        (["--cancel-stray=census"], "projects/PROJECT/jobs/ID"),
    ],
)
def test_options_that_make_no_sense(
    user_kubeconfig: Path, emulator: Emulator, options: Sequence[str], named: str
) -> None:
    done = Leftovers(user_kubeconfig, emulator, "").run(*options)
    assert (done.returncode, named in done.stderr) == (2, True), done.stderr


def test_jobs_whose_resources_were_removed_by_force(
    namespace: Namespace, emulator: Emulator, operator: Operator, leftovers: Leftovers
) -> None:
    names = ("first", "second", "ended", "kept")
    ids = dict(zip(names, (one_running(namespace, emulator, name)[1] for name in names), strict=True))
    operator.stop()
    elsewhere = f"{namespace.name}_elsewhere"
    labels = {"mljobs-uid": "0", "mljobs-namespace": "elsewhere", "mljobs-name": "x"}
    emulator.create(
        {"jobId": elsewhere, "labels": labels, "trainingInput": training("x")["spec"]["trainingInput"]}
    )
    emulator.force(ids["ended"], "FAILED")
    for name in ("first", "second", "ended"):
        job = namespace.job("TrainingJob", name)
        job.patch({"metadata": {"finalizers": None}})
        job.delete()
        job.until_gone()
    listed = leftovers()
    assert {row["name"]: row["jobId"] for row in listed["jobs"].values()} == {
        name: ids[name] for name in ("first", "second")
    }
    assert list(listed["resources"]) == ["kept"]
    full = f"projects/{PROJECT}/jobs/{ids['first']}"
    done = leftovers(f"--cancel-stray={full}")
    assert {job_id: row["outcome"] for job_id, row in done["jobs"].items()} == {ids["first"]: "cancelled"}
    assert done["resources"] == {}
    again = leftovers(f"--cancel-stray={full}", code=1)
    assert full in again["notes"][0]
    assert list(leftovers("--cancel-all-strays")["jobs"]) == [ids["second"]]
    assert emulator.applied("cancel", namespace.name) == [ids["first"], ids["second"]]
    assert finalizers(namespace.job("TrainingJob", "kept")) == [HELD]
    leftovers("--cancel")


def test_jobs_of_a_cluster_whose_crds_are_gone(
    binaries_dir: Path, emulator: Emulator, tmp_path: Path
) -> None:
    with ControlPlane(binaries_dir=binaries_dir) as plane:
        spec = training("x")["spec"]["trainingInput"]
        labels = {"mljobs-uid": "0-1", "mljobs-namespace": "team-a", "mljobs-name": "census"}
        for job_id, marks in (("lost", labels), ("foreign", {"owner": "bob"})):
            emulator.create({"jobId": job_id, "labels": marks, "trainingInput": spec}, project="gone")
        command = Leftovers(plane.kubeconfig, emulator, "")
        listed = command("--project=gone")
        assert {job_id: (row["namespace"], row["name"]) for job_id, row in listed["jobs"].items()} == {
            "lost": ("team-a", "census")
        }
        assert len(listed["notes"]) == 2
        shown = command.run("--project=gone").stdout
        assert "projects/gone/jobs/lost" in shown
        assert "team-a/census" in shown
        done = command("--project=gone", "--cancel-all-strays", "--without-lease")
        assert done["jobs"]["lost"]["outcome"] == "cancelled"
        assert emulator.applied("cancel", "lost") == ["lost"]
        assert emulator.applied("cancel", "foreign") == []
        # back again, they hide nothing
        plane.apply(crds_command.manifests())
        assert command("--project=gone")["jobs"] == {}
