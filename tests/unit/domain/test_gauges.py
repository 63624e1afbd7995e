"""What moves by itself waits for its minute; whatever else moves with it does not."""

from typing import Any

import pytest

from mljobs.domain.show.gauges import only_gauges_moved

RUNNING = {"state": "RUNNING", "etag": "a", "jobPosition": "1", "trainingOutput": {"consumedMLUnits": 1}}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, False),
        ({"trainingOutput": {"consumedMLUnits": 2}}, True),
        ({"etag": "b", "jobPosition": "2"}, True),
        ({"predictionOutput": {"nodeHours": 1}}, True),
        ({"state": "SUCCEEDED"}, False),
        ({"state": "SUCCEEDED", "trainingOutput": {"consumedMLUnits": 2}}, False),
        ({"endTime": "2026-01-01T00:00:00Z"}, False),
    ],
    ids=str,
)
def test_only_gauges_have_moved(changed: dict[str, Any], expected: bool) -> None:
    after = {**RUNNING, **changed}
    assert only_gauges_moved(RUNNING, after) is expected
    assert only_gauges_moved(after, RUNNING) is expected
