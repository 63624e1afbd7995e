"""`mljobs plan`: the command's contract, and the table of rules seen through it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from mljobs.admin.plan import plan
from mljobs.api.resources import API_VERSION
from mljobs.backends.mlv1.facts import MlV1Facts
from mljobs.backends.vertex.names import location_of
from mljobs.console.documents import writing
from mljobs.domain.port import Owner
from mljobs.domain.spec import rules
from mljobs.domain.spec.problems import Severity
from tests.unit.domain.rule_case import IMAGE, PREDICT, Case, merged
from tests.unit.domain.rule_cases import CASES

IMAGE_URI = "gcr.io/p/trainer:1"
FACTS = MlV1Facts()
TABLES = Path(__file__).parents[2] / "vertex_tables.yaml"

Json = dict[str, Any]

COMMAND = typer.Typer(pretty_exceptions_enable=False)
COMMAND.command()(plan)

BY_ID = {rule.id: rule for rule in rules.RULES}


@dataclass(frozen=True)
class Outcome:
    """What the command left: exit code, lines of stdout, lines of stderr."""

    code: int
    out: list[str]
    err: list[str]

    @property
    def request(self) -> Any:
        return json.loads("\n".join(self.out))


def planned(text: str | Json | list[Json], *options: str) -> Outcome:
    """Run the command on standard input."""
    if not isinstance(text, str):
        text = writing.dump(text if isinstance(text, list) else [text])
    result = CliRunner().invoke(COMMAND, ["-f", "-", *options], input=text)
    return Outcome(result.exit_code, result.stdout.splitlines(), result.stderr.splitlines())


def manifest(spec: Json, kind: str = "TrainingJob", **metadata: Any) -> Json:
    whole = {"name": "census", "namespace": "team-a", **metadata}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": whole, "spec": spec}


def field_of(kind: str) -> str:
    return {"TrainingJob": "trainingInput", "PredictionJob": "predictionInput"}[kind]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case) -> None:
    options = ["--service=VertexAI", f"--tables={TABLES}"] if "vertex" in case.spec else []
    if "vertex" in case.spec and not location_of(case.spec):
        options.append("--location=us-central1")
    options.append("--project=p" if case.rule != "project-required" else "-nx")
    outcome = planned(manifest(case.spec, case.kind), *options)
    rule = BY_ID[case.rule]
    if case.rule == "project-required" or case.holds or rule.severity is Severity.WARNING:
        # Whether there is a default project, only the cluster knows.
        assert outcome.code == 0, outcome
        first = outcome.request[0] if len(case.spec.get("placements", ())) > 1 else outcome.request
        assert first["displayName" if "vertex" in case.spec else "jobId"]
        warned = any(line.startswith("warning: ") and line.endswith(rule.text) for line in outcome.err)
        assert warned is (rule.severity is Severity.WARNING and not case.holds)
    else:
        assert outcome.code == 1
        assert any(line.startswith(("spec.", "spec: ")) and line.endswith(rule.text) for line in outcome.out)
        assert len(outcome.out) >= 1 + len(case.also)


def test_request_of_a_manifest() -> None:
    spec = merged(IMAGE, {"labels": {"team": "a"}, "trainingInput": {"workerCount": 0}})
    outcome = planned(manifest(spec, uid="u-1"))
    assert outcome.code == 0
    assert outcome.request == {
        "jobId": FACTS.job_id(Owner("team-a", "census", "u-1"), 1, None),
        "labels": {
            "team": "a",
            "mljobs-uid": "u-1",
            "mljobs-attempt": "1",
            "mljobs-namespace": "team-a",
            "mljobs-name": "census",
        },
        "trainingInput": {**spec["trainingInput"], "workerCount": "0"},
    }
    assert outcome.err == ["note: POST v1/projects/my-project/jobs"]


def test_uid_that_is_given_wins() -> None:
    outcome = planned(manifest(IMAGE), "--uid=u-2")
    assert outcome.request["jobId"] == FACTS.job_id(Owner("team-a", "census", "u-2"), 1, None)


def test_job_id_of_a_resource_that_does_not_exist_yet() -> None:
    outcome = planned(manifest(IMAGE))
    assert outcome.request["jobId"] == "team_a_census_UID_1"
    assert outcome.request["labels"]["mljobs-uid"] == "not-known-yet"
    (note,) = [line for line in outcome.err if "placeholder" in line]
    assert "derived from namespace, name, uid and attempt" in note
    assert "--uid" in note


def test_chosen_job_id_is_the_real_one() -> None:
    outcome = planned(manifest({**IMAGE, "jobId": "census_nightly"}))
    assert outcome.request["jobId"] == "census_nightly"
    assert not any("placeholder" in line for line in outcome.err)
    assert any("mljobs-uid" in line for line in outcome.err)


def test_long_names_keep_the_placeholder() -> None:
    outcome = planned(manifest(IMAGE, name="n" * 200))
    assert len(outcome.request["jobId"]) <= 128
    assert outcome.request["jobId"].endswith("n_UID_1")


def test_config_of_gcloud_needs_no_name() -> None:
    outcome = planned({"trainingInput": IMAGE["trainingInput"]})
    assert outcome.code == 0
    assert outcome.request["trainingInput"] == IMAGE["trainingInput"]
    assert any("no projectId" in line for line in outcome.err)
    named = planned(
        {"trainingInput": IMAGE["trainingInput"]}, "--project=p", "--name=a", "--namespace=b", "--uid=c"
    )
    assert named.request["jobId"] == FACTS.job_id(Owner("b", "a", "c"), 1, None)
    assert named.err == ["note: POST v1/projects/p/jobs"]


def test_every_problem_has_its_line() -> None:
    spec = {"trainingInput": {"scaleTier": "CUSTOM", "workerCount": 1, "jobDir": "/data", "wrong": 1}}
    outcome = planned(spec)
    assert outcome.code == 1
    said = [line.removeprefix("spec.trainingInput.") for line in outcome.out]
    assert said == [
        "wrong: Forbidden: 1: there is no such field",
        "region: Required value: the region to run in is required",
        "runtimeVersion: Required value: exactly one of runtimeVersion and masterConfig.imageUri is required",
        "packageUris: Required value: without a custom image, 1 to 100 Python packages are required",
        "pythonModule: Required value: without a custom image, the Python module to run is required",
        'jobDir: Invalid value: "/data": a job directory is a Cloud Storage path, gs://BUCKET/OBJECT',
        "masterType: Required value: scaleTier CUSTOM needs the master's machine type",
        "workerType: Required value: a machine type is required where workerCount is above 0",
    ]


def test_input_that_contains_itself() -> None:
    outcome = planned("trainingInput: {args: &a [*a], masterConfig: &b {acceleratorConfig: *b}}")
    assert outcome.code == 1
    assert (
        "spec.trainingInput.args[0]: Invalid value: 1 item: must be a text; put it in quotes" in outcome.out
    )


def test_several_documents() -> None:
    good, bad = (
        manifest(IMAGE, uid="u"),
        manifest(merged(PREDICT, {"predictionInput": {"region": None}}), "PredictionJob"),
    )
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    outcome = planned([good, other, good])
    assert outcome.code == 0
    assert [request["jobId"] for request in outcome.request] == [
        FACTS.job_id(Owner("team-a", "census", "u"), 1, None)
    ] * 2
    assert "note: document 2, ConfigMap: not ours, skipped" in outcome.err
    outcome = planned([good, bad])
    assert outcome.code == 1
    assert outcome.out == [
        "document 2, PredictionJob census: "
        "spec.predictionInput.region: Required value: the region to run in is required"
    ]


def test_list_of_manifests() -> None:
    outcome = planned({"apiVersion": "v1", "kind": "List", "items": [manifest(IMAGE), manifest(IMAGE)]})
    assert len(outcome.request) == 2


def test_json_is_yaml_even_with_a_trailing_comma() -> None:
    text = json.dumps({"trainingInput": IMAGE["trainingInput"]}).replace("}}}", "}},}")
    assert planned(text).request["trainingInput"] == IMAGE["trainingInput"]


def test_all_spellings_give_one_request() -> None:
    text = """
        job_id: a
        training_input:
          region: us-central1
          scale_tier: custom
          master_type: n1-standard-8
          master_config: {image_uri: gcr.io/p/i, accelerator_config: {count: 2.0, type: nvidia_tesla_t4}}
          enable_web_access: "true"
          service_account:
    """
    assert planned(text).request["trainingInput"] == {
        "enableWebAccess": True,
        "masterConfig": {
            "acceleratorConfig": {"count": "2", "type": "NVIDIA_TESLA_T4"},
            "imageUri": "gcr.io/p/i",
        },
        "masterType": "n1-standard-8",
        "region": "us-central1",
        "scaleTier": "CUSTOM",
    }


def test_set() -> None:
    text = {"trainingInput": {"scaleTier": "BASIC", "masterConfig": {"imageUri": "gcr.io/p/i"}}}
    options = (
        "--set",
        "trainingInput.region=us-east1",
        "--set",
        "spec.training_input.scheduling.priority='7'",
    )
    outcome = planned(text, *options, "--set", "labels={a: b}", "--set", "trainingInput.args=[--x, --y=1]")
    assert outcome.request["trainingInput"] == {
        "scaleTier": "BASIC",
        "masterConfig": {"imageUri": "gcr.io/p/i"},
        "region": "us-east1",
        "scheduling": {"priority": 7},
        "args": ["--x", "--y=1"],
    }
    assert outcome.request["labels"]["a"] == "b"
    wrong = planned(text, "--set", "trainingInput.regoin=a")
    assert (
        'spec.trainingInput.regoin: Forbidden: "a": there is no such field; did you mean region?' in wrong.out
    )


def test_text_that_is_no_unicode() -> None:
    text = json.dumps({"trainingInput": {**IMAGE["trainingInput"], "args": ["\ud800"], "jobDir": "\ud800"}})
    outcome = planned(text)
    assert outcome.code == 1
    assert outcome.out == [
        "spec.trainingInput.args[0]: Invalid value: (1 character, not shown): "
        "must be Unicode text, without half a surrogate pair",
        'spec.trainingInput.jobDir: Invalid value: "\\ud800": '
        "must be Unicode text, without half a surrogate pair",
    ]


def test_names_cannot_break_the_lines() -> None:
    outcome = planned(
        [manifest(IMAGE, name="a\nspec.x: wrong"), manifest({"trainingInput": {}}, name="\x1b[2J")]
    )
    titles = {line.split(": ")[0] for line in outcome.out}
    assert titles == {
        "document 1, TrainingJob a\N{REPLACEMENT CHARACTER}spec.x",
        "document 2, TrainingJob \N{REPLACEMENT CHARACTER}[2J",
    }


def test_suspended() -> None:
    assert any("suspend" in line for line in planned(manifest({**IMAGE, "suspend": True})).err)


def test_command_lines_of_a_wrong_spec_stay_secret() -> None:
    spec = merged(IMAGE, {"trainingInput": {"args": ["--password=hunter2", 5], "region": None}})
    outcome = planned(manifest(spec))
    assert outcome.code == 1
    assert not any("hunter2" in line for line in (*outcome.out, *outcome.err))


def test_a_key_that_stands_twice_in_a_manifest_is_a_problem_that_names_the_line_that_counts() -> None:
    text = (
        f"apiVersion: {API_VERSION}\nkind: TrainingJob\nmetadata: {{name: a}}\nspec:\n"
        "  projectId: my-project\n  trainingInput:\n    masterConfig: {imageUri: gcr.io/p/i:1}\n"
        "    region: us-east1\n    region: us-west1\n"
    )
    outcome = planned(text)
    assert (outcome.code, outcome.out) == (
        1,
        [
            'spec.trainingInput.region: Duplicate value: "us-west1": '
            "lines 8 and 9 set it, and kubectl would take line 9"
        ],
    )


def test_a_key_that_stands_twice_in_a_config_file_is_a_warning() -> None:
    text = (
        "trainingInput:\n  masterConfig: {imageUri: gcr.io/p/i:1}\n  region: us-east1\n  region: us-west1\n"
    )
    outcome = planned(text)
    assert outcome.request["trainingInput"]["region"] == "us-east1"
    assert (
        'warning: region: Duplicate value: "us-east1": line 4 sets it again, and gcloud takes the first'
        in outcome.err
    )


@pytest.mark.parametrize(
    ("written", "exact", "config"),
    [("args=[1:30]", ["1:30"], None), ("args=[0o17]", None, ["0o17"]), ("args=--x", None, ["--x"])],
)
def test_values_that_are_set_are_read_as_the_document_is(
    written: str, exact: list[str] | None, config: list[str] | None
) -> None:
    for document, wanted in ((manifest(IMAGE), exact), ({"trainingInput": IMAGE["trainingInput"]}, config)):
        outcome = planned(document, f"--set=trainingInput.{written}")
        assert outcome.code == (wanted is None)
        if wanted:
            assert outcome.request["trainingInput"]["args"] == wanted


UNUSABLE: list[tuple[str, tuple[str, ...], str]] = [
    ("", (), "nothing to plan: the input has no TrainingJob or PredictionJob"),
    ("apiVersion: v1\nkind: Pod", (), "nothing to plan"),
    ("a: [", (), "cannot read the description: "),
    ("- a", (), "is an object with fields"),
    ("[" * 5000, (), "nested too deeply"),
    ("{}", ("--kind=Job",), "--kind Job: must be one of TrainingJob, PredictionJob"),
    ("{}", ("--set=region",), "--set region: must be FIELD=VALUE"),
    ("{}", ("--set=a..b=1",), "--set a..b=1: must be FIELD=VALUE"),
    ("{}", ("--set=a=[",), "--set a=[: the value is not YAML"),
]


@pytest.mark.parametrize(("text", "options", "says"), UNUSABLE, ids=lambda value: str(value)[:30])
def test_unusable_input_is_one_clear_line(text: str, options: tuple[str, ...], says: str) -> None:
    outcome = planned(text, *options)
    assert (outcome.code, outcome.out) == (1, [])
    line = outcome.err[-1]
    assert line.startswith("mljobs plan: ")
    assert says in line


def test_files(tmp_path: Path) -> None:
    good = tmp_path / "job.yaml"
    good.write_text(yaml.safe_dump(manifest(IMAGE)), encoding="utf-8")
    assert CliRunner().invoke(COMMAND, ["-f", str(good)]).exit_code == 0
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for file, says in (
        (tmp_path / "none.yaml", "No such file"),
        (tmp_path, "directory"),
        (binary, "not UTF-8"),
    ):
        result = CliRunner().invoke(COMMAND, ["-f", str(file)])
        assert result.exit_code == 1
        assert result.stdout == ""
        assert f"cannot read {file}: " in result.stderr
        assert says in result.stderr


PACKAGE: Json = {
    "region": "us-central1",
    "packageUris": ["gs://bucket/trainer-1.tar.gz"],
    "pythonModule": "trainer.task",
    "runtimeVersion": "2.11",
    "pythonVersion": "3.10",
}


def test_python_3_10_is_vertex_ai_s_alone() -> None:
    text = manifest({"projectId": "p", "trainingInput": PACKAGE})
    made = planned(text, "--service=VertexAI").request
    (pool,) = made["jobSpec"]["workerPoolSpecs"]
    assert pool["pythonPackageSpec"]["executorImageUri"].endswith("/tf-cpu.2-11.py310:latest")
    refused = planned(text)
    assert refused.code == 1
    assert refused.out == [
        'spec.trainingInput.pythonVersion: Invalid value: "3.10": ml v1 has Python 2.7, 3.5 and 3.7; '
        "3.10 is on Vertex AI alone"
    ]


def test_what_is_lost_is_said_to_be_and_not_to_be_invalid() -> None:
    spec = {"region": "us-central1", "masterConfig": {"imageUri": IMAGE_URI}, "scheduling": {"priority": 3}}
    done = planned(manifest({"projectId": "p", "trainingInput": spec}), "--service=VertexAI")
    assert done.code == 0
    assert [line for line in done.err if line.startswith("warning: ")] == [
        "warning: spec.trainingInput.scheduling.priority: 3: lost: jobs of Vertex AI have no priority; "
        "leave it out if it does not matter"
    ]


BOTH = ("--service=MLv1", "--service=VertexAI")


def test_both_services_stand_side_by_side() -> None:
    spec = {"region": "us-central1", "masterConfig": {"imageUri": IMAGE_URI}}
    done = planned(manifest({"projectId": "p", "jobId": "census_1", "trainingInput": spec}), *BOTH)
    assert done.code == 0
    head, *rows = [[cell.strip() for cell in line.split("│")] for line in done.out if "│" in line]
    assert head == ["MLv1", "VertexAI"]
    assert ["POST v1/projects/p/jobs", "POST v1/projects/p/locations/us-central1/customJobs"] in rows
    assert ["jobId: census_1", "displayName: census_1"] in rows
    assert ["imageUri: gcr.io/p/trainer:1", "imageUri: gcr.io/p/trainer:1"] in rows
    assert ["", "machineType: n1-standard-4"] in rows


def test_side_by_side_is_json_too() -> None:
    text = manifest({"projectId": "p", "trainingInput": {**PACKAGE, "pythonVersion": "3.7"}})
    done = planned(text, *BOTH, "--output=json")
    alone = {option.partition("=")[2]: planned(text, option).request for option in BOTH}
    assert done.code == 0
    assert done.request == alone


def test_side_by_side_a_problem_of_one_service_is_told_with_its_name() -> None:
    text = manifest({"projectId": "p", "trainingInput": PACKAGE})
    done = planned(text, *BOTH)
    assert done.code == 1
    assert [line.split(":")[0] for line in done.out] == ["MLv1"]
    assert all(line.startswith(("warning: VertexAI: ", "note: ")) for line in done.err)


def test_a_service_that_is_named_twice_is_one() -> None:
    text = manifest({"projectId": "p", "trainingInput": {**PACKAGE, "pythonVersion": "3.7"}})
    assert planned(text, BOTH[0], BOTH[0]) == planned(text, BOTH[0])


def test_values_of_environment_variables_are_not_shown_unless_asked_for() -> None:
    container = {"imageUri": IMAGE_URI, "env": [{"name": "API_KEY", "value": "sk-123"}]}
    pool = {"machineSpec": {"machineType": "n1-standard-4"}, "containerSpec": container}
    block = {"region": "us-central1", "jobSpec": {"workerPoolSpecs": [pool]}}
    text = manifest({"projectId": "p", "vertex": block})
    done = planned(text, BOTH[1])
    assert done.code == 0
    assert "sk-123" not in "\n".join([*done.out, *done.err])
    (made,) = done.request["jobSpec"]["workerPoolSpecs"]
    assert made["containerSpec"]["env"] == [{"name": "API_KEY", "value": "(6 characters, not shown)"}]
    assert any("--show-env" in line for line in done.err)
    assert any("Secret Manager" in line for line in done.err)
    whole = planned(text, BOTH[1], "--show-env").request["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]
    assert whole["env"] == container["env"]
