"""The record of an intended submission survives the way through an annotation."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mljobs.domain.job.resource import Intent, Target

INTENT = Intent(Target("p", "j_1", 2), 3, datetime(2026, 5, 4, 3, 2, 1, 123456, UTC))
TEXT = INTENT.encode("u")


@pytest.mark.parametrize("intent", [INTENT, replace(INTENT, adopting=True)])
def test_nothing_is_lost_not_even_a_part_of_a_second(intent: Intent) -> None:
    assert Intent.decode(intent.encode("u"), "u") == intent


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{}",
        "[]",
        "null",
        "not JSON",
        TEXT.replace('"attempt": 2', '"attempt": "y"'),
        TEXT.replace("+00:00", ""),
        TEXT.replace("2026", "year"),
    ],
)
def test_what_nobody_of_ours_has_written_counts_for_nothing(text: str | None) -> None:
    assert Intent.decode(text, "u") is None


def test_an_annotation_that_was_copied_from_another_resource_counts_for_nothing() -> None:
    assert Intent.decode(TEXT, "v") is None
