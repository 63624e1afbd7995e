"""`kubectl mljobs` on a real API server with the operator and the emulator, as kubectl runs it."""

import json
import subprocess
from pathlib import Path

import urllib3
import yaml

from tests.e2e.support import Namespace, eventually
from tests.e2e.support_plugin import Plugin
from tests.e2e.support_stack import PROJECT, Emulator

IMAGE = ("--region=us-central1", "--master-image-uri=gcr.io/team/trainer:1")


def lines(text: str) -> list[list[str]]:
    """The words of a table."""
    return [line.split() for line in text.splitlines()]


def submit(plugin: Plugin, job: str, *words: str) -> str:
    return plugin.ok("submit", "training", job, *IMAGE, *words)


def test_a_job_from_submission_to_its_log(plugin: Plugin, namespace: Namespace, emulator: Emulator) -> None:
    job_id = f"{namespace.name}_Nightly"
    name = f"{namespace.name}-nightly"
    made = submit(plugin, job_id, "--labels=team=a", "--scale-tier=basic", "--", "--epochs", "3")
    assert made == f"trainingjob.mljobs.dev/{name} created\n"
    assert plugin.ok("wait", job_id, "--for=submitted", "--timeout=30s") == (
        f"trainingjob/{name} submitted as projects/{PROJECT}/jobs/{job_id}\n"
    )
    shown = emulator.job(job_id)
    assert shown["trainingInput"] == {
        "region": "us-central1",
        "masterConfig": {"imageUri": "gcr.io/team/trainer:1"},
        "args": ["--epochs", "3"],
    }
    assert shown["labels"]["team"] == "a"
    (again,) = plugin.refused(1, "submit", "training", job_id, *IMAGE)
    assert f'"{name}" already exists; choose another name' in again

    waiting = plugin.by_kubectl("wait", f"tj/{name}")
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == f"trainingjob/{name} QUEUED\n"
    emulator.force(job_id, "RUNNING")
    assert waiting.stdout.readline() == f"trainingjob/{name} RUNNING\n"
    emulator.force(job_id, "SUCCEEDED")
    rest, errors = waiting.communicate(timeout=30)
    assert (waiting.returncode, errors) == (0, "")
    assert rest.splitlines()[-1] == f"trainingjob/{name} succeeded"

    page = plugin.ok("describe", job_id)
    for text in (f"Job:              projects/{PROJECT}/jobs/{job_id}\n", "State:            SUCCEEDED\n"):
        assert text in page
    for pair in ("Succeeded     True", "Normal   Accepted", "Normal   JobSucceeded"):
        assert pair in page
    assert json.loads(plugin.ok("describe", name, "-o", "json"))["status"]["jobId"] == job_id

    log = plugin.ok("logs", job_id)
    assert "INFO     service  Job is queued." in log
    assert log.splitlines()[-1].endswith("service  Job completed successfully.")
    assert plugin.ok("logs", name, "--tail=1") == f"{log.splitlines()[-1]}\n"
    assert plugin.ok("logs", name, "--severity=error") == ""
    entries = [json.loads(line) for line in plugin.ok("logs", name, "--json").splitlines()]
    assert [entry["resource"]["labels"]["job_id"] for entry in entries] == [job_id] * len(entries)


def test_a_submission_that_streams_the_log_judges_the_end(
    plugin: Plugin, namespace: Namespace, emulator: Emulator
) -> None:
    timeline = {"QUEUED": 20, "PREPARING": 20, "RUNNING": 100}
    emulator.script(f"^{namespace.name}_ok", timeline=timeline)
    emulator.script(f"^{namespace.name}_bad", timeline=timeline, final="FAILED", errorMessage="exit status 1")
    streams = {
        word: plugin.by_kubectl("submit", "training", f"{namespace.name}_{word}", *IMAGE, "--stream-logs")
        for word in ("ok", "bad")
    }
    out, errors = streams["ok"].communicate(timeout=60)
    assert streams["ok"].returncode == 0, errors
    assert [line.split("  ")[-1] for line in out.splitlines()][1:] == [
        "Job is queued.",
        "Waiting for job to be provisioned.",
        "Job is running.",
        *(f"step {number}00: loss = {1 / number:.4f}" for number in range(1, 6)),
        "Job completed successfully.",
    ]
    out, errors = streams["bad"].communicate(timeout=60)
    assert streams["bad"].returncode == 1
    assert "ERROR    service  exit status 1" in out
    assert errors.splitlines()[-1] == f"error: trainingjob/{namespace.name}-bad: JobFailed: exit status 1"


def test_what_the_server_alone_can_refuse(plugin: Plugin, namespace: Namespace) -> None:
    made = submit(plugin, f"{namespace.name}_x", "--dry-run=server")
    assert made.endswith("created (server dry run)\n")
    assert namespace.all() == []
    (line,) = plugin.refused(1, "submit", "training", f"{namespace.name}_x", *IMAGE, "-n", "nowhere")
    assert 'namespaces "nowhere" not found' in line


def test_list(plugin: Plugin, namespace: Namespace, emulator: Emulator) -> None:
    assert plugin.run("list").stderr == f"no jobs found in namespace {namespace.name}\n"
    submit(plugin, f"{namespace.name}_a")
    submit(plugin, f"{namespace.name}_b", "--suspend")
    plugin.ok(
        "submit",
        "prediction",
        f"{namespace.name}_c",
        "--region=us-central1",
        "--model-dir=gs://bucket/model",
        "--data-format=tf-record",
        "--input-paths=gs://bucket/in",
        "--output-path=gs://bucket/out",
        f"--project={PROJECT}",
    )
    rows = [
        ["TrainingJob", f"{namespace.name}-a", "QUEUED", f"{namespace.name}_a"],
        ["TrainingJob", f"{namespace.name}-b", "Suspended", "-"],
        ["PredictionJob", f"{namespace.name}-c", "QUEUED", f"{namespace.name}_c"],
    ]
    table = eventually(
        lambda: lines(plugin.ok("list")),
        lambda seen: [row[:4] for row in seen[1:]] == rows,
        what="the list",
        report=namespace.report,
    )
    assert table[0] == ["KIND", "NAME", "STATE", "JOB", "AGE"]
    wide = lines(plugin.ok("list", "tj", "-o", "wide", "--state", "queued"))
    assert [row[1:7] for row in wide] == [
        ["NAME", "STATE", "JOB", "PROJECT", "LOCATION", "REASON"],
        [f"{namespace.name}-a", "QUEUED", f"{namespace.name}_a", PROJECT, "us-central1", "NotFinished"],
    ]
    everywhere = lines(plugin.ok("list", "-A"))
    assert everywhere[0][0] == "NAMESPACE"
    assert {row[0] for row in everywhere[1:]} >= {namespace.name}
    document = yaml.safe_load(plugin.ok("list", "-o", "yaml"))
    assert [item["metadata"]["name"] for item in document["items"]] == [row[1] for row in rows]
    assert plugin.ok("list", "pj", "-o", "name") == f"predictionjob.mljobs.dev/{namespace.name}-c\n"


def test_cancel_and_resume(plugin: Plugin, namespace: Namespace, emulator: Emulator) -> None:
    job_id = f"{namespace.name}_a"
    job = namespace.job("TrainingJob", f"{namespace.name}-a")
    submit(plugin, job_id)
    job.until_state("QUEUED")
    (line,) = plugin.refused(1, "resume", job.name)
    assert "is not suspended" in line
    out = plugin.ok("cancel", job_id, "--wait")
    assert out.splitlines()[-1] == f"trainingjob/{job.name} ended: CANCELLED"
    assert emulator.applied("cancel", job_id) == [job_id]
    # A suspended job may still succeed in another attempt: a wait for that goes on until its time is over.
    (line,) = plugin.refused(2, "wait", job.name, "--timeout=1s")
    assert "has not succeeded within 1s" in line
    assert plugin.ok("resume", job.name) == f"trainingjob/{job.name} resumed\n"
    job.until_status(
        lambda status: status.get("attempt") == 2 and status.get("state") == "QUEUED", "attempt 2"
    )
    assert "Earlier attempts:" in plugin.ok("describe", job.name)
    emulator.force(f"{job_id}_2", "FAILED", "exit status 1")
    (line,) = plugin.refused(1, "wait", job.name)
    assert line == f"error: trainingjob/{job.name}: JobFailed: exit status 1"
    assert "has ended already: FAILED" in plugin.run("cancel", job.name).stderr


def test_import_adopts_without_a_second_create(
    plugin: Plugin, namespace: Namespace, emulator: Emulator
) -> None:
    project = f"{namespace.name}-project"
    rate = {"parameterName": "rate", "type": "DOUBLE", "minValue": 0, "maxValue": 1}
    job_input = {
        "region": "us-central1",
        "masterConfig": {"imageUri": "gcr.io/team/trainer:1"},
        "hyperparameters": {"goal": "MINIMIZE", "params": [rate]},
    }
    ids = [f"{namespace.name}_{number}" for number in range(103)]
    for job_id in [*ids, f"{namespace.name}_other"]:
        emulator.create(
            {"jobId": job_id, "labels": {"team": "a"}, "trainingInput": job_input}, project=project
        )
    emulator.force(ids[0], "RUNNING", project=project)
    created = emulator.applied("create", namespace.name)
    words = ("import", f"--project={project}", f"--filter=jobId:{namespace.name}_*")
    planned = list(yaml.safe_load_all(plugin.ok(*words, "--dry-run")))
    assert len(planned) == len(ids) + 1
    assert len([row for row in emulator.effects(method="list") if row["project"] == project]) == 2
    assert namespace.all() == []

    done = plugin.run("import", f"--project={project}", "--filter=state:RUNNING OR jobId:*_other")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "2 jobs: 2 imported, 0 left out, 0 refused"
    job = namespace.job("TrainingJob", f"{namespace.name}-0")
    job.until_condition("Submitted", "True", "Adopted")
    assert job.until_state("RUNNING")["jobId"] == ids[0]
    labels = emulator.job(ids[0], project=project)["labels"]
    assert labels["mljobs-uid"] == job.uid
    assert labels["team"] == "a"
    shown = emulator.job(ids[0], project=project)["trainingInput"]["hyperparameters"]["params"]
    assert shown == [{"parameterName": "rate", "type": "DOUBLE", "maxValue": 1}]  # zeros are left out
    kept = job.object()
    assert kept is not None
    assert kept["spec"]["trainingInput"]["hyperparameters"]["params"] == [rate]
    assert emulator.applied("create", namespace.name) == created

    again = plugin.run(*words, "--limit=200", "--dry-run=server")
    assert again.returncode == 0, again.stderr
    assert f"note: {ids[0]}: is {job.name}'s already" in again.stderr.splitlines()
    assert again.stderr.splitlines()[-1] == "104 jobs: 102 to import, 2 left out, 0 refused"
    job.delete()
    job.until_gone()
    assert emulator.applied("cancel", namespace.name) == [ids[0]]


def test_iam(plugin: Plugin, namespace: Namespace, emulator: Emulator) -> None:
    job_id = f"{namespace.name}_a"
    submit(plugin, job_id)
    plugin.ok("wait", job_id, "--for=submitted", "--timeout=30s")
    owner = {"role": "roles/ml.jobOwner", "members": ["user:a@example.com"]}
    written = yaml.safe_load(
        plugin.ok("iam", "set", job_id, "-", stdin=yaml.safe_dump({"bindings": [owner]}))
    )
    read = yaml.safe_load(plugin.ok("iam", "get", job_id))
    assert read == written
    assert read["bindings"] == [owner]
    assert json.loads(plugin.ok("iam", "get", job_id, "-o", "json")) == read
    stale = yaml.safe_dump({**read, "etag": "AAAAAAAAAAA="})
    (line,) = plugin.refused(1, "iam", "set", job_id, "-", stdin=stale)
    assert "it has changed meanwhile" in line

    viewer = {"role": "roles/ml.viewer", "members": ["group:g@example.com"]}
    plugin.ok("iam", "set", job_id, "-", "--in-spec", stdin=yaml.safe_dump({"bindings": [viewer]}))
    namespace.job("TrainingJob", job_id.replace("_", "-")).until_status(
        lambda status: status.get("record", {}).get("iamBindings") == [viewer], "the binding"
    )
    assert yaml.safe_load(plugin.ok("iam", "get", job_id))["bindings"] == [owner, viewer]
    assert lines(plugin.ok("iam", "test", job_id, "ml.jobs.cancel")) == [
        ["PERMISSION", "GRANTED"],
        ["ml.jobs.cancel", "yes"],
    ]
    denial = [{"jobId": f"^{job_id}$", "denied": ["ml.jobs.cancel"]}]
    urllib3.request("POST", f"{emulator.url}/_emulator/permissions", json=denial)
    done = plugin.run("iam", "test", job_id)
    assert done.returncode == 1
    assert {row[0]: row[1] for row in lines(done.stdout)[1:]} == {
        "ml.jobs.get": "yes",
        "ml.jobs.update": "yes",
        "ml.jobs.cancel": "no",
        "ml.jobs.getIamPolicy": "yes",
        "ml.jobs.setIamPolicy": "yes",
    }
    urllib3.request("DELETE", f"{emulator.url}/_emulator/permissions")  # or the resource could not go


def test_lines_for_what_cannot_be(plugin: Plugin, namespace: Namespace) -> None:
    submit(plugin, f"{namespace.name}_a", "--suspend")
    cases: list[tuple[int, list[str], str]] = [
        (
            1,
            ["describe", "nothing"],
            f"there is no TrainingJob or PredictionJob nothing in namespace {namespace.name}",
        ),
        (1, ["describe", "pj/nothing"], "there is no PredictionJob nothing"),
        (1, ["logs", f"{namespace.name}-a"], "has no job yet; `kubectl mljobs describe"),
        (2, ["list", "--context=nowhere"], "no cluster: "),
    ]
    for code, words, says in cases:
        (line,) = plugin.refused(code, *words)
        assert line.startswith("error: ")
        assert says in line
    plugin.ok("wait", f"{namespace.name}-a", "--for=ended", "--timeout=30s")
    (line,) = plugin.refused(2, "import", "--project=p", MLJOBS_ENDPOINT="http://127.0.0.1:9")
    assert "ml.projects.jobs.list was not sent" in line


def completed(plugin: Plugin, kubectl: Path, *words: str) -> list[str]:
    """What kubectl itself, asked by its shell, says of the last word; its directive is the last line."""
    done = subprocess.run(
        [str(kubectl), "__complete", "mljobs", *words],
        env=plugin.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()


def test_kubectl_completes_commands_options_and_names(
    plugin: Plugin, namespace: Namespace, binaries_dir: Path
) -> None:
    submit(plugin, f"{namespace.name}_a", "--suspend")
    kubectl = binaries_dir / "kubectl"
    assert completed(plugin, kubectl, "des") == ["describe", ":4"]
    assert completed(plugin, kubectl, "submit", "") == ["training", "prediction", ":4"]
    assert "--max-running-time" in completed(plugin, kubectl, "submit", "training", "x", "--max-")
    here = f"--namespace={namespace.name}"
    assert completed(plugin, kubectl, "describe", here, namespace.name) == [f"{namespace.name}-a", ":4"]
    assert completed(plugin, kubectl, "describe", here, "nothing-like-it") == [":4"]
