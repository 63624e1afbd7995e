"""What a command could not do: one line for a person, and an exit code for a script."""

import os
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

REFUSED = 1
"""The answer is no: a wrong spec, a missing resource, a refusal by a server, a job that failed."""

TROUBLE = 2
"""There is no answer: wrong usage, no cluster, no credentials, a time-out."""

PROGRAM = "kubectl mljobs"

DEBUG = "MLJOBS_DEBUG"
"""The environment variable that lets unforeseen errors show their traceback."""


class Failure(typer.TyperException):
    """A command ends here.

    Args:
        message: what happened, in one line.
        more: further lines, for several problems at once.
        hint: what to do next, shown at the message's end.
        code: the exit code.
    """

    def __init__(self, message: str, *more: str, hint: str = "", code: int = REFUSED) -> None:
        super().__init__(f"{message.removesuffix('.')}; {hint}" if hint else message)
        self.more = more
        self.exit_code = code


class Root(TyperGroup):
    """The command itself: every error ends as one line on stderr, and never as a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run the command line and exit."""
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except typer.TyperException as error:
            for line in _lines(error):
                print(f"error: {line}", file=sys.stderr)
            sys.exit(error.exit_code)
        except typer.Abort:
            sys.exit(TROUBLE)
        except Exception as error:
            if os.environ.get(DEBUG):
                raise
            text = " ".join(str(error).split())
            print(f"error: unforeseen {type(error).__name__}: {text}; {DEBUG}=1 shows where", file=sys.stderr)
            sys.exit(TROUBLE)
        sys.exit(code if isinstance(code, int) else 0)


def _lines(error: typer.TyperException) -> Iterator[str]:
    text = " ".join(error.format_message().split()).removesuffix(".").replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    yield f"{text}; see `{context.command_path} --help`" if context else text
    yield from getattr(error, "more", ())
