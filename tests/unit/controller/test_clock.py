from datetime import UTC, datetime, timedelta

from mljobs.controller.process.clock import steady

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_clock_that_is_set_changes_nothing() -> None:
    wall, passed = [NOON], [100.0]
    clock = steady(lambda: wall[0], lambda: passed[0])
    assert clock() == NOON
    wall[0] -= timedelta(hours=1)
    passed[0] += 2.5
    assert clock() == NOON + timedelta(seconds=2.5)


def test_it_starts_at_the_time_of_the_machine() -> None:
    before = datetime.now(UTC)
    assert before <= steady()() <= datetime.now(UTC) + timedelta(seconds=0.1)
