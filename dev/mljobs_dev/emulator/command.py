"""`mljobs emulator`: the jobs APIs as a local server."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def emulator(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 0,
    speed: Annotated[float, typer.Option(help="Emulated seconds in a real second.")] = 1.0,
    quota: Annotated[bool, typer.Option("--quota", help="Enforce the service's request quotas.")] = False,
    ledger_limit: Annotated[
        int, typer.Option(help="Requests that the ledger keeps; older ones are dropped.")
    ] = 1_000_000,
    stale_etag_status: Annotated[
        int, typer.Option(help="HTTP status of a patch with a stale etag: 409 or 412.")
    ] = 409,
    identities: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Who may call: YAML or JSON, as /_emulator/identities takes it.",
        ),
    ] = None,
    still: Annotated[
        bool, typer.Option("--still", help="Hold what running jobs consume still until their end.")
    ] = False,
) -> None:
    """Serve the jobs of ml v1 and of Vertex AI, for development and tests.

    Prints its URL on one line once it answers, and ends at once on SIGTERM or Ctrl-C.
    """
    import asyncio

    from mljobs_dev.emulator.server import run
    from mljobs_dev.emulator.settings import Settings, read_identities
    from mljobs_dev.emulator.tokens.config import Identities

    def announce(url: str) -> None:
        print(url, flush=True)

    try:
        known = read_identities(identities) if identities else Identities()
        settings = Settings(speed, quota, ledger_limit, stale_etag_status, identities=known, still=still)
    except ValueError as error:
        print(f"mljobs emulator: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    try:
        asyncio.run(run(settings, host, port, announce))
    except OSError as error:
        print(
            f"mljobs emulator: cannot listen on {host}:{port}: {error.strerror or error}; "
            "choose another --port, or 0 for a free one",
            file=sys.stderr,
        )
        raise typer.Exit(1) from None
