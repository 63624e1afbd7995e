"""The CRDs on a real API server, used as a user does: with kubectl."""

import json
import zlib

import pytest

from mljobs.admin import crds
from mljobs.api import crd
from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import GROUP, KINDS, PREDICTION_JOB, TRAINING_JOB, JobKind
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.crds.support_crds import OWN_STATUS, Json, Kubectl, both, published, resource


def names() -> list[str]:
    return [kind.crd_name for kind in ALL_KINDS.values()]


# --- the definitions


@both
def test_established_and_nothing_to_complain_of(kubectl: Kubectl, kind: JobKind) -> None:
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
def test_the_server_keeps_the_schema_as_it_was_made(kubectl: Kubectl, kind: JobKind) -> None:
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
def test_every_field_is_explained(control_plane: ControlPlane, kind: JobKind) -> None:
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


REFUSED: list[tuple[JobKind, str, Json, str]] = [
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
def test_refused(kubectl: Kubectl, kind: JobKind, why: str, job_input: Json, words: str) -> None:
    assert words in kubectl.refuse(resource(kind, "refused", **job_input))


@both
def test_the_input_is_required(kubectl: Kubectl, kind: JobKind) -> None:
    document = {**resource(kind, "empty"), "spec": {}}
    assert f"spec.{kind.input_field}: Required value" in kubectl.refuse(document)
    del document["spec"]
    assert "spec: Required value" in kubectl.refuse(document)


def test_a_large_spec_is_within_the_budget_of_the_rules(kubectl: Kubectl) -> None:
    params = [
        {
            "parameterName": f"p{number}",
            "type": "DISCRETE",
            "discreteValues": [float(value) for value in range(40)],
        }
        for number in range(100)
    ]
    kubectl.apply(
        resource(
            TRAINING_JOB,
            "large",
            {"labels": {f"{'l' * 60}{number}": "v" * 63 for number in range(60)}},
            args=[f"--flag-{number}={'x' * 100}" for number in range(1024)],
            packageUris=[f"gs://bucket/{'p' * 1000}-{number}" for number in range(100)],
            hyperparameters={"params": params},
        )
    )
    found = kubectl.get(TRAINING_JOB, "large")["spec"]
    assert len(found["trainingInput"]["hyperparameters"]["params"]) == 100
    many = [f"gs://bucket/{'i' * 200}-{number}" for number in range(1024)]
    kubectl.apply(resource(PREDICTION_JOB, "large", inputPaths=many))
    assert kubectl.get(PREDICTION_JOB, "large")["spec"]["predictionInput"]["inputPaths"] == many


# --- the status subresource


@both
def test_a_fresh_resource_reads_as_in_progress(kubectl: Kubectl, kind: JobKind) -> None:
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
    ("{input}.region", {"{input}": {"region": "europe-west1"}}),
    ("{input}.runtimeVersion", {"{input}": {"runtimeVersion": "2.10"}}),
    ("{input}.{optional}", {"{input}": {"{optional}": None}}),
    ("{input}.{absent}", {"{input}": {"{absent}": "1"}}),
    ("projectId", {"projectId": "another"}),
    ("projectId", {"projectId": None}),
    ("jobId", {"jobId": "another"}),
    ("jobId", {"jobId": None}),
    ("jobClassName", {"jobClassName": "another"}),
    ("jobClassName", {"jobClassName": None}),
]

OPTIONAL = {
    "TrainingJob": {"{optional}": "jobDir", "{absent}": "evaluatorType"},
    "PredictionJob": {"{optional}": "signatureName", "{absent}": "batchSize"},
}


@both
@pytest.mark.parametrize(("field", "change"), CHANGES, ids=lambda value: json.dumps(value)[:40])
def test_fixed_once_submitted(kubectl: Kubectl, kind: JobKind, field: str, change: Json) -> None:
    fields = {"{input}": kind.input_field, **OPTIONAL[kind.name]}
    text = json.dumps([field, change])
    for word, own in fields.items():
        text = text.replace(word, own)
    field, change = json.loads(text)
    name = f"fixed-{zlib.crc32(text.encode()):x}"
    optional = {OPTIONAL[kind.name]["{optional}"]: "gs://bucket/x"}
    spec = {"projectId": "my-project", "jobId": "chosen", "jobClassName": "vertex"}
    kubectl.apply(resource(kind, name, spec, runtimeVersion="2.11", **optional))
    before = kubectl.patch(kind, name, {"spec": change}, "--dry-run=server")
    assert before.returncode == 0, before.stderr
    kubectl.submitted(kind, name)
    after = kubectl.patch(kind, name, {"spec": change})
    assert after.returncode != 0
    words = f"{field} cannot be changed once the job is submitted; make a new {kind.name} instead"
    assert f"spec.{field.partition('.')[0]}: Forbidden: {words}" in after.stderr


@both
@pytest.mark.parametrize("field", ["projectId", "jobId", "jobClassName"])
def test_a_field_cannot_be_added_once_submitted(kubectl: Kubectl, kind: JobKind, field: str) -> None:
    name = f"added-{field.lower()}"
    kubectl.apply(resource(kind, name))
    assert kubectl.patch(kind, name, {"spec": {field: "x1"}}, "--dry-run=server").returncode == 0
    kubectl.submitted(kind, name)
    after = kubectl.patch(kind, name, {"spec": {field: "x1"}})
    assert f"spec.{field}: Forbidden" in after.stderr


@both
def test_every_changed_field_is_named(kubectl: Kubectl, kind: JobKind) -> None:
    kubectl.apply(resource(kind, "several"))
    kubectl.submitted(kind, "several")
    change = {"region": "europe-west1", "runtimeVersion": "2.10"}
    after = kubectl.patch(kind, "several", {"spec": {kind.input_field: change}})
    fields = " ".join(f"{kind.input_field}.{field}" for field in change)
    assert f"spec.{kind.input_field}: Forbidden: {fields} cannot be changed" in after.stderr


@both
def test_the_manager_is_fixed_from_the_start(kubectl: Kubectl, kind: JobKind) -> None:
    manager = "example.com/another"
    kubectl.apply(resource(kind, "managed", {"managedBy": manager}), resource(kind, "unmanaged"))
    changes = [("managed", None), ("managed", "mljobs.dev/operator"), ("unmanaged", manager)]
    for name, value in changes:
        after = kubectl.patch(kind, name, {"spec": {"managedBy": value}})
        words = f"managedBy cannot be changed; make a new {kind.name} instead"
        assert f"spec.managedBy: Forbidden: {words}" in after.stderr, (name, value)
    for name, value in (("managed", manager), ("unmanaged", "")):
        assert kubectl.patch(kind, name, {"spec": {"managedBy": value, "suspend": True}}).returncode == 0
    assert manager in kubectl.out("get", kind.short_name, "managed", "-o", "wide")


@both
def test_the_rest_can_be_changed_at_any_time(kubectl: Kubectl, kind: JobKind) -> None:
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
def test_columns(shown: Kubectl, kind: JobKind) -> None:
    narrow, wide = (shown.out("get", kind.short_name, "shown", *more) for more in ((), ("-o", "wide")))
    assert narrow.splitlines()[0].split() == ["NAME", "STATE", "JOB", "AGE"]
    assert narrow.splitlines()[1].split()[:3] == ["shown", "FAILED", "shown_1"]
    assert wide.splitlines()[0].split() == [
        *("NAME", "STATE", "JOB", "PROJECT", "LOCATION", "REASON", "CLASS", "MANAGER", "AGE")
    ]
    assert wide.splitlines()[1].split()[:-1] == [
        "shown",
        "FAILED",
        "shown_1",
        "my-project",
        "us-central1",
        "JobFailed",
        "vertex",
    ]


@both
def test_field_selector(shown: Kubectl, kind: JobKind) -> None:
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
