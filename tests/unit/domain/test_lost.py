"""When missing jobs count as lost, and when it is the service that is wrong."""

import pytest

from mljobs.domain.policies.lost import service_is_wrong


@pytest.mark.parametrize(
    ("asked", "missing", "errs"),
    [
        (0, 0, False),
        (1, 1, False),
        (2, 2, False),
        (3, 3, True),
        (4, 3, True),
        (6, 3, True),
        (7, 3, False),
        (7, 4, True),
        (10_000, 3, False),
        (10_000, 4_999, False),
        (10_000, 5_000, True),
    ],
)
def test_three_jobs_that_are_half_of_a_project_are_too_many(asked: int, missing: int, errs: bool) -> None:
    assert service_is_wrong(asked=asked, missing=missing) is errs
