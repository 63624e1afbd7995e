"""The option that both commands have."""

from typing import Annotated

import typer

from mljobs import __version__


def _show(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_show, is_eager=True, help="Print the version and exit.")
]
