"""`mljobs run`: the operator."""

from pathlib import Path
from typing import Annotated

import typer


def run(
    config: Annotated[
        Path | None, typer.Option("--config", help="A YAML file with settings (see the documentation).")
    ] = None,
    project: Annotated[str | None, typer.Option(help="Project of resources that name none.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="URL of the job service; empty: the public one.")
    ] = None,
    anonymous: Annotated[
        bool | None, typer.Option("--anonymous/--credentials", help="Send no credentials, for the emulator.")
    ] = None,
    namespace: Annotated[
        list[str] | None, typer.Option(help="A namespace to watch, may be repeated; none: all.")
    ] = None,
    poll_interval: Annotated[float | None, typer.Option(help="Seconds between looks at active jobs.")] = None,
    host: Annotated[str | None, typer.Option(help="Address of metrics and health.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of metrics and health; 0 takes a free one.")] = None,
    log_format: Annotated[str | None, typer.Option(help="json or text.")] = None,
    log_level: Annotated[str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = None,
) -> None:
    """Run the operator, in a cluster or on the current kubeconfig."""
    from mljobs.config import SettingsError, load
    from mljobs.controller.kube import KubeError
    from mljobs.main import operate

    try:
        settings = load(
            config,
            project_id=project,
            endpoint=endpoint,
            anonymous=anonymous,
            namespaces=tuple(namespace) if namespace else None,
            poll_interval=poll_interval,
            host=host,
            port=port,
            log_format=log_format,
            log_level=log_level,
        )
    except SettingsError as error:
        typer.echo(f"mljobs run: these settings cannot be used:\n{error}", err=True)
        raise typer.Exit(2) from error
    try:
        operate(settings, ready=lambda url: typer.echo(f"metrics and health at {url}", err=True))
    except (KubeError, ValueError) as error:
        typer.echo(f"mljobs run: {error}", err=True)
        raise typer.Exit(1) from error
