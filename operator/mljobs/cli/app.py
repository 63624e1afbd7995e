"""The `mljobs` command: puts the commands of this package together."""

import typer

from mljobs.cli.check import check
from mljobs.cli.controlplane import controlplane_app
from mljobs.cli.crds import crds
from mljobs.cli.demo import demo
from mljobs.cli.dev import dev
from mljobs.cli.emulator import emulator
from mljobs.cli.leftovers.command import leftovers
from mljobs.cli.plan import plan
from mljobs.cli.run import run
from mljobs.cli.version import VersionOption

app = typer.Typer(
    name="mljobs",
    help="TrainingJob and PredictionJob resources, run on Google's managed ML service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(_: VersionOption = False) -> None:
    """Take the options that stand before the command."""


app.command()(run)
app.command()(check)
app.command()(crds)
app.command()(demo)
app.command()(dev)
app.command()(emulator)
app.command()(leftovers)
app.command()(plan)
app.add_typer(controlplane_app, name="controlplane")


def main() -> None:
    """Run the command line."""
    app()
