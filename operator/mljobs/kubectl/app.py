"""`kubectl mljobs`, the plugin of kubectl: puts the commands of `mljobs.kubectl` together."""

import os
import sys

import typer

from mljobs.admin.plan import plan
from mljobs.console.version import VersionOption
from mljobs.kubectl.acting import AsGroupOption, AsOption, AsUidOption, AsUserExtraOption, act_as
from mljobs.kubectl.cancel import cancel, resume
from mljobs.kubectl.classes import classes
from mljobs.kubectl.completion import complete
from mljobs.kubectl.describe import describe
from mljobs.kubectl.failure import PROGRAM, Root
from mljobs.kubectl.history import history
from mljobs.kubectl.iam import iam_app
from mljobs.kubectl.importing import import_jobs
from mljobs.kubectl.list_jobs import list_jobs
from mljobs.kubectl.logs import logs
from mljobs.kubectl.options import Command
from mljobs.kubectl.schedules import schedule_app
from mljobs.kubectl.submit import submit_app
from mljobs.kubectl.wait import wait

EXECUTABLE = "kubectl-mljobs"

app = typer.Typer(
    name="kubectl-mljobs",
    cls=Root,
    help="Training and prediction jobs on Google's managed ML service, as resources of a cluster.",
    invoke_without_command=True,
    rich_markup_mode=None,  # the boxes of rich cut long flags off
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    ctx: typer.Context,
    as_user: AsOption = "",
    as_uid: AsUidOption = "",
    as_group: AsGroupOption = None,
    as_user_extra: AsUserExtraOption = None,
    _: VersionOption = False,
) -> None:
    """Take the options that stand before the command."""
    act_as(as_user, as_uid, as_group or [], as_user_extra or [])
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


app.add_typer(submit_app, name="submit")
app.command("list")(list_jobs)
app.command()(describe)
app.command()(wait)
app.command()(logs)
app.command()(cancel)
app.command()(resume)
app.command()(history)
app.command()(plan)
app.command()(classes)
app.command("import", cls=Command)(import_jobs)
app.add_typer(iam_app, name="iam")
app.add_typer(schedule_app, name="schedule")


def complete_for_kubectl() -> None:
    """Complete a command line of `kubectl mljobs`: kubectl asks the program `kubectl_complete-mljobs`."""
    print("\n".join(complete(lambda: app(prog_name=EXECUTABLE), sys.argv[1:])))


def main() -> None:
    """Run the command line. It is named as its users type it, but for scripts of shells as they find it."""
    for_shell = any(arg.startswith(("--install-completion", "--show-completion")) for arg in sys.argv[1:])
    completing = any(name.endswith("MLJOBS_COMPLETE") for name in os.environ)
    app(prog_name=EXECUTABLE if for_shell or completing else PROGRAM)
