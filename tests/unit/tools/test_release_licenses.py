"""The licences of what is installed with mljobs."""

from pathlib import Path

import pytest
import typer
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from tools import licenses
from tools.locked import LOCK, Locked, locked

APP = typer.Typer()
APP.command()(licenses.main)


def row(version: str = "1", **said: str) -> dict[str, str]:
    unknown = {f"License-{source}": "UNKNOWN" for source in ("Expression", "Metadata", "Classifier")}
    return {
        "Name": "x",
        "Version": version,
        **unknown,
        **{f"License-{name}": text for name, text in said.items()},
    }


@pytest.mark.parametrize(
    ("said", "expression"),
    [
        (row(Expression="MIT"), "MIT"),
        (row(Expression="MIT", Metadata="something", Classifier="Other"), "MIT"),
        (row(Metadata="Apache 2.0", Classifier="Other"), "Apache-2.0"),
        (row(Classifier="MIT License"), "MIT"),
        (row(Metadata="BSD"), "BSD"),  # which one?
        (row(), ""),
        (row(version="2", Expression="MIT"), ""),  # not the locked version
        (None, ""),
    ],
)
def test_what_is_said_of_a_licence(said: dict[str, str] | None, expression: str) -> None:
    assert licenses.license_of(Locked("x", "1"), said) == expression


def test_a_licence_that_somebody_has_read_holds_for_that_version_only() -> None:
    for pin in licenses.READ:
        name, version = pin.split("==")
        assert licenses.license_of(Locked(name, version), None) in licenses.ALLOWED
        assert licenses.license_of(Locked(name, f"{version}.1"), row(f"{version}.1", Metadata="BSD")) == "BSD"


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT)", False),  # nothing that this simple reading could get wrong
        ("BSD", False),
        ("", False),
    ],
)
def test_what_is_allowed(expression: str, allowed: bool) -> None:
    assert licenses.is_allowed(expression) is allowed
    found = licenses.problems({Locked("x", "1"): expression})
    assert bool(found) is not allowed
    assert all(text.startswith("x==1: ") and "tools/licenses.py" in text for text in found)


def test_the_list_is_up_to_date_and_all_are_allowed() -> None:
    result = CliRunner().invoke(APP, ["--check"])
    assert result.exit_code == 0, result.output


def test_a_stale_list_is_refused_and_written_again(tmp_path: Path) -> None:
    file = tmp_path / "list.md"
    file.write_text(licenses.FILE.read_text("utf-8").replace("MIT", "mit", 1))
    result = CliRunner().invoke(APP, ["--check", f"--file={file}"])
    assert result.exit_code == 1
    assert "make licenses" in result.output
    written = CliRunner().invoke(APP, [f"--file={file}"])
    assert (written.exit_code, written.output) == (
        0,
        f"{file}: {len(locked())} packages, and all licences are allowed\n",
    )
    assert file.read_text("utf-8") == licenses.FILE.read_text("utf-8")


def test_no_alias_is_idle() -> None:
    rows = licenses.installed(locked()).values()
    said = {text for one in rows for name, text in one.items() if name.startswith("License-")}
    assert set(licenses.ALIASES) <= said


def test_every_entry_of_the_lock_is_read() -> None:
    text = LOCK.read_text("utf-8")
    assert len(locked()) == text.count("==", 0) - sum(one.marker.count("==") for one in locked())
    assert [one.name for one in locked()] == sorted({canonicalize_name(one.name) for one in locked()})


@pytest.mark.parametrize("line", ["x>=1\n", "x==1\n", "-e .\n", "x @ file:///x\n", "--index-url y\n"])
def test_a_lock_with_anything_else_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="the lock has 2 entries, of which 1 are pinned"):
        locked(f"a==1 \\\n    --hash=sha256:0\n{line}")
