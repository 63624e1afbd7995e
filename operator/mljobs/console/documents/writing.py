"""Writes YAML that every reader takes for what it is, whichever version of YAML it goes by."""

import re
from collections.abc import Iterable
from typing import Any

import yaml
from ruamel.yaml.resolver import implicit_resolvers

from mljobs.console.documents.scalars import resolve

WIDTH = 110
"""Columns, unless another number is given."""


_BREAKS = re.compile("[\x85\u2028\u2029]")


class Dumper(yaml.SafeDumper):
    """Quotes each text that some reader would take for something else, and writes what occurs twice twice.

    PyYAML quotes what it would itself read as something else; `y`, `1e-3` and `08` are texts to it.
    """

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """No anchors: people read this too."""
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """A text, in quotes where it would be something else without them."""
        style = "'" if _is_ambiguous(text) else None
        if _BREAKS.search(text):  # in other styles PyYAML breaks the line there, which readers fold
            style = '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _is_ambiguous(text: str) -> bool:
    """Whether kubectl, or a reader by version 1.1 or 1.2 of YAML, takes this for something else."""
    return not isinstance(resolve(text), str) or any(
        pattern.match(text) for _, _, pattern, _ in implicit_resolvers
    )


Dumper.add_representer(str, lambda dumper, text: dumper.represent_text(text))


class IndentingDumper(Dumper):
    """Indents lists below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Never without an indent."""
        super().increase_indent(flow, False)


def dump(documents: Iterable[Any], *, dumper: type[Dumper] = Dumper, width: int = WIDTH) -> str:
    """Write JSON data as YAML in block style, with keys in the order they have.

    Args:
        documents: what to write; a `---` stands before each if there are several.
        dumper: decides how it looks.
        width: columns after which a long text is broken at a blank.
    """
    found = list(documents)
    text = yaml.dump_all(
        found,
        Dumper=dumper,
        explicit_start=len(found) > 1,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=width,
    )
    return str(text)
