"""The version stands in one place, and all others agree; the changelog tells of it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import mljobs

ROOT = Path(__file__).parents[3]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
HEADINGS = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d{2}-\d{2}))?$", CHANGELOG, re.MULTILINE)


def test_the_version_is_semantic() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", mljobs.__version__)


def test_the_chart_has_it() -> None:
    chart = yaml.safe_load((ROOT / "helm" / "mljobs-operator" / "Chart.yaml").read_text("utf-8"))
    assert (chart["version"], chart["appVersion"]) == (mljobs.__version__, mljobs.__version__)


@pytest.mark.parametrize("folder", ["deploy", "docs"])
def test_manifests_and_pages_name_no_other(folder: str) -> None:
    named = re.compile(r"(?:newTag|app\.kubernetes\.io/version|mljobs-operator):\s*v?(\d+\.\d+\.\d+)")
    found = {
        (path.relative_to(ROOT).as_posix(), version)
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".yaml", ".md")
        for version in named.findall(path.read_text("utf-8"))
    }
    assert found
    assert {version for _, version in found} == {mljobs.__version__}, found


def test_no_other_file_writes_it_down() -> None:
    """Neither the project's metadata nor code repeats it."""
    files = [ROOT / "pyproject.toml", ROOT / "Dockerfile", *(ROOT / "operator").rglob("*.py")]
    holding = {
        path.relative_to(ROOT) for path in files if f'"{mljobs.__version__}"' in path.read_text("utf-8")
    }
    assert holding == {Path("operator/mljobs/__init__.py")}


def test_releases_in_the_changelog_have_dates_and_stand_once() -> None:
    assert all(date for _, date in HEADINGS)
    assert len({version for version, _ in HEADINGS}) == len(HEADINGS)


def test_fragments_have_names_that_a_release_gathers() -> None:
    others = {"README.md", "template.md"}
    names = {path.name for path in (ROOT / "changes").iterdir()} - others
    assert names or HEADINGS[0][0] == mljobs.__version__
    wrong = [
        name for name in names if not re.fullmatch(r"\+[a-z0-9-]+\.(added|changed|fixed|removed)\.md", name)
    ]
    assert wrong == []


def test_fragments_become_the_changelog() -> None:
    built = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9", "--date", "2030-01-01"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert built.startswith("## [9.9.9] - 2030-01-01\n")
    for path in (ROOT / "changes").glob("+*.md"):
        first = path.read_text("utf-8").splitlines()[0]
        assert f"- {first}" in built, path.name


def test_workflows_use_actions_at_a_commit() -> None:
    for path in (ROOT / ".github" / "workflows").iterdir():
        used = re.findall(r"uses: (\S+)", path.read_text("utf-8"))
        assert used
        assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_what_the_pages_point_to_is_there(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []
    paths = re.findall(r"`((?:operator|tests|docs|release|requirements|deploy|crds|helm)/[\w./-]*)`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_layout_names_every_folder() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    made = {"build", "dist"}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} - made
    assert {folder for folder in folders if f"`{folder}/" not in text} == set()
