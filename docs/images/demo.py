"""Takes the picture of the demo: runs `mljobs demo`, and keeps what a terminal shows of it as `demo.svg`.

Run it as `python docs/images/demo.py`, with mljobs installed. The live table is kept twice: when the deleted
job is being cancelled, and at the end.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI

from mljobs_dev.demo.show import Show
from mljobs_dev.demo.table import LiveTable, Row

WIDTH = 118
PICTURE = Path(__file__).with_name("demo.svg")


class TwoFrames(LiveTable):
    """The live table, of which two frames are printed and the others are not."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._console = console
        self._kept_one = False

    def __enter__(self) -> "TwoFrames":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was drawn in place."""

    def show(self, rows: Sequence[Row]) -> None:
        """Print the rows if they are one of the two frames."""
        deleting = not self._kept_one and any(not row.done and "kubectl delete" in row.detail for row in rows)
        self._kept_one |= deleting
        self._console.record = False
        super().show(rows)
        self._console.record = True
        if deleting or all(row.done for row in rows):
            self._console.print(self._live.get_renderable())


def main() -> None:
    """Run the demo and write the picture."""
    console = Console(record=True, force_terminal=True, color_system="truecolor", width=WIDTH)
    console.print("[bold]$ make demo[/bold]")
    Show(console, table=TwoFrames).run()
    # the fonts would be fetched from the network; every system has a monospaced one
    form = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    PICTURE.write_text(console.export_svg(title="make demo", theme=MONOKAI, code_format=form), "utf-8")


if __name__ == "__main__":
    main()
