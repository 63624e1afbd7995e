"""How things look in a terminal and in a pipe: tables, times, and text that others wrote."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

WIDE = 100_000
"""Columns of a console that neither cuts nor wraps."""

STATE_STYLES = {
    "QUEUED": "yellow",
    "PREPARING": "yellow",
    "RUNNING": "cyan",
    "SUCCEEDED": "green",
    "FAILED": "red",
    "CANCELLING": "magenta",
    "CANCELLED": "magenta",
}


def console(*, wrapping: bool = False) -> Console:
    """The console on stdout, with colours if that is a terminal.

    Args:
        wrapping: whether lines are broken at a terminal's width; otherwise it is left to break them itself.
    """
    screen = Console(highlight=False, markup=False, emoji=False)
    if not (wrapping and screen.is_terminal):
        screen.width = WIDE
    return screen


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, wrap: str = "") -> Table:
    """A table without lines, as kubectl's.

    Args:
        headers: the columns' names.
        rows: the cells.
        wrap: a column whose cells may take several lines.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for header in headers:
        made.add_column(header, no_wrap=header != wrap)
    for row in rows:
        made.add_row(*(cell(value) for value in row))
    return made


def show(made: RenderableType, *, wrapping: bool = False) -> None:
    """Print a table, without blanks at the ends of lines where stdout is no terminal."""
    screen = console(wrapping=wrapping)
    if screen.is_terminal:
        screen.print(made)
        return
    with screen.capture() as captured:
        screen.print(made)
    for line in captured.get().splitlines():
        print(line.rstrip())


def cell(value: str) -> Text:
    """A value in one line, in the colour of its word if it is a state."""
    return Text(" ".join(plain(value).split()) or "-", style=STATE_STYLES.get(value, ""))


def plain(text: str) -> str:
    """A text of somebody else's without what would steer the terminal."""
    return "".join(
        char if char.isprintable() or char in "\t\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def age(moment: str | datetime | None, now: datetime) -> str:
    """How long ago something was, as kubectl writes it: `42s`, `5m`, `3h20m`, `2d`."""
    when = _moment(moment)
    if when is None:
        return "<unknown>"
    seconds = max(0, int((now - when) / timedelta(seconds=1)))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    return _two(days, "d", hours % 24, "h") if days < 8 else f"{days}d"


def _two(large: int, unit: str, small: int, smaller: str) -> str:
    return f"{large}{unit}{small}{smaller}" if small else f"{large}{unit}"


def _moment(moment: str | datetime | None) -> datetime | None:
    try:
        when = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when and when.tzinfo is None else when


def tidy(body: Mapping[str, Any]) -> dict[str, Any]:
    """A resource as kubectl shows it: without `managedFields`."""
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    return {**body, "metadata": metadata}


def dump(document: Any, form: str) -> str:
    """Write JSON data as `json` or `yaml`, ended by a line break."""
    from mljobs.console.documents import writing

    if form == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return writing.dump([document])


def print_resource(body: Mapping[str, Any], form: str, done: str) -> None:
    """Print a resource as `json`, `yaml` or `name`, or else say in kubectl's way what was done with it."""
    from mljobs.api.resources import GROUP

    name = f"{body['kind'].lower()}.{GROUP}/{body['metadata']['name']}"
    if form in ("json", "yaml"):
        print(dump(tidy(body), form), end="")
    else:
        print(name if form == "name" else f"{name} {done}")
