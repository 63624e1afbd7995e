"""`kubectl mljobs`, and `mljobs leftovers`, where the operator runs jobs on Vertex AI."""

import json
import os
import subprocess
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.e2e.support import Job, Json, Namespace, eventually, prediction, training
from tests.e2e.support_plugin import Plugin
from tests.e2e.support_stack import FAST, MLJOBS, PROJECT, Emulator, Operator
from tests.faults.vertex import TABLES

REGION = "us-central1"
PLACE = f"projects/{PROJECT}/locations/{REGION}"
SETTINGS = {"MLJOBS_SERVICE": "VertexAI", "MLJOBS_TABLES": str(TABLES), "MLJOBS_LOCATIONS": REGION}
IMAGE = (f"--region={REGION}", "--master-image-uri=gcr.io/team/trainer:1")
SPEC: Json = {
    "workerPoolSpecs": [
        {
            "machineSpec": {"machineType": "n1-standard-4"},
            "replicaCount": "1",
            "containerSpec": {
                "imageUri": "gcr.io/team/trainer:1",
                "env": [{"name": "API_KEY", "value": "canary"}],
            },
        }
    ]
}
RATE = {"parameterName": "rate", "type": "DOUBLE", "minValue": 0, "maxValue": 1}
TUNING: Json = {"goal": "MINIMIZE", "hyperparameterMetricTag": "loss", "maxTrials": 2, "params": [RATE]}
QUICK = {"QUEUED": 30, "PREPARING": 30, "RUNNING": 100, "CANCELLING": 5}
"""Emulated seconds: a job that goes through all states in two real ones."""


@pytest.fixture(scope="module")
def operator_options() -> dict[str, object]:
    return {"settings": SETTINGS}


def number_of(job: Job) -> str:
    """The number that the service has given the resource's job."""
    name: str = job.until_status(lambda status: status.get("jobName"), "a job")["jobName"]
    return name.rpartition("/")[2]


def creates(emulator: Emulator) -> int:
    return len([row for row in emulator.effects() if row["method"].endswith(".create") and row["applied"]])


def make(emulator: Emulator, collection: str, job: Json) -> str:
    """Make a job as somebody else does, with gcloud say; gives its full name."""
    name: str = emulator._post(f"/v1/{PLACE}/{collection}", job)["name"]
    return name


def state(emulator: Emulator, name: str) -> str:
    found: str = emulator._json("GET", f"/v1/{name}")["state"]
    return found


def test_a_job_from_submission_to_its_log(plugin: Plugin, namespace: Namespace, emulator: Emulator) -> None:
    emulator.script(f"^{namespace.name}/", timeline=QUICK)
    made = plugin.ok("submit", "training", f"{namespace.name}-nightly", *IMAGE, "--", "--epochs=3")
    name = f"{namespace.name}-nightly"
    assert made == f"trainingjob.mljobs.dev/{name} created\n"
    job = namespace.job("TrainingJob", name)
    number = number_of(job)
    full = f"{PLACE}/customJobs/{number}"
    assert plugin.ok("wait", name, "--for=submitted", "--timeout=30s") == (
        f"trainingjob/{name} submitted as {full}\n"
    )
    assert plugin.ok("wait", name, "--timeout=30s").splitlines()[-1] == f"trainingjob/{name} succeeded"

    title = job.status()["jobId"]
    assert title == f"{namespace.name}/{name}"
    for said in (f"tj/{name}", title, number, full):
        assert f"Name:             {name}\n" in plugin.ok("describe", said)
    page = plugin.ok("describe", name)
    console = f"/agent-platform/locations/{REGION}/training/{number}?project={PROJECT}"
    for text in (f"Job:              {full}\n", "State:            SUCCEEDED\n", f"{console}\n"):
        assert text in page
    for pair in ("Translated    True    Exact", "Normal   Accepted", "Normal   JobSucceeded"):
        assert " ".join(pair.split()) in " ".join(page.split())

    log = plugin.ok("logs", title)
    assert log.splitlines()[-1].endswith("service  Job completed successfully.")
    assert plugin.ok("logs", full, "--tail=1") == f"{log.splitlines()[-1]}\n"
    assert "loss" in plugin.ok("logs", name, "--task-name=workerpool0-0")
    entries = [json.loads(line) for line in plugin.ok("logs", number, "--json").splitlines()]
    assert {entry["resource"]["labels"]["job_id"] for entry in entries} == {number}


def test_a_log_that_is_followed_to_the_end_of_a_job_that_fails(
    plugin: Plugin, namespace: Namespace, emulator: Emulator
) -> None:
    emulator.script(f"^{namespace.name}/", timeline=QUICK, final="FAILED", errorMessage="exit status 1")
    stream = plugin.by_kubectl("submit", "training", f"{namespace.name}-bad", *IMAGE, "--stream-logs")
    out, errors = stream.communicate(timeout=60)
    assert stream.returncode == 1
    assert "service  exit status 1" in out
    assert errors.splitlines()[-1] == f"error: trainingjob/{namespace.name}-bad: JobFailed: exit status 1"


def test_trials_and_a_list_of_all_kinds(plugin: Plugin, namespace: Namespace, emulator: Emulator) -> None:
    emulator.script(f"^{namespace.name}/", timeline=QUICK)
    jobs = [
        namespace.create(training("tuned", hyperparameters=TUNING)),
        namespace.create(prediction("scores")),
        namespace.create(training("held", {"suspend": True})),
    ]
    for job in jobs[:2]:
        job.until_state("SUCCEEDED")
    jobs[0].until_status(
        lambda shown: len((shown.get("trainingOutput") or {}).get("trials", ())) == 2, "all trials"
    )
    page = plugin.ok("describe", "tuned")
    assert "Trials, best first (lowest loss):" in page
    assert "/hyperparameterTuningJobs/" in page
    assert "Output path:      gs://bucket/out" in plugin.ok("describe", "scores")
    wide = [line.split() for line in plugin.ok("list", "-o", "wide").splitlines()]
    assert [row[1:6] for row in wide[1:]] == [
        ["held", "Suspended", "-", "-", REGION],
        ["tuned", "SUCCEEDED", f"{namespace.name}/tuned", PROJECT, REGION],
        ["scores", "SUCCEEDED", f"{namespace.name}/scores", PROJECT, REGION],
    ]


def test_cancel_and_resume(plugin: Plugin, namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census"))
    emulator.force(number_of(job), "RUNNING")
    job.until_state("RUNNING")
    out = plugin.ok("cancel", f"{namespace.name}/census", "--wait")
    assert out.splitlines()[-1] == "trainingjob/census ended: CANCELLED"
    assert plugin.ok("resume", "census") == "trainingjob/census resumed\n"
    job.until_status(lambda status: status.get("attempt") == 2 and "jobName" in status, "attempt 2")
    assert "Earlier attempts:" in plugin.ok("describe", f"{namespace.name}/census #2")


def test_iam_says_why_there_is_none(plugin: Plugin, namespace: Namespace) -> None:
    number_of(namespace.create(training("census")))
    policy = yaml.safe_dump({"bindings": [{"role": "roles/owner", "members": ["user:a@example.com"]}]})
    for words in (("get", "census"), ("test", "census"), ("set", "census", "-")):
        said = " ".join(plugin.refused(1, "iam", *words, stdin=policy))
        assert "have no IAM policy of their own" in said
        assert "grant roles there" in said


def test_import_makes_suspended_copies(plugin: Plugin, namespace: Namespace, emulator: Emulator) -> None:
    """Nobody can label a job there after its creation, so that nobody can take one over."""
    title = f"{namespace.name} nightly"
    study = {
        "metrics": [{"metricId": "loss", "goal": "MINIMIZE"}],
        "parameters": [{"parameterId": "rate", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}],
    }
    counts = {"maxTrialCount": 2, "parallelTrialCount": 1}
    custom = make(emulator, "customJobs", {"displayName": title, "jobSpec": SPEC, "labels": {"team": "a"}})
    alike = make(emulator, "customJobs", {"displayName": title, "jobSpec": SPEC})
    search = {"displayName": f"{title} search", "studySpec": study, "trialJobSpec": SPEC, **counts}
    tuned = make(emulator, "hyperparameterTuningJobs", search)
    owned = namespace.create(training("owned"))
    number_of(owned)
    before = creates(emulator)

    words = ("import", f"--project={PROJECT}", f"--location={REGION}")
    chosen = f'--filter=display_name:"{namespace.name}*"'
    shown = plugin.run(*words, chosen, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    planned = list(yaml.safe_load_all(shown.stdout))
    names = {made["metadata"]["annotations"]["mljobs.dev/imported-from"]: made for made in planned}
    assert set(names) == {custom, alike, tuned}
    assert "canary" not in shown.stderr
    assert "env[0].value" in shown.stderr

    done = plugin.run(*words, chosen)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "4 jobs: 3 imported, 1 left out, 0 refused"
    assert f"is {owned.name}'s already" in done.stderr
    made = {item["metadata"]["annotations"].get("mljobs.dev/imported-from"): item for item in namespace.all()}
    copy = namespace.job("TrainingJob", made[custom]["metadata"]["name"])
    assert copy.name != made[alike]["metadata"]["name"]
    for name in (custom, alike, tuned):
        job = namespace.job("TrainingJob", made[name]["metadata"]["name"])
        job.until_condition("Suspended", "True", "Suspended")
    again = plugin.run(*words, chosen)
    assert again.stderr.splitlines()[-1] == "4 jobs: 0 imported, 4 left out, 0 refused"
    assert creates(emulator) == before

    plugin.ok("resume", copy.name)
    number = number_of(copy)
    repeated = emulator._json("GET", f"/v1/{PLACE}/customJobs/{number}")
    original = emulator._json("GET", f"/v1/{custom}")
    assert repeated["jobSpec"] == original["jobSpec"]
    assert repeated["labels"]["team"] == "a"
    assert repeated["displayName"] == title
    assert creates(emulator) == before + 1
    copy.delete()
    copy.until_gone()
    assert state(emulator, custom) != "JOB_STATE_CANCELLED"
    (line,) = plugin.refused(1, "import", f"--project={PROJECT}", "--location=nowhere/else")[-1:]
    assert "must be a region of the service" in line


class Leftovers:
    """`mljobs leftovers` with the operator's settings, as an administrator."""

    def __init__(self, kubeconfig: Path, emulator: Emulator, namespace: Namespace) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith("MLJOBS_")}
        self._env = {**env, **FAST, **SETTINGS, "KUBECONFIG": str(kubeconfig)}
        self._command = [*MLJOBS, "leftovers", f"--endpoint={emulator.url}", "--anonymous"]
        self._command += [f"--project={PROJECT}", "-n", namespace.name]

    def __call__(self, *options: str, code: int = 0) -> Json:
        command = [*self._command, "-o", "json", *options]
        done = subprocess.run(
            command, env=self._env, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        found: Json = json.loads(done.stdout)
        return found


def test_leftovers_without_the_operator(
    plugin: Plugin, namespace: Namespace, emulator: Emulator, operator: Operator
) -> None:
    """A running job with its resource, and one whose resource went past its finalizer; names are alike."""
    leftovers = Leftovers(operator.kubeconfig, emulator, namespace)
    leftovers._env["KUBECONFIG"] = plugin.environment["KUBECONFIG"]
    kept = namespace.create(training("census"))
    gone = namespace.create(training("gone"))
    names = {}
    for job in (kept, gone):
        names[job.name] = f"{PLACE}/customJobs/{number_of(job)}"
        emulator.force(number_of(job), "RUNNING")
        job.until_state("RUNNING")
    operator.stop()
    try:
        namespace.patch(gone.kind, gone.name, {"metadata": {"finalizers": None}})
        namespace.delete(gone.kind, gone.name)
        gone.until_gone()
        found = leftovers()
        assert [(row["jobName"], row["plan"]) for row in found["resources"]] == [(names["census"], "cancel")]
        assert [(row["jobName"], row["jobId"]) for row in found["jobs"]] == [
            (names["gone"], f"{namespace.name}/gone")
        ]
        stray = f"--cancel-stray={names['gone']}"
        done = leftovers("--cancel", stray, "--without-lease")
        assert [row["outcome"] for row in (*done["resources"], *done["jobs"])] == ["cancelled", "cancelled"]
        for name in names.values():
            eventually(
                partial(state, emulator, name),
                lambda word: word == "JOB_STATE_CANCELLED",
                what=f"{name} is cancelled",
                report=namespace.report,
            )
        assert leftovers()["jobs"] == []
    finally:
        operator.start()
