"""`mljobs dev`: a control plane, the emulator and the operator in the foreground."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Service(StrEnum):
    """The services that the emulator serves, as the operator's setting names them."""

    ML_V1 = "MLv1"
    VERTEX_AI = "VertexAI"


def dev(
    ready_file: Annotated[
        Path | None,
        typer.Option(
            "--ready-file",
            metavar="FILE",
            help="Write this JSON file when all is ready: kubeconfig, emulatorUrl, metricsUrl, pids.",
        ),
    ] = None,
    speed: Annotated[float, typer.Option(help="Emulated seconds in a real second; 1 is real time.")] = 10.0,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            "--state-dir", metavar="DIR", help="Keep the cluster's data and all logs here from run to run."
        ),
    ] = None,
    service: Annotated[
        Service,
        typer.Option(
            help="Which of the emulated services runs the jobs that name no class; the JobClasses mlv1 and "
            "vertex are there in any case."
        ),
    ] = Service.ML_V1,
) -> None:
    """Run a control plane with the CRDs, the emulated service and the operator, until Ctrl-C or SIGTERM.

    Nothing outside this machine is touched. A process that dies is started again. At the end nothing is left
    behind, unless --state-dir was given.
    """
    from mljobs_dev.stack.command import run_command
    from mljobs_dev.stack.session import Session

    if not 0 < speed <= 1e6:
        raise typer.BadParameter(f"{speed!r} is not above 0 and at most 1,000,000", param_hint="--speed")
    if ready_file is not None and not ready_file.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {ready_file.parent}", param_hint="--ready-file")
    run_command(
        "dev",
        Session(ready_file=ready_file, speed=speed, state_dir=state_dir, service=service.value).run,
    )
