"""The `mljobs` command: puts the commands of this package together."""

import typer

from mljobs.admin.check.command import check
from mljobs.admin.crds import crds
from mljobs.admin.leftovers.command import leftovers
from mljobs.admin.plan import plan
from mljobs.cli.run import run
from mljobs.console.version import VersionOption
from mljobs_dev.controlplane.command import controlplane_app
from mljobs_dev.demo.command import demo
from mljobs_dev.emulator.command import emulator
from mljobs_dev.stack.dev_command import dev

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
