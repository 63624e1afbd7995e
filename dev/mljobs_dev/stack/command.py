"""What `mljobs dev` and `mljobs demo` have in common as commands: signals, errors, exit codes."""

from collections.abc import Callable

import typer
import urllib3

from mljobs_dev.controlplane.client import ApiError
from mljobs_dev.controlplane.controlplane import ControlPlaneError
from mljobs_dev.controlplane.process import ProcessError
from mljobs_dev.controlplane.progress import BinariesError
from mljobs_dev.stack.emulator_control import EmulatorError
from mljobs_dev.stack.files import FilesError
from mljobs_dev.stack.server import StackError
from mljobs_dev.stack.signals import Stopped, raising_stopped

ERRORS = (
    ApiError,
    BinariesError,
    ControlPlaneError,
    EmulatorError,
    FilesError,
    ProcessError,
    StackError,
    OSError,
    urllib3.exceptions.HTTPError,
)
"""What goes wrong around a stack for reasons that its user can see and fix."""


def run_command(
    name: str, work: Callable[[], None], *, stopped: int = 0, failures: tuple[type[Exception], ...] = ()
) -> None:
    """Run a command's work until it ends or a signal ends it.

    Args:
        name: the command, for messages.
        work: puts away what it has started, whatever exception ends it.
        stopped: the exit code after a signal.
        failures: what else the work raises with a message for its user.

    Raises:
        typer.Exit: with 1 after an error, or the given code after a signal.
    """
    expected: tuple[type[Exception], ...] = (*ERRORS, *failures)
    try:
        with raising_stopped():
            work()
    except Stopped as stop:
        raise typer.Exit(stopped) from stop
    except expected as error:
        typer.echo(f"mljobs {name}: {error}", err=True)
        raise typer.Exit(1) from error
