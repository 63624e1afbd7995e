#!/bin/sh
# cronsim 2.8: where clocks are changed by half an hour, an expression with an asterisk loses half an hour of times.
#
# With an asterisk in the field of minutes or hours, cronsim follows the time that passes, and so should name each
# moment at which the clock on the wall shows a time of the expression. On Lord Howe Island clocks go back from 2:00 to
# 1:30. cronsim goes by whole hours from the last full one, lands at 2:30, and never looks at 2:00 to 2:29, which
# are there once on that day as on any other. In zones that change by an hour nothing is lost.
#
# The script asks cronsim for the times of `* 2 * * *` on that day, and the time zone database for each minute at which
# it is past two there. It exits with 0 while cronsim misses the first 30, and with 1 once it does not. What it needs is
# installed into a folder that it removes, from wherever pip is configured to look.
#
# Seen on 2026-11-30:
#   cronsim 2.8, Australia/Lord_Howe, 2026-04-05: 60 minutes past two, the first at 02:00; of cronsim 30, at 02:30
#   cronsim 2.8, Europe/Berlin, 2026-10-25: 120 minutes past two, the first at 02:00; of cronsim 120, at 02:00
#   as described
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check cronsim==2.8 tzdata==2026.6

"$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from itertools import takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim


def compared(name, day):
    zone = ZoneInfo(name)
    begin = datetime(day.year, day.month, day.day, tzinfo=zone)
    end = begin.astimezone(UTC) + timedelta(hours=12)
    minutes = (begin.astimezone(UTC) + timedelta(minutes=number) for number in range(12 * 60))
    there = [minute for minute in minutes if minute.astimezone(zone).hour == 2]
    times = takewhile(lambda time: time < end, (time.astimezone(UTC) for time in CronSim("* 2 * * *", begin)))
    told = [time for time in times if time.astimezone(zone).date() == day]
    first = [f"{found[0].astimezone(zone):%H:%M}" for found in (there, told)]
    print(
        f"cronsim {version('cronsim')}, {name}, {day}: {len(there)} minutes past two, the first at {first[0]}; "
        f"of cronsim {len(told)}, at {first[1]}"
    )
    return len(there) - len(told)


missed = compared("Australia/Lord_Howe", date(2026, 4, 5)), compared("Europe/Berlin", date(2026, 10, 25))
as_described = missed == (30, 0)
print("as described" if as_described else "changed")
sys.exit(0 if as_described else 1)
PYTHON
