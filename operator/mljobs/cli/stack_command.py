"""What `mljobs dev` and `mljobs demo` have in common as commands: signals, errors, exit codes."""

from collections.abc import Callable

import typer
import urllib3

from mljobs.cli.demo_judge import DemoError
from mljobs.cli.stack_emulator import EmulatorError
from mljobs.cli.stack_files import FilesError
from mljobs.cli.stack_server import StackError
from mljobs.cli.stack_signals import Stopped, raising_stopped
from mljobs.devcluster.client import ApiError
from mljobs.devcluster.controlplane import ControlPlaneError
from mljobs.devcluster.process import ProcessError
from mljobs.devcluster.progress import BinariesError

ERRORS = (
    ApiError,
    BinariesError,
    ControlPlaneError,
    DemoError,
    EmulatorError,
    FilesError,
    ProcessError,
    StackError,
    OSError,
    urllib3.exceptions.HTTPError,
)
"""What goes wrong around a stack for reasons that its user can see and mend."""


def run_command(name: str, work: Callable[[], None], *, stopped: int = 0) -> None:
    """Run a command's work until it ends or a signal ends it.

    Args:
        name: the command, for messages.
        work: puts away what it has started, whatever exception ends it.
        stopped: the exit code after a signal.

    Raises:
        typer.Exit: with 1 after an error, or the given code after a signal.
    """
    try:
        with raising_stopped():
            work()
    except Stopped as stop:
        raise typer.Exit(stopped) from stop
    except ERRORS as error:
        typer.echo(f"mljobs {name}: {error}", err=True)
        raise typer.Exit(1) from error
