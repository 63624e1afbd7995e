"""What sets lanes apart: everything that a call depends on, and nothing else of a class."""

from dataclasses import replace
from typing import Any

import pytest

from mljobs.api.jobclass import Limits
from mljobs.controller.loop.lanes import Terms
from mljobs.domain.classes.job_class import JobClass

TABLES = {"machineTypes": {"standard_gpu": "n1-standard-8"}, "images": {"2.11": "image"}}
TURNED = dict(reversed(TABLES.items()))
GIVEN = JobClass("vertex", "VertexAI", tables=TABLES, limits=Limits(creates_per_minute=10))
LANE = Terms.of(GIVEN.route("team-a"), GIVEN)


@pytest.mark.parametrize("same", [{"name": "other"}, {"tables": TURNED}, {"projects": ["p"]}], ids=str)
def test_classes_that_differ_in_nothing_that_a_call_depends_on_share_a_lane(same: dict[str, Any]) -> None:
    other = replace(GIVEN, **same)
    assert Terms.of(other.route("team-a"), other) == LANE


@pytest.mark.parametrize(
    "another",
    [
        {"tables": {**TABLES, "images": {}}},
        {"endpoint": "https://other.example"},
        {"limits": Limits(creates_per_minute=11)},
    ],
    ids=str,
)
def test_classes_whose_calls_differ_do_not(another: dict[str, Any]) -> None:
    other = replace(GIVEN, **another)
    assert Terms.of(other.route("team-a"), other) != LANE
