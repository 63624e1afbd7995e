"""gcloud's flags as data: each is one field of the spec, and the command's signature is made from them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from mljobs.kubectl.failure import TROUBLE, Failure

Spec = Mapping[str, Any]

Given = Mapping[str, Any]
"""The flags that were given, by name, with their values as text; switches as booleans."""


@dataclass(frozen=True)
class Flag:
    """One flag.

    Attributes:
        name: with its hyphens, `--master-machine-type`.
        help: for `--help`.
        path: the spec's field, `trainingInput.masterType`; empty for what is worked out with other flags.
        read: makes the field's value of the text; a ValueError says what is wrong with it.
        metavar: stands for the value in `--help`.
        switch: whether it has no value, and a `--no-` form.
        many: whether each of several counts; `read` gets the list of their texts.
    """

    name: str
    help: str
    path: str = ""
    read: Callable[[Any], Any] = str
    metavar: str = "TEXT"
    switch: bool = False
    many: bool = False

    @property
    def parameter(self) -> inspect.Parameter:
        """The flag as a parameter of a typer command."""
        names = f"{self.name}/--no-{self.name[2:]}" if self.switch else self.name
        option = typer.Option(
            names,
            help=self.help,
            metavar=None if self.switch else self.metavar,
            show_default=False,
        )
        kind: Any = bool if self.switch else list[str] if self.many else str
        return inspect.Parameter(
            self.name[2:].replace("-", "_"),
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[kind | None, option],
        )


def taking(flags: Sequence[Flag]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a typer command these flags; the function gets those that were given as its argument `given`."""
    parameters = {flag.name: flag.parameter for flag in flags}

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = [item for item in inspect.signature(function).parameters.values() if item.name != "given"]
        own = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in own]

        def command(**values: Any) -> None:
            given = {name: values.pop(parameter.name) for name, parameter in parameters.items()}
            function(
                given={name: value for name, value in given.items() if value not in (None, [])}, **values
            )

        together = [*own, *parameters.values()]
        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__annotations__ = {item.name: item.annotation for item in together}
        command.__signature__ = inspect.Signature(together)  # type: ignore[attr-defined]
        return command

    return decorate


def overlay(spec: Spec, flags: Sequence[Flag], given: Given) -> Spec:
    """Put the given flags over a spec, field by field, as gcloud does with its config file.

    A flag whose value reads as None leaves the field as it is.

    Raises:
        Failure: a value cannot be read.
    """
    for flag in flags:
        if flag.path and flag.name in given:
            value = _read(flag, given[flag.name])
            spec = spec if value is None else put(spec, flag.path, value)
    return spec


def _read(flag: Flag, value: Any) -> Any:
    try:
        return value if flag.switch else flag.read(value)
    except ValueError as error:
        shown = " ".join(value) if flag.many else value
        raise Failure(f"{flag.name} {shown}: {error}", code=TROUBLE) from None


def put(spec: Spec, path: str, value: Any) -> Spec:
    """A copy of a spec with another value at a path; objects on the way keep their other members."""
    key, _, rest = path.partition(".")
    if not rest:
        return {**spec, key: value}
    inner = spec.get(key)
    return {**spec, key: put(inner if isinstance(inner, Mapping) else {}, rest, value)}


def flag_for(path: str, flags: Sequence[Flag]) -> str:
    """The flag that sets a field, `spec.trainingInput.region`, or something in it; empty if none does."""
    best = ""
    name = ""
    for flag in flags:
        whole = f"spec.{flag.path}"
        if (
            flag.path
            and len(whole) > len(best)
            and (path == whole or path.startswith((f"{whole}.", f"{whole}[")))
        ):
            best, name = whole, flag.name
    return name
