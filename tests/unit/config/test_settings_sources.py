"""File, environment and flags through the command line itself: which wins, for every setting."""

import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic.alias_generators import to_camel
from typer.testing import CliRunner

from mljobs import config
from mljobs.config import Settings
from mljobs.console.settings import takes_settings
from mljobs.domain.job import variables

ROOT = Path(__file__).parents[3]

VALUES: dict[str, tuple[Any, Any, Any]] = {
    "service": ("VertexAI", "MLv1", "VertexAI"),
    "project_id": ("project-1", "example.com:project-2", "123456"),
    "endpoint": ("https://one.example", "http://127.0.0.1:1", "https://three.example:8443/base"),
    "locations": (("us-central1",), ("europe-west4", "us"), ("me-west1", "us-east5", "eu")),
    "tables": ("/etc/one.yaml", "two.yaml", "./three.yaml"),
    "console_path": ("vertex-ai", "agent-platform", "vertex-ai"),
    "anonymous": (True, False, True),
    "identity_provider": (
        "projects/1/locations/global/workloadIdentityPools/pool/providers/one",
        "identitynamespace:p.svc.id.goog:https://gke.example",
        "projects/3/locations/global/workloadIdentityPools/pool/providers/three",
    ),
    "token_endpoint": ("https://one.example", "http://127.0.0.1:1", "https://three.example:8443/base"),
    "namespaces": (("a",), ("b", "c"), ("d", "e", "f")),
    "poll_interval": (1, 2.5, 3),
    "gauge_interval": (14, 15, 16),
    "resync_interval": (11, 12, 13),
    "creates_per_minute": (0, 1, 2),
    "others_per_minute": (3, 0, 5),
    "request_timeout": (21, 22, 23),
    "unknown_outcome_grace": (31, 32, 33),
    "adoption": ("Never", "SameNamespace", "Any"),
    "schedules": (False, True, False),
    "lost_after": (51, 52, 53),
    "lost_interval": (61, 62, 63),
    "believe_missing": (True, False, True),
    "threads": (1, 2, 3),
    "workers": (4, 5, 6),
    "kubernetes_connections": (7, 8, 9),
    "host": ("127.0.0.1", "::1", "localhost"),
    "port": (0, 1, 65535),
    "drain_seconds": (41, 42, 43),
    "leader_election": (False, True, False),
    "lease_namespace": ("one", "two", "three"),
    "lease_name": ("lease.one", "lease.two", "three"),
    "shards": (2, 3, 4),
    "log_format": ("text", "json", "text"),
    "log_level": ("DEBUG", "WARNING", "ERROR"),
}
"""Of each setting: what a file, the environment and a flag say."""

CHOICES = list(itertools.product((False, True), repeat=3))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith(config.ENV_PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture
def loaded() -> Callable[..., Settings]:
    """Run a command that takes settings, and give those that it got."""
    found: list[Settings] = []

    @takes_settings
    def command(settings: Settings) -> None:
        found.append(settings)

    app = typer.Typer()
    app.command()(command)

    def run(*arguments: str) -> Settings:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return found.pop()

    return run


def in_environment(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def as_flags(name: str, value: Any) -> list[str]:
    if isinstance(value, tuple):
        return [f"{config.flag(name)}={one}" for one in value]
    if isinstance(value, bool):
        negative = {"anonymous": "--credentials"}.get(name, f"--no-{config.flag(name)[2:]}")
        return [config.flag(name) if value else negative]
    return [f"{config.flag(name)}={value}"]


def test_the_table_has_every_setting() -> None:
    assert set(VALUES) == set(Settings.model_fields)


@pytest.mark.parametrize("name", Settings.model_fields)
@pytest.mark.parametrize(("file", "variable", "flag"), CHOICES)
def test_flags_win_over_the_environment_and_that_over_the_file(
    loaded: Callable[..., Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    file: bool,
    variable: bool,
    flag: bool,
) -> None:
    first, second, third = VALUES[name]
    arguments: list[str] = []
    if file:
        path = tmp_path / "mljobs.yaml"
        path.write_text(yaml.safe_dump({to_camel(name): list(first) if isinstance(first, tuple) else first}))
        arguments.append(f"--config={path}")
    if variable:
        monkeypatch.setenv(config.variable(name), in_environment(second))
    if flag:
        arguments += as_flags(name, third)
    expected = (
        third if flag else second if variable else first if file else Settings.model_fields[name].default
    )
    settings = loaded(*arguments)
    assert getattr(settings, name) == expected
    assert settings.model_fields_set - {name} == set()


@pytest.mark.parametrize("text", ["team-a, team-b", '["team-a", "team-b"]', ' ["team-a","team-b"]'])
def test_a_list_in_the_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MLJOBS_NAMESPACES", text)
    assert config.load().namespaces == ("team-a", "team-b")


def test_an_empty_variable_counts_as_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mljobs.yaml"
    file.write_text("port: 1\nnamespaces: [a]\nprojectId: p\nleaderElection: true\n")
    for name in Settings.model_fields:
        monkeypatch.setenv(config.variable(name), "")
    assert config.load(file) == Settings(port=1, namespaces=("a",), project_id="p", leader_election=True)


def test_a_flag_can_empty_what_the_file_says(tmp_path: Path, loaded: Callable[..., Settings]) -> None:
    file = tmp_path / "mljobs.yaml"
    file.write_text("projectId: p\nendpoint: https://one.example\n")
    settings = loaded(f"--config={file}", "--project=", "--endpoint=")
    assert (settings.project_id, settings.endpoint) == (None, "")


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "port:\nprojectId: null\n", 'projectId: ""\n'])
def test_a_file_may_say_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mljobs.yaml"
    file.write_text(text)
    assert config.load(file) == Settings()


def test_a_file_may_name_a_project_by_its_number(tmp_path: Path) -> None:
    file = tmp_path / "mljobs.yaml"
    file.write_text("projectId: 123456789012\n")
    assert config.load(file).project_id == "123456789012"


def test_help_shows_every_setting_with_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    from mljobs.cli.app import app

    monkeypatch.setenv("COLUMNS", "400")
    shown = CliRunner().invoke(app, ["run", "--help"]).output
    for name, field in Settings.model_fields.items():
        (line,) = [line for line in shown.splitlines() if f" {config.flag(name)} " in line]
        assert " ".join(str(field.description).split()) in line


def test_no_setting_is_a_secret() -> None:
    words = ("password", "secret", "token", "key", "credential")
    names = [name for name in Settings.model_fields if not name.endswith("_endpoint")]
    assert [name for name in names if any(word in name for word in words)] == []


def test_every_variable_that_the_code_reads_is_known() -> None:
    read = {
        found
        for path in (ROOT / "operator").rglob("*.py")
        for found in re.findall(r"\bMLJOBS_[A-Z][A-Z_]*[A-Z]", path.read_text("utf-8"))
    }
    read -= {"MLJOBS_COMPLETE"}  # click's own begin with an underscore
    read -= {*variables.NAMES}  # which a spec may contain, and no environment
    known = {config.variable(name) for name in Settings.model_fields} | config.OTHER_VARIABLES
    assert read <= known
    assert read >= config.OTHER_VARIABLES
