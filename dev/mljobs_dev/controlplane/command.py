"""`mljobs controlplane`: provision the binaries of the development control plane."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mljobs_dev.controlplane.progress import Step

controlplane_app = typer.Typer(
    name="controlplane", help="The control plane for development and tests.", no_args_is_help=True
)
_LINE_EVERY_SECONDS = 15.0


@controlplane_app.callback()
def _group() -> None:
    """The control plane for development and tests."""


@controlplane_app.command()
def ensure(
    with_: Annotated[
        str,
        typer.Option(
            "--with",
            metavar="NAMES",
            help="More binaries, separated by commas: kube-controller-manager, kubectl, helm.",
        ),
    ] = "",
) -> None:
    """Provide etcd, kube-apiserver and what else is asked for, and print their folder.

    They come from KUBEBUILDER_ASSETS, else from the cache, else from a verified download, else they are built
    with Go, which takes minutes and happens once.
    """
    from mljobs_dev.controlplane.progress import BinariesError

    try:
        folder = ensure_with_progress([name.strip() for name in with_.split(",") if name.strip()])
    except BinariesError as error:
        typer.echo(f"mljobs: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(str(folder))


def ensure_with_progress(extras: list[str]) -> Path:
    """Provide the binaries, showing on standard error what takes time; see `binaries.ensure`.

    Args:
        extras: of kube-controller-manager, kubectl, helm.

    Returns:
        The folder with etcd, kube-apiserver and the extras.

    Raises:
        BinariesError: they can be neither found nor made; the message says what to do.
    """
    from mljobs_dev.controlplane.binaries import ensure as provide

    with Display() as display:
        return provide(extras, report=display.show)


class Display:
    """Shows steps on standard error: a bar on a terminal, else a line for each message and every 15 s."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = None if not self._console.is_terminal else self._progress.add_task("", visible=False)
        self._message = ""
        self._next_line = 0.0
        self._started = time.monotonic()

    def __enter__(self) -> "Display":
        if self._task is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._progress.stop()

    def show(self, step: "Step") -> None:
        """Show a step; called often."""
        if step.warning:
            self._print(f"warning: {step.message}")
        elif self._task is None:
            self._show_line(step)
        else:
            if step.total == 0 and step.message != self._message:
                self._print(step.message)
            self._progress.update(
                self._task,
                description=step.message,
                completed=step.done,
                total=step.total or None,
                visible=True,
            )
        self._message = step.message

    def _show_line(self, step: "Step") -> None:
        now = time.monotonic()
        if step.message == self._message and now < self._next_line:
            return
        self._next_line = now + _LINE_EVERY_SECONDS
        amount = f"{step.done}/{step.total}" if step.total else str(step.done)
        if step.unit == "bytes":
            amount = f"{step.done >> 20}/{step.total >> 20} Mi"
        numbers = f": {amount} {step.unit}" if step.done else ""
        self._print(f"{step.message}{numbers} [{now - self._started:.0f} s]")

    def _print(self, text: str) -> None:
        self._console.print(f"mljobs: {text}", highlight=False, markup=False, soft_wrap=True)
