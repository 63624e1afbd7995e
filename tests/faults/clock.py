"""A clock of an operator that goes wrong."""

from pathlib import Path

from tests.faults.process import CLOCK_FILE
from tests.faults.world import World


class Clock:
    """The clock of the operators that a world starts from now on, which can be set while they run.

    Args:
        world: whose operators.
        name: tells clocks of one world apart.
    """

    def __init__(self, world: World, name: str = "clock") -> None:
        self._file: Path = world.lab.folder / f"{name}-{world.namespace}"
        world.settings[CLOCK_FILE] = str(self._file)
        self.set(0)

    def set(self, hours: float) -> None:
        """Let the clock go wrong by so much, at once."""
        self._file.write_text(f"{hours * 3600}", "ascii")
