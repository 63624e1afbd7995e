"""As whom the cluster is asked: kubectl's flags for impersonation, which stand before the command."""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Annotated

import typer

from mljobs.controller.kube.access import Access, Impersonation
from mljobs.kubectl.failure import TROUBLE, Failure

AsOption = Annotated[
    str, typer.Option("--as", metavar="USER", help="Act as this user, by impersonation; as kubectl.")
]
AsUidOption = Annotated[str, typer.Option("--as-uid", metavar="UID", help="The user's uid.")]
AsGroupOption = Annotated[
    list[str] | None, typer.Option("--as-group", metavar="GROUP", help="A group of the user; repeatable.")
]
AsUserExtraOption = Annotated[
    list[str] | None,
    typer.Option("--as-user-extra", metavar="KEY=VALUE", help="More about the user; repeatable."),
]

_NOBODY = Impersonation()
_whom: ContextVar[Impersonation] = ContextVar("whom", default=_NOBODY)


def act_as(user: str, uid: str, groups: Sequence[str], extra: Sequence[str]) -> None:
    """Let all that follows be asked as another user.

    Raises:
        Failure: the flags say more about the user, and not who it is.
    """
    pairs = [one.partition("=") for one in extra]
    wrong = next((pair[0] for pair in pairs if not pair[0] or not pair[1]), None)
    if wrong is not None:
        raise Failure(f"--as-user-extra {wrong}: must be KEY=VALUE", code=TROUBLE)
    more: dict[str, list[str]] = {}
    for key, _, value in pairs:
        more.setdefault(key, []).append(value)
    _whom.set(Impersonation(user, uid, tuple(groups), more))


def acting(access: Access) -> Access:
    """The way to a cluster as the user that the flags name, who goes before that of the kubeconfig.

    Raises:
        Failure: uid, groups or more are said of no user.
    """
    given, own = _whom.get(), access.user.impersonation
    whom = Impersonation(
        given.user or own.user, given.uid or own.uid, given.groups or own.groups, given.extra or own.extra
    )
    if whom != _NOBODY and not whom.user:
        raise Failure("--as-uid, --as-group and --as-user-extra need --as", code=TROUBLE)
    return replace(access, user=replace(access.user, impersonation=whom))
