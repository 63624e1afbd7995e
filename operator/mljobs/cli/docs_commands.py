"""The page of the `mljobs` command, made from the commands themselves. Called by `mljobs.cli.generate`."""

from collections.abc import Iterator, Sequence
from typing import Any

from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from mljobs.cli.app import app
from mljobs.config import Settings, flag

_FLAGS = frozenset(flag(name) for name in Settings.model_fields)


def page() -> str:
    """Make the page.

    Returns:
        Markdown that starts with a heading of the first level.
    """
    parts = [
        "# Commands",
        "`mljobs` has these commands; `--help` after each says the same. What users of gcloud know better is "
        "[kubectl mljobs](../kubectl-plugin.md).",
    ]
    for name, command in _leaves("mljobs", get_command(app)):
        parts += [f"## {name}", (command.help or "").strip(), *_options(command)]
    return "\n\n".join(parts) + "\n"


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(command, TyperGroup):
        yield name, command
        return
    for word, inner in command.commands.items():
        yield from _leaves(f"{name} {word}", inner)


def _options(command: Any) -> list[str]:
    """A table of the options; those that are settings are not repeated."""
    options = [one for one in command.params if isinstance(one, TyperOption) and not one.hidden]
    own = [one for one in options if not _is_setting(one, options)]
    rows = [f"| {_spelling(one)} | {_default(one)} | {_cell(one.help or '')} |" for one in own]
    table = ["\n".join(["| Option | Default | Meaning |", "|---|---|---|", *rows])] if rows else []
    settings = [f"Each [setting](settings.md) is an option too, such as `{flag('poll_interval')}`."]
    return table + (settings if len(own) < len(options) else [])


def _is_setting(option: TyperOption, options: Sequence[TyperOption]) -> bool:
    takes_settings = any("--config" in one.opts for one in options)
    return takes_settings and bool(_FLAGS.intersection(option.opts))


def _spelling(option: TyperOption) -> str:
    value = f" {option.metavar}" if option.metavar and not option.is_flag else ""
    return ", ".join(f"`{word}{value}`" for word in (*option.opts, *option.secondary_opts))


def _default(option: TyperOption) -> str:
    plain = option.default in (None, "") or option.is_flag or str(option.default).startswith("Sentinel")
    return "required" if option.required else "–" if plain else f"`{option.default}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
