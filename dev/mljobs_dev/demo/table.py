"""Shows the states of several resources as they change: a live table on a terminal, else a line a change."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mljobs.console.text import STATE_STYLES

_STYLES = {**STATE_STYLES, "DELETED": "magenta"}


@dataclass(frozen=True)
class Row:
    """One resource at one moment.

    Attributes:
        name: the resource's name.
        shows: what it is there for.
        state: its job's state, in the API's words.
        detail: the newest of what is worth knowing.
        done: whether nothing more is to come.
    """

    name: str
    shows: str
    state: str
    detail: str
    done: bool


class StateTable(Protocol):
    """A context manager that shows rows while it is open."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, rows: Sequence[Row]) -> None:
        """Show the rows as they are now."""


class LiveTable:
    """A table that is drawn in place.

    Args:
        console: a terminal.
    """

    def __init__(self, console: Console) -> None:
        self._started = time.monotonic()
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, rows: Sequence[Row]) -> None:
        """Draw the rows over those before."""
        table = Table(expand=True, caption=f"{time.monotonic() - self._started:.0f} s")
        table.add_column("RESOURCE", no_wrap=True)
        table.add_column("SHOWS", no_wrap=True)
        table.add_column("STATE", no_wrap=True, min_width=10)
        table.add_column("DETAIL", overflow="ellipsis", no_wrap=True, ratio=1)
        for row in rows:
            state = Text(row.state, style=_STYLES.get(row.state, ""))
            table.add_row(row.name, row.shows, state, Text(row.detail))
        self._live.update(table, refresh=True)


class LineTable:
    """Prints a line for each row whose state has changed, for logs and pipes.

    Args:
        console: where to print.
        clock: seconds, for the times in the lines.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._started = clock()
        self._states: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def show(self, rows: Sequence[Row]) -> None:
        """Print what is new."""
        for row in rows:
            if self._states.get(row.name) != row.state:
                self._states[row.name] = row.state
                seconds = self._clock() - self._started
                line = f"[{seconds:5.1f} s] {row.name:<24} {row.state:<10} {row.detail}"
                self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def open_table(console: Console) -> StateTable:
    """The table for this console."""
    return LiveTable(console) if console.is_terminal else LineTable(console)
