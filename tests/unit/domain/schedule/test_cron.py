"""The times of cron expressions: against every minute of days on which clocks change, and by examples."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mljobs.domain.schedule.cron import Cron, zone_named
from tests.unit.domain.schedule import oracle

BERLIN = ZoneInfo("Europe/Berlin")

CHANGES = {
    "Europe/Berlin": ((2026, 3, 29), (2026, 10, 25)),
    "America/New_York": ((2026, 3, 8), (2026, 11, 1)),
    "Australia/Lord_Howe": ((2026, 4, 5), (2026, 10, 4)),  # by half an hour
    "America/Havana": ((2026, 3, 8), (2026, 11, 1)),  # at midnight
    "Africa/Casablanca": ((2026, 2, 15), (2026, 3, 22)),  # for Ramadan
    "Asia/Kolkata": ((2026, 3, 29), (2026, 10, 25)),  # never
    "UTC": ((2026, 3, 29), (2026, 10, 25)),
}
"""Days on which the clocks of a zone change."""


def term(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    stepped = st.tuples(st.one_of(st.just("*"), span), st.integers(1, 20)).map(
        lambda pair: "/".join(map(str, pair))
    )
    return st.one_of(number.map(str), number.map(str), span, stepped)


def field(low: int, high: int) -> st.SearchStrategy[str]:
    return st.one_of(st.just("*"), st.lists(term(low, high), min_size=1, max_size=3).map(",".join))


MINUTES, HOURS = field(0, 59), field(0, 4)
DAYS = st.one_of(st.just("*"), field(1, 31))
WEEKDAYS = st.one_of(st.just("*"), field(0, 7))
EXPRESSIONS = st.tuples(MINUTES, HOURS, DAYS, st.just("*"), WEEKDAYS).map(" ".join)


@st.composite
def places(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone, and a moment on a day on which its clocks change or on the day before."""
    name = draw(st.sampled_from(sorted(CHANGES)))
    day = datetime(*draw(st.sampled_from(CHANGES[name])), tzinfo=ZoneInfo(name)).astimezone(UTC)
    return name, day + timedelta(seconds=draw(st.integers(-86_400, 86_400)))


@settings(max_examples=60, deadline=None)
@given(expression=EXPRESSIONS, place=places())
@example(expression="30 2 * * *", place=("Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC)))
@example(expression="0,30 2,3 * * *", place=("Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC)))
@example(expression="45 2 * * *", place=("Europe/Berlin", datetime(2026, 10, 25, 1, 10, tzinfo=UTC)))
@example(expression="*/15 * * * *", place=("Australia/Lord_Howe", datetime(2026, 4, 4, 14, tzinfo=UTC)))
@example(expression="* 2 * * *", place=("Australia/Lord_Howe", datetime(2026, 4, 4, 13, tzinfo=UTC)))
@example(
    expression="*/30 1,2 25 10 *", place=("Europe/Berlin", datetime(2026, 10, 24, 12, 0, 30, tzinfo=UTC))
)
@example(expression="0-0/2 1 * * *", place=("UTC", datetime(2026, 4, 4, 14, tzinfo=UTC)))
@example(expression="0 0 * * *", place=("America/Havana", datetime(2026, 3, 7, 12, tzinfo=UTC)))
def test_the_times_are_those_of_every_minute(expression: str, place: tuple[str, datetime]) -> None:
    name, since = place
    zone = ZoneInfo(name)
    until = since + timedelta(days=1)
    try:
        cron = Cron.parse(expression, zone)
    except ValueError:
        return  # such as the thirty-first of nothing
    expected = list(oracle.times(expression, zone, since, until))
    found = [moment for moment in islice(cron.times(since), len(expected) + 1) if moment <= until]
    assert found == expected
    assert cron.last(since, until) == (expected[-1] if expected else None)
    assert cron.count(since, until, 10_000) == len([moment for moment in expected if moment < until])


@settings(max_examples=60, deadline=None)
@given(
    expression=EXPRESSIONS,
    place=places(),
    outage=st.integers(0, 3 * 86_400),
    split=st.floats(0, 1),
)
def test_the_latest_is_found_wherever_one_begins_to_look(
    expression: str, place: tuple[str, datetime], outage: int, split: float
) -> None:
    """No time depends on when somebody has looked before: else one could be settled twice, or never."""
    name, since = place
    try:
        cron = Cron.parse(expression, ZoneInfo(name))
    except ValueError:
        return
    until = since + timedelta(seconds=outage)
    between = since + timedelta(seconds=int(outage * split))
    whole = cron.last(since, until)
    assert (cron.last(between, until) or cron.last(since, between)) == whole
    if whole:
        assert cron.after(whole) > until
        assert whole.second == whole.microsecond == 0


DAYS_IN_BERLIN = [
    # on the last Sunday of March there is no time from 02:00 to 03:00
    ("30 2 * * *", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
    ("0 2,3 * * *", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
    ("*/30 * * * *", "2026-03-29T00:40", ["2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"]),
    ("*/30 2 * * *", "2026-03-28T12:00", ["2026-03-30T02:00+02:00", "2026-03-30T02:30+02:00"]),
    # on the last Sunday of October there is one from 02:00 to 03:00 twice
    ("30 2 * * *", "2026-10-24T12:00", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
    ("30 2 * * *", "2026-10-25T01:00", ["2026-10-26T02:30+01:00", "2026-10-27T02:30+01:00"]),
    ("0 * * * *", "2026-10-24T23:30", ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"]),
    # a day of the month, or one of the week where neither is open
    ("0 0 13 * FRI", "2026-11-01T00:00", ["2026-11-06T00:00+01:00", "2026-11-13T00:00+01:00"]),
    ("0 0 */2 * MON", "2026-11-01T00:00", ["2026-11-09T00:00+01:00", "2026-11-23T00:00+01:00"]),
    ("@weekly", "2026-11-01T00:00", ["2026-11-08T00:00+01:00", "2026-11-15T00:00+01:00"]),
    ("0 0 29 2 ?", "2026-11-01T00:00", ["2028-02-29T00:00+01:00", "2032-02-29T00:00+01:00"]),
    ("0 12 L * *", "2026-02-01T00:00", ["2026-02-28T12:00+01:00", "2026-03-31T12:00+02:00"]),
]


@pytest.mark.parametrize(("schedule", "since", "expected"), DAYS_IN_BERLIN)
def test_days_in_berlin(schedule: str, since: str, expected: list[str]) -> None:
    cron = Cron.parse(schedule, BERLIN)
    times = islice(cron.times(datetime.fromisoformat(f"{since}+00:00")), 2)
    assert [time.astimezone(BERLIN).isoformat(timespec="minutes") for time in times] == expected


WRONG = [
    ("61 * * * *", "bad minute"),
    ("* 24 * * *", "bad hour"),
    ("0 0 31 2 *", "bad day-of-month"),
    ("0 0 * 13 *", "bad month"),
    ("0 0 * * 8", "bad day-of-week"),
    ("*/0 * * * *", "bad minute"),
    ("a b c d e", "bad minute"),
    ("0 0 * *", "it has 4"),
    ("0 0 0 * * *", "it has 6"),
    ("@every 5m", "no time to begin at"),
    ("@often", "@hourly"),
    ("TZ=UTC 0 0 * * *", "spec.timeZone"),
    ("CRON_TZ=UTC 0 0 * * *", "spec.timeZone"),
]


@pytest.mark.parametrize(("schedule", "said"), WRONG)
def test_what_is_no_expression_is_refused_with_the_reason(schedule: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Cron.parse(schedule, BERLIN)


@pytest.mark.parametrize(
    "name",
    [
        "Mars/Olympus",
        "local",
        "localtime",
        "../etc/passwd",
        "/etc/localtime",
        "Europe",
        "right/UTC",
        "posix/UTC",
    ],
)
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Europe/Berlin"):
        zone_named(name)


def test_without_a_name_the_zone_is_utc() -> None:
    assert zone_named(None) == ZoneInfo("UTC")


def test_years_without_the_operator_cost_as_little_as_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    cron = Cron.parse("* * * * *", BERLIN)
    asked = []
    after = Cron.after

    def counted(self: Cron, moment: datetime) -> datetime:
        asked.append(moment)
        return after(self, moment)

    monkeypatch.setattr(Cron, "after", counted)
    until = datetime(2026, 11, 29, 12, 0, 30, tzinfo=UTC)
    assert cron.last(until - timedelta(days=3650), until) == until.replace(second=0)
    assert len(asked) < 100
    assert cron.count(until - timedelta(days=3650), until, 101) == 101
