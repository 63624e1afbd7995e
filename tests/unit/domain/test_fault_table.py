from collections import Counter
from itertools import pairwise

import pytest

from mljobs.domain import errors
from mljobs.domain.job.observation import retry_delay
from mljobs.domain.show.events import WARNINGS
from tools.docs.fault_table import TABLE, Again, Fault, FaultedCall, Row, delays


def test_every_call_has_every_fault_once() -> None:
    rows = Counter((row.call, fault) for row in TABLE for fault in row.faults)
    assert rows == Counter((call, fault) for call in FaultedCall for fault in Fault)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.call}: {row.faults[0]}")
def test_whoever_is_on_call_hears_of_what_needs_somebody(row: Row) -> None:
    stalled = [shown for shown in row.shown if shown[0] == "Stalled"]
    assert not stalled or row.event in WARNINGS
    assert row.again is not Again.SPEC_CHANGE or stalled


@pytest.mark.parametrize(
    "error",
    [
        errors.Unavailable,
        errors.Throttled,
        errors.NoCapacity,
        errors.Denied,
        errors.ProjectNotFound,
        errors.NotFound,
    ],
)
def test_delays_double_up_to_the_longest_and_chance_takes_at_most_half_off(
    error: type[errors.JobServiceError],
) -> None:
    first, longest = delays(error)
    whole = [retry_delay(error("x"), count, 1).total_seconds() for count in range(1, 30)]
    assert whole[0] == first
    assert all(later == min(2 * sooner, longest) for sooner, later in pairwise(whole))
    assert whole[-1] == longest
    assert [retry_delay(error("x"), count, 0).total_seconds() * 2 for count in range(1, 30)] == whole


def test_the_service_may_ask_for_more_than_the_longest() -> None:
    assert retry_delay(errors.Throttled("x", retry_after=3600), 1, 0).total_seconds() == 3600
