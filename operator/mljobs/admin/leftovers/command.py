"""`mljobs leftovers`: what remains if the operator was removed before its resources."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mljobs.admin.check.command import Output
from mljobs.config import Settings
from mljobs.console.settings import takes_settings

if TYPE_CHECKING:
    from mljobs.admin.leftovers.run import Request, Result


@takes_settings
def leftovers(
    settings: Settings,
    cancel: Annotated[
        bool,
        typer.Option(
            "--cancel",
            help="End each job as if its resource were deleted while an operator runs: cancel it if it is "
            "the resource's own, then remove our finalizer.",
        ),
    ] = False,
    orphan: Annotated[
        bool, typer.Option("--orphan", help="Remove our finalizer and leave the jobs running; list them.")
    ] = False,
    cancel_stray: Annotated[
        list[str] | None,
        typer.Option(
            "--cancel-stray",
            metavar="JOB",
            help="Cancel this job that has no resource, named as in the list. May be given several times.",
        ),
    ] = None,
    cancel_all_strays: Annotated[
        bool,
        typer.Option(
            "--cancel-all-strays",
            help="Cancel all listed jobs that have no resource. Those of another cluster that uses the same "
            "project look like that too.",
        ),
    ] = False,
    timeout: Annotated[
        str,
        typer.Option(metavar="TIME", help="How long to wait for unknown outcomes, such as 90s or 10m."),
    ] = "6m",
    without_lease: Annotated[
        bool,
        typer.Option(
            "--without-lease",
            help="Act even if there is no Lease, or if it cannot be read or acquired: you know that no "
            "operator runs.",
        ),
    ] = False,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="A table, or JSON for scripts.")
    ] = Output.TABLE,
) -> None:
    """List what remains if the operator was removed before its resources, and clean it up on request.

    Give it the settings that the operator had. It lists the resources that hold our finalizer, what the
    service says of their jobs, and what --cancel would do; in the project of --project also the jobs that
    carry our labels and have no resource. Nothing is changed without --cancel, --orphan or an option
    for strays. A finalizer stays if it is not known whether the job runs.

    While an operator runs, --cancel ends only resources that are being deleted, whose finalizer that operator
    may have lost the permission to remove, and leaves it those whose job may still be submitted.

    The exit code is 0 if all that was asked for is done, 1 if something of it remains or could not be looked
    at, and 2 if nothing was started.
    """
    import asyncio

    from mljobs.admin.leftovers.run import CannotBegin, leave, request

    try:
        wanted = request(
            settings,
            cancel=cancel,
            orphan=orphan,
            strays=cancel_stray or (),
            all_strays=cancel_all_strays,
            timeout=timeout,
            without_lease=without_lease,
        )
        result = asyncio.run(leave(settings, wanted))
    except CannotBegin as error:
        typer.echo(f"mljobs leftovers: {error}", err=True)
        raise typer.Exit(2) from error
    _print(wanted, result, output)
    if not result.passed:
        raise typer.Exit(1)


def _print(wanted: "Request", result: "Result", output: Output) -> None:
    from mljobs.admin.leftovers.report import document, print_tables

    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    if output is Output.JSON:
        print(document(result.rows, result.notes))
    elif result.rows:
        print_tables(result.texts, acted=wanted.acts)
    else:
        print("Nothing remains.")
    _print_left_behind(result.left_behind)


def _print_left_behind(names: Sequence[str]) -> None:
    if names:
        print("These jobs may still be running, and cost money:", *names, sep="\n  ", file=sys.stderr)
