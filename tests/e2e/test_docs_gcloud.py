"""Each pair of the migration guide makes the same job: its command run by gcloud, its manifest translated."""

import itertools
import re
import shlex
from pathlib import Path

import pytest

from mljobs.api.resources import KINDS
from mljobs.backends.mlv1.translate import to_job
from mljobs.domain.spec.validate import validate
from tests.e2e.support_gcloud import Gcloud
from tests.e2e.support_stack import Emulator
from tests.unit.docs.markdown import DOCS, Block, blocks

PROJECT = "my-project"
SUBMIT = re.compile(r"gcloud (beta )?ai-platform jobs submit ")


def pairs() -> dict[str, tuple[str, Block, str]]:
    """Command, manifest and config file of each section that has a command."""
    found = {}
    sections = itertools.groupby(blocks(DOCS / "gcloud-migration.md"), key=lambda block: block.heading)
    for heading, group in sections:
        rows = list(group)
        commands = [row.text for row in rows if SUBMIT.match(row.text)]
        if commands:
            (manifest,) = (row for row in rows if row.manifests)
            config = next((row.text for row in rows if row.text.startswith("# config.yaml\n")), "")
            (command,) = commands
            found[heading] = (command, manifest, config)
    return found


PAIRS = pairs()


def test_the_guide_has_its_pairs() -> None:
    assert len(PAIRS) == 7
    assert {block.manifests[0]["kind"] for _, block, _ in PAIRS.values()} == set(KINDS)


@pytest.mark.parametrize("heading", PAIRS)
def test_command_and_manifest_make_the_same_job(heading: str, emulator: Emulator, tmp_path: Path) -> None:
    command, block, config = PAIRS[heading]
    (manifest,) = block.manifests
    job_id = manifest["spec"]["jobId"]
    (tmp_path / "config.yaml").write_text(config, "utf-8")
    gcloud = Gcloud(emulator.url, tmp_path / "gcloud", PROJECT)
    done = gcloud.run(shlex.split(command.replace("\\\n", " ")), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    validated = validate(manifest["kind"], manifest["spec"], default_project=PROJECT)
    assert validated.spec is not None, validated.problems
    assert not validated.warnings
    request = to_job(manifest["kind"], validated.spec.document(), job_id=f"{job_id}_ours", labels={})
    emulator.create(dict(request), project=PROJECT)
    theirs, ours = (emulator.job(one, project=PROJECT) for one in (job_id, f"{job_id}_ours"))
    field = KINDS[manifest["kind"]].input_field
    if theirs[field].get("dataFormat") == "TEXT":  # the old word for JSON (discovery document)
        theirs[field]["dataFormat"] = "JSON"
    assert ours[field] == theirs[field]
    assert ours.get("labels") == theirs.get("labels")
