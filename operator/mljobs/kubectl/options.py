"""The options that commands have in common."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from mljobs.kubectl.failure import TROUBLE, Failure

if TYPE_CHECKING:
    from mljobs.kubectl.cluster import Cluster


@dataclass(frozen=True)
class Access:
    """How one of Google's APIs is reached.

    Attributes:
        endpoint: its URL; empty for Google's.
        anonymous: whether to send no credentials.
    """

    endpoint: str = ""
    anonymous: bool = False


class Output(StrEnum):
    """What a command prints."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class DryRun(StrEnum):
    """How far a command goes."""

    NONE = "none"
    CLIENT = "client"
    SERVER = "server"


def _complete(ctx: typer.Context, incomplete: str) -> list[str]:
    from mljobs.kubectl.completion import names

    return names(ctx.params, incomplete)


NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A resource's name, KIND/NAME, or its job's id, display name, number or full name.",
        autocompletion=_complete,
        show_default=False,
    ),
]
NamespaceOption = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Namespace; the context's where left out."),
]
ContextOption = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig.")]
KubeconfigOption = Annotated[
    str | None,
    typer.Option("--kubeconfig", metavar="FILE", help="kubeconfig, in place of KUBECONFIG's."),
]
EndpointOption = Annotated[
    str,
    typer.Option(
        "--endpoint",
        metavar="URL",
        envvar=["MLJOBS_ENDPOINT", "CLOUDSDK_API_ENDPOINT_OVERRIDES_ML"],
        help="The jobs API, in place of Google's.",
    ),
]
LoggingEndpointOption = Annotated[
    str,
    typer.Option(
        "--logging-endpoint",
        metavar="URL",
        envvar=["MLJOBS_LOGGING_ENDPOINT", "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING"],
        help="Cloud Logging, in place of Google's.",
    ),
]
StorageEndpointOption = Annotated[
    str,
    typer.Option(
        "--storage-endpoint",
        metavar="URL",
        envvar=["MLJOBS_STORAGE_ENDPOINT", "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE"],
        help="Cloud Storage, in place of Google's.",
    ),
]
AnonymousOption = Annotated[
    bool,
    typer.Option(
        "--anonymous",
        envvar=["MLJOBS_ANONYMOUS", "CLOUDSDK_AUTH_DISABLE_CREDENTIALS"],
        help="Send no credentials, as to an emulator; otherwise Google's application default credentials.",
    ),
]
DryRunOption = Annotated[
    DryRun,
    typer.Option(
        "--dry-run",
        metavar="[=client|server]",
        help="Print the manifest only; with =server, let the API server check it too.",
    ),
]

USER_ARGS = "mljobs.user_args"
"""Where a context's `meta` has the arguments after `--`; None without one."""


class Command(TyperCommand):
    """A command whose `--dry-run` needs no value, as kubectl's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a bare `--dry-run` its value."""
        end = args.index("--") if "--" in args else len(args)
        before = ["--dry-run=client" if arg == "--dry-run" else arg for arg in args[:end]]
        return super().parse_args(ctx, [*before, *args[end:]])


class ProgramCommand(Command):
    """A command whose arguments after `--` are another program's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Set the other program's arguments aside."""
        end = args.index("--") if "--" in args else len(args)
        ctx.meta[USER_ARGS] = args[end + 1 :] if "--" in args else None
        return super().parse_args(ctx, args[:end])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Name them in the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- USER_ARGS...]"]


def connect(namespace: str | None, context: str | None, kubeconfig: str | None) -> "Cluster":
    """Open the cluster that these options mean.

    Raises:
        Failure: there is none.
    """
    from mljobs.kubectl.cluster import open_cluster

    return open_cluster(namespace, context, kubeconfig)


def length_of_time(flag: str, text: str) -> float:
    """Read an option's length of time, in seconds.

    Raises:
        Failure: it is none.
    """
    from mljobs.console.values import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise Failure(f"{flag} {text}: {error}", code=TROUBLE) from None
