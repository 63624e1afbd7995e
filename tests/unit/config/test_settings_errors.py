"""What is said about settings that cannot be used."""

import os
import re
from pathlib import Path

import pytest
import yaml
from pydantic.alias_generators import to_camel
from typer.testing import CliRunner

from mljobs import config
from mljobs.api.patterns import PROJECT
from mljobs.cli.app import app
from mljobs.config import Settings, SettingsError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith(config.ENV_PREFIX)]:
        monkeypatch.delenv(name)


SECONDS = "a number above 0, at most 86400"
NAME = "a name of lower-case letters, digits and hyphens, at most 63 characters"
REGION = "a region of the service, such as us-central1"
PROVIDER = (
    "projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER or "
    "identitynamespace:POOL:PROVIDER, or nothing"
)
URL = "an http or https URL without user, query or fragment, or nothing"

WRONG: list[tuple[str, str, str]] = [
    ("project_id", "My_Project", "a project's id or number, such as my-project-1, or nothing"),
    *[
        ("endpoint", value, URL)
        for value in (
            "ml.example",
            "ftp://ml.example",
            "https://",
            "https://user:word@ml.example",
            "https://ml.example?key=1",
            "https://ml.example/#part",
            "https://ml.example/a b",
            "https://ml.example\n",
        )
    ],
    ("token_endpoint", "tokens.example", URL),
    *[
        ("identity_provider", value, PROVIDER)
        for value in (
            "clusters",
            "projects/my-project/locations/global/workloadIdentityPools/clusters/providers/one",
            "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/clusters/providers/one",
            "identitynamespace:",
        )
    ],
    ("service", "Vertex", "MLv1 or VertexAI"),
    ("console_path", "vertex", "agent-platform or vertex-ai"),
    ("anonymous", "maybe", "true or false"),
    ("believe_missing", "maybe", "true or false"),
    ("poll_interval", "0", SECONDS),
    ("poll_interval", "-1", SECONDS),
    ("poll_interval", "nan", SECONDS),
    ("poll_interval", "inf", SECONDS),
    ("poll_interval", "10s", SECONDS),
    ("gauge_interval", "0", SECONDS),
    ("resync_interval", "86401", SECONDS),
    ("creates_per_minute", "-0.1", "a number from 0 to 1000000"),
    ("others_per_minute", "many", "a number from 0 to 1000000"),
    ("request_timeout", "0", SECONDS),
    ("unknown_outcome_grace", "0", SECONDS),
    ("schedules", "sometimes", "true or false"),
    ("adoption", "never", "Never, SameNamespace or Any"),
    ("lost_after", "0", SECONDS),
    ("lost_interval", "100000", SECONDS),
    ("threads", "0", "a whole number from 1 to 128"),
    ("threads", "1.5", "a whole number from 1 to 128"),
    ("workers", "1025", "a whole number from 1 to 1024"),
    ("kubernetes_connections", "1", "a whole number from 2 to 1024"),
    ("port", "65536", "a whole number from 0 to 65535"),
    ("port", "http", "a whole number from 0 to 65535"),
    ("drain_seconds", "0", SECONDS),
    ("leader_election", "2", "true or false"),
    ("lease_namespace", "a.b", NAME),
    ("lease_namespace", "a" * 64, NAME),
    ("lease_name", "a..b", "a name of lower-case letters, digits, hyphens and dots, at most 250 characters"),
    ("shards", "17", "a whole number from 1 to 16"),
    ("log_format", "xml", "json or text"),
    ("log_level", "info", "DEBUG, INFO, WARNING or ERROR"),
]


@pytest.mark.parametrize("source", ["file", "variable", "flag"])
@pytest.mark.parametrize(("name", "value", "rule"), WRONG, ids=lambda part: repr(part)[:30])
def test_a_wrong_value_is_told_with_name_value_origin_and_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, rule: str, source: str
) -> None:
    file = tmp_path / "mljobs.yaml"
    file.write_text(yaml.safe_dump({to_camel(name): value} if source == "file" else {}), "utf-8")
    if source == "variable":
        monkeypatch.setenv(config.variable(name), value)
    with pytest.raises(SettingsError) as caught:
        config.load(file, **({name: value} if source == "flag" else {}))
    origin = {"file": f"in {file}", "variable": config.variable(name), "flag": config.flag(name)}[source]
    shown = value.replace("\n", "\\n")
    assert str(caught.value) == f'{to_camel(name)}: "{shown}" ({origin}) is not allowed: it must be {rule}'
    assert config.allowed(name) == rule


def test_every_setting_that_can_be_wrong_is_in_the_table() -> None:
    assert set(Settings.model_fields) - {name for name, _, _ in WRONG} == {
        "namespaces",
        "locations",
        "tables",
        "host",
    }


def test_all_mistakes_of_all_sources_are_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mljobs.yaml"
    file.write_text(
        'threads: true\nnamespaces: [a, B]\nhost: ""\npollIntervall: 3\nworkers: 0\nport: 1\n'
        'locations: [us-central1, US, a.example, us--a]\ntables: ""\n'
    )
    monkeypatch.setenv("MLJOBS_LOG_LEVEL", "LOUD")
    monkeypatch.setenv("MLJOBS_WORKERS", "2")  # hides what the file says
    result = CliRunner().invoke(app, ["run", f"--config={file}", "--poll-interval=0"])
    assert result.exit_code == 2
    assert result.output.splitlines() == [
        "mljobs run: these settings cannot be used:",
        f"'pollIntervall' (in {file}) is not a setting; did you mean pollInterval?",
        *(
            f'locations[{n}]: "{word}" (in {file}) is not allowed: it must be {REGION}'
            for n, word in enumerate(("US", "a.example", "us--a"), 1)
        ),
        f'namespaces[1]: "B" (in {file}) is not allowed: it must be {NAME}',
        f'pollInterval: "0" (--poll-interval) is not allowed: it must be {SECONDS}',
        f"threads: true (in {file}) is not allowed: it must be a whole number from 1 to 128",
        f'host: "" (in {file}) is not allowed: it must be a text that is not empty',
        'logLevel: "LOUD" (MLJOBS_LOG_LEVEL) is not allowed: it must be DEBUG, INFO, WARNING or ERROR',
    ]


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("poll_interval", "did you mean pollInterval?"),
        ("poll-interval", "did you mean pollInterval?"),
        ("PollInterval", "did you mean pollInterval?"),
        ("project", "did you mean projectId?"),
        ("namespace", "did you mean namespaces?"),
        ("password", "`mljobs run --help` lists the settings"),
    ],
)
def test_an_unknown_key_of_the_file(tmp_path: Path, key: str, nearest: str) -> None:
    file = tmp_path / "mljobs.yaml"
    file.write_text(f"{key}: 1\n")
    with pytest.raises(SettingsError) as caught:
        config.load(file)
    assert str(caught.value) == f"'{key}' (in {file}) is not a setting; {nearest}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"port: [", "it is not YAML: "),
        (b"- port\n", "it must hold settings, one `name: value` a line"),
        (b"port\n", "it must hold settings, one `name: value` a line"),
        (b"port: 1\nthreads: 2\nport: 3\n", "port is given twice"),
        (b"port: \xff\n", "it cannot be read: "),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "mljobs.yaml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=re.escape(f"--config {file}: {said}")) as caught:
        config.load(file)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        config.load(tmp_path / "nothing.yaml")
    with pytest.raises(SettingsError, match="it cannot be read"):
        config.load(tmp_path)


@pytest.mark.parametrize("text", ['["a"', "a,B", '["a", 1.5]', '{"a": 1}'])
def test_a_list_in_the_environment_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MLJOBS_NAMESPACES", text)
    with pytest.raises(
        SettingsError, match=r"^namespaces.*\(MLJOBS_NAMESPACES\) is not allowed: it must be "
    ):
        config.load()


def test_messages_are_free_of_the_library_and_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, _ in WRONG:
        monkeypatch.setenv(config.variable(name), value)
    with pytest.raises(SettingsError) as caught:
        config.load()
    assert not re.search(r"pydantic|https?://(?!ml\.example)|validation error|input_type", str(caught.value))


WARNINGS: list[tuple[str, str, list[str]]] = [
    ("MLJOBS_POLL_INTERVALL", "3", ["did you mean MLJOBS_POLL_INTERVAL?"]),
    ("MLJOBS_POLLINTERVAL", "3", ["did you mean MLJOBS_POLL_INTERVAL?"]),
    ("MLJOBS_PROJECT", "p", ["did you mean MLJOBS_PROJECT_ID?"]),
    ("MLJOBS_WEATHER", "fair", ["`mljobs run --help` lists the settings"]),
    ("MLJOBS_POLL_INTERVAL", "3", []),
    ("MLJOBS_ENVTEST_INDEX", "somewhere", []),
    ("MLJOBS_OPERATOR_SERVICE_HOST", "10.0.0.1", []),
    ("MLJOBS_OPERATOR_SERVICE_PORT_METRICS", "8080", []),
    ("MLJOBS_OPERATOR_PORT_8080_TCP_ADDR", "10.0.0.1", []),
    ("MLJOBS_OPERATOR_PORT", "tcp://10.0.0.1:8080", []),
    ("MLJOBS_PORT", "9090", []),
    ("MLJOBS_PORT", "tcp://10.0.0.1:8080", ["enableServiceLinks: false"]),
    ("HOME", "/", []),
]


@pytest.mark.parametrize(("name", "value", "said"), WARNINGS)
def test_variables_that_look_like_settings(name: str, value: str, said: list[str]) -> None:
    found = config.warnings({name: value})
    assert len(found) == len(said)
    for text, part in zip(found, said, strict=True):
        assert text.startswith(name)
        assert part in text


def test_the_variable_of_a_service_named_mljobs_sets_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLJOBS_PORT", "tcp://10.0.0.1:8080")
    assert config.load() == Settings()


def test_a_warning_is_printed_and_the_command_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLJOBS_POLL_INTERVALL", "3")
    result = CliRunner().invoke(app, ["run", "--endpoint=http://ml.example"])
    assert result.exit_code == 1
    assert "mljobs run: warning: MLJOBS_POLL_INTERVALL is set, and no setting has this name" in result.stderr
    assert "clear text" in result.stderr  # the next obstacle


def test_projects_are_named_as_in_resources() -> None:
    assert f"^({PROJECT})?$" == config.PROJECT_PATTERN
