"""`mljobs dev` as its users and their scripts run it: a process that starts, fixes and ends a whole stack."""

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3
import yaml

from mljobs_dev.controlplane.client import read_manifests
from mljobs_dev.stack.files import deploy_folder
from mljobs_dev.stack.identities import PROVIDER
from tests.e2e.support import Json, Kubectl, eventually
from tests.e2e.support_dev import DevRun

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="finds the processes of a run in /proc"),
]

SAMPLES = deploy_folder() / "samples"
PROCESSES = ("operator", "emulator", "kube-apiserver", "etcd")
LEAVES = 10.0
"""Seconds in which dev promises to be gone."""

Start = Callable[..., DevRun]
http = urllib3.PoolManager(retries=False)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, binaries_dir: Path) -> Iterator[Start]:
    """Starts runs, and ends by force what a failed test has left."""
    runs = []

    def start(*arguments: str) -> DevRun:
        runs.append(DevRun(tmp_path_factory.mktemp("dev") / "run", *arguments, assets=binaries_dir))
        return runs[-1]

    yield start
    for run in runs:
        run.end_by_force()


def kubectl_of(ready: Json, binaries_dir: Path) -> Kubectl:
    return Kubectl(binaries_dir / "kubectl", Path(ready["kubeconfig"]), "default")


def answered(url: str) -> bool:
    try:
        return http.request("GET", url, timeout=2.0).status == 200
    except urllib3.exceptions.HTTPError:
        return False


@pytest.fixture(scope="module")
def run(start: Start) -> DevRun:
    """The run that most tests share; the last of them ends it."""
    return start("--speed=100")


@pytest.fixture
def ready(run: DevRun) -> Json:
    return run.ready()


@pytest.fixture
def kubectl(ready: Json, binaries_dir: Path) -> Kubectl:
    return kubectl_of(ready, binaries_dir)


def sample(name: str, **spec: object) -> Json:
    (manifest,) = read_manifests(SAMPLES / f"{name}.yaml")
    return {**manifest, "spec": {**manifest["spec"], **spec}}


def test_the_cluster_s_jobs_run_on_the_service_that_is_named(start: Start, binaries_dir: Path) -> None:
    run = start("--speed=100", "--service=VertexAI")
    ready = run.ready()
    kubectl = kubectl_of(ready, binaries_dir)
    kubectl.out("apply", "-f", str(SAMPLES / "tuning.yaml"))
    kubectl.out("wait", "--for=condition=Succeeded", "tj/tuning", "--timeout=60s", timeout=90)
    effects = json.loads(http.request("GET", f"{ready['emulatorUrl']}/_emulator/ledger").data)["effects"]
    creates = [row["method"] for row in effects if row["method"].endswith(".create") and row["applied"]]
    assert creates == ["aiplatform.projects.locations.hyperparameterTuningJobs.create"]
    run.end_by_force()


class TestOneRun:
    """In this order: each test finds the stack as the one before has left it."""

    def test_the_ready_file_says_where_everything_is(self, ready: Json) -> None:
        assert set(ready) == {"kubeconfig", "emulatorUrl", "metricsUrl", "pids"}
        assert set(ready["pids"]) == set(PROCESSES)
        assert answered(f"{ready['emulatorUrl']}/_emulator/ledger")
        metrics = http.request("GET", ready["metricsUrl"]).data.decode()
        assert re.search(r"^# TYPE \w+ counter$", metrics, re.MULTILINE)

    def test_the_processes_are_the_servers_themselves(self, run: DevRun, ready: Json) -> None:
        commands = run.processes()
        words = {"operator": " mljobs run ", "emulator": " mljobs emulator ", "etcd": "etcd --name"}
        for name, pid in ready["pids"].items():
            assert words.get(name, "kube-apiserver --") in commands[pid]

    def test_its_token_services_take_tokens_of_its_cluster(self, ready: Json, kubectl: Kubectl) -> None:
        kubectl.out("create", "serviceaccount", "mljobs-identity")
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "audience": f"//iam.googleapis.com/{PROVIDER}",
        }
        statuses = []
        for audience in (f"https://iam.googleapis.com/{PROVIDER}", "https://elsewhere.example"):
            token = kubectl.out("create", "token", "mljobs-identity", f"--audience={audience}").strip()
            fields = {**form, "subject_token": token}
            answer = http.request_encode_body(
                "POST", f"{ready['emulatorUrl']}/v1/token", fields, encode_multipart=False
            )
            statuses.append(answer.status)
        assert statuses == [200, 400]

    def test_it_tells_how_to_use_it(self, run: DevRun, ready: Json) -> None:
        told = eventually(lambda: run.output, lambda text: "Ctrl-C" in text, what="it tells how to use it")
        assert f"export KUBECONFIG={ready['kubeconfig']}" in told
        assert re.search(r"kubectl apply -f \S*deploy/samples/tuning\.yaml", told)
        assert f"{ready['emulatorUrl']}/_emulator/ledger" in told

    def test_an_applied_sample_comes_to_its_end(self, kubectl: Kubectl) -> None:
        kubectl.out("apply", "-f", str(SAMPLES / "prediction.yaml"))
        kubectl.out("wait", "--for=condition=Succeeded", "pj/prediction", "--timeout=60s", timeout=90)

    def test_both_services_are_there_by_their_classes(self, kubectl: Kubectl) -> None:
        (sample,) = yaml.safe_load_all((SAMPLES / "tuning.yaml").read_text())
        for name, collection in (("mlv1", "/jobs/"), ("vertex", "/hyperparameterTuningJobs/")):
            sample["metadata"]["name"], sample["spec"]["jobClassName"] = f"of-{name}", name
            kubectl.apply(sample)
            kubectl.out("wait", "--for=condition=Submitted", f"tj/of-{name}", "--timeout=60s", timeout=90)
            shown = kubectl.out("get", f"tj/of-{name}", "-o", "jsonpath={.status.jobName}")
            assert collection in shown
            kubectl.out("delete", f"tj/of-{name}", "--timeout=60s", timeout=90)

    def test_the_operator_is_not_the_administrator(self, kubectl: Kubectl) -> None:
        account = "--as=system:serviceaccount:mljobs-system:mljobs-operator"
        managers = kubectl.out("get", "pj/prediction", "--show-managed-fields", "-o", "yaml")
        written = {entry["manager"] for entry in yaml.safe_load(managers)["metadata"]["managedFields"]}
        assert len(written) > 1, "the operator has written its status"
        assert kubectl.run("auth", "can-i", "patch", "predictionjobs/status", account).stdout == "yes\n"
        assert kubectl.run("auth", "can-i", "get", "secrets", account).stdout == "no\n"

    @pytest.mark.parametrize("name", PROCESSES)
    def test_a_process_that_is_killed_is_started_again_at_its_place(
        self, name: str, run: DevRun, ready: Json, kubectl: Kubectl
    ) -> None:
        if name == "emulator":  # what is not at its end then is lost with the emulator's memory
            kubectl.apply(sample("long-running"))
            kubectl.out("wait", "--for=condition=Submitted", "tj/long-running", "--timeout=30s")
        killed = ready["pids"][name]
        os.kill(killed, signal.SIGKILL)
        now = eventually(run.read, lambda seen: seen["pids"][name] != killed, what=f"{name} is back")
        assert {**now, "pids": {**now["pids"], name: killed}} == ready, "nothing else has changed"
        assert now["pids"][name] in run.processes()
        line = f"{name} (process {killed}) was ended by signal 9"
        eventually(lambda: run.output, lambda text: line in text, what="the end is told", within=5)
        again = f"{name} was started again as process {now['pids'][name]}"
        eventually(lambda: run.output, lambda text: again in text, what="the restart is told", within=5)
        self.assert_it_serves(run, now, kubectl)

    @staticmethod
    def assert_it_serves(run: DevRun, ready: Json, kubectl: Kubectl) -> None:
        readyz = ready["metricsUrl"].removesuffix("/metrics") + "/readyz"
        eventually(lambda: answered(readyz), what="the operator is ready", report=lambda: run.output)
        eventually(lambda: answered(f"{ready['emulatorUrl']}/_emulator/health"), what="the emulator answers")
        eventually(lambda: kubectl.run("get", "--raw=/readyz").stdout, "ok".__eq__, what="the API server is")

    def test_a_job_that_the_emulator_has_forgotten_is_lost(self, run: DevRun, kubectl: Kubectl) -> None:
        kubectl.out("wait", "--for=condition=Stalled", "tj/long-running", "--timeout=60s", timeout=90)
        job = json.loads(kubectl.out("get", "tj/long-running", "-o", "json"))
        (stalled,) = (one for one in job["status"]["conditions"] if one["type"] == "Stalled")
        assert stalled["reason"] == "Lost"
        assert "as Lost" in run.output, "it was told beforehand"

    def test_after_all_that_a_new_job_runs(self, kubectl: Kubectl) -> None:
        manifest = sample("prediction")
        kubectl.apply({**manifest, "metadata": {"name": "after-all-that"}})
        kubectl.out("wait", "--for=condition=Succeeded", "pj/after-all-that", "--timeout=90s", timeout=120)

    def test_sigterm_ends_everything_and_leaves_nothing(self, run: DevRun) -> None:
        assert len(run.processes()) == 1 + 2 * len(PROCESSES), "a guardian stands before each"
        run.process.send_signal(signal.SIGTERM)
        run.assert_nothing_is_left(LEAVES)
        assert run.ended() == 0
        assert not run.ready_file.exists()


def test_with_a_state_folder_the_cluster_comes_back(start: Start, tmp_path: Path, binaries_dir: Path) -> None:
    state = tmp_path / "state"
    first = start(f"--state-dir={state}")
    before = first.ready()
    kubectl = kubectl_of(before, binaries_dir)
    kubectl.apply(sample("suspended"))
    uid = kubectl.out("get", "tj/suspended", "-o", "jsonpath={.metadata.uid}")

    second = start(f"--state-dir={state}")
    assert second.ended() == 1
    assert f"{state} is in use by another run" in second.output
    assert first.read() == before, "the second has not disturbed the first"
    assert kubectl.out("get", "tj/suspended", "-o", "jsonpath={.metadata.uid}") == uid
    assert (state / "etcd").is_dir(), "nor its files"

    first.process.send_signal(signal.SIGTERM)
    first.assert_nothing_is_left(LEAVES)
    assert not first.ready_file.exists()

    third = start(f"--state-dir={state}")
    after = third.ready()
    assert after["kubeconfig"] == before["kubeconfig"]
    assert kubectl.out("get", "tj/suspended", "-o", "jsonpath={.metadata.uid}") == uid
    third.process.kill()
    third.assert_nothing_is_left(LEAVES)
    assert (state / "etcd").is_dir()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_a_run_that_ends_while_it_starts_leaves_nothing_either(start: Start, number: signal.Signals) -> None:
    run = start()
    eventually(
        run.processes,
        lambda seen: any("kube-apiserver --" in command for command in seen.values()),
        what="the API server is being started",
        report=lambda: run.output,
    )
    assert not run.ready_file.exists()
    run.process.send_signal(number)
    run.assert_nothing_is_left(LEAVES)
    assert not run.ready_file.exists()
