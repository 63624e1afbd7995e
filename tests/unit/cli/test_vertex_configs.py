"""Configurations of Vertex AI as people keep them: each becomes a resource or is refused for a stated reason.

The files in `vertex_configs` are from public repositories, shortened, and with names of people and projects
replaced; their oddities are as they were.
"""

from pathlib import Path
from typing import Any

import pytest

from mljobs.kubectl.failure import REFUSED, TROUBLE
from tests.corpus import CORPUS
from tests.unit.cli.kubectl_command import Outcome, run
from tests.unit.cli.test_plan import planned

FOLDER = Path(__file__).parent / "vertex_configs"
FILES = sorted(FOLDER.glob("*.yaml"))
WHOLE = sorted((CORPUS / "vertex" / "configs").glob("*.yaml"))
"""The same as a whole, where they are at hand."""

JOB = "spec.vertex.jobSpec"
POOL = f"{JOB}.workerPoolSpecs[0]"

REFUSED_FOR: dict[str, set[str]] = {
    "01": {f"{POOL}.containerSpec.imageUri"},
    "07": {f"{JOB}.network"},
    "09": {f"{POOL}.pythonPackageSpec.packageUris[0]"},
    "10": {f"{POOL}.pythonPackageSpec.packageUris[0]", f"{JOB}.baseOutputDirectory.outputUriPrefix"},
    "11": {
        f"{POOL}.containerSpec.imageUri",
        f"{JOB}.workerPoolSpecs[1].containerSpec.imageUri",
        f"{JOB}.baseOutputDirectory.outputUriPrefix",
    },
    "12": {
        f"{POOL}.machineSpec.machineType",
        f"{POOL}.containerSpec.imageUri",
        f"{JOB}.persistentResourceId",
    },
    "13": {
        f"{POOL}.machineSpec.machineType",
        f"{POOL}.machineSpec.acceleratorType",
        f"{POOL}.machineSpec.acceleratorCount",
        f"{POOL}.replicaCount",
        f"{POOL}.containerSpec.imageUri",
        f"{JOB}.baseOutputDirectory.outputUriPrefix",
    },
}
"""The fields that a file is refused for: shell variables and placeholders that nobody has filled in."""

FILLED = {
    "${IMAGE_NAME}": "gcr.io/p/i",
    "PROJECT_NUMBER": "12345",
    "${BUCKET}": "bucket",
    "$BASE_OUTPUT_DIR": "gs://bucket/out",
    "$1": "gs://bucket/out",
    "$2": "gcr.io/p/i",
    "{CPU_MACHINE_TYPE}": "n1-standard-4",
    "{CPU_IMAGE}": "gcr.io/p/i",
    "{PERSISTENT_RESOURCE_ID}": "pool-1",
    "${VERTEX_MACHINE_TYPE:-n1-highmem-8}": "n1-highmem-8",
    "${VERTEX_ACCELERATOR_TYPE:-NVIDIA_TESLA_T4}": "NVIDIA_TESLA_T4",
    "${VERTEX_ACCELERATOR_COUNT:-1}": "'1'",
    "${VERTEX_REPLICA_COUNT:-1}": "'1'",
    "${VERTEX_IMAGE_URI}": "gcr.io/p/i",
    "${VERTEX_OUTPUT_URI}": "gs://bucket/out",
    "${HF_TOKEN}": "hf_not_a_real_one",
}
"""What a shell, or a person, puts in their place."""


def submitted(text: str, *words: str) -> Outcome:
    return run(
        "submit training census --dry-run --config - --region us-central1 --project p", *words, stdin=text
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_becomes_a_resource_or_is_refused_for_the_stated_reason(file: Path) -> None:
    done = submitted(file.read_text("utf-8"))
    wanted = REFUSED_FOR.get(file.stem[:2], set())
    if not wanted:
        assert done.code == 0, done.err
        assert set(done.manifest["spec"]) == {"projectId", "jobId", "vertex"}
        assert done.manifest["spec"]["vertex"]["region"] == "us-central1"
        return
    assert done.code == REFUSED
    lines = [line.removeprefix("error: ") for line in done.err]
    assert {line.split(": ")[0] for line in lines if line.startswith("spec.")} == wanted


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_becomes_a_resource_once_it_is_filled_in(file: Path) -> None:
    text = file.read_text("utf-8")
    for variable, value in FILLED.items():
        text = text.replace(variable, value)
    done = submitted(text)
    assert done.code == 0, done.err
    assert "hf_not_a_real_one" not in "\n".join(done.err)


def test_the_extracts_are_judged_as_the_whole_files() -> None:
    for file in [*FILES, *WHOLE]:
        wanted = REFUSED_FOR.get(file.stem[:2], set())
        done = submitted(file.read_text("utf-8"))
        assert (done.code != 0) is bool(wanted), file.name
        assert all(any(path in line for line in done.err) for path in wanted), file.name


def vertex(text: str, *words: str) -> dict[str, Any]:
    done = submitted(text, *words)
    assert done.code == 0, done.err
    made: dict[str, Any] = done.manifest["spec"]["vertex"]
    return made


CONTAINER = "containerSpec: {imageUri: 'gcr.io/p/i'}"
POOL_TEXT = f"{{machineSpec: {{machineType: n1-standard-4}}, {CONTAINER}}}"


def test_a_mapping_for_a_list_is_a_list_of_one() -> None:
    made = vertex(f"workerPoolSpecs: {POOL_TEXT}")
    assert made["jobSpec"]["workerPoolSpecs"] == [
        {"machineSpec": {"machineType": "n1-standard-4"}, "containerSpec": {"imageUri": "gcr.io/p/i"}}
    ]


def test_scalars_for_lists_snake_case_and_quoted_numbers_are_read() -> None:
    text = """
worker_pool_specs:
  machine_spec: {machine_type: n1-standard-8, accelerator_type: nvidia-tesla-v100, accelerator_count: '1'}
  replica_count: '1'
  container_spec: {image_uri: gcr.io/p/i, args: --epochs=3, command: train}
  disk_spec: {boot_disk_size_gb: '200'}
scheduling: {disable_retries: 'true', strategy: spot}
"""
    (pool,) = vertex(text)["jobSpec"]["workerPoolSpecs"]
    assert pool["machineSpec"] == {
        "machineType": "n1-standard-8",
        "acceleratorType": "NVIDIA_TESLA_V100",
        "acceleratorCount": 1,
    }
    assert pool["replicaCount"] == "1"
    assert pool["containerSpec"] == {"imageUri": "gcr.io/p/i", "args": ["--epochs=3"], "command": ["train"]}
    assert pool["diskSpec"] == {"bootDiskSizeGb": 200}
    assert vertex(text)["jobSpec"]["scheduling"] == {"disableRetries": True, "strategy": "SPOT"}


def test_a_whole_job_as_the_service_shows_it() -> None:
    text = f"""
name: projects/123/locations/europe-west4/customJobs/456
displayName: nightly
labels: {{team: a}}
state: JOB_STATE_SUCCEEDED
createTime: '2026-02-26T10:32:44.182Z'
encryptionSpec: {{kmsKeyName: projects/p/locations/l/keyRings/r/cryptoKeys/k}}
jobSpec: {{workerPoolSpecs: [{POOL_TEXT}]}}
"""
    done = run("submit training census --dry-run --config - --project p", stdin=text)
    assert done.code == 0, done.err
    spec = done.manifest["spec"]
    assert spec["labels"] == {"team": "a"}
    assert spec["vertex"]["region"] == "europe-west4"
    assert spec["vertex"]["displayName"] == "nightly"
    assert spec["vertex"]["encryptionSpec"] == {
        "kmsKeyName": "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    }
    left_out = [line.split(": ")[1] for line in done.err]
    assert left_out == ["spec.vertex.name", "spec.vertex.state", "spec.vertex.createTime"]


def test_a_search_keeps_its_numbers_of_trials() -> None:
    text = f"""
max_trial_count: '20'
parallelTrialCount: 2
studySpec:
  metrics: {{metricId: loss, goal: minimize}}
  parameters:
  - parameterId: layers
    integerValueSpec: {{minValue: 1, maxValue: '9'}}
  - parameterId: batch
    discreteValueSpec: {{values: 64}}
trialJobSpec: {{workerPoolSpecs: [{POOL_TEXT}]}}
"""
    made = vertex(text)
    assert (made["maxTrialCount"], made["parallelTrialCount"]) == (20, 2)
    assert made["studySpec"]["metrics"] == [{"metricId": "loss", "goal": "MINIMIZE"}]
    assert made["studySpec"]["parameters"] == [
        {"parameterId": "layers", "integerValueSpec": {"minValue": "1", "maxValue": "9"}},
        {"parameterId": "batch", "discreteValueSpec": {"values": [64]}},
    ]
    assert "trialJobSpec" not in made


def test_zeros_that_the_service_leaves_out_are_written() -> None:
    text = f"""
state: JOB_STATE_RUNNING
studySpec:
  metrics: [{{metricId: loss, goal: MINIMIZE}}]
  parameters:
  - {{parameterId: a, doubleValueSpec: {{maxValue: 1}}}}
  - {{parameterId: b, integerValueSpec: {{maxValue: '1'}}}}
trialJobSpec: {{workerPoolSpecs: [{POOL_TEXT}]}}
"""
    first, second = vertex(text)["studySpec"]["parameters"]
    assert first["doubleValueSpec"] == {"minValue": 0.0, "maxValue": 1}
    assert second["integerValueSpec"] == {"minValue": "0", "maxValue": "1"}


BATCH_TEXT = """
displayName: census
labels: {team: a}
model: projects/p/locations/us-central1/models/1
modelParameters: {snake_case: '1'}
inputConfig: {instancesFormat: jsonl, gcsSource: {uris: gs://b/in}}
outputConfig: {predictionsFormat: jsonl, gcsDestination: {outputUriPrefix: gs://b/out}}
dedicatedResources: {machineSpec: {machineType: n1-standard-2}, startingReplicaCount: '1'}
"""


def test_a_batch_prediction_job() -> None:
    done = run("submit prediction census --dry-run --config - --region us-central1", stdin=BATCH_TEXT)
    assert done.code == 0, done.err
    spec = done.manifest["spec"]
    assert spec["labels"] == {"team": "a"}
    assert spec["vertex"]["region"] == "us-central1"
    job = spec["vertex"]["batchPredictionJob"]
    assert job["inputConfig"]["gcsSource"]["uris"] == ["gs://b/in"]
    assert job["dedicatedResources"]["startingReplicaCount"] == 1
    assert job["modelParameters"] == {"snake_case": "1"}


def test_a_file_of_the_other_kind_is_sent_to_the_other_command() -> None:
    done = submitted(BATCH_TEXT)
    assert done.code == TROUBLE
    assert "describes a PredictionJob" in done.err[0]


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        ("--service-account a@b.c", "jobSpec.serviceAccount", "a@b.c"),
        ("--network projects/1/global/networks/n", "jobSpec.network", "projects/1/global/networks/n"),
        ("--enable-web-access", "jobSpec.enableWebAccess", True),
        (
            "--kms-key projects/p/locations/l/keyRings/r/cryptoKeys/k",
            "encryptionSpec.kmsKeyName",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k",
        ),
    ],
)
def test_flags_that_vertex_has_as_they_are_go_into_the_block(words: str, path: str, value: object) -> None:
    made: Any = vertex(f"workerPoolSpecs: {POOL_TEXT}", words)
    for key in path.split("."):
        made = made[key]
    assert made == value


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--scale-tier basic", "--scale-tier: "),
        ("--job-dir gs://b/j", "--job-dir: "),
        ("-- --epochs=3", "arguments after --: "),
    ],
)
def test_other_flags_are_refused_and_named(words: str, said: str) -> None:
    done = submitted(f"workerPoolSpecs: {POOL_TEXT}", words)
    assert done.code == TROUBLE
    assert said in done.err[0]
    assert "in Vertex AI's words" in done.err[0]


def test_an_unknown_field_is_named_where_it_stands() -> None:
    done = submitted(f"workerPoolSpecs: {POOL_TEXT}\nserviceAcount: a@b.c")
    assert done.code == REFUSED
    assert "spec.vertex.jobSpec.serviceAcount: Forbidden" in done.err[0]
    assert "did you mean serviceAccount?" in done.err[0]


def test_values_of_the_environment_are_never_shown() -> None:
    machine = "machineSpec: {machineType: n1-standard-4}"
    pools = f"workerPoolSpecs: {{{machine}, containerSpec: {{imageUri: a/b, env: %s}}}}"
    for env in (
        "[{name: API_KEY, value: s3cr3t}]",
        "[{name: API-KEY, value: s3cr3t}]",
        "[{name: A, valu: s3cr3t}]",
        "[{name: 'API_KEY=s3cr3t', value: ''}]",
        "'API_KEY=s3cr3t'",
        "[{name: A, value: [s3cr3t]}]",
    ):
        for done in (
            submitted(pools % env),
            run("submit training a --dry-run --config -", stdin=pools % env),
        ):
            assert "s3cr3t" not in "\n".join(done.err), env


def test_plan_reads_them_too_and_says_which_service_they_are_for() -> None:
    outcome = planned(f"workerPoolSpecs: {POOL_TEXT}", "--set=vertex.region=us-central1", "--project=p")
    assert outcome.code == 1
    assert [line.split(": ")[0] for line in outcome.out] == ["spec.vertex", "spec.trainingInput"]
    assert "this block is for Vertex AI" in outcome.out[0]
