"""The CRDs on a real API server, used as a user does: with kubectl."""

import json
import subprocess
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.api import discovery

from mljobs.api import crd
from mljobs.api.resources import GROUP, KINDS, PREDICTION_JOB, TRAINING_JOB, VERSION, Kind
from mljobs.cli import crds
from mljobs.devcluster.client import ApiError
from mljobs.devcluster.controlplane import ControlPlane

pytestmark = pytest.mark.e2e

NAMESPACE = "crds"
Json = dict[str, Any]


class Kubectl:
    """kubectl on one control plane and in one namespace."""

    def __init__(self, program: Path, kubeconfig: Path, cache: Path) -> None:
        self.command = [
            str(program),
            f"--kubeconfig={kubeconfig}",
            f"--namespace={NAMESPACE}",
            f"--cache-dir={cache}",
        ]

    def run(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *args], input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    def out(self, *args: str, stdin: str = "") -> str:
        """Run a command that has to succeed without any warning, and give what it prints."""
        done = self.run(*args, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def apply(self, *documents: Json) -> str:
        lines = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
        return self.out("apply", "--server-side", "-f", "-", stdin=lines)

    def refuse(self, document: Json) -> str:
        """Apply what the server has to refuse, and give its words."""
        done = self.run("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=json.dumps(document))
        assert done.returncode != 0, f"accepted: {document}"
        return done.stderr

    def get(self, kind: Kind, name: str) -> Json:
        found: Json = json.loads(self.out("get", kind.plural, name, "-o", "json"))
        return found

    def patch(self, kind: Kind, name: str, change: Json, *args: str) -> subprocess.CompletedProcess[str]:
        return self.run("patch", kind.plural, name, "--type=merge", f"-p={json.dumps(change)}", *args)

    def submitted(self, kind: Kind, name: str) -> None:
        """Write what the operator writes once the service has accepted a job."""
        status = {"status": {"observedGeneration": 1, "state": "QUEUED", "jobId": f"{name}_1"}}
        done = self.patch(kind, name, status, "--subresource=status")
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def kubectl(
    control_plane: ControlPlane, binaries_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubectl]:
    """kubectl in a namespace of its own, on a control plane that serves the CRDs with all rules."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    control_plane.apply([*crds.definitions(), namespace])
    wait_until_published(control_plane)
    program = Kubectl(binaries_dir / "kubectl", control_plane.kubeconfig, tmp_path_factory.mktemp("kubectl"))
    yield program
    for kind in KINDS.values():
        program.out("delete", kind.plural, "--all", "--wait=false")


def wait_until_published(control_plane: ControlPlane) -> None:
    """Wait for the OpenAPI document, which the server makes some time after a CRD is established."""
    deadline = time.monotonic() + 30
    wanted = {kind.name for kind in KINDS.values()}
    while not wanted <= set(published(control_plane)):
        assert time.monotonic() < deadline, "the kinds are not in the OpenAPI document"
        time.sleep(0.05)


def published(control_plane: ControlPlane) -> dict[str, Json]:
    """The schemas of our kinds as the server publishes them for kubectl, by kind."""
    try:
        document = control_plane.client.get(f"/openapi/v3/apis/{GROUP}/{VERSION}")
    except ApiError as error:
        if error.status == 404:
            return {}
        raise
    return {
        entry["kind"]: schema
        for schema in document["components"]["schemas"].values()
        for entry in schema.get("x-kubernetes-group-version-kind", ())
        if entry["group"] == GROUP
    }


def names() -> list[str]:
    return [kind.crd_name for kind in KINDS.values()]


INPUTS: dict[str, Json] = {
    "TrainingJob": {
        "region": "us-central1",
        "runtimeVersion": "2.11",
        "pythonVersion": "3.7",
        "packageUris": ["gs://bucket/trainer.tar.gz"],
        "pythonModule": "trainer.task",
    },
    "PredictionJob": {
        "region": "us-central1",
        "dataFormat": "JSON",
        "inputPaths": ["gs://bucket/in/*"],
        "outputPath": "gs://bucket/out",
        "modelName": "projects/p/models/m",
    },
}


def resource(kind: Kind, name: str, spec: Json | None = None, **job_input: Any) -> Json:
    """A valid resource, with these fields of the input and the spec changed; None removes a field."""
    merged = {**INPUTS[kind.name], **job_input}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": kind.name,
        "metadata": {"name": name},
        "spec": {
            kind.input_field: {field: value for field, value in merged.items() if value is not None},
            **(spec or {}),
        },
    }


both = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)


# --- the definitions


@both
def test_established_and_nothing_to_complain_of(kubectl: Kubectl, kind: Kind) -> None:
    found = json.loads(kubectl.out("get", "crd", kind.crd_name, "-o", "json"))
    conditions = {condition["type"]: condition["status"] for condition in found["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


def test_what_the_command_prints_applies_without_a_warning_and_again_without_a_change(
    kubectl: Kubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    crds.crds()
    text = capsys.readouterr().out
    versions = []
    for _ in range(2):
        kubectl.out("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
        versions.append(
            kubectl.out("get", "crd", *names(), "-o", "jsonpath={.items[*].metadata.resourceVersion}")
        )
    assert versions[0] == versions[1]


@both
def test_the_server_keeps_the_schema_as_it_was_made(kubectl: Kubectl, kind: Kind) -> None:
    found = json.loads(kubectl.out("get", "crd", kind.crd_name, "-o", "json"))
    (version,) = found["spec"]["versions"]
    assert version["schema"] == crds.definition(kind)["spec"]["versions"][0]["schema"]


EXPLAINED = [
    ("tj", ["KIND:       TrainingJob", "A training job on Google's managed ML service."]),
    (
        "tj.spec.trainingInput.hyperparameters",
        [
            "Makes the job a search for the best hyperparameters.",
            "goal\t<string>",
            "enum: GOAL_TYPE_UNSPECIFIED, MAXIMIZE, MINIMIZE",
            "params\t<[]Object>",
            "maxTrials\t<integer>",
        ],
    ),
    ("tj.spec.trainingInput.workerCount", ["An integer, or its decimal text."]),
    ("tj.status.trainingOutput.bestTrial", ["finalMetric\t<Object>"]),
    ("pj.spec.predictionInput", ["inputPaths\t<[]string>", "dataFormat\t<string>"]),
    ("pj.spec.deletionPolicy", ["ENUM:\n    Cancel\n    Orphan"]),
]


@pytest.mark.parametrize(("path", "phrases"), EXPLAINED, ids=[path for path, _ in EXPLAINED])
def test_explain(kubectl: Kubectl, path: str, phrases: list[str]) -> None:
    text = kubectl.out("explain", path)
    assert [phrase for phrase in phrases if phrase not in text] == []


@both
@pytest.mark.usefixtures("kubectl")
def test_every_field_is_explained(control_plane: ControlPlane, kind: Kind) -> None:
    schema = published(control_plane)[kind.name]
    texts = {path: node.get("description") for path, node in crd.walk(schema)}
    for path, node in crd.walk(crd.schema(kind)):
        if path.startswith(("spec", "status")):
            assert texts[path] == node.get("description"), path


# --- values


def test_int64_is_kept_as_number_and_as_text(kubectl: Kubectl) -> None:
    kubectl.apply(
        resource(
            TRAINING_JOB,
            "int64",
            scaleTier="CUSTOM",
            masterType="n1-standard-4",
            workerType="n1-standard-4",
            workerCount=3,
            parameterServerType="n1-standard-4",
            parameterServerCount="2",
            evaluatorCount=0,
        )
    )
    found = kubectl.get(TRAINING_JOB, "int64")["spec"]["trainingInput"]
    assert [found[f"{role}Count"] for role in ("worker", "parameterServer", "evaluator")] == [3, "2", 0]


REFUSED: list[tuple[Kind, str, Json, str]] = [
    (TRAINING_JOB, "text that is no number", {"workerCount": "three"}, "spec.trainingInput.workerCount"),
    (TRAINING_JOB, "a fraction", {"workerCount": 1.5}, "spec.trainingInput.workerCount"),
    (TRAINING_JOB, "above int64", {"workerCount": 2**63}, "spec.trainingInput.workerCount"),
    (TRAINING_JOB, "text above int64", {"workerCount": str(2**63)}, "spec.trainingInput.workerCount"),
    (
        TRAINING_JOB,
        "above int32",
        {"scheduling": {"priority": 2**31}},
        "spec.trainingInput.scheduling.priority",
    ),
    (TRAINING_JOB, "a word in lower case", {"scaleTier": "basic"}, 'supported values: "BASIC", "STANDARD_1"'),
    (TRAINING_JOB, "text for a flag", {"enableWebAccess": "true"}, "spec.trainingInput.enableWebAccess"),
    (TRAINING_JOB, "minutes", {"scheduling": {"maxRunningTime": "90m"}}, "scheduling.maxRunningTime"),
    (TRAINING_JOB, "a field of nobody", {"workers": 3}, ".spec.trainingInput.workers: field not declared"),
    (TRAINING_JOB, "101 packages", {"packageUris": ["gs://b/p"] * 101}, "must have at most 100 items"),
    (TRAINING_JOB, "a long region", {"region": "x" * 129}, "may not be more than 128"),
    (TRAINING_JOB, "a long argument", {"args": ["x" * 32769]}, "may not be more than 32768"),
    (
        PREDICTION_JOB,
        "a field that only gcloud knows",
        {"accelerator": {"count": 1}},
        ".spec.predictionInput.accelerator: field not declared",
    ),
]


@pytest.mark.parametrize(("kind", "why", "job_input", "words"), REFUSED, ids=[row[1] for row in REFUSED])
def test_refused(kubectl: Kubectl, kind: Kind, why: str, job_input: Json, words: str) -> None:
    assert words in kubectl.refuse(resource(kind, "refused", **job_input))


@both
def test_the_input_is_required(kubectl: Kubectl, kind: Kind) -> None:
    document = {**resource(kind, "empty"), "spec": {}}
    assert f"spec.{kind.input_field}: Required value" in kubectl.refuse(document)
    del document["spec"]
    assert "spec: Required value" in kubectl.refuse(document)


def test_a_large_spec_is_within_the_budget_of_the_rules(kubectl: Kubectl) -> None:
    params = [
        {
            "parameterName": f"p{number}",
            "type": "DISCRETE",
            "discreteValues": [float(value) for value in range(1000)],
        }
        for number in range(100)
    ]
    kubectl.apply(
        resource(
            TRAINING_JOB,
            "large",
            {"labels": {f"{'l' * 60}{number}": "v" * 63 for number in range(61)}},
            args=[f"--flag-{number}={'x' * 100}" for number in range(1024)],
            packageUris=[f"gs://bucket/{'p' * 1000}-{number}" for number in range(100)],
            hyperparameters={"params": params},
        )
    )
    found = kubectl.get(TRAINING_JOB, "large")["spec"]
    assert len(found["trainingInput"]["hyperparameters"]["params"]) == 100
    many = [f"gs://bucket/{'i' * 500}-{number}" for number in range(1024)]
    kubectl.apply(resource(PREDICTION_JOB, "large", inputPaths=many))
    assert kubectl.get(PREDICTION_JOB, "large")["spec"]["predictionInput"]["inputPaths"] == many


# --- every field goes to the server and comes back

REPLICA: Json = {
    "imageUri": "gcr.io/p/image:1",
    "acceleratorConfig": {"count": "1", "type": "NVIDIA_TESLA_T4"},
    "containerArgs": ["--a"],
    "containerCommand": ["run"],
    "diskConfig": {"bootDiskSizeGb": 200, "bootDiskType": "pd-ssd"},
}
TPU: Json = {"imageUri": "gcr.io/p/image:1", "tpuTfVersion": "2.11"}
MACHINE = "n1-standard-8"
COMMON: Json = {
    "region": "us-central1",
    "scaleTier": "CUSTOM",
    "masterType": MACHINE,
    "jobDir": "gs://bucket/job",
    "network": "projects/12345/global/networks/net",
    "serviceAccount": "runner@p.iam.gserviceaccount.com",
    "encryptionConfig": {"kmsKeyName": "projects/p/locations/l/keyRings/r/cryptoKeys/k"},
    "scheduling": {"maxRunningTime": "7200s", "maxWaitTime": "3600.5s", "priority": 10},
    "enableWebAccess": True,
    "useChiefInTfConfig": False,
}
BINDINGS: list[Json] = [
    {
        "role": "roles/ml.jobOwner",
        "members": ["user:a@example.com"],
        "condition": {"title": "t", "description": "d", "expression": "true", "location": "l"},
    }
]

SPEC: Json = {
    "projectId": "my-project",
    "jobId": "chosen",
    "labels": {"team": "a"},
    "iamBindings": BINDINGS,
    "deletionPolicy": "Orphan",
    "suspend": True,
}

FULL: list[tuple[Kind, str, Json, Json]] = [
    (
        TRAINING_JOB,
        "full-image",
        SPEC,
        {
            **COMMON,
            "runtimeVersion": None,
            "pythonVersion": None,
            "packageUris": None,
            "pythonModule": None,
            "masterConfig": REPLICA,
            "workerConfig": REPLICA,
            "workerType": MACHINE,
            "workerCount": "4",
            "parameterServerConfig": REPLICA,
            "parameterServerType": MACHINE,
            "parameterServerCount": "2",
            "evaluatorConfig": REPLICA,
            "evaluatorType": MACHINE,
            "evaluatorCount": "1",
        },
    ),
    (
        TRAINING_JOB,
        "full-packages",
        {},
        {
            "args": ["--epochs=3", ""],
            "hyperparameters": {
                "algorithm": "RANDOM_SEARCH",
                "enableTrialEarlyStopping": True,
                "goal": "MINIMIZE",
                "hyperparameterMetricTag": "loss",
                "maxFailedTrials": 2,
                "maxParallelTrials": 3,
                "maxTrials": 10,
                "resumePreviousJobId": "earlier",
                "params": [
                    {
                        "parameterName": "lr",
                        "type": "DOUBLE",
                        "minValue": 0.001,
                        "maxValue": 1,
                        "scaleType": "UNIT_LOG_SCALE",
                    },
                    {"parameterName": "op", "type": "CATEGORICAL", "categoricalValues": ["a", "b"]},
                    {"parameterName": "n", "type": "DISCRETE", "discreteValues": [1, 2.5]},
                ],
            },
        },
    ),
    (
        TRAINING_JOB,
        "full-tpu",
        {},
        {
            **COMMON,
            "runtimeVersion": None,
            "pythonVersion": None,
            "packageUris": None,
            "pythonModule": None,
            "masterConfig": {"imageUri": "gcr.io/p/image:1"},
            "workerConfig": TPU,
            "workerType": "cloud_tpu",
            "workerCount": 1,
        },
    ),
    (
        PREDICTION_JOB,
        "full",
        SPEC,
        {
            "batchSize": "32",
            "maxWorkerCount": 5,
            "outputDataFormat": "CSV",
            "runtimeVersion": "2.11",
            "signatureName": "serving_default",
        },
    ),
    (PREDICTION_JOB, "uri", {}, {"modelName": None, "uri": "gs://bucket/model", "runtimeVersion": "2.11"}),
    (PREDICTION_JOB, "version", {}, {"modelName": None, "versionName": "projects/p/models/m/versions/v"}),
]


@pytest.mark.parametrize(("kind", "name", "spec", "job_input"), FULL, ids=[row[1] for row in FULL])
def test_a_full_spec_comes_back_equal(
    kubectl: Kubectl, kind: Kind, name: str, spec: Json, job_input: Json
) -> None:
    document = resource(kind, name, spec, **job_input)
    kubectl.apply(document)
    found = kubectl.get(kind, name)
    assert found["spec"] == {"deletionPolicy": "Cancel", "suspend": False, **document["spec"]}
    parsed = kind.resource.model_validate({**found, "metadata": document["metadata"]})
    assert kind.spec.model_validate(parsed.document()["spec"]) == parsed.spec


@both
def test_the_full_specs_have_every_field(kind: Kind) -> None:
    sent: set[str] = set()
    for row_kind, name, spec, job_input in FULL:
        if row_kind == kind:
            sent |= paths(resource(kind, name, spec, **job_input)["spec"], "spec")
    fields = {path for path, _ in crd.walk(crd.schema(kind)) if path.startswith("spec")}
    roles = "masterConfig", "parameterServerConfig", "evaluatorConfig"
    only_workers = {f"spec.trainingInput.{role}.tpuTfVersion" for role in roles}
    assert fields - sent - only_workers == set()


def paths(value: Any, path: str) -> set[str]:
    """Every path in a document, as `crd.walk` spells it."""
    if isinstance(value, dict):
        mark = f"{path}{{}}" if path == "spec.labels" else ""
        found = {path, mark or path}
        for key, child in value.items():
            found |= paths(child, mark or f"{path}.{key}")
        return found
    if isinstance(value, list):
        return {path}.union(*(paths(child, f"{path}[]") for child in value))
    return {path}


OWN_STATUS: Json = {
    "observedGeneration": 1,
    "jobName": "projects/p/jobs/j",
    "projectId": "my-project",
    "iamBindings": BINDINGS,
    "attempt": 1,
    "attempts": [
        {
            "attempt": 1,
            "jobId": "j",
            "jobName": "projects/p/jobs/j",
            "state": "FAILED",
            "createTime": "2019-07-01T11:31:55Z",
            "startTime": "2019-07-01T11:32:55Z",
            "endTime": "2019-07-01T11:33:55Z",
            "errorMessage": "no",
        }
    ],
    "consoleUrl": "https://console.cloud.google.com/a",
    "logsUrl": "https://console.cloud.google.com/b",
    "conditions": [
        {
            "type": "Succeeded",
            "status": "False",
            "observedGeneration": 1,
            "lastTransitionTime": "2019-07-01T11:33:55Z",
            "reason": "JobFailed",
            "message": "",
        }
    ],
}


@both
def test_a_full_status_comes_back_equal(kubectl: Kubectl, kind: Kind) -> None:
    schemas = discovery.load()
    status: Json = dict(OWN_STATUS)
    for field, node in schemas[discovery.JOB]["properties"].items():
        if f"status.{field}" in discovery.JOB_FIELDS[field] and not discovery.is_of_other_kind(field, kind):
            status[field] = discovery.samples(schemas, node)[-1]
    if kind == TRAINING_JOB:
        status["trainingOutput"]["bestTrial"] = status["trainingOutput"]["trials"][-1]
        status["trainingOutput"]["trialsTruncated"] = 9000
    name = "full-status"
    kubectl.apply(resource(kind, name))
    done = kubectl.patch(kind, name, {"status": status}, "--subresource=status")
    assert done.returncode == 0, done.stderr
    found = kubectl.get(kind, name)["status"]
    assert found == status
    assert kind.status.model_validate(found).document() == status
    assert set(found) == {field.alias for field in kind.status.model_fields.values()}


# --- the status subresource


@both
def test_a_fresh_resource_reads_as_in_progress(kubectl: Kubectl, kind: Kind) -> None:
    kubectl.apply(resource(kind, "fresh"))
    found = kubectl.get(kind, "fresh")
    assert found["status"] == {"observedGeneration": -1}
    assert found["metadata"]["generation"] == 1


def test_users_do_not_write_the_status_and_the_operator_not_the_spec(kubectl: Kubectl) -> None:
    document = {**resource(TRAINING_JOB, "apart"), "status": {"state": "SUCCEEDED"}}
    kubectl.out("create", "-f", "-", stdin=json.dumps(document))
    assert kubectl.get(TRAINING_JOB, "apart")["status"] == {"observedGeneration": -1}
    change = {"spec": {"suspend": True}, "status": {"state": "RUNNING"}}
    assert kubectl.patch(TRAINING_JOB, "apart", change, "--subresource=status").returncode == 0
    found = kubectl.get(TRAINING_JOB, "apart")
    assert (found["spec"]["suspend"], found["status"]["state"]) == (False, "RUNNING")
    assert found["metadata"]["generation"] == 1


# --- fixed once submitted

CHANGES: list[tuple[str, Json]] = [
    ("{input}", {"{input}": {"region": "europe-west1"}}),
    ("{input}", {"{input}": {"runtimeVersion": "2.10"}}),
    ("{input}", {"{input}": {"{optional}": None}}),
    ("{input}", {"{input}": {"{absent}": "1"}}),
    ("projectId", {"projectId": "another"}),
    ("projectId", {"projectId": None}),
    ("jobId", {"jobId": "another"}),
    ("jobId", {"jobId": None}),
]

OPTIONAL = {
    "TrainingJob": {"{optional}": "jobDir", "{absent}": "evaluatorType"},
    "PredictionJob": {"{optional}": "signatureName", "{absent}": "batchSize"},
}


@both
@pytest.mark.parametrize(("field", "change"), CHANGES, ids=lambda value: json.dumps(value)[:40])
def test_fixed_once_submitted(kubectl: Kubectl, kind: Kind, field: str, change: Json) -> None:
    fields = {"{input}": kind.input_field, **OPTIONAL[kind.name]}
    text = json.dumps([field, change])
    for word, own in fields.items():
        text = text.replace(word, own)
    field, change = json.loads(text)
    name = f"fixed-{zlib.crc32(text.encode()):x}"
    optional = {OPTIONAL[kind.name]["{optional}"]: "gs://bucket/x"}
    spec = {"projectId": "my-project", "jobId": "chosen"}
    kubectl.apply(resource(kind, name, spec, runtimeVersion="2.11", **optional))
    before = kubectl.patch(kind, name, {"spec": change}, "--dry-run=server")
    assert before.returncode == 0, before.stderr
    kubectl.submitted(kind, name)
    after = kubectl.patch(kind, name, {"spec": change})
    assert after.returncode != 0
    words = f"{field} cannot be changed once the job is submitted; make a new {kind.name} instead"
    assert f"spec.{field}: Forbidden: {words}" in after.stderr


@both
@pytest.mark.parametrize("field", ["projectId", "jobId"])
def test_a_field_cannot_be_added_once_submitted(kubectl: Kubectl, kind: Kind, field: str) -> None:
    name = f"added-{field.lower()}"
    kubectl.apply(resource(kind, name))
    assert kubectl.patch(kind, name, {"spec": {field: "x1"}}, "--dry-run=server").returncode == 0
    kubectl.submitted(kind, name)
    after = kubectl.patch(kind, name, {"spec": {field: "x1"}})
    assert f"spec.{field}: Forbidden" in after.stderr


@both
def test_the_rest_can_be_changed_at_any_time(kubectl: Kubectl, kind: Kind) -> None:
    name = "mutable"
    kubectl.apply(resource(kind, name))
    kubectl.submitted(kind, name)
    change = {"spec": {"labels": {"team": "b"}, "suspend": True, "deletionPolicy": "Orphan"}}
    done = kubectl.patch(kind, name, change)
    assert done.returncode == 0, done.stderr
    kubectl.submitted(kind, name)
    again = kubectl.apply(resource(kind, "unchanged"))
    assert "unchanged" in again


# --- what kubectl shows


@pytest.fixture(scope="module")
def shown(kubectl: Kubectl) -> Kubectl:
    """One job of each kind that has failed, and a fresh one."""
    for kind in KINDS.values():
        kubectl.apply(resource(kind, "shown", {"projectId": "my-project"}), resource(kind, "waiting"))
        status = {**OWN_STATUS, "state": "FAILED", "jobId": "shown_1"}
        assert kubectl.patch(kind, "shown", {"status": status}, "--subresource=status").returncode == 0
    return kubectl


@both
def test_columns(shown: Kubectl, kind: Kind) -> None:
    narrow, wide = (shown.out("get", kind.short_name, "shown", *more) for more in ((), ("-o", "wide")))
    assert narrow.splitlines()[0].split() == ["NAME", "STATE", "JOB", "AGE"]
    assert narrow.splitlines()[1].split()[:3] == ["shown", "FAILED", "shown_1"]
    assert wide.splitlines()[0].split() == ["NAME", "STATE", "JOB", "PROJECT", "REGION", "REASON", "AGE"]
    assert wide.splitlines()[1].split()[:-1] == [
        "shown",
        "FAILED",
        "shown_1",
        "my-project",
        "us-central1",
        "JobFailed",
    ]


@both
def test_field_selector(shown: Kubectl, kind: Kind) -> None:
    found = shown.out("get", kind.plural, "--field-selector=status.state=FAILED", "-o", "name")
    assert f"{kind.singular}.{GROUP}/shown" in found.split()
    assert f"{kind.singular}.{GROUP}/waiting" not in found.split()
    others = shown.out("get", kind.plural, "--field-selector=status.state=SUCCEEDED", "-o", "name")
    assert others == ""


def test_category(shown: Kubectl) -> None:
    found = shown.out("get", "mljobs", "-o", "name").split()
    assert {f"trainingjob.{GROUP}/shown", f"predictionjob.{GROUP}/shown"} <= set(found)


def test_wait_reads_the_outcome(shown: Kubectl) -> None:
    assert "condition met" in shown.out(
        "wait", "tj/shown", "--for=condition=Succeeded=False", "--timeout=30s"
    )
