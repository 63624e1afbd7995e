"""The site can be built, every link in it leads somewhere, and what its pages name exists."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic.alias_generators import to_camel
from typer.main import get_command

from mljobs.api.jobclass import DEFAULT_CLASS, JOB_CLASS
from mljobs.api.jobschedule import JOB_SCHEDULE, SCHEDULE_LABEL
from mljobs.api.resources import API_VERSION, KINDS
from mljobs.backends import facts_of_class
from mljobs.cli.app import app
from mljobs.config import Settings
from mljobs.domain.classes.job_class import JobClass
from mljobs.domain.job import resource
from mljobs.domain.reasons import Reason
from mljobs.domain.schedule.schedule import Schedule
from mljobs.domain.show.events import WARNINGS
from mljobs.domain.spec.validate import validate
from mljobs.kubectl.app import app as plugin
from mljobs.kubectl.importing import IMPORTED
from tests.unit.docs.markdown import DOCS, ROOT, Block, blocks, links, pages, prose
from tools.docs import pages as docs_pages

PAGES = [page for page in pages() if "decisions" not in page.parts]
EVERYWHERE = [*pages(), *(ROOT / f"{name}.md" for name in ("CONTRIBUTING", "SECURITY", "CHANGELOG"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
BLOCKS = [block for page in PAGES for block in blocks(page)]
MANIFESTS = [
    pytest.param(manifest, id=f"{block.page}, {block.heading}, {number}")
    for block in BLOCKS
    for number, manifest in enumerate(block.manifests)
]
FOREIGN = {
    "admissionregistration.k8s.io/v1",
    "kustomize.config.k8s.io/v1beta1",
}
"""API versions of manifests that are not ours to check."""


def build(source: Path, target: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", f"{target}.d"]
    return subprocess.run(
        [*command, str(source), str(target)], capture_output=True, text=True, timeout=240, check=False
    )


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    done = build(DOCS, tmp_path / "html")
    assert (done.returncode, done.stderr) == (0, "")
    built = {
        path.relative_to(tmp_path / "html").with_suffix(".md") for path in (tmp_path / "html").rglob("*.html")
    }
    missing = {page.relative_to(DOCS) for page in pages() if page.is_relative_to(DOCS)} - built
    assert not missing
    fetched = [
        path.name
        for path in (tmp_path / "html").rglob("*.html")
        if re.search(r"<(script|link|img)[^>]+(src|href)=\"(https?:)?//", path.read_text("utf-8"))
    ]
    assert not fetched, "pages load something from the network"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[x](nowhere.md)", "nowhere"),
        ("[x](index.md#nothing)", "nothing"),
        ("```{image} none.svg\n```", "none.svg"),
        (None, "toctree"),
    ],
)
def test_a_broken_link_and_an_orphan_are_found(tmp_path: Path, text: str | None, told: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(DOCS / "conf.py", source)
    (source / "index.md").write_text(f"# Index\n\n{text or ''}\n", "utf-8")
    if text is None:
        (source / "orphan.md").write_text("# Orphan\n", "utf-8")
    done = build(source, tmp_path / "html")
    assert done.returncode != 0
    assert told in done.stderr


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_every_manifest_is_valid(manifest: dict[str, object]) -> None:
    if manifest["apiVersion"] in FOREIGN:
        return
    assert manifest["apiVersion"] == API_VERSION
    spec = manifest["spec"]
    assert isinstance(spec, dict)
    if manifest["kind"] == JOB_SCHEDULE.name:
        assert Schedule.parse(manifest).problems == ()
        return
    if manifest["kind"] == JOB_CLASS.name:
        facts_of_class(JobClass.parse(manifest))
        return
    found = validate(str(manifest["kind"]), spec, default_project="administrators-default")
    assert found.spec is not None, found.problems
    assert not found.warnings


def test_manifests_of_both_kinds_are_among_them() -> None:
    kinds = [param.values[0]["kind"] for param in MANIFESTS]  # type: ignore[index]
    assert all(kinds.count(kind) >= 2 for kind in KINDS)


def test_every_sample_is_shown() -> None:
    shown = set(
        re.findall(r"literalinclude\} \.\./deploy/samples/(\S+)\.yaml", (DOCS / "samples.md").read_text())
    )
    samples = ROOT / "deploy" / "samples"
    found = {path.stem for path in samples.glob("*.yaml")}
    assert shown == found | {f"schedules/{path.stem}" for path in (samples / "schedules").glob("*.yaml")}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_relative_links_lead_to_files(page: Path) -> None:
    for link, _ in links(page):
        if not re.match(r"[a-z]+:", link):
            assert (page.parent / link).exists(), link


def anchors(page: Path) -> set[str]:
    """What the headings of a page can be linked to as, by the rule of GitHub, which MyST has too."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", EVERYWHERE, ids=[str(page.relative_to(ROOT)) for page in EVERYWHERE])
def test_links_to_parts_of_pages_work_on_the_site_and_in_the_repository(page: Path) -> None:
    for link, anchor in links(page):
        if not anchor or (link and not link.endswith(".md")):
            continue
        assert anchor in anchors(page.parent / link if link else page), (link, anchor)


PACKAGES = {"mljobs_dev"}
"""What begins as the metrics do."""


def test_every_metric_that_is_named_exists() -> None:
    real = set(re.findall(r"`([a-z_]+)`", docs_pages.metrics()))
    assert real > {"mljobs_resources"}
    for page in PAGES:
        named = re.findall(r"`((?:mljobs|controller_runtime|workqueue|leader_election)_[a-z_]+)", prose(page))
        assert set(named) - PACKAGES <= real, page


def test_every_setting_that_is_named_exists() -> None:
    real = {to_camel(name) for name in Settings.model_fields}
    for page in PAGES:
        named = set(re.findall(r"(?<![\w.])config\.([a-z]\w+)", page.read_text("utf-8"))) - {"yaml"}
        assert named <= real, page


def test_every_annotation_that_is_named_exists() -> None:
    lua = (ROOT / "deploy" / "gitops" / "argocd" / "health.lua").read_text("utf-8")
    real = {
        resource.FINALIZER,
        resource.SUBMISSION,
        resource.FORCE_RELEASE,
        resource.RETRY,
        resource.ADOPT,
        IMPORTED,
        resource.MANAGER,
        SCHEDULE_LABEL,
        DEFAULT_CLASS,
        *re.findall(r'annotations\["([^"]+)"\]', lua),
        API_VERSION,
    }
    for page in PAGES:
        assert set(re.findall(r"(?<![\w.])mljobs\.dev/[a-z0-9-]+", page.read_text("utf-8"))) <= real, page


def test_troubleshooting_names_every_warning_and_only_what_can_be_met() -> None:
    text = (DOCS / "troubleshooting.md").read_text("utf-8")
    for reason in WARNINGS - {Reason.SPEC_WARNING}:
        assert reason.value in text, reason
    met = re.findall(r"`(\w+=\w+), (\w+)`", text)
    assert len(met) > 8
    for place, reason in met:
        assert place in docs_pages.SHOWN[Reason(reason)], (place, reason)


COMMANDS = [
    (block, line.strip())
    for block in BLOCKS
    if block.language in ("sh", "console")
    for line in block.text.replace("\\\n", " ").splitlines()
]


def commands(program: str) -> list[list[str]]:
    """The words after each call of a program in the pages."""
    found = []
    for _, line in COMMANDS:
        match = re.match(rf"(?:\$ )?(?:\S*/)?{program} (.*)", line)
        if match:
            found.append(match[1].split())
    return found


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    called = {words[0] for words in commands("make")}
    assert "demo" in called
    assert called <= targets


@pytest.mark.parametrize(("program", "tool"), [("mljobs", app), ("kubectl mljobs", plugin)])
def test_every_command_of_ours_exists(program: str, tool: object) -> None:
    known = dict(get_command(tool).commands)  # type: ignore[arg-type,attr-defined]
    called = commands(program)
    assert called
    for words in called:
        assert words[0] in known, words
        options = {name for one in known[words[0]].params for name in (*one.opts, *one.secondary_opts)}
        if not hasattr(known[words[0]], "commands"):
            given = {word.partition("=")[0] for word in words[1 : _end(words)] if word.startswith("-")}
            assert given <= options, words


def test_every_command_of_the_plugin_is_explained() -> None:
    table = (DOCS / "kubectl-plugin.md").read_text("utf-8").partition("**Exit codes.**")[0]
    cells = re.findall(r"^\| (.*?) \| ", table, re.MULTILINE)
    explained = {call.split()[0] for cell in cells for call in re.findall(r"`(.+?)`", cell)}
    assert set(get_command(plugin).commands) <= explained  # type: ignore[attr-defined]


def _end(words: list[str]) -> int:
    return next((place for place, word in enumerate(words) if word in ("--", "|", "#", ">")), len(words))


def test_every_folder_that_is_applied_exists() -> None:
    for block, line in COMMANDS:
        for path in re.findall(
            r"(?:-k|-f|--patch-file|helm \w+ mljobs) ((?:deploy|crds|helm)[\w./-]*)", line
        ):
            assert (ROOT / path).exists(), (block.page, line)


def test_blocks_have_a_language() -> None:
    bare: list[Block] = [block for block in BLOCKS if not block.language]
    assert {block.page for block in bare} <= {"docs/emulator.md"}
