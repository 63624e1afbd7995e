"""`kubectl mljobs submit`: the manifest that a command line makes, and what is said to a wrong one."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from mljobs.api.resources import API_VERSION
from mljobs.domain.spec.lenient import spec_schema
from mljobs.kubectl.failure import REFUSED, TROUBLE
from mljobs.kubectl.flags import Flag
from mljobs.kubectl.prediction_flags import PREDICTION
from mljobs.kubectl.training_flags import TRAINING
from tests.unit.cli.gcloud_lines import COMMAND_LINES
from tests.unit.cli.kubectl_cases import CONFIG, IMAGE, LINES, PREDICT, WITH_IMAGE, Json, Line
from tests.unit.cli.kubectl_command import run
from tests.unit.docs.markdown import DOCS


def saved(folder: Path, document: Json) -> str:
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(document), "utf-8")
    return str(file)


@pytest.mark.parametrize("line", COMMAND_LINES, ids=str)
def test_command_line(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(line.text, "utf-8")
    job = line.job or "census"
    done = run(f"submit {line.kind} {job} --dry-run {line.words.format(config=file)}", env=line.env)
    if line.spec is None:
        assert done.code in (REFUSED, TROUBLE)
        assert done.out == ""
        assert done.err
        assert not any("unforeseen" in text for text in done.err)
        return
    assert done.code == 0, done.err
    made = done.manifest
    assert made["kind"] == {"training": "TrainingJob", "prediction": "PredictionJob"}[line.kind]
    assert made["apiVersion"] == API_VERSION
    assert made["metadata"] == {"name": job}
    spec = made["spec"]
    assert spec.pop("jobId", None) == (None if line.job else "census")
    assert spec.pop("projectId", None) == (
        line.words.split("--project ")[1].split()[0] if "--project " in line.words else None
    )
    assert spec == line.spec


def test_every_line_is_another_one() -> None:
    lines = COMMAND_LINES
    assert len({str(line) for line in lines}) == len(lines)
    assert len(
        {(line.kind, line.words, line.text, str(line.env), line.track, line.job) for line in lines}
    ) == len(lines)


def test_the_guide_lists_each_difference_and_no_other() -> None:
    listed = re.findall(r"(?m)^\| \*\*(.+?)\*\* \|", (DOCS / "gcloud-migration.md").read_text("utf-8"))
    assert len(listed) == len(set(listed))
    assert set(listed) == {line.differs for line in COMMAND_LINES if line.differs}


@pytest.mark.parametrize(
    ("flags", "command", "kind"),
    [(TRAINING, "training", "TrainingJob"), (PREDICTION, "prediction", "PredictionJob")],
    ids=["training", "prediction"],
)
def test_every_flag_sets_a_field_that_there_is_and_is_in_a_command_line(
    flags: Sequence[Flag], command: str, kind: str
) -> None:
    words = " ".join(line.words for line in LINES if line.kind == command).split()
    for flag in flags:
        schema = spec_schema(kind)
        for name in flag.path.split(".") if flag.path else ():
            schema = schema["properties"][name]
        if flag.path and not flag.name.startswith("--evaluator-"):
            assert flag.name in words


@pytest.mark.parametrize(
    ("job", "name", "job_id"),
    [
        ("census", "census", "census"),
        ("census_nightly", "census-nightly", "census_nightly"),
        ("Census__X_", "census-x", "Census__X_"),
        ("census-nightly", "census-nightly", None),
        ("2024.census", "2024.census", None),
        ("Census-Nightly", "census-nightly", None),
        ("a" * 128, "a" * 128, "a" * 128),
    ],
)
def test_names(job: str, name: str, job_id: str | None) -> None:
    made = run(f"submit training {job} --dry-run {IMAGE}").manifest
    assert made["metadata"]["name"] == name
    assert made["spec"].get("jobId") == job_id


def test_a_job_id_of_the_file_stays_where_the_command_line_has_none(tmp_path: Path) -> None:
    words = f"--dry-run --config {saved(tmp_path, CONFIG)}"
    assert run(f"submit training census-x {words}").manifest["spec"]["jobId"] == "somebodys"
    assert run(f"submit training census_x {words}").manifest["spec"]["jobId"] == "census_x"


def test_a_file_may_be_a_manifest_in_any_spelling_on_standard_input() -> None:
    document = {
        "apiVersion": API_VERSION,
        "kind": "TrainingJob",
        "metadata": {"namespace": "team-a"},
        "spec": {
            "deletion_policy": "Orphan",
            "training_input": {
                "region": "us-central1",
                "master_config": {"image_uri": "gcr.io/team/trainer:1"},
            },
        },
    }
    done = run("submit training census --dry-run --config -", stdin=yaml.safe_dump(document))
    assert done.manifest == {
        "apiVersion": API_VERSION,
        "kind": "TrainingJob",
        "metadata": {"name": "census", "namespace": "team-a"},
        "spec": {"jobId": "census", "deletionPolicy": "Orphan", "trainingInput": WITH_IMAGE},
    }


CONFIG_TEXT = "trainingInput: {region: us-central1, masterConfig: {imageUri: gcr.io/p/t:1}, %s}\n"
MANIFEST_TEXT = f"apiVersion: {API_VERSION}\nkind: TrainingJob\nspec: {{{CONFIG_TEXT % '%s'}}}"


@pytest.mark.parametrize(
    ("fields", "in_config", "in_manifest"),
    [
        ("args: [0o17]", ["0o17"], "args[0]: Invalid value"),
        ("args: [1:30]", "args[0]: Invalid value", ["1:30"]),
        ("args: [a], args: [b]", ["a"], "args: Duplicate value"),
        ("args: a", ["a"], ["a"]),
    ],
)
def test_a_file_is_read_as_gcloud_does_and_a_manifest_as_kubectl_does(
    fields: str, in_config: list[str] | str, in_manifest: list[str] | str
) -> None:
    for text, wanted in ((CONFIG_TEXT, in_config), (MANIFEST_TEXT, in_manifest)):
        done = run("submit training census --dry-run --config -", stdin=text % fields)
        if isinstance(wanted, str):
            assert (done.code, done.out) == (1, "")
            assert any(wanted in line for line in done.err)
        else:
            assert done.manifest["spec"]["trainingInput"]["args"] == wanted


def test_a_key_that_stands_twice_in_a_config_file_is_a_warning() -> None:
    text = (
        "trainingInput:\n  region: us-east1\n  region: us-west1\n  masterConfig: {imageUri: gcr.io/p/t:1}\n"
    )
    done = run("submit training census --dry-run --config -", stdin=text)
    assert done.manifest["spec"]["trainingInput"]["region"] == "us-east1"
    assert any(line.startswith("warning: region: Duplicate value") for line in done.err)


def test_arguments_that_yaml_would_take_for_something_else_are_quoted() -> None:
    out = run(f"submit training census --dry-run {IMAGE} -- y 1e-3 08 --lr=0.1 plain").out
    assert "    args:\n    - 'y'\n    - '1e-3'\n    - '08'\n    - --lr=0.1\n    - plain\n" in out


def test_what_kubernetes_adds() -> None:
    done = run(f"submit training census --dry-run {IMAGE} -n team-a --suspend --deletion-policy Orphan")
    assert done.manifest["metadata"] == {"name": "census", "namespace": "team-a"}
    assert done.manifest["spec"]["suspend"] is True
    assert done.manifest["spec"]["deletionPolicy"] == "Orphan"


def test_the_region_of_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    env = {"CLOUDSDK_COMPUTE_REGION": "europe-west1"}
    image = "--master-image-uri gcr.io/team/trainer:1"
    bare = run(f"submit training census --dry-run {image}", env=env)
    assert bare.manifest["spec"]["trainingInput"]["region"] == "europe-west1"
    flag = run(f"submit training census --dry-run {IMAGE}", env=env)
    assert flag.manifest["spec"]["trainingInput"]["region"] == "us-central1"
    file = run(f"submit training census --dry-run --config {saved(tmp_path, CONFIG)}", env=env)
    assert file.manifest["spec"]["trainingInput"]["region"] == "europe-west1"


def test_a_model_on_the_command_line_replaces_the_files(tmp_path: Path) -> None:
    config = {
        "predictionInput": {"uri": "gs://bucket/model", "versionName": "projects/p/models/m/versions/v"}
    }
    words = f"--dry-run {PREDICT} --config {saved(tmp_path, config)} --model projects/q/models/n"
    made = run(f"submit prediction census {words}").manifest["spec"]["predictionInput"]
    assert made["modelName"] == "projects/q/models/n"
    assert not {"uri", "versionName"} & set(made)


def test_all_problems_are_told_at_once_each_with_its_flag() -> None:
    done = run("submit training census --scale-tier huge --worker-count many --labels Team=a -- x")
    assert done.code == 1
    assert done.out == ""
    begins = [
        'spec.trainingInput.scaleTier: Invalid value: "huge": must be one of BASIC',
        'spec.trainingInput.workerCount: Invalid value: "many": must be a whole number',
        "spec.labels",
        "spec.trainingInput.region: Required value",
        "spec.trainingInput.runtimeVersion: Required value",
        "spec.trainingInput.packageUris: Required value",
        "spec.trainingInput.pythonModule: Required value",
    ]
    for begin in begins:
        (line,) = [line for line in done.err if line.startswith(f"error: {begin}")]
        assert line.endswith(")"), line
        assert " (--" in line, line
    assert all(line.startswith("error: ") for line in done.err)


def test_an_unknown_key_of_the_file_is_told_once() -> None:
    done = run(f"submit training census {IMAGE} --config -", stdin="trainingInput: {scaleTeer: BASIC}\n")
    assert done.code == 1
    (line,) = done.err
    assert line.startswith("error: spec.trainingInput.scaleTeer: ")
    assert "did you mean scaleTier?" in line


def test_warnings_refuse_nothing() -> None:
    done = run(f"submit prediction census --dry-run {PREDICT} --model-dir gs://bucket/model")
    assert done.code == 0
    (line,) = done.err
    assert line.startswith("warning: spec.predictionInput.dataFormat")
    assert line.endswith("(--data-format)")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            f"training census {IMAGE} --master-accelerator type=nvidia-tesla-t4",
            "must be type=TYPE,count=COUNT",
        ),
        (f"training census {IMAGE} --labels team", "--labels team: 'team' must be KEY=VALUE"),
        (f"training census {IMAGE} --labels a=b,a=c", "the key 'a' is given twice"),
        (
            f"training census {IMAGE} --labels a=b --labels a=c",
            "--labels a=b a=c: the key 'a' is given twice",
        ),
        (f"training census {IMAGE} --labels a=b,,c=d", "there is nothing between two ','"),
        (f"training census {IMAGE} --packages gs://b/a,,gs://b/c", "--packages gs://b/a,,gs://b/c: there is"),
        (f"training census {IMAGE} --worker-count 0", "--worker-count 0: must be at least 1"),
        (
            f"training census {IMAGE} --worker-machine-type n1-standard-4",
            "--worker-machine-type n1-standard-4: needs --worker-count",
        ),
        (f"training census {IMAGE} --job-dir ''", "must be gs://BUCKET/FOLDER"),
        (
            f"training census {IMAGE} --service-account robot",
            "--service-account robot: must be an e-mail address",
        ),
        (f"training census {IMAGE} --project ''", "must be a project's id"),
        (
            f"training census {IMAGE} --max-running-time soon",
            "--max-running-time soon: must be a length of time",
        ),
        (
            f"training census {IMAGE} --kms-key k",
            "an id needs --kms-keyring, --kms-location and --kms-project",
        ),
        (f"training census {IMAGE} --kms-keyring r", "need --kms-key"),
        (f"training census {IMAGE} --stream-logs --async", "--stream-logs and --async: specify one of them"),
        (f"training census {IMAGE} stray", "unexpected extra argument"),
        (f"training census {IMAGE} --machine-type x", "No such option: --machine-type"),
        (f"training !! {IMAGE}", "JOB !!: must have letters or digits"),
        ("training census --config /nowhere/config.yaml", "cannot be read: No such file or directory"),
        (f"prediction census {PREDICT} --model m", "the project of the model is not known"),
        (f"prediction census {PREDICT} --version v", "--version v: needs --model"),
        (f"prediction census {PREDICT} --model m --model-dir gs://b/m", "--model and --model-dir"),
        (f"prediction census {PREDICT} --model-dir gs://b/m -- x", "unexpected extra argument"),
        ("prediction", "Missing argument 'JOB'"),
        ("training census --dry-run=perhaps", "'perhaps' is not one of"),
    ],
)
def test_wrong_usage_is_one_line_with_a_hint(words: str, says: str) -> None:
    done = run(f"submit {words}")
    assert done.code == 2
    (line,) = done.err
    assert line.startswith("error: ")
    assert says in line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "cannot be read"),
        ("a: 1\n---\nb: 1\n", "has 2 documents, must have one"),
        ("kind: PredictionJob\napiVersion: mljobs.dev/v1alpha1\nspec: {}\n", "submit prediction"),
        ("- a\n", "cannot be read"),
    ],
)
def test_a_file_that_is_none(text: str, says: str) -> None:
    done = run(f"submit training census {IMAGE} --config -", stdin=text)
    assert done.code == 2
    (line,) = done.err
    assert says in line


def test_an_input_of_the_other_kind_is_refused() -> None:
    done = run(f"submit training census {IMAGE} --config -", stdin="predictionInput: {region: us-central1}\n")
    assert done.code == 1
    assert any("predictionInput" in line for line in done.err)


def test_an_empty_file_says_nothing() -> None:
    assert run(f"submit training census {IMAGE} --dry-run --config -", stdin="").code == 0


@pytest.mark.parametrize(
    ("form", "begins"),
    [("json", "{\n"), ("yaml", "apiVersion: "), ("name", "trainingjob.mljobs.dev/census\n")],
)
def test_forms_of_a_dry_run(form: str, begins: str) -> None:
    assert run(f"submit training census {IMAGE} --dry-run -o {form}").out.startswith(begins)
