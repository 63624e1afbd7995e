"""The pages of `mljobs` and `kubectl mljobs`, made from the commands. Called by `tools.generate`."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from typer import Context
from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from mljobs.cli.app import app
from mljobs.config import Settings, flag
from mljobs.kubectl import app as plugin

_FLAGS = frozenset(flag(name) for name in Settings.model_fields)

_PLACE = re.compile(r"\{(\w+)\}|\[(\[\w+\])(?:(\.{3}))?\](?:\.{3})?")
"""An argument as typer writes it, `{NAME}` or `[[NAME]...]...`; readers know NAME and [NAME]..."""


def page() -> str:
    """Make the page of `mljobs`.

    Returns:
        Markdown that starts with a heading of the first level.
    """
    parts = [
        "# Commands",
        "`mljobs` has these commands; `--help` after each says the same. What users of gcloud know better is "
        "[kubectl mljobs](kubectl-mljobs.md).",
    ]
    return _joined(parts, "mljobs", get_command(app))


def plugin_page() -> str:
    """Make the page of `kubectl mljobs`, as `page` does."""
    parts = [
        "# Options of kubectl mljobs",
        "All options of all commands; `--help` after each says the same. What the commands are for, with "
        "examples, is described in [kubectl mljobs](../kubectl-plugin.md).",
    ]
    root: Any = get_command(plugin.app)
    parts += ["## Before the command", "As in `kubectl mljobs --as USER list`:", *_options(root)]
    return _joined(parts, "kubectl mljobs", root)


def _joined(parts: list[str], program: str, group: Any) -> str:
    for name, command in _leaves(program, group):
        parts += [f"## {name}", *_usage(name, command), (command.help or "").strip(), *_options(command)]
    return "\n\n".join(parts) + "\n"


def _usage(name: str, command: Any) -> list[str]:
    """How the command is written, where it takes more than options."""
    pieces = [_PLACE.sub(r"\1\2\3", piece) for piece in command.collect_usage_pieces(Context(command))]
    return [f"`{' '.join([name, *pieces])}`"] if len(pieces) > 1 else []


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
    takes_settings = any(flag("poll_interval") in one.opts for one in options)
    return takes_settings and bool(_FLAGS.intersection(option.opts))


def _spelling(option: TyperOption) -> str:
    value = f" {option.metavar}" if option.metavar and not option.is_flag else ""
    return _cell(", ".join(f"`{word}{value}`" for word in (*option.opts, *option.secondary_opts)))


def _default(option: TyperOption) -> str:
    plain = option.default in (None, "") or option.is_flag or str(option.default).startswith("Sentinel")
    return "required" if option.required else "–" if plain else f"`{option.default}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
