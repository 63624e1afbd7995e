"""The times of a cron expression in a time zone.

Days on which clocks are changed are taken as cron takes them: a time of day that is skipped comes when the
clocks have moved, one that occurs twice comes the first time. An expression whose minute or hour begins with
an asterisk follows the time that has passed instead, so that `*/15 * * * *` comes every quarter of an hour on
these days, too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_FIELDS = 5
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)
_ONE = re.compile(r"\b(\w+)-\1/\d+", re.IGNORECASE)
"""A range of one number with a step: cronsim would go on to the end of the field, as with `5/10`."""

_NO_ZONE = re.compile(r"(local|localtime|posixrules|factory|(posix|right)/.*)", re.IGNORECASE)
"""What some machines have among their time zones although the database has no such name."""


@dataclass(frozen=True)
class Cron:
    """The times of an expression; all moments are in UTC.

    Attributes:
        expression: five fields.
        zone: the time zone of the fields.
    """

    expression: str
    zone: ZoneInfo

    @classmethod
    def parse(cls, schedule: str, zone: ZoneInfo) -> "Cron":
        """Read an expression.

        Raises:
            ValueError: it is none; the message says what it has to be.
        """
        text = _NAMED.get(schedule, schedule)
        if schedule.startswith("@every"):
            raise ValueError("intervals have no time to begin at; use */15 in the field of minutes, say")
        if schedule.startswith("@") and schedule == text:
            raise ValueError(f"must be a cron expression of five fields, or one of {', '.join(_NAMED)}")
        if "TZ=" in schedule.upper():
            raise ValueError("must not name a time zone; set spec.timeZone")
        fields = ["*" if field == "?" else _ONE.sub(r"\1", field) for field in text.split()]
        if len(fields) != _FIELDS:
            raise ValueError(
                "must have five fields: minute, hour, day of the month, month, day of the week; "
                f"it has {len(fields)}"
            )
        found = cls(" ".join(fields), zone)
        try:
            next(CronSim(found.expression, datetime(2000, 1, 1, tzinfo=UTC)))
        except CronSimError as error:
            raise ValueError(f"is not a cron expression: {str(error).lower()}") from None
        except StopIteration:
            raise ValueError("no day of any year matches this") from None
        return found

    def after(self, moment: datetime) -> datetime:
        """The first time after a moment."""
        return next(self.times(moment))

    def times(self, moment: datetime) -> Iterator[datetime]:
        """The times after a moment, endlessly."""
        minute, hour, *_ = self.expression.split()
        if minute.startswith("*") or hour.startswith("*"):
            yield from self._by_time(moment)
            return
        for local in CronSim(self.expression, moment.astimezone(self.zone)):
            found = local.astimezone(UTC)
            # in an hour that occurs twice, the iterator begins in the first one
            if found > moment:
                yield found

    def _by_time(self, moment: datetime) -> Iterator[datetime]:
        """The times of an expression that follows the time that passes.

        From one change of the clocks to the next: across one, cronsim goes by whole hours, and there are
        clocks that are changed by half an hour.
        """
        begins = moment
        while True:
            change, offset = None, self._offset(begins)
            for local in CronSim(self.expression, moment.astimezone(timezone(offset))):
                found = local.astimezone(UTC)
                change = self._change(begins, found)
                if change:
                    break
                yield found
                begins = found
            if change is None:
                return
            moment, begins = change - _SECOND, change  # a time can be due at the change itself

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self.zone).utcoffset() or timedelta()

    def _change(self, after: datetime, until: datetime) -> datetime | None:
        """The first moment after one, and up to another, at which the clocks have been changed."""
        while after < until:
            end = min(after + _DAY, until)
            if self._offset(end) == self._offset(after):
                after = end
                continue
            while end - after > _SECOND:
                middle = after + (end - after) // 2
                if self._offset(middle) == self._offset(after):
                    after = middle
                else:
                    end = middle
            return end.replace(microsecond=0)
        return None

    def last(self, since: datetime, until: datetime) -> datetime | None:
        """The latest time after `since`, and at `until` at the latest.

        It is found by bisection, so that a year without the operator costs no more than a minute.
        """
        found = self.after(since)
        if found > until:
            return None
        end = until
        while self.after(found) <= until:
            middle = found + (end - found) / 2
            later = self.after(middle)
            if later <= until:
                found = later
            else:
                end = middle
        return found

    def count(self, since: datetime, until: datetime, most: int) -> int:
        """How many times there are after `since` and before `until`, counted up to `most`."""
        number = 0
        for time in self.times(since):
            if time >= until or number == most:
                break
            number += 1
        return number


def zone_named(name: str | None) -> ZoneInfo:
    """A time zone of the time zone database; UTC without a name.

    Raises:
        ValueError: it has no such zone.
    """
    try:
        if name is not None and _NO_ZONE.fullmatch(name):
            raise ValueError
        return ZoneInfo("UTC" if name is None else name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be a name of the time zone database, such as Europe/Berlin") from None
