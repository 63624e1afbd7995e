"""`kubectl mljobs history` finds the records among whatever an operator and a log collector have written."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mljobs.kubectl.app import app
from mljobs.kubectl.history import newest


def record(name: str, **more: object) -> dict[str, object]:
    return {
        "mljobs.dev/finished": "v1",
        "uid": f"uid-{name}",
        "namespace": "team-a",
        "kind": "TrainingJob",
        "name": name,
        "outcome": "Succeeded",
        "finishedAt": "2026-11-29T10:05:12Z",
        "attempts": [{"attempt": 1, "jobId": "j_1"}, {"attempt": 2, "jobId": "j_2"}],
        **more,
    }


LINES = [
    json.dumps(record("late", finishedAt="2026-11-30T00:00:00Z")),
    '{"level": "INFO", "message": "not one of them"}',
    "[pod/mljobs-operator-5d/operator] " + json.dumps(record("twice", outcome="Failed")),
    json.dumps(record("twice", outcome="Failed")),
    '{"mljobs.dev/finished": "v1", cut off',
    '["mljobs.dev/finished"]',
    json.dumps(record("other", namespace="team-b", attempts=["odd"])),
]


@pytest.fixture
def output(tmp_path: Path) -> str:
    path = tmp_path / "operator.log"
    path.write_text("\n".join(LINES) + "\n", "utf-8")
    return str(path)


def test_each_resource_is_found_once_and_in_the_order_of_their_ends() -> None:
    assert [one["name"] for one in newest(LINES)] == ["twice", "other", "late"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["twice", "other", "late"]),
        (["late"], ["late"]),
        (["-n", "team-b"], ["other"]),
        (["--outcome", "failed"], ["twice"]),
        (["--outcome", "Cancelled"], []),
    ],
)
def test_what_is_asked_for_is_shown(output: str, words: list[str], expected: list[str]) -> None:
    done = CliRunner().invoke(app, ["history", "-f", output, "-o", "json", *words])
    assert [json.loads(line)["name"] for line in done.stdout.splitlines()] == expected


def test_a_table_says_which_attempt_was_the_last(output: str) -> None:
    done = CliRunner().invoke(app, ["history", "twice", "-f", output])
    heading, row = done.stdout.splitlines()
    assert heading.split() == ["FINISHED", "NAMESPACE", "KIND", "NAME", "OUTCOME", "ATTEMPTS", "JOB"]
    assert row.split() == ["2026-11-29T10:05:12Z", "team-a", "TrainingJob", "twice", "Failed", "2", "j_2"]


def test_standard_input_is_read_where_no_file_is_named() -> None:
    done = CliRunner().invoke(app, ["history", "-o", "json"], input=LINES[0])
    assert json.loads(done.stdout)["name"] == "late"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-f", "/no/such/file"], "No such file"),
        (["--outcome", "Gone"], "must be one of"),
        (["-o", "yaml"], "must be table or json"),
    ],
)
def test_what_cannot_be_shown_is_said(words: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["history", *words], input="")
    assert done.exit_code == 2
    assert said in done.output
