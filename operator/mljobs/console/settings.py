"""Gives a command one option for each setting of the operator, worded by the settings themselves."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from mljobs import config
from mljobs.config import Settings, SettingsError

_NEGATIVES = {"anonymous": "--credentials"}
"""What turns off what `--no-…` would name badly."""

_SHORT = {"namespaces": "-n"}
"""Settings that kubectl has a short option for."""

_PANELS = {
    "Kubernetes": ("namespaces", "resync_interval", "workers", "kubernetes_connections"),
    "Leader election": ("leader_election", "lease_namespace", "lease_name", "shards"),
    "Process": ("host", "port", "drain_seconds", "log_format", "log_level"),
}
"""Where `--help` shows settings; the others have to do with the job service."""

_METAVARS = {int: "NUMBER", float: "NUMBER", str: "TEXT"}


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Make a typer command of a function whose keyword `settings` is a `Settings`.

    The command has the function's other parameters, `--config`, and one option for each setting. Settings
    that cannot be used end it with exit code 2 and a message for each; oddities are printed as warnings.
    """
    signature = inspect.signature(command)
    own = [parameter for name, parameter in signature.parameters.items() if name != "settings"]
    added = [_config_parameter(), *(_parameter(name) for name in Settings.model_fields)]

    def run(**given: Any) -> None:
        flags = {name: given.pop(name) for name in Settings.model_fields}
        command(settings=_load(command.__name__, given.pop("config"), flags), **given)

    run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
    run.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *added]}
    return run


def _load(command: str, file: Path | None, flags: dict[str, Any]) -> Settings:
    for warning in config.warnings():
        typer.echo(f"mljobs {command}: warning: {warning}", err=True)
    try:
        return config.load(file, **{name: value for name, value in flags.items() if value not in (None, [])})
    except SettingsError as error:
        typer.echo(f"mljobs {command}: these settings cannot be used:\n{error}", err=True)
        raise typer.Exit(2) from error


def _config_parameter() -> inspect.Parameter:
    option = typer.Option(
        "--config",
        metavar="FILE",
        help="A YAML file with settings, in camelCase. The environment (MLJOBS_…) and options win over it.",
    )
    return _keyword("config", Path | None, option)


def _parameter(name: str) -> inspect.Parameter:
    """The option of one setting. Values stay texts: the settings' own validation words what is wrong."""
    field = Settings.model_fields[name]
    annotation: Any = field.annotation
    flag = config.flag(name)
    declaration, metavar = flag, _METAVARS.get(annotation, "TEXT")
    kind: Any = str
    text = " ".join(str(field.description).split())
    if annotation is bool:
        declaration, kind = f"{flag}/{_NEGATIVES.get(name, f'--no-{flag[2:]}')}", bool
    elif isinstance(field.default, tuple):
        kind, text = list[str], f"{text} May be given several times."
    elif annotation not in (int, float, str) and field.default is not None:
        metavar = "|".join(annotation.__args__)
    option = typer.Option(
        declaration,
        *([_SHORT[name]] if name in _SHORT else []),
        help=f"{text}{_default(field.default)}",
        metavar=None if kind is bool else metavar,
        show_default=False,
        rich_help_panel=next((title for title, names in _PANELS.items() if name in names), "Job service"),
    )
    return _keyword(name, kind | None, option)


def _default(value: object) -> str:
    if value in (None, "", (), False):
        return ""
    return f" Default: {value}."


def _keyword(name: str, annotation: Any, option: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=Annotated[annotation, option])
