"""The times of a cron expression by looking at every minute: slow, and written from what cron does."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


@lru_cache
def numbers(field: str, bounds: tuple[int, int]) -> set[int]:
    """The numbers of a field of numbers, ranges, steps and lists."""
    found: set[int] = set()
    for term in field.split(","):
        span, _, step = term.partition("/")
        if span == "*":
            first, last = bounds
        elif "-" in span:
            first, last = (int(part) for part in span.split("-"))
        else:
            first = int(span)
            last = bounds[1] if step else first
        found |= set(range(first, last + 1, int(step or 1)))
    return found


def matches(expression: str, wall: datetime) -> bool:
    """Whether a wall clock that shows this is at a time of the expression."""
    fields = expression.split()
    minute, hour, day, month, weekday = (
        numbers(field, bounds) for field, bounds in zip(fields, BOUNDS, strict=True)
    )
    on_day, on_weekday = wall.day in day, bool({wall.isoweekday() % 7, wall.isoweekday()} & weekday)
    starred = fields[2].startswith("*") or fields[4].startswith("*")
    dated = on_day and on_weekday if starred else on_day or on_weekday
    return wall.minute in minute and wall.hour in hour and dated and wall.month in month


def times(expression: str, zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """The times after `since` up to `until`, in UTC and in order, each once."""
    fields = expression.split()
    passing = fields[0].startswith("*") or fields[1].startswith("*")
    yield from (_by_time if passing else _by_clock)(expression, zone, since, until)


def _by_time(expression: str, zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """Of an expression that follows the time that passes."""
    moment = since.replace(second=0, microsecond=0)
    while (moment := moment + MINUTE) <= until:
        if matches(expression, moment.astimezone(zone).replace(tzinfo=None)):
            yield moment


def _by_clock(expression: str, zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """Of an expression that follows the clock on the wall: each time of a day that there is, once."""
    wall = since.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0) - timedelta(hours=3)
    end = until.astimezone(zone).replace(tzinfo=None) + timedelta(hours=3)
    found: set[datetime] = set()
    while wall <= end:
        if matches(expression, wall):
            shown = wall
            while (moment := shown.replace(tzinfo=zone).astimezone(UTC)).astimezone(zone).replace(
                tzinfo=None
            ) != shown:
                shown += MINUTE  # the clocks skip it
            found.add(moment)
        wall += MINUTE
    yield from sorted(moment for moment in found if since < moment <= until)
