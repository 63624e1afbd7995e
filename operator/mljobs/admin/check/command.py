"""`mljobs check`: whether the operator finds what it needs."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mljobs import __version__
from mljobs.config import Settings
from mljobs.console.settings import takes_settings

if TYPE_CHECKING:
    from mljobs.admin.check.finding import Finding

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}
_PLAIN_WIDTH = 140
"""Columns of the table if the output is not a terminal."""


class Output(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"


@takes_settings
def check(
    settings: Settings,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="A table, or JSON for scripts.")
    ] = Output.TABLE,
    as_user: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="USER",
            help="Check Kubernetes as this user, by impersonation: "
            "system:serviceaccount:NAMESPACE:NAME for the operator's account.",
        ),
    ] = "",
) -> None:
    """Check whether the operator finds what it needs, in a cluster or on the current kubeconfig.

    Give it the settings that the operator has. It checks the API server's version and clock, the CRDs, the
    permissions, the Lease, the Google credentials and the job service, that of each JobClass as its identity,
    and says for each failure what to do.
    It changes nothing. The exit code is 1 if something failed, and 2 if settings cannot be used.
    """
    import asyncio
    from datetime import UTC, datetime

    from mljobs.admin.check.finding import Status
    from mljobs.admin.check.suite import run_checks

    try:
        findings = asyncio.run(run_checks(settings, lambda: datetime.now(UTC), user=as_user))
    except ValueError as error:
        typer.echo(f"mljobs check: {error}", err=True)
        raise typer.Exit(2) from error
    print_json(findings) if output is Output.JSON else print_table(findings)
    if any(finding.status is Status.FAILED for finding in findings):
        raise typer.Exit(1)


def print_json(findings: Sequence["Finding"]) -> None:
    """Print the result for scripts."""
    rows = [
        {
            "check": finding.check,
            "status": finding.status.value,
            "found": finding.found,
            "remedy": finding.remedy,
        }
        for finding in findings
    ]
    passed = all(row["status"] != "failed" for row in rows)
    print(
        json.dumps({"version": __version__, "passed": passed, "checks": rows}, indent=2, ensure_ascii=False)
    )


def print_table(findings: Sequence["Finding"]) -> None:
    """Print the result for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    table = Table(show_lines=True)
    table.add_column("CHECK", overflow="fold", max_width=36)
    table.add_column("STATUS", no_wrap=True)
    table.add_column("FOUND, AND WHAT TO DO", overflow="fold")
    for finding in findings:
        style = _STYLES[finding.status.value]
        text = Text(finding.found)
        if finding.remedy:
            text.append(f"\n→ {finding.remedy}", style=style)
        table.add_row(Text(finding.check), Text(finding.status.value, style=style), text)
    console.print(table)
