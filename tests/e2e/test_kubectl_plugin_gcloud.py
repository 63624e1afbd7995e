"""The same command line given to gcloud makes the job that the plugin's manifest describes.

Each line goes through both, to the same service. Where the guide lists a difference, there has to be one.
"""

import shlex
from pathlib import Path

import pytest

from mljobs.api.resources import KINDS
from mljobs.backends.mlv1.translate import to_job
from mljobs.domain.spec.validate import validate
from tests.e2e.support_gcloud import Gcloud
from tests.e2e.support_stack import PROJECT, Emulator
from tests.unit.cli.gcloud_lines import COMMAND_LINES
from tests.unit.cli.kubectl_cases import Json, Line
from tests.unit.cli.kubectl_command import run

REFUSED = None
"""What comes of a line that is refused, by the command or by the service."""


@pytest.mark.parametrize("line", COMMAND_LINES, ids=str)
def test_command_line(line: Line, gcloud: Gcloud, emulator: Emulator, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(line.text, "utf-8")
    words = line.words.format(config=config)
    number = COMMAND_LINES.index(line)
    theirs = by_gcloud(line, line.job or f"theirs_{number}", words, gcloud, emulator)
    ours = by_the_plugin(line, line.job or f"ours_{number}", words, emulator)
    if line.differs:
        assert ours != theirs
    else:
        assert ours == theirs


def by_gcloud(line: Line, job: str, words: str, gcloud: Gcloud, emulator: Emulator) -> Json | None:
    """The job that gcloud has submitted."""
    done = gcloud(f"submit {line.kind} {job} {words}", track=line.track, env=line.env)
    if done.returncode:
        assert not any(word in done.stderr for word in ("already exists", "Max retries", "Connection"))
        return REFUSED
    return submitted(job, project_of(words) or PROJECT, emulator)


def by_the_plugin(line: Line, job: str, words: str, emulator: Emulator) -> Json | None:
    """The job that the operator would submit for the plugin's manifest; its default project is gcloud's."""
    done = run(f"submit {line.kind} {job} --dry-run {words}", env=line.env)
    if done.code:
        return REFUSED
    manifest = done.manifest
    spec, job_id = manifest["spec"], manifest["spec"].get("jobId", job.replace("-", "_"))
    validated = validate(manifest["kind"], spec, default_project=PROJECT)
    assert validated.spec is not None, validated.problems
    request = to_job(manifest["kind"], validated.spec.document(), job_id=job_id, labels={})
    project = spec.get("projectId", PROJECT)
    if not emulator.takes(dict(request), project=project):
        return REFUSED
    return submitted(job_id, project, emulator)


def submitted(job_id: str, project: str, emulator: Emulator) -> Json:
    """What the service has of a job's request, and where."""
    job = emulator.job(job_id, project=project)
    fields = ("labels", *(kind.input_field for kind in KINDS.values()))
    return {"project": project, **{key: job[key] for key in fields if key in job}}


def project_of(words: str) -> str:
    parts = shlex.split(words)
    return parts[parts.index("--project") + 1] if "--project" in parts else ""
