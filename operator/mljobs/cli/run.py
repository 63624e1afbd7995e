"""`mljobs run`: the operator."""

import signal
import sys

import typer

from mljobs.config import Settings
from mljobs.console.settings import takes_settings


@takes_settings
def run(settings: Settings) -> None:
    """Run the operator, in a cluster or on the current kubeconfig.

    Each setting comes from its option, else from the environment, else from the file, else it is the default.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the operator takes it, after the imports

    from mljobs.controller.kube.errors import KubeError
    from mljobs.main import operate

    try:
        operate(settings, ready=lambda url: typer.echo(f"metrics and health at {url}", err=True))
    except (KubeError, ValueError) as error:
        typer.echo(f"mljobs run: {error}", err=True)
        raise typer.Exit(1) from error
