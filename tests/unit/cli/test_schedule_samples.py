"""The samples of schedules: explained, legal, and together showing every field there is."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mljobs.api.jobschedule import JobScheduleSpec
from mljobs.domain.schedule.schedule import Schedule
from mljobs_dev.stack.files import deploy_folder
from tests.unit.cli.test_sample_files import fields, used

SAMPLES = sorted((deploy_folder() / "samples" / "schedules").glob("*.yaml"))


def read(path: Path) -> dict[str, Any]:
    (document,) = yaml.safe_load_all(path.read_text("utf-8"))
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_explained_and_legal(path: Path) -> None:
    document = read(path)
    assert path.read_text("utf-8").startswith("# ")
    assert document["metadata"] == {"name": path.stem}
    assert Schedule.parse(document).problems == ()


def test_the_samples_together_show_every_field_of_a_spec() -> None:
    shown = {path for sample in SAMPLES for path in used(read(sample)["spec"])}
    assert set(fields(JobScheduleSpec)) - shown == set()
