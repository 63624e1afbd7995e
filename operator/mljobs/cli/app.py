"""The `mljobs` command: puts the commands of this package together with those of installed extras."""

from importlib.metadata import entry_points

import typer

from mljobs.admin.check.command import check
from mljobs.admin.crds import crds
from mljobs.admin.leftovers.command import leftovers
from mljobs.admin.plan import plan
from mljobs.cli.run import run
from mljobs.console.version import VersionOption

EXTRAS = "mljobs.commands"
"""The group of entry points that bring more commands: functions, or `Typer` objects with subcommands."""

DEVELOPMENT = {
    "controlplane": "Provide the binaries of a control plane.",
    "demo": "Run real jobs on an embedded control plane and the emulator.",
    "dev": "Run a control plane, the emulator and the operator in the foreground.",
    "emulator": "Run the emulator of the job service alone.",
}
"""The commands of the distribution `mljobs-dev`, which an image and a plain installation leave out."""

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


def _missing(name: str) -> None:
    """Register a command that says how to get the real one."""

    @app.command(
        name,
        help=f"{DEVELOPMENT[name]} Needs the extra: pip install 'mljobs-operator[dev]'.",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    def command() -> None:
        typer.echo(
            f"mljobs {name}: the development servers are not installed; "
            "pip install 'mljobs-operator[dev]' brings them",
            err=True,
        )
        raise typer.Exit(1)


def _add_extras() -> None:
    found = {entry.name: entry for entry in entry_points(group=EXTRAS)}
    for name in sorted(found.keys() | DEVELOPMENT.keys()):
        if name not in found:
            _missing(name)
            continue
        command = found[name].load()
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)


app.command()(run)
app.command()(check)
app.command()(crds)
app.command()(leftovers)
app.command()(plan)
_add_extras()


def main() -> None:
    """Run the command line."""
    app()
